//! Times read by a layout.

use super::civil::{MONTHS, WEEKDAYS, days_in, days_of_date, is_leap};
use super::layout::{Element, OffsetForm, next_element};
use super::{Time, Zone};

/// `time.ParseInLocation`; None where it gives an error.
pub fn parse_time(layout: &[u8], value: &[u8], zone: &Zone) -> Option<Time> {
    let mut parsed = Parsed::default();
    let (mut layout, mut value) = (layout, value);
    loop {
        let (before, element, after) = next_element(layout);
        value = skip(value, before)?;
        let Some(element) = element else {
            return if value.is_empty() { parsed.time(zone) } else { None };
        };
        value = parsed.read(element, value, after)?;
        layout = after;
    }
}

#[derive(Default)]
struct Parsed {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    ns: u32,
    afternoon: Option<bool>,
    utc: bool,
    offset_s: Option<i64>,
    zone_name: Option<String>,
}

impl Parsed {
    /// Read one element; gives what is left of the value.
    fn read<'v>(&mut self, element: Element, value: &'v [u8], layout: &[u8]) -> Option<&'v [u8]> {
        let rest;
        match element {
            Element::Year => {
                let year = number_of(value.get(..2)?)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                rest = &value[2..];
            }
            Element::LongYear => {
                value.first().filter(|byte| byte.is_ascii_digit())?;
                self.year = number_of(value.get(..4)?)?;
                rest = &value[4..];
            }
            Element::Month => rest = self.read_month(value, 3)?,
            Element::LongMonth => rest = self.read_month(value, usize::MAX)?,
            Element::NumMonth | Element::ZeroMonth => {
                let (month, left) = digits(value, element == Element::ZeroMonth)?;
                self.month = Some(month).filter(|month| (1..=12).contains(month));
                self.month?;
                rest = left;
            }
            Element::Weekday => rest = look_up(&WEEKDAYS, value, 3)?.1,
            Element::LongWeekday => rest = look_up(&WEEKDAYS, value, usize::MAX)?.1,
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                let value =
                    if element == Element::UnderDay { value.strip_prefix(b" ").unwrap_or(value) } else { value };
                let (day, left) = digits(value, element == Element::ZeroDay)?;
                self.day = Some(day);
                rest = left;
            }
            Element::UnderYearDay | Element::ZeroYearDay => rest = self.read_year_day(element, value)?,
            Element::Hour => (self.hour, rest) = bounded(value, false, 23)?,
            Element::Hour12 | Element::ZeroHour12 => {
                (self.hour, rest) = bounded(value, element == Element::ZeroHour12, 12)?;
            }
            Element::Minute | Element::ZeroMinute => {
                (self.minute, rest) = bounded(value, element == Element::ZeroMinute, 59)?;
            }
            Element::Second | Element::ZeroSecond => {
                let (second, left) = bounded(value, element == Element::ZeroSecond, 59)?;
                self.second = second;
                rest = self.read_unasked_fraction(left, layout)?;
            }
            Element::UpperPm | Element::LowerPm => {
                let words: [&[u8]; 2] = if element == Element::UpperPm { [b"AM", b"PM"] } else { [b"am", b"pm"] };
                let word = value.get(..2)?;
                self.afternoon = Some(words.iter().position(|known| *known == word)? == 1);
                rest = &value[2..];
            }
            Element::Offset(form) => rest = self.read_offset(form, value)?,
            Element::ZoneName => rest = self.read_zone_name(value)?,
            Element::Fraction { digits, trimmed: false, .. } => {
                self.ns = nanoseconds(value.get(..1 + digits)?)?;
                rest = &value[1 + digits..];
            }
            Element::Fraction { trimmed: true, .. } => {
                let length = fraction_length(value);
                if length > 0 {
                    self.ns = nanoseconds(&value[..length])?;
                }
                rest = &value[length..];
            }
        }
        Some(rest)
    }

    fn read_month<'v>(&mut self, value: &'v [u8], length: usize) -> Option<&'v [u8]> {
        let (at, rest) = look_up(&MONTHS, value, length)?;
        self.month = Some(at + 1);
        Some(rest)
    }

    fn read_year_day<'v>(&mut self, element: Element, value: &'v [u8]) -> Option<&'v [u8]> {
        let mut value = value;
        if element == Element::UnderYearDay {
            for _ in 0..2 {
                value = value.strip_prefix(b" ").unwrap_or(value);
            }
        }
        let length = value.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 || (element == Element::ZeroYearDay && length != 3) {
            return None;
        }
        self.year_day = number_of(&value[..length]);
        Some(&value[length..])
    }

    /// A fraction behind the seconds is read even if the layout has none.
    fn read_unasked_fraction<'v>(&mut self, value: &'v [u8], layout: &[u8]) -> Option<&'v [u8]> {
        let length = fraction_length(value);
        if length == 0 || matches!(next_element(layout).1, Some(Element::Fraction { .. })) {
            return Some(value);
        }
        self.ns = nanoseconds(&value[..length])?;
        Some(&value[length..])
    }

    fn read_offset<'v>(&mut self, form: OffsetForm, value: &'v [u8]) -> Option<&'v [u8]> {
        if form.z && value.first() == Some(&b'Z') {
            self.utc = true;
            return Some(&value[1..]);
        }
        let sign = match value.first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let mut rest = &value[1..];
        let mut parts = [0; 3];
        let wanted = 1 + usize::from(form.minutes) + usize::from(form.seconds);
        for (at, part) in parts.iter_mut().take(wanted).enumerate() {
            if at > 0 && form.colon {
                rest = rest.strip_prefix(b":")?;
            }
            (*part, rest) = digits(rest, true)?;
        }
        let [hours, minutes, seconds] = parts;
        if hours > 24 || minutes > 60 || seconds > 60 {
            return None;
        }
        self.offset_s = Some(sign * ((hours * 60 + minutes) * 60 + seconds));
        Some(rest)
    }

    fn read_zone_name<'v>(&mut self, value: &'v [u8]) -> Option<&'v [u8]> {
        if let Some(rest) = value.strip_prefix(b"UTC") {
            self.utc = true;
            return Some(rest);
        }
        let length = zone_name_length(value)?;
        self.zone_name = Some(String::from_utf8_lossy(&value[..length]).into_owned());
        Some(&value[length..])
    }

    fn time(mut self, zone: &Zone) -> Option<Time> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let (month, day) = self.month_and_day()?;
        if day < 1 || day > days_in(month, self.year) {
            return None;
        }
        let days = days_of_date(self.year, month, day);
        let seconds = (self.hour * 60 + self.minute) * 60 + self.second;
        let shown = Time::from_clock(days, seconds, self.ns, Zone::Utc);
        if self.utc {
            return Some(shown);
        }
        if let Some(offset_s) = self.offset_s {
            return Some(at_offset(shown, offset_s, self.zone_name.unwrap_or_default(), zone));
        }
        match self.zone_name {
            Some(name) => Some(in_named_zone(shown, &name, zone)),
            None => Some(Time::from_clock(days, seconds, self.ns, zone.clone())),
        }
    }

    fn month_and_day(&self) -> Option<(i64, i64)> {
        let Some(year_day) = self.year_day else {
            return Some((self.month.unwrap_or(1), self.day.unwrap_or(1)));
        };
        if year_day < 1 || year_day > 365 + i64::from(is_leap(self.year)) {
            return None;
        }
        let date = super::civil::date_of_days(days_of_date(self.year, 1, year_day));
        let agrees = self.month.is_none_or(|month| month == date.month) && self.day.is_none_or(|day| day == date.day);
        agrees.then_some((date.month, date.day))
    }
}

