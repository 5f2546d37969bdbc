//! Reads `last_updated`: RFC 3339, or milliseconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::features::column::calendar::{self, SECONDS_PER_DAY, US_PER_SECOND, Zone};

/// The time, in µs since 1970.
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A time in µs since 1970 from `2026-01-31T12:00:00Z`, with fractions and offsets as RFC 3339
/// has them, or from milliseconds since 1970.
pub(super) fn parse_us(text: &str) -> Option<i64> {
    if let Ok(milliseconds) = text.parse::<i64>() {
        return milliseconds.checked_mul(1000);
    }
    calendar::parse_time_us(text, Zone::Said)
}

/// A time in µs since 1970 as RFC 3339 has it, in UTC.
pub(crate) fn shown_time(us: i64) -> String {
    let (seconds, fraction) = (us.div_euclid(US_PER_SECOND), us.rem_euclid(US_PER_SECOND));
    let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    // Years that start in March, in eras of 400 years, which have as many days each.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (year, month + 3),
        _ => (year + 1, month - 9),
    };
    let (year, minute) = (era * 400 + year, second / 60);
    let fraction = match fraction {
        0 => String::new(),
        us if us % 1000 == 0 => format!(".{:03}", us / 1000),
        us => format!(".{us:06}"),
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z",
        minute / 60,
        minute % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::parse_us;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("0", 0),
            ("1500", 1_500_000),
            ("-1", -1000),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.5Z", -500_000),
            ("2000-02-29 12:00:00+01:00", 951_822_000_000_000),
            ("2026-11-23T12:34:39.1234567z", 1_795_437_279_123_456),
        ] {
            assert_eq!(parse_us(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+1:00",
            "9223372036854775807",
            "2026-01-0éT00:00:00Z",
        ] {
            assert_eq!(parse_us(text), None, "{text}");
        }
    }
}
