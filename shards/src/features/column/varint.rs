//! `varint`: an integer of any length. A record keeps those of 64 bits; any other is not known.

use scylla::frame::response::result::NativeType;
use scylla::value::{CqlValue, CqlVarint};

use super::bigint::BigintColumn;
use super::{
    Cause, Column, ColumnType, Interner, MatrixCell, NotOfType, Precision, Texts, integer_of,
};

pub(super) struct VarintColumn;

impl Column for VarintColumn {
    type Value<'a> = i64;
    const CQL: &[NativeType] = &[NativeType::Varint];
    const IS_FLOATING: bool = false;
    const WIDTH_BYTES: usize = size_of::<i64>();

    fn parse(text: &str) -> Option<i64> {
        BigintColumn::parse(text)
    }

    fn of_truth(truth: bool) -> Option<i64> {
        BigintColumn::of_truth(truth)
    }

    fn cause(text: &str, number: f64) -> Cause {
        BigintColumn::cause(text, number)
    }

    fn pack(value: i64, texts: &mut Interner, at: &mut [u8]) -> bool {
        BigintColumn::pack(value, texts, at)
    }

    fn unpack(at: &[u8], texts: &dyn Texts) -> Option<i64> {
        BigintColumn::unpack(at, texts)
    }

    fn decode(cql: &[u8]) -> Result<Option<i64>, NotOfType> {
        if cql.is_empty() { Err(NotOfType) } else { Ok(integer_of(cql)) }
    }

    fn encode(value: i64) -> CqlValue {
        CqlValue::Varint(CqlVarint::from_signed_bytes_be_slice(&value.to_be_bytes()))
    }

    fn holds(number: f64) -> bool {
        BigintColumn::holds(number)
    }

    fn reads(stored: ColumnType) -> bool {
        stored == ColumnType::Varint || BigintColumn::reads(stored)
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        BigintColumn::join(at)
    }

    fn is_rounded(value: i64, precision: Precision) -> bool {
        BigintColumn::is_rounded(value, precision)
    }
}
