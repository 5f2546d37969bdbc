//! Reads `last_updated`: RFC 3339, or milliseconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

const US_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

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
    let (date, time) = text.split_at_checked(10)?;
    let days = days_since_1970(date)?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = time.split_at_checked(8)?;
    let seconds = seconds_of_day(clock)?;
    let (fraction_us, rest) = match rest.strip_prefix('.') {
        Some(rest) => fraction_us(rest)?,
        None => (0, rest),
    };
    let offset_seconds = offset_seconds(rest)?;
    let seconds = days * SECONDS_PER_DAY + seconds - offset_seconds;
    Some(seconds * US_PER_SECOND + fraction_us)
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

fn days_since_1970(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) {
        return None;
    }
    // Years that start in March put the leap day last, so that a month's start is linear.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(year * 365 + leap_days + day_of_year - 719_468)
}

fn seconds_of_day(clock: &str) -> Option<i64> {
    let mut parts = clock.splitn(3, ':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = digits(parts.next()?, 2)?;
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

fn fraction_us(text: &str) -> Option<(i64, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, rest) = text.split_at(length);
    let kept = &fraction[..length.min(6)];
    let value: i64 = kept.parse().ok()?;
    Some((value * 10_i64.pow(6 - kept.len() as u32), rest))
}

fn offset_seconds(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
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