fn at_offset(shown: Time, offset_s: i64, name: String, zone: &Zone) -> Time {
    let seconds = shown.seconds - offset_s;
    let (local_name, local_offset) = zone.at(seconds);
    let zone = if i64::from(local_offset) == offset_s && (name.is_empty() || name == local_name) {
        zone.clone()
    } else {
        Zone::Fixed { name: name.into(), offset_s: i32::try_from(offset_s).unwrap_or(0) }
    };
    Time { seconds, ns: shown.ns, zone }
}

/// With an abbreviation: that of the zone itself, or one that nobody knows, at no offset (or `GMT+3`).
fn in_named_zone(shown: Time, name: &str, zone: &Zone) -> Time {
    let known = zone.offset_of_clock(shown.seconds);
    let seconds = shown.seconds - known;
    if zone.at(seconds).0 == name {
        return Time { seconds, ns: shown.ns, zone: zone.clone() };
    }
    let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
    Time { zone: Zone::Fixed { name: name.into(), offset_s: hours * 3600 }, ..shown }
}

/// The value without a text; runs of blanks are all the same.
fn skip<'v>(value: &'v [u8], text: &[u8]) -> Option<&'v [u8]> {
    let (mut value, mut text) = (value, text);
    while let Some(first) = text.first() {
        if *first == b' ' {
            if value.first().is_some_and(|byte| *byte != b' ') {
                return None;
            }
            let without_blanks = |text: &[u8]| text.iter().take_while(|byte| **byte == b' ').count();
            text = &text[without_blanks(text)..];
            value = &value[without_blanks(value)..];
            continue;
        }
        value = value.strip_prefix(&[*first])?;
        text = &text[1..];
    }
    Some(value)
}

