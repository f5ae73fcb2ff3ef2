//! Dates in UTC from a system time, so that no time zone database is needed.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;

/// `2026-10-03`.
pub fn date(time: SystemTime) -> String {
    let (year, month, day) = civil(seconds(time) / SECONDS_PER_DAY);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-10-03T14:05:09Z` (RFC 3339).
pub fn rfc3339(time: SystemTime) -> String {
    let second = seconds(time) % SECONDS_PER_DAY;
    format!("{}T{:02}:{:02}:{:02}Z", date(time), second / 3600, second / 60 % 60, second % 60)
}

/// A clock set before 1970 counts as 1970: a record must not fail for that.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Year, month and day of a count of days since 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last day of its year. An era has 400 years, after which
/// the Gregorian calendar repeats.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    const DAYS_FROM_0000_03_01_TO_1970: u64 = 719_468;
    let days = days + DAYS_FROM_0000_03_01_TO_1970;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, months have lengths 31 30 31 30 31 | 31 30 31 30 31 | 31 x: five months are 153 days.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn known_instants() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
        assert_eq!(date(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01");
    }
}
