//! Zones: names and offsets at an instant. The rules of named zones come with the program.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Where the clock hangs.
#[derive(Clone, Debug)]
pub enum Zone {
    Utc,
    /// An offset that was written in a text, perhaps with a name.
    Fixed {
        name: Arc<str>,
        offset_s: i32,
    },
    Named {
        name: Arc<str>,
        zone: TimeZone,
    },
}

/// Outside of these, no rule of a named zone is known; the nearest instant's is taken.
const INSTANT_MAX_S: i64 = 253_402_207_200;
const INSTANT_MIN_S: i64 = -377_705_023_201;

impl Zone {
    /// A zone of the tz database; None if there is none of this name.
    pub fn named(name: &str) -> Option<Zone> {
        if matches!(name, "" | "UTC" | "Local") {
            return Some(Zone::Utc);
        }
        let zone = TimeZone::get(name).ok()?;
        Some(Zone::Named { name: name.into(), zone })
    }

    /// The name as Go's `Location.String` gives it.
    pub fn name(&self) -> &str {
        match self {
            Zone::Utc => "UTC",
            Zone::Fixed { name, .. } | Zone::Named { name, .. } => name,
        }
    }

    /// Abbreviation and offset, in seconds east of UTC, at an instant.
    pub fn at(&self, seconds: i64) -> (String, i32) {
        match self {
            Zone::Utc => ("UTC".to_owned(), 0),
            Zone::Fixed { name, offset_s } => (name.to_string(), *offset_s),
            Zone::Named { zone, .. } => {
                let instant = Timestamp::from_second(seconds.clamp(INSTANT_MIN_S, INSTANT_MAX_S)).unwrap_or_default();
                let info = zone.to_offset_info(instant);
                (info.abbreviation().to_owned(), info.offset().seconds())
            }
        }
    }

    pub fn is_dst(&self, seconds: i64) -> bool {
        let Zone::Named { zone, .. } = self else { return false };
        let instant = Timestamp::from_second(seconds.clamp(INSTANT_MIN_S, INSTANT_MAX_S)).unwrap_or_default();
        zone.to_offset_info(instant).dst().is_dst()
    }

    /// The offset when a clock here shows these seconds since 1970.
    ///
    /// As Go finds it: by the offset that holds when the clock of UTC shows them.
    pub fn offset_of_clock(&self, shown: i64) -> i64 {
        let near = i64::from(self.at(shown).1);
        i64::from(self.at(shown.saturating_sub(near)).1)
    }
}
