//! Levels as one byte a row: what `detected_level` says without a string per entry.

/// The normal forms of loki.md 5.6. `None` means that the entry carries no `detected_level` (or that it carries one
/// that is no normal form, which then lies in its structured metadata like any other pair).
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    None = 0,
    Unknown = 1,
    Trace = 2,
    Debug = 3,
    Info = 4,
    Warn = 5,
    Error = 6,
    Critical = 7,
    Fatal = 8,
}

/// The metadata name that the level byte stands for.
pub const LEVEL_NAME: &str = "detected_level";

/// Number of codes, for per-block counts.
pub const LEVEL_COUNT: usize = 9;

const TEXTS: [&str; LEVEL_COUNT] = ["", "unknown", "trace", "debug", "info", "warn", "error", "critical", "fatal"];

impl Level {
    /// The value of `detected_level`; empty for `None`.
    pub fn text(self) -> &'static str {
        TEXTS[self as usize]
    }

    /// The level of a stored code; unknown codes read as `None`.
    pub fn from_code(code: u8) -> Level {
        match code {
            1 => Level::Unknown,
            2 => Level::Trace,
            3 => Level::Debug,
            4 => Level::Info,
            5 => Level::Warn,
            6 => Level::Error,
            7 => Level::Critical,
            8 => Level::Fatal,
            _ => Level::None,
        }
    }
}
