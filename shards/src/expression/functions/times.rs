//! Times, in UTC. The clock is the arrival of the request: it is given, never read here.

use super::{Function, Kernel, Overload};
use crate::calendar;
use crate::expression::frame::Frame;
use crate::expression::types::Type::{Double, Int, Text, Timestamp};

const US_PER_HOUR: i64 = 3_600_000_000;
const HOURS_PER_DAY: i64 = 24;
const US_PER_DAY: i64 = HOURS_PER_DAY * US_PER_HOUR;
const DAYS_PER_WEEK: i64 = 7;
/// 1970 began on a Thursday, the day of the week 4.
const FIRST_DAY_OF_WEEK: i64 = 4;

/// An overload that takes the clock behind its values.
const fn by_clock(
    takes: &'static [crate::expression::types::Type],
    gives: crate::expression::types::Type,
    kernel: Kernel,
) -> Overload {
    Overload { takes, gives, reads_clock: true, kernel }
}

/// How many units lie between two times.
fn between(later: i64, earlier: i64, unit_us: i64) -> Option<f64> {
    Some(later.checked_sub(earlier)? as f64 / unit_us as f64)
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "now",
        "when the request arrived",
        &[by_clock(&[], Timestamp, |frame, call| {
            frame.copy(call);
        })],
    ),
    Function::new(
        "hours_since",
        "hours from a time to the request's arrival; below 0 of one to come",
        &[by_clock(&[Timestamp], Double, |frame, call| {
            frame.map2(call, |then, now| between(now, then, US_PER_HOUR));
        })],
    ),
    Function::new(
        "days_since",
        "the same in days of 24 hours",
        &[by_clock(&[Timestamp], Double, |frame, call| {
            frame.map2(call, |then, now| between(now, then, US_PER_DAY));
        })],
    ),
    Function::new(
        "hour_of_day",
        "0 to 23, in UTC",
        &[Overload::new(&[Timestamp], Int, |frame, call| {
            frame.map(call, |us: i64| Some(us.div_euclid(US_PER_HOUR).rem_euclid(HOURS_PER_DAY)));
        })],
    ),
    Function::new(
        "day_of_week",
        "0 (Sunday) to 6, in UTC",
        &[Overload::new(&[Timestamp], Int, |frame, call| {
            frame.map(call, |us: i64| {
                Some((us.div_euclid(US_PER_DAY) + FIRST_DAY_OF_WEEK).rem_euclid(DAYS_PER_WEEK))
            });
        })],
    ),
    Function::new(
        "timestamp",
        "the time that a text says, as `2026-01-31T12:00:00Z`; in UTC where it has no zone",
        &[
            Overload::new(&[Timestamp], Timestamp, Frame::copy),
            Overload::new(&[Text], Timestamp, |frame, call| {
                frame.read_texts(call, |[text]| calendar::parse_us(text));
            }),
        ],
    ),
];
