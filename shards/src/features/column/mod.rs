//! The types of columns, one file each: how a value of the type is written in CSV, packed into a
//! record, sent by CQL and put into the model's matrix.
//!
//! [`Column`] is what a type has to say. A line of the table below gives it its word and its place
//! in [`ColumnType`] and [`CellValue`], whose methods choose the type's own; [`words`] writes both.
//!
//! What is *not* here: which columns a model reads (`inputs`) and where a record keeps them
//! (`record`).

/// How a number is packed and sent: as its bytes, the lowest first in a record and last by CQL.
macro_rules! packed_as {
    ($number:ty) => {
        const WIDTH_BYTES: usize = size_of::<$number>();

        fn pack(
            value: $number,
            _texts: &mut $crate::features::texts::Interner,
            at: &mut [u8],
        ) -> bool {
            at[..Self::WIDTH_BYTES].copy_from_slice(&value.to_le_bytes());
            true
        }

        fn unpack(at: &[u8], _texts: &dyn $crate::features::texts::Texts) -> Option<$number> {
            Some(<$number>::from_le_bytes($crate::features::column::bytes(at)))
        }

        fn decode(cql: &[u8]) -> Result<Option<$number>, $crate::features::column::NotOfType> {
            match cql.try_into() {
                Ok(bytes) => Ok(Some(<$number>::from_be_bytes(bytes))),
                Err(_) => Err($crate::features::column::NotOfType),
            }
        }
    };
}

mod bigint;
mod boolean;
pub(in crate::features) use crate::calendar;
mod cause;
mod date;
mod decimal;
mod double;
mod float;
mod int;
mod smallint;
mod text;
mod timestamp;
mod tinyint;
mod uuid;
mod varint;
mod words;
mod written;

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;
use serde::{Deserialize, Serialize};

pub use cause::Cause;
pub(super) use text::code_of;
pub(super) use uuid::text_of as uuid_text;
pub(super) use written::{FALSE_WORDS, TRUE_WORDS};

use super::Precision;
use super::matrix::MatrixCell;
use super::texts::{Interner, Texts};
pub use words::UnknownColumnType;

/// A value of a CQL answer that is no value of its column's type: its length is another type's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotOfType;

/// What a type of columns has to say of its values.
pub(crate) trait Column {
    /// A value, as wide as the type; a text is borrowed.
    type Value<'a>: Copy;
    /// How many bytes of a record a value takes.
    const WIDTH_BYTES: usize;
    /// The types of the CQL columns that are read as this one.
    const CQL: &[NativeType];
    /// Whether values may have a fraction.
    const IS_FLOATING: bool;

    /// The value that a CSV cell is written as.
    fn parse(text: &str) -> Option<Self::Value<'_>>;
    /// The value of a CSV cell that says true or false, where the type has one.
    fn of_truth(truth: bool) -> Option<Self::Value<'static>>;
    /// Why a number is no value of this type.
    fn cause(text: &str, number: f64) -> Cause;

    /// Writes a value to `at`, which has [`Self::WIDTH_BYTES`], a text by its code in `texts`; false
    /// where that has no further code.
    fn pack(value: Self::Value<'_>, texts: &mut Interner, at: &mut [u8]) -> bool;
    /// Writes what stands in the place of null, to bytes that are 0.
    fn pack_null(_at: &mut [u8]) {}
    /// Reads what [`Self::pack`] wrote; `None` where `texts` does not have its text.
    fn unpack<'a>(at: &[u8], texts: &'a dyn Texts) -> Option<Self::Value<'a>>;

