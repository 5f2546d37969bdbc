//! `date`: days since 1970 in 32 bits; a model reads that number.

use scylla::frame::response::result::NativeType;
use scylla::value::{CqlDate, CqlValue};

use super::calendar::{self, SECONDS_PER_DAY, US_PER_SECOND};
use super::int::IntColumn;
use super::{Cause, Column, ColumnType, Interner, MatrixCell, NotOfType, Precision, Texts};

/// The day of 1970-01-01 in CQL.
const CQL_1970: i64 = 1 << 31;

pub(super) struct DateColumn;

impl Column for DateColumn {
    type Value<'a> = i32;
    const CQL: &[NativeType] = &[NativeType::Date];
    const IS_FLOATING: bool = false;
    const WIDTH_BYTES: usize = size_of::<i32>();

    /// A date, or midnight of one as data frames write it.
    fn parse(text: &str) -> Option<i32> {
        let days = calendar::parse_date(text).or_else(|| {
            let us = calendar::parse_us(text)?;
            let day_us = SECONDS_PER_DAY * US_PER_SECOND;
            (us.rem_euclid(day_us) == 0).then(|| us.div_euclid(day_us))
        });
        i32::try_from(days?).ok()
    }

    fn of_truth(_truth: bool) -> Option<i32> {
        None
    }

    fn cause(_text: &str, _number: f64) -> Cause {
        Cause::NotADate
    }

    fn pack(value: i32, texts: &mut Interner, at: &mut [u8]) -> bool {
        IntColumn::pack(value, texts, at)
    }

    fn unpack(at: &[u8], texts: &dyn Texts) -> Option<i32> {
        IntColumn::unpack(at, texts)
    }

    fn decode(cql: &[u8]) -> Result<Option<i32>, NotOfType> {
        let days = u32::from_be_bytes(cql.try_into().map_err(|_| NotOfType)?);
        Ok(i32::try_from(i64::from(days) - CQL_1970).ok())
    }

    fn encode(value: i32) -> CqlValue {
        let days = (i64::from(value) + CQL_1970) as u32;
        CqlValue::Date(CqlDate(days))
    }

    fn holds(number: f64) -> bool {
        IntColumn::holds(number)
    }

    fn reads(stored: ColumnType) -> bool {
        stored == ColumnType::Date
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        IntColumn::join(at)
    }

    fn is_rounded(value: i32, precision: Precision) -> bool {
        IntColumn::is_rounded(value, precision)
    }
}
