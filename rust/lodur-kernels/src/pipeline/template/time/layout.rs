//! Layouts: a reference time written as times are to be written, cut into its elements.

/// One element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    /// `MST`
    ZoneName,
    Offset(OffsetForm),
    /// `.000` (always all digits) or `.999` (no zeros at the end).
    Fraction {
        digits: usize,
        trimmed: bool,
        separator: u8,
    },
}

/// `-07:00` and its kin; with Z, UTC is written as that letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetForm {
    pub z: bool,
    pub colon: bool,
    pub minutes: bool,
    pub seconds: bool,
}

/// The first element, with the text before and the rest after it.
pub fn next_element(layout: &[u8]) -> (&[u8], Option<Element>, &[u8]) {
    for at in 0..layout.len() {
        if let Some((element, skipped, length)) = element_at(&layout[at..]) {
            return (&layout[..at + skipped], Some(element), &layout[at + skipped + length..]);
        }
    }
    (layout, None, b"")
}

/// The element that begins here: what stands before it, and its length.
fn element_at(rest: &[u8]) -> Option<(Element, usize, usize)> {
    let starts = |text: &str| rest.starts_with(text.as_bytes());
    let lower_after = |length: usize| rest.get(length).is_some_and(u8::is_ascii_lowercase);
    let found = |element, length| Some((element, 0, length));
    match rest[0] {
        b'J' if starts("January") => found(Element::LongMonth, 7),
        b'J' if starts("Jan") && !lower_after(3) => found(Element::Month, 3),
        b'M' if starts("Monday") => found(Element::LongWeekday, 6),
        b'M' if starts("Mon") && !lower_after(3) => found(Element::Weekday, 3),
        b'M' if starts("MST") => found(Element::ZoneName, 3),
        b'0' => match rest.get(1)? {
            b'1' => found(Element::ZeroMonth, 2),
            b'2' => found(Element::ZeroDay, 2),
            b'3' => found(Element::ZeroHour12, 2),
            b'4' => found(Element::ZeroMinute, 2),
            b'5' => found(Element::ZeroSecond, 2),
            b'6' => found(Element::Year, 2),
            b'0' if rest.get(2) == Some(&b'2') => found(Element::ZeroYearDay, 3),
            _ => None,
        },
        b'1' if starts("15") => found(Element::Hour, 2),
        b'1' => found(Element::NumMonth, 1),
        b'2' if starts("2006") => found(Element::LongYear, 4),
        b'2' => found(Element::Day, 1),
        b'_' if starts("_2006") => Some((Element::LongYear, 1, 4)),
        b'_' if starts("_2") => found(Element::UnderDay, 2),
        b'_' if starts("__2") => found(Element::UnderYearDay, 3),
        b'3' => found(Element::Hour12, 1),
        b'4' => found(Element::Minute, 1),
        b'5' => found(Element::Second, 1),
        b'P' if starts("PM") => found(Element::UpperPm, 2),
        b'p' if starts("pm") => found(Element::LowerPm, 2),
        b'-' | b'Z' => offset_at(rest),
        b'.' | b',' => fraction_at(rest),
        _ => None,
    }
}

fn offset_at(rest: &[u8]) -> Option<(Element, usize, usize)> {
    let z = rest[0] == b'Z';
    let form = |colon, minutes, seconds| Element::Offset(OffsetForm { z, colon, minutes, seconds });
    let forms = [
        ("070000", form(false, true, true)),
        ("07:00:00", form(true, true, true)),
        ("0700", form(false, true, false)),
        ("07:00", form(true, true, false)),
        ("07", form(false, false, false)),
    ];
    let (text, element) = forms.into_iter().find(|(text, _)| rest[1..].starts_with(text.as_bytes()))?;
    Some((element, 0, 1 + text.len()))
}

fn fraction_at(rest: &[u8]) -> Option<(Element, usize, usize)> {
    let digit = *rest.get(1)?;
    if digit != b'0' && digit != b'9' {
        return None;
    }
    let digits = rest[1..].iter().take_while(|byte| **byte == digit).count();
    if rest.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let element = Element::Fraction { digits, trimmed: digit == b'9', separator: rest[0] };
    Some((element, 0, 1 + digits))
}