    /// Reads a value of a CQL answer; `None` is one that a record can't keep as it is.
    fn decode(cql: &[u8]) -> Result<Option<Self::Value<'_>>, NotOfType>;
    /// A value for a CQL statement.
    fn encode(value: Self::Value<'_>) -> CqlValue;

    /// Whether a request's number is a value of the type.
    fn holds(number: f64) -> bool;
    /// Whether every value of a `stored` column is one of this type.
    fn reads(stored: ColumnType) -> bool;
    /// A packed value for comparisons, and as the matrix takes it.
    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C);
    /// Whether a matrix of this precision holds another number than the value.
    fn is_rounded(value: Self::Value<'_>, precision: Precision) -> bool;
}

macro_rules! column_types {
    ($d:tt $($(#[$meta:meta])* $variant:ident($word:literal, $value:ty) = $kind:ty,)+) => {
        /// The type of a column; every cell reaches the model in the precision of its tensor.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize
        )]
        #[serde(rename_all = "lowercase")]
        pub enum ColumnType {
            $($(#[$meta])* $variant,)+
        }

        /// The value of a cell, in the type of its column.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub enum CellValue<'a> {
            /// Not known.
            Null,
            $(#[doc = concat!("Of a `", $word, "` column.")]
            $variant($value),)+
        }

        impl ColumnType {
            /// Every type, in the order of the table.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word that names it in `model.toml`, in CSV headers and in CQL.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Writes a cell to `at`, whose bytes are 0, a text by its code in `texts`; false where it
            /// is of another type, or there is no further code.
            pub(crate) fn pack(
                self,
                value: CellValue<'_>,
                texts: &mut Interner,
                at: &mut [u8],
            ) -> bool {
                match (self, value) {
                    $((Self::$variant, CellValue::$variant(value)) => {
                        return <$kind>::pack(value, texts, at);
                    })+
                    $((Self::$variant, CellValue::Null) => <$kind>::pack_null(at),)+
                    _ => return false,
                }
                true
            }

            /// Reads a cell that is not null; `None` where `texts` does not have its text.
            pub(crate) fn unpack<'a>(
                self,
                at: &[u8],
                texts: &'a dyn Texts,
            ) -> Option<CellValue<'a>> {
                Some(match self {
                    $(Self::$variant => CellValue::$variant(<$kind>::unpack(at, texts)?),)+
                })
            }

            /// Reads a value of a CQL answer; `None` is one that a record can't keep as it is.
            pub(crate) fn decode(self, cql: &[u8]) -> Result<Option<CellValue<'_>>, NotOfType> {
                Ok(match self {
                    $(Self::$variant => <$kind>::decode(cql)?.map(CellValue::$variant),)+
                })
            }

            /// The value that a CSV cell is written as.
            pub(crate) fn parse(self, text: &str) -> Option<CellValue<'_>> {
                Some(match self {
                    $(Self::$variant => CellValue::$variant(<$kind>::parse(text)?),)+
                })
            }

            /// The value of a CSV cell that says true or false, where the type has one.
            pub(crate) fn of_truth(self, truth: bool) -> Option<CellValue<'static>> {
                Some(match self {
                    $(Self::$variant => CellValue::$variant(<$kind>::of_truth(truth)?),)+
                })
            }
        }

        impl CellValue<'_> {
            /// The value for a CQL statement; `None` where it is not known.
            pub(crate) fn to_cql(self) -> Option<CqlValue> {
                match self {
                    Self::Null => None,
                    $(Self::$variant(value) => Some(<$kind>::encode(value)),)+
                }
            }

            /// Whether a matrix of this precision holds another number than the value.
            pub(crate) fn is_rounded(self, precision: Precision) -> bool {
                match self {
                    Self::Null => false,
                    $(Self::$variant(value) => <$kind>::is_rounded(value, precision),)+
                }
            }
        }

        /// Has the type that a [`ColumnType`] says answer.
        macro_rules! of_type {
            ($d column_type:expr, $d kind:ident => $d answer:expr) => {
                match $d column_type {
                    $(ColumnType::$variant => {
                        type $d kind = $kind;
                        $d answer
                    })+
                }
            };
        }
    };
}

