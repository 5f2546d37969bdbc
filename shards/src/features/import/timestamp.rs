//! Reads `last_updated`: RFC 3339, or milliseconds since 1970.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::calendar::{AHEAD_S_MAX, too_far_ahead_s};
use crate::features::column::calendar::{self, SECONDS_PER_DAY, US_PER_SECOND, Zone};

/// The time, in µs since 1970.
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A time in µs since 1970 from `2026-01-31T12:00:00Z`, with fractions and offsets as RFC 3339
/// has them, or from milliseconds since 1970.
pub(crate) fn parse_us(text: &str) -> Option<i64> {
    if let Ok(milliseconds) = text.parse::<i64>() {
        return milliseconds.checked_mul(1000);
    }
    calendar::parse_time_us(text, Zone::Said)
}

/// Why a row was not written at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrittenTimeError {
    /// It is no time.
    #[error("is neither an RFC 3339 time nor milliseconds since 1970")]
    NotATime,
    /// Such a row would never expire.
    #[error(
        "is {ahead_s} s ahead of this machine's clock, at most {AHEAD_S_MAX} s are taken: a number is \
         milliseconds since 1970"
    )]
    Ahead {
        /// How far ahead, in s.
        ahead_s: i64,
    },
    /// No row is so old.
    #[error("is before 1970: a number is milliseconds since 1970")]
    Before1970,
}

/// When a row was written, in µs since 1970, as [`parse_us`] reads it, by a clock of `now_us`.
pub(crate) fn written_us(text: &str, now_us: i64) -> Result<i64, WrittenTimeError> {
    let at_us = parse_us(text).ok_or(WrittenTimeError::NotATime)?;
    if let Some(ahead_s) = too_far_ahead_s(at_us, now_us) {
        return Err(WrittenTimeError::Ahead { ahead_s });
    }
    if at_us < 0 {
        return Err(WrittenTimeError::Before1970);
    }
    Ok(at_us)
}

/// A time in µs since 1970 as RFC 3339 has it, in UTC.
pub fn shown_time(us: i64) -> String {
    let (seconds, fraction) = (us.div_euclid(US_PER_SECOND), us.rem_euclid(US_PER_SECOND));
    let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let mut text = String::with_capacity("2026-01-31T12:00:00.000000Z".len());
    // A String takes all that is written to it.
    let _ = calendar::write_date(days, &mut text);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let _ = write!(text, "T{hour:02}:{minute:02}:{:02}", second % 60);
    let _ = match fraction {
        0 => Ok(()),
        us if us % 1000 == 0 => write!(text, ".{:03}", us / 1000),
        us => write!(text, ".{us:06}"),
    };
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::{WrittenTimeError, parse_us, written_us};

    #[test]
    fn a_row_is_written_by_now() {
        let now_us = 1_796_092_575_141_729;
        for text in ["0", "1796092575141", "1796092875141", "2026-12-01T00:00:00Z"] {
            assert!(written_us(text, now_us).is_ok(), "{text}");
        }
        // Microseconds in place of milliseconds.
        for text in ["1796092575141729", "2199-01-01T00:00:00Z", "1796092876142"] {
            let found = written_us(text, now_us);
            assert!(matches!(found, Err(WrittenTimeError::Ahead { .. })), "{text}");
        }
        for text in ["-1", "1969-12-31T23:59:59Z"] {
            assert_eq!(written_us(text, now_us), Err(WrittenTimeError::Before1970), "{text}");
        }
    }

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
