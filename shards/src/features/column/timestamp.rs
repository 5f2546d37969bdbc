//! `timestamp`: µs since 1970 in 64 bits; a model reads that number. CQL keeps milliseconds.

use scylla::frame::response::result::NativeType;
use scylla::value::{CqlTimestamp, CqlValue};

use super::bigint::BigintColumn;
use super::calendar;
use super::{Cause, Column, ColumnType, Interner, MatrixCell, NotOfType, Precision, Texts};

/// Numbers below this are seconds since 1970, until the year 5138.
const SECONDS_END: u64 = 100_000_000_000;
/// Those below this are milliseconds, since 1973.
const MILLISECONDS_END: u64 = SECONDS_END * 1_000;
/// Those below this are µs; beyond, they would be nanoseconds, which a record does not keep.
const MICROSECONDS_END: u64 = MILLISECONDS_END * 1_000;

pub(super) struct TimestampColumn;

impl Column for TimestampColumn {
    type Value<'a> = i64;
    const CQL: &[NativeType] = &[NativeType::Timestamp];
    const IS_FLOATING: bool = false;
    const WIDTH_BYTES: usize = size_of::<i64>();

    /// ISO 8601, cqlsh, Postgres, or seconds, milliseconds or µs since 1970 by their size.
    fn parse(text: &str) -> Option<i64> {
        if let Ok(number) = text.parse::<i64>() {
            return match number.unsigned_abs() {
                ..SECONDS_END => number.checked_mul(1_000_000),
                SECONDS_END..MILLISECONDS_END => number.checked_mul(1_000),
                MILLISECONDS_END..MICROSECONDS_END => Some(number),
                _ => None,
            };
        }
        calendar::parse_us(text)
    }

    fn of_truth(_truth: bool) -> Option<i64> {
        None
    }

    fn cause(_text: &str, _number: f64) -> Cause {
        Cause::NotATime
    }

    fn pack(value: i64, texts: &mut Interner, at: &mut [u8]) -> bool {
        BigintColumn::pack(value, texts, at)
    }

    fn unpack(at: &[u8], texts: &dyn Texts) -> Option<i64> {
        BigintColumn::unpack(at, texts)
    }

    fn decode(cql: &[u8]) -> Result<Option<i64>, NotOfType> {
        let milliseconds = BigintColumn::decode(cql)?;
        Ok(milliseconds.and_then(|milliseconds| milliseconds.checked_mul(1_000)))
    }

    fn encode(value: i64) -> CqlValue {
        CqlValue::Timestamp(CqlTimestamp(value.div_euclid(1_000)))
    }

    fn holds(number: f64) -> bool {
        BigintColumn::holds(number)
    }

    fn reads(stored: ColumnType) -> bool {
        stored == ColumnType::Timestamp
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        BigintColumn::join(at)
    }

    fn is_rounded(value: i64, precision: Precision) -> bool {
        BigintColumn::is_rounded(value, precision)
    }
}