column_types! { $
    /// 32-bit floating point.
    #[default]
    Float("float", f32) = float::FloatColumn,
    /// 64-bit floating point.
    Double("double", f64) = double::DoubleColumn,
    /// 32-bit integer.
    Int("int", i32) = int::IntColumn,
    /// 64-bit integer.
    Bigint("bigint", i64) = bigint::BigintColumn,
    /// 16-bit integer.
    Smallint("smallint", i16) = smallint::SmallintColumn,
    /// 8-bit integer.
    Tinyint("tinyint", i8) = tinyint::TinyintColumn,
    /// A decimal number, as the double of its digits.
    Decimal("decimal", f64) = decimal::DecimalColumn,
    /// An integer of any length, of which 64 bits are kept.
    Varint("varint", i64) = varint::VarintColumn,
    /// `true` is 1, `false` is 0.
    Boolean("boolean", bool) = boolean::BooleanColumn,
    /// Text, which a model reads as the code of a category.
    Text("text", &'a str) = text::TextColumn,
    /// µs since 1970.
    Timestamp("timestamp", i64) = timestamp::TimestampColumn,
    /// Days since 1970.
    Date("date", i32) = date::DateColumn,
    /// 16 bytes, which a model reads as their text.
    Uuid("uuid", [u8; 16]) = uuid::UuidColumn,
}

impl ColumnType {
    /// The type that cells of a CQL type are read as.
    pub(crate) fn of_cql(native: &NativeType) -> Option<Self> {
        Self::ALL.into_iter().find(|it| of_type!(*it, Kind => Kind::CQL.contains(native)))
    }

    /// How many bytes of a record a cell takes.
    pub(crate) const fn width_bytes(self) -> usize {
        of_type!(self, Kind => Kind::WIDTH_BYTES)
    }

    /// Whether values may have a fraction.
    pub(crate) const fn is_floating(self) -> bool {
        of_type!(self, Kind => Kind::IS_FLOATING)
    }

    /// The words of all types, for people.
    pub(crate) fn words() -> String {
        let words = Self::ALL.map(Self::as_str);
        let (last, others) = words.split_last().unwrap_or((&"", &[]));
        format!("{} or {last}", others.join(", "))
    }

    /// Whether a model reads values as categories, by their text.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Uuid)
    }

    /// Whether values are numbers of CSV and JSON: the others are written as text.
    pub(crate) const fn is_numeric(self) -> bool {
        !matches!(self, Self::Text | Self::Uuid | Self::Timestamp | Self::Date)
    }

    /// Why a number in a CSV file is no value of this type.
    pub(crate) fn cause(self, text: &str, number: f64) -> Cause {
        of_type!(self, Kind => Kind::cause(text, number))
    }

    /// Whether a request's `number` is one that a column of this type can hold; NaN stands for null.
    pub fn holds(self, number: f64) -> bool {
        number.is_nan() || of_type!(self, Kind => Kind::holds(number))
    }

    /// Whether every value of a `stored` column is one of this type.
    pub(crate) fn reads(self, stored: Self) -> bool {
        of_type!(self, Kind => Kind::reads(stored))
    }

    /// A packed cell that is not null, for comparisons and as the matrix takes it.
    #[inline]
    pub(crate) fn join<C: MatrixCell>(self, at: &[u8]) -> (f64, C) {
        of_type!(self, Kind => Kind::join(at))
    }
}

/// The integer that these bytes are in two's complement, the highest first, where 64 bits hold it.
fn integer_of(bytes: &[u8]) -> Option<i64> {
    let fill = if *bytes.first()? < 0x80 { 0 } else { 0xff };
    let (above, kept) = bytes.split_at(bytes.len().saturating_sub(size_of::<i64>()));
    let mut value = [fill; size_of::<i64>()];
    value[size_of::<i64>() - kept.len()..].copy_from_slice(kept);
    let value = i64::from_be_bytes(value);
    let has_sign = (value < 0) == (fill == 0xff);
    (has_sign && above.iter().all(|byte| *byte == fill)).then_some(value)
}

/// The first bytes of `at`, which are a value's.
///
/// # Panics
/// When `at` has fewer.
#[inline]
pub(super) fn bytes<const WIDTH: usize>(at: &[u8]) -> [u8; WIDTH] {
    let mut bytes = [0; WIDTH];
    bytes.copy_from_slice(&at[..WIDTH]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{CellValue, Precision};

    #[test]
    fn what_a_float_has_is_not_rounded() {
        use CellValue::{Bigint, Boolean, Double, Float, Int, Null};
        for (value, in_f32, in_f64) in [
            (Null, false, false),
            (Float(0.1), false, false),
            (Boolean(true), false, false),
            (Double(0.5), false, false),
            (Double(0.1), true, false),
            (Double(1e300), true, false),
            (Double(f64::NAN), false, false),
            (Double(f64::INFINITY), false, false),
            (Int(1 << 24), false, false),
            (Int((1 << 24) + 1), true, false),
            (Int(i32::MAX), true, false),
            (Int(i32::MIN), false, false),
            (Bigint((1 << 24) + 1), true, false),
            (Bigint((1 << 53) + 1), true, true),
            (Bigint(i64::MAX), true, true),
            (Bigint(i64::MIN), false, false),
        ] {
            assert_eq!(value.is_rounded(Precision::F32), in_f32, "{value:?}");
            assert_eq!(value.is_rounded(Precision::F64), in_f64, "{value:?}");
        }
    }
}
