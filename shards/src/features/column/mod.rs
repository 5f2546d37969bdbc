//! The types of columns, one file each: how a value of the type is written in CSV, packed into a
//! record, sent by CQL and put into the model's matrix.
//!
//! [`Column`] is what a type has to say. A line of the table below gives it its word and its place
//! in [`ColumnType`] and [`CellValue`], whose methods choose the type's own.
//!
//! What is *not* here: which columns a model reads (`inputs`) and where a record keeps them
//! (`record`).

/// How a number is packed and sent: as its bytes, the lowest first in a record and last by CQL.
macro_rules! packed_as {
    ($number:ty) => {
        const WIDTH_BYTES: usize = size_of::<$number>();

        fn pack(value: $number, at: &mut [u8]) {
            at[..Self::WIDTH_BYTES].copy_from_slice(&value.to_le_bytes());
        }

        fn unpack(at: &[u8]) -> $number {
            <$number>::from_le_bytes($crate::features::column::bytes(at))
        }

        fn decode(cql: &[u8]) -> Option<$number> {
            Some(<$number>::from_be_bytes(cql.try_into().ok()?))
        }
    };
}

mod bigint;
mod boolean;
mod cause;
mod double;
mod float;
mod int;
mod text;

use std::fmt;
use std::str::FromStr;

use scylla::frame::response::result::NativeType;
use scylla::value::CqlValue;
use serde::{Deserialize, Serialize};

pub use cause::Cause;
pub(super) use text::{FALSE_WORDS, TRUE_WORDS};

use super::Precision;
use super::matrix::MatrixCell;

/// What a type of columns has to say of its values.
pub(crate) trait Column {
    /// A value, as wide as the type.
    type Value: Copy;
    /// How many bytes of a record a value takes.
    const WIDTH_BYTES: usize;
    /// The type of the CQL columns that are read as this one.
    const CQL: NativeType;
    /// Whether values may have a fraction.
    const IS_FLOATING: bool;

    /// The value that a CSV cell is written as.
    fn parse(text: &str) -> Option<Self::Value>;
    /// The value of a CSV cell that says true or false.
    fn of_truth(truth: bool) -> Self::Value;
    /// Why a number is no value of this type.
    fn cause(text: &str, number: f64) -> Cause;

    /// Writes a value to `at`, which has [`Self::WIDTH_BYTES`].
    fn pack(value: Self::Value, at: &mut [u8]);
    /// Writes what stands in the place of null, to bytes that are 0.
    fn pack_null(_at: &mut [u8]) {}
    /// Reads what [`Self::pack`] wrote.
    fn unpack(at: &[u8]) -> Self::Value;

    /// Reads a value of a CQL answer; `None` where its length is another type's.
    fn decode(cql: &[u8]) -> Option<Self::Value>;
    /// A value for a CQL statement.
    fn encode(value: Self::Value) -> CqlValue;

    /// Whether a request's number is a value of the type.
    fn holds(number: f64) -> bool;
    /// Whether every value of a `stored` column is one of this type.
    fn reads(stored: ColumnType) -> bool;
    /// The value for comparisons, and as the matrix takes it.
    fn join<C: MatrixCell>(value: Self::Value) -> (f64, C);
    /// Whether a matrix of this precision holds another number than the value.
    fn is_rounded(value: Self::Value, precision: Precision) -> bool;
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
        pub enum CellValue {
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

            /// Writes a cell to `at`, whose bytes are 0; false where it is of another type.
            pub(crate) fn pack(self, value: CellValue, at: &mut [u8]) -> bool {
                match (self, value) {
                    $((Self::$variant, CellValue::$variant(value)) => {
                        <$kind>::pack(value, at);
                    })+
                    $((Self::$variant, CellValue::Null) => <$kind>::pack_null(at),)+
                    _ => return false,
                }
                true
            }

            /// Reads a cell that is not null.
            pub(crate) fn unpack(self, at: &[u8]) -> CellValue {
                match self {
                    $(Self::$variant => CellValue::$variant(<$kind>::unpack(at)),)+
                }
            }

            /// Reads a value of a CQL answer; `None` where its length is another type's.
            pub(crate) fn decode(self, cql: &[u8]) -> Option<CellValue> {
                Some(match self {
                    $(Self::$variant => CellValue::$variant(<$kind>::decode(cql)?),)+
                })
            }

            /// The value that a CSV cell is written as.
            pub(crate) fn parse(self, text: &str) -> Option<CellValue> {
                Some(match self {
                    $(Self::$variant => CellValue::$variant(<$kind>::parse(text)?),)+
                })
            }

            /// The value of a CSV cell that says true or false.
            pub(crate) fn of_truth(self, truth: bool) -> CellValue {
                match self {
                    $(Self::$variant => CellValue::$variant(<$kind>::of_truth(truth)),)+
                }
            }
        }

        impl CellValue {
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
    /// `true` is 1, `false` is 0.
    Boolean("boolean", bool) = boolean::BooleanColumn,
}

impl ColumnType {
    /// The type that cells of a CQL type are read as.
    pub(crate) fn of_cql(native: &NativeType) -> Option<Self> {
        Self::ALL.into_iter().find(|it| of_type!(*it, Kind => Kind::CQL == *native))
    }

    /// How many bytes of a record a cell takes.
    pub(crate) const fn width_bytes(self) -> usize {
        of_type!(self, Kind => Kind::WIDTH_BYTES)
    }

    /// Whether values may have a fraction.
    pub(crate) const fn is_floating(self) -> bool {
        of_type!(self, Kind => Kind::IS_FLOATING)
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
        of_type!(self, Kind => Kind::join(Kind::unpack(at)))
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A word that names no column type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a column type ({})", ColumnType::ALL.map(ColumnType::as_str).join(", "))]
pub struct UnknownColumnType {
    /// The word.
    pub word: String,
}

impl FromStr for ColumnType {
    type Err = UnknownColumnType;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|column_type| column_type.as_str() == word);
        named.ok_or_else(|| UnknownColumnType { word: word.to_owned() })
    }
}

/// The first bytes of `at`, which are a value's.
///
/// # Panics
/// When `at` has fewer.
#[inline]
fn bytes<const WIDTH: usize>(at: &[u8]) -> [u8; WIDTH] {
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
