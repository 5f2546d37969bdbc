//! Dates and times as text.

pub(crate) const US_PER_SECOND: i64 = 1_000_000;
/// How far ahead of this machine's clock a time may be that others say, in s: clocks differ.
pub(crate) const AHEAD_S_MAX: i64 = 300;
pub(crate) const SECONDS_PER_DAY: i64 = 86_400;

/// How many seconds a time is ahead of the clock, both in µs since 1970, where that is more than clocks
/// differ.
pub(crate) fn too_far_ahead_s(at_us: i64, now_us: i64) -> Option<i64> {
    let ahead_us = at_us.saturating_sub(now_us);
    (ahead_us > AHEAD_S_MAX * US_PER_SECOND).then_some(ahead_us / US_PER_SECOND)
}

/// What stands in for a time zone that is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Nothing: the time has to say it.
    Said,
    /// Times without one are in UTC, as databases and data frames write them.
    Utc,
}

/// A time in µs since 1970: `2026-01-31T12:00:00Z`, with fractions and offsets as RFC 3339, cqlsh
/// (`+0000`) and Postgres (`+00`) write them, in UTC where there is none; a date is its midnight.
pub(crate) fn parse_us(text: &str) -> Option<i64> {
    match parse_date(text) {
        Some(days) => in_us(days, 0, 0, 0),
        None => parse_time_us(text, Zone::Utc),
    }
}

/// A date with its time of the day.
pub(crate) fn parse_time_us(text: &str, zone: Zone) -> Option<i64> {
    let (date, time) = text.split_at(text.find(['T', 't', ' '])?);
    let days = parse_date(date)?;
    let (clock, rest) = time.get(1..)?.split_at_checked(8)?;
    let seconds = seconds_of_day(clock)?;
    let (fraction_us, rest) = match rest.strip_prefix('.') {
        Some(rest) => fraction_us(rest)?,
        None => (0, rest),
    };
    let offset = match (rest, zone) {
        ("", Zone::Utc) => 0,
        _ => offset_seconds(rest, zone)?,
    };
    in_us(days, seconds, offset, fraction_us)
}

fn in_us(days: i64, seconds: i64, offset: i64, fraction_us: i64) -> Option<i64> {
    let seconds = i128::from(days) * i128::from(SECONDS_PER_DAY) + i128::from(seconds - offset);
    i64::try_from(seconds * i128::from(US_PER_SECOND) + i128::from(fraction_us)).ok()
}

/// The days since 1970 of `2026-01-31`; a year has four digits, or up to seven and a sign.
pub(crate) fn parse_date(date: &str) -> Option<i64> {
    let (sign, unsigned) = match date.as_bytes().first()? {
        b'-' => (-1, &date[1..]),
        b'+' => (1, &date[1..]),
        _ => (0, date),
    };
    let mut parts = unsigned.splitn(3, '-');
    let year = parts.next()?;
    let year = match (sign, year.len()) {
        (0, 4) => digits(year, 4)?,
        (0, _) => return None,
        (sign, length @ 4..=7) => sign * digits(year, length)?,
        _ => return None,
    };
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

/// Writes the date of a day since 1970, as [`parse_date`] reads it.
pub(crate) fn write_date(days: i64, to: &mut impl std::fmt::Write) -> std::fmt::Result {
    // Eras of 400 years, which begin in March of a year that four hundred divides.
    const ERA_DAYS: i64 = 146_097;
    let day = days + 719_468;
    let (era, day) = (day.div_euclid(ERA_DAYS), day.rem_euclid(ERA_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let year = era * 400 + year;
    let sign = match year {
        ..0 => "-",
        0..10_000 => "",
        _ => "+",
    };
    write!(to, "{sign}{:04}-{month:02}-{day_of_month:02}", year.abs())
}

/// Writes a time, as [`parse_us`] reads it.
pub(crate) fn write_us(us: i64, to: &mut impl std::fmt::Write) -> std::fmt::Result {
    let seconds = us.div_euclid(US_PER_SECOND);
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    write_date(seconds.div_euclid(SECONDS_PER_DAY), to)?;
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    write!(to, "T{hours:02}:{minutes:02}:{seconds:02}")?;
    match us.rem_euclid(US_PER_SECOND) {
        0 => to.write_char('Z'),
        fraction => write!(to, ".{fraction:06}Z"),
    }
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

fn offset_seconds(text: &str, zone: Zone) -> Option<i64> {
    if matches!(text, "Z" | "z") || (zone == Zone::Utc && text == " UTC") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match (rest.split_once(':'), rest.len(), zone) {
        (Some((hours, minutes)), ..) => (hours, minutes),
        (None, 4, Zone::Utc) => rest.split_at_checked(2)?,
        (None, 2, Zone::Utc) => (rest, "00"),
        _ => return None,
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{parse_date, parse_us, write_date};
    use crate::features::column::{CellValue, ColumnType};

    #[test]
    fn times_of_other_programs_are_read() {
        let expected = Some(1_704_164_645_000_000);
        for text in [
            "2024-01-02T03:04:05Z",
            "2024-01-02 03:04:05",
            "2024-01-02 03:04:05 UTC",
            "2024-01-02 04:04:05+01",
            "2024-01-02T04:04:05+0100",
            "2024-01-02t03:04:05.000z",
            "2024-01-02 03:04:05.000000+0000",
            "2024-01-01 22:34:05-04:30",
        ] {
            assert_eq!(parse_us(text), expected, "{text}");
        }
        let timestamp = |text: &'static str| ColumnType::Timestamp.parse(text);
        for text in ["1704164645", "1704164645000", "1704164645000000", "2024-01-02 03:04:05"] {
            assert_eq!(timestamp(text), expected.map(CellValue::Timestamp), "{text}");
        }
        assert_eq!(parse_us("2024-01-02"), Some(1_704_153_600_000_000));
        for text in ["1704164645000000000", "yesterday", "2024-01-02T", "2024-01-02 3:04:05", ""] {
            assert_eq!(timestamp(text), None, "{text}");
        }
        let date = |text: &'static str| ColumnType::Date.parse(text);
        assert_eq!(date("2024-01-02 00:00:00"), Some(CellValue::Date(19_724)));
        assert_eq!(date("2024-01-02 00:00:01"), None);
        assert_eq!(date("19724"), None);
    }

    proptest! {
        #[test]
        fn a_date_is_read_as_it_is_written(days in prop_oneof![any::<i32>(), -800_000..40_000_i32]) {
            let mut text = String::new();
            write_date(i64::from(days), &mut text).unwrap();
            prop_assert_eq!(parse_date(&text), Some(i64::from(days)), "{}", text);
        }
    }
}