/// One or two digits, or two if fixed.
fn digits(value: &[u8], fixed: bool) -> Option<(i64, &[u8])> {
    let length = value.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || (fixed && length != 2) {
        return None;
    }
    Some((number_of(&value[..length])?, &value[length..]))
}

fn bounded(value: &[u8], fixed: bool, max: i64) -> Option<(i64, &[u8])> {
    digits(value, fixed).filter(|(number, _)| *number <= max)
}

fn number_of(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn look_up<'v>(names: &[&str], value: &'v [u8], length: usize) -> Option<(i64, &'v [u8])> {
    let names = names.iter().map(|name| &name.as_bytes()[..length.min(name.len())]);
    for (at, name) in names.enumerate() {
        if value.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return Some((i64::try_from(at).ok()?, &value[name.len()..]));
        }
    }
    None
}

/// Bytes of a separator and the digits after it; 0 if there are none.
fn fraction_length(value: &[u8]) -> usize {
    if !matches!(value.first(), Some(b'.' | b',')) {
        return 0;
    }
    match value[1..].iter().take_while(|byte| byte.is_ascii_digit()).count() {
        0 => 0,
        digits => 1 + digits,
    }
}

/// Nanoseconds of a separator and digits; more than nine are cut off.
fn nanoseconds(text: &[u8]) -> Option<u32> {
    if !matches!(text.first(), Some(b'.' | b',')) || !text[1..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = &text[1..text.len().min(10)];
    let value: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(value * 10u32.pow(9 - u32::try_from(digits.len()).ok()?))
}

fn zone_name_length(value: &[u8]) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with(b"ChST") || value.starts_with(b"MeST") {
        return Some(4);
    }
    if value.starts_with(b"GMT") {
        return Some(3 + signed_offset_length(&value[3..]));
    }
    if matches!(value[0], b'+' | b'-') {
        return Some(signed_offset_length(value)).filter(|length| *length > 0);
    }
    match value.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() {
        5 if value[4] == b'T' => Some(5),
        4 if value[3] == b'T' || value.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// Length of `+3` or `-11`; 0 if it is none.
fn signed_offset_length(value: &[u8]) -> usize {
    if !matches!(value.first(), Some(b'+' | b'-')) {
        return 0;
    }
    let digits = value[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    match number_of(&value[1..1 + digits]) {
        Some(hours) if hours <= 23 => 1 + digits,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn unix(layout: &str, value: &str) -> Option<i64> {
        parse_time(layout.as_bytes(), value.as_bytes(), &Zone::Utc).map(|time| time.seconds)
    }

    #[test]
    fn reads_by_layout() {
        assert_eq!(unix("2006-01-02T15:04:05Z07:00", "2024-02-29T12:00:00.5+02:00"), Some(1_709_200_800));
        assert_eq!(unix("Jan _2 2006 3:04PM", "Feb  3 2024 1:05AM"), Some(1_706_922_300));
        assert_eq!(unix("2006 002", "2024 060"), Some(1_709_164_800));
        assert_eq!(unix("02/01/06", "31/12/69"), Some(-86_400));
        assert_eq!(unix("2006-01-02", "2023-02-29"), None);
        assert_eq!(unix("15:04", "24:00"), None);
        assert_eq!(unix("2006-01-02", "2024-01-01x"), None);
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let summer = parse_time(b"2006-01-02 15:04", b"2024-07-01 12:00", &berlin).unwrap();
        assert_eq!(String::from_utf8(summer.printed()).unwrap(), "2024-07-01 12:00:00 +0200 CEST");
        let gap = parse_time(b"2006-01-02 15:04", b"2024-03-31 02:30", &berlin).unwrap();
        assert_eq!(String::from_utf8(gap.printed()).unwrap(), "2024-03-31 03:30:00 +0200 CEST");
    }
}
