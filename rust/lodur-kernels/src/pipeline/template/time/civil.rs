//! The Gregorian calendar, for all years.

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Days from 1 March of year 0 to 1970.
const DAYS_TO_1970: i64 = 719_468;

const DAYS_PER_ERA: i64 = 146_097;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    pub year: i64,
    /// From 1.
    pub month: i64,
    pub day: i64,
    /// From 1.
    pub year_day: i64,
}

/// The date of a number of days since 1970.
pub fn date_of_days(days: i64) -> Date {
    let shifted = days.saturating_add(DAYS_TO_1970);
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Date { year, month, day, year_day: days - days_of_date(year, 1, 1) + 1 }
}

/// Days since 1970 of a date; months and days may lie outside their ranges.
pub fn days_of_date(year: i64, month: i64, day: i64) -> i64 {
    let year = year.saturating_add((month - 1).div_euclid(12)).clamp(-300_000_000_000, 300_000_000_000);
    let month = (month - 1).rem_euclid(12) + 1;
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970).saturating_add(day - 1)
}

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for days in (-800_000..800_000).step_by(997).chain([0, -1, 59, 60, 789]) {
            let date = date_of_days(days);
            assert_eq!(days_of_date(date.year, date.month, date.day), days, "{date:?}");
        }
        assert_eq!(date_of_days(0), Date { year: 1970, month: 1, day: 1, year_day: 1 });
        assert_eq!(date_of_days(19_782), Date { year: 2024, month: 2, day: 29, year_day: 60 });
        assert_eq!(days_of_date(2024, 14, 0), days_of_date(2025, 1, 31));
    }
}
