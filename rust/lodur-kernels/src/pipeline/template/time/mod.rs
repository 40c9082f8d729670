//! Times and durations as Go's package `time` has them: instants with a zone, layouts, methods.
//!
//! Layouts are cut in `layout`, written in `format` and read in `parse`; `zone` knows offsets; `methods` are those that a
//! template may call on a value.

mod civil;
mod duration;
mod format;
mod layout;
mod methods;
mod parse;
mod zone;

pub use civil::{MONTHS, WEEKDAYS};
pub use duration::format_duration;
pub use methods::{call_method, find_method, named as named_number};
pub use parse::parse_time;
pub use zone::Zone;

use civil::{Date, date_of_days};

const SECONDS_PER_DAY: i64 = 86_400;
const NS_PER_S: i64 = 1_000_000_000;

/// Seconds from the start of year 1 to 1970.
const UNIX_OF_YEAR_ONE: i64 = -62_135_596_800;

/// An instant, shown in a zone.
#[derive(Clone, Debug)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    pub ns: u32,
    pub zone: Zone,
}

impl Time {
    pub fn from_unix(seconds: i64, ns: i64) -> Time {
        let carry = ns.div_euclid(NS_PER_S);
        let ns = u32::try_from(ns.rem_euclid(NS_PER_S)).unwrap_or(0);
        Time { seconds: seconds.wrapping_add(carry), ns, zone: Zone::Utc }
    }

    pub fn from_unix_ns(ts_ns: i64) -> Time {
        Time::from_unix(0, ts_ns)
    }

    /// Go's zero value: the start of year 1.
    pub fn zero() -> Time {
        Time::from_unix(UNIX_OF_YEAR_ONE, 0)
    }

    pub fn is_zero(&self) -> bool {
        self.seconds == UNIX_OF_YEAR_ONE && self.ns == 0
    }

    /// The instant at which a clock in the zone shows this.
    pub fn from_clock(days: i64, seconds_of_day: i64, ns: u32, zone: Zone) -> Time {
        let shown = days.saturating_mul(SECONDS_PER_DAY).saturating_add(seconds_of_day);
        let seconds = shown - zone.offset_of_clock(shown);
        Time { seconds, ns, zone }
    }

    pub fn unix_ns(&self) -> i64 {
        self.seconds.wrapping_mul(NS_PER_S).wrapping_add(i64::from(self.ns))
    }

    /// Seconds since 1970 as a clock in the zone shows them.
    fn shown_seconds(&self) -> i64 {
        self.seconds.saturating_add(i64::from(self.zone.at(self.seconds).1))
    }

    fn date(&self) -> Date {
        date_of_days(self.shown_seconds().div_euclid(SECONDS_PER_DAY))
    }

    /// Hour, minute and second.
    fn clock(&self) -> (i64, i64, i64) {
        let seconds = self.shown_seconds().rem_euclid(SECONDS_PER_DAY);
        (seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// Sunday is 0.
    fn weekday(&self) -> i64 {
        (self.shown_seconds().div_euclid(SECONDS_PER_DAY) + 4).rem_euclid(7)
    }

    pub fn in_zone(&self, zone: Zone) -> Time {
        Time { zone, ..self.clone() }
    }

    fn order(&self, other: &Time) -> std::cmp::Ordering {
        (self.seconds, self.ns).cmp(&(other.seconds, other.ns))
    }

    /// Later by so many nanoseconds.
    fn add(&self, ns: i64) -> Time {
        let moved = Time::from_unix(self.seconds, i64::from(self.ns) + ns % NS_PER_S);
        Time { seconds: moved.seconds.wrapping_add(ns / NS_PER_S), ns: moved.ns, zone: self.zone.clone() }
    }

    /// Nanoseconds since another instant, at most what fits.
    fn since(&self, other: &Time) -> i64 {
        let ns = (i128::from(self.seconds) - i128::from(other.seconds)) * i128::from(NS_PER_S)
            + (i128::from(self.ns) - i128::from(other.ns));
        i64::try_from(ns).unwrap_or(if ns > 0 { i64::MAX } else { i64::MIN })
    }
}
