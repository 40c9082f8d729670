//! Times written by a layout.

use super::Time;
use super::civil::{MONTHS, WEEKDAYS};
use super::layout::{Element, OffsetForm, next_element};

/// Go's layout of a printed time.
const PRINTED: &[u8] = b"2006-01-02 15:04:05.999999999 -0700 MST";

impl Time {
    /// `Time.String`.
    pub fn printed(&self) -> Vec<u8> {
        self.format(PRINTED)
    }

    /// `Time.Format`.
    pub fn format(&self, layout: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(layout.len() + 10);
        let mut rest = layout;
        while !rest.is_empty() {
            let (before, element, after) = next_element(rest);
            out.extend_from_slice(before);
            let Some(element) = element else { break };
            self.write(element, &mut out);
            rest = after;
        }
        out
    }

    fn write(&self, element: Element, out: &mut Vec<u8>) {
        match element {
            Element::LongYear => padded(out, self.date().year, 4),
            Element::Year => padded(out, self.date().year.abs() % 100, 2),
            Element::LongMonth => out.extend_from_slice(self.month_name().as_bytes()),
            Element::Month => out.extend_from_slice(&self.month_name().as_bytes()[..3]),
            Element::NumMonth => padded(out, self.date().month, 0),
            Element::ZeroMonth => padded(out, self.date().month, 2),
            Element::LongWeekday => out.extend_from_slice(self.weekday_name().as_bytes()),
            Element::Weekday => out.extend_from_slice(&self.weekday_name().as_bytes()[..3]),
            Element::Day => padded(out, self.date().day, 0),
            Element::UnderDay => blank_padded(out, self.date().day, 2),
            Element::ZeroDay => padded(out, self.date().day, 2),
            Element::UnderYearDay => blank_padded(out, self.date().year_day, 3),
            Element::ZeroYearDay => padded(out, self.date().year_day, 3),
            Element::Hour => padded(out, self.clock().0, 2),
            Element::Hour12 => padded(out, self.hour12(), 0),
            Element::ZeroHour12 => padded(out, self.hour12(), 2),
            Element::Minute => padded(out, self.clock().1, 0),
            Element::ZeroMinute => padded(out, self.clock().1, 2),
            Element::Second => padded(out, self.clock().2, 0),
            Element::ZeroSecond => padded(out, self.clock().2, 2),
            Element::UpperPm => out.extend_from_slice(if self.clock().0 >= 12 { b"PM" } else { b"AM" }),
            Element::LowerPm => out.extend_from_slice(if self.clock().0 >= 12 { b"pm" } else { b"am" }),
            Element::ZoneName => self.write_zone_name(out),
            Element::Offset(form) => self.write_offset(form, out),
            Element::Fraction { digits, trimmed, separator } => self.write_fraction(digits, trimmed, separator, out),
        }
    }

    fn month_name(&self) -> &'static str {
        MONTHS[usize::try_from(self.date().month - 1).unwrap_or(0) % 12]
    }

    fn weekday_name(&self) -> &'static str {
        WEEKDAYS[usize::try_from(self.weekday()).unwrap_or(0) % 7]
    }

    fn hour12(&self) -> i64 {
        (self.clock().0 + 11) % 12 + 1
    }

    fn write_zone_name(&self, out: &mut Vec<u8>) {
        let (name, offset_s) = self.zone.at(self.seconds);
        if !name.is_empty() {
            out.extend_from_slice(name.as_bytes());
            return;
        }
        let minutes = offset_s / 60;
        out.push(if minutes < 0 { b'-' } else { b'+' });
        padded(out, i64::from(minutes.abs() / 60), 2);
        padded(out, i64::from(minutes.abs() % 60), 2);
    }

    fn write_offset(&self, form: OffsetForm, out: &mut Vec<u8>) {
        let (_, offset_s) = self.zone.at(self.seconds);
        if form.z && offset_s == 0 {
            out.push(b'Z');
            return;
        }
        let minutes = offset_s / 60;
        let mut parts = vec![i64::from(minutes.abs() / 60)];
        if form.minutes {
            parts.push(i64::from(minutes.abs() % 60));
        }
        if form.seconds {
            parts.push(i64::from(offset_s.abs() % 60));
        }
        out.push(if minutes < 0 { b'-' } else { b'+' });
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 && form.colon {
                out.push(b':');
            }
            padded(out, part, 2);
        }
    }

    fn write_fraction(&self, digits: usize, trimmed: bool, separator: u8, out: &mut Vec<u8>) {
        if trimmed && self.ns == 0 {
            return;
        }
        let nine = format!("{:09}", self.ns);
        let mut fraction = &nine[..digits.min(9)];
        if trimmed {
            fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() {
                return;
            }
        }
        out.push(separator);
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// A number with zeros before it; the sign is not counted.
fn padded(out: &mut Vec<u8>, value: i64, width: usize) {
    let sign = if value < 0 { "-" } else { "" };
    out.extend_from_slice(format!("{sign}{:0width$}", value.unsigned_abs()).as_bytes());
}

fn blank_padded(out: &mut Vec<u8>, value: i64, width: usize) {
    out.extend_from_slice(format!("{value:width$}").as_bytes());
}
