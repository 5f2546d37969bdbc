//! `decimal`: digits and the place of the point. A record keeps the double whose own digits they are;
//! a number with more digits than a double tells apart is not known, never rounded.

use scylla::frame::response::result::NativeType;
use scylla::value::{CqlDecimal, CqlValue};

use super::double::DoubleColumn;
use super::{
    Cause, Column, ColumnType, Interner, MatrixCell, NotOfType, Precision, Texts, integer_of,
};

/// Bytes of a CQL decimal before its digits: how many of them are behind the point.
const SCALE_BYTES: usize = 4;

pub(super) struct DecimalColumn;

impl Column for DecimalColumn {
    type Value<'a> = f64;
    const CQL: &[NativeType] = &[NativeType::Decimal];
    const IS_FLOATING: bool = true;
    const WIDTH_BYTES: usize = size_of::<f64>();

    fn parse(text: &str) -> Option<f64> {
        let (digits, exponent) = digits_of(text)?;
        double_of(&digits, exponent)
    }

    fn of_truth(truth: bool) -> Option<f64> {
        DoubleColumn::of_truth(truth)
    }

    fn cause(text: &str, number: f64) -> Cause {
        if digits_of(text).is_some() && number.is_finite() {
            Cause::TooManyDigits
        } else {
            DoubleColumn::cause(text, number)
        }
    }

    fn pack(value: f64, texts: &mut Interner, at: &mut [u8]) -> bool {
        DoubleColumn::pack(value, texts, at)
    }

    fn pack_null(at: &mut [u8]) {
        DoubleColumn::pack_null(at);
    }

    fn unpack(at: &[u8], texts: &dyn Texts) -> Option<f64> {
        DoubleColumn::unpack(at, texts)
    }

    fn decode(cql: &[u8]) -> Result<Option<f64>, NotOfType> {
        let (scale, unscaled) = cql.split_first_chunk::<SCALE_BYTES>().ok_or(NotOfType)?;
        if unscaled.is_empty() {
            return Err(NotOfType);
        }
        let scale = i32::from_be_bytes(*scale);
        // More digits than 64 bits have are more than a double tells apart, but for zeros at the end.
        Ok(integer_of(unscaled).and_then(|digits| {
            let slow = || double_of(&digits.to_string(), -i64::from(scale));
            short_double_of(digits, scale).or_else(slow)
        }))
    }

    fn encode(value: f64) -> CqlValue {
        let text = format!("{value:e}");
        let (digits, exponent) = digits_of(&text).unwrap_or_else(|| ("0".to_owned(), 0));
        let unscaled: i64 = digits.parse().unwrap_or_default();
        let scale = i32::try_from(-exponent).unwrap_or_default();
        let bytes = unscaled.to_be_bytes();
        CqlValue::Decimal(CqlDecimal::from_signed_be_bytes_slice_and_exponent(&bytes, scale))
    }

    fn holds(_number: f64) -> bool {
        true
    }

    fn reads(stored: ColumnType) -> bool {
        use ColumnType::{Boolean, Decimal, Int, Smallint, Tinyint};
        matches!(stored, Decimal | Int | Smallint | Tinyint | Boolean)
    }

    fn join<C: MatrixCell>(at: &[u8]) -> (f64, C) {
        DoubleColumn::join(at)
    }

    fn is_rounded(value: f64, precision: Precision) -> bool {
        DoubleColumn::is_rounded(value, precision)
    }
}

/// A number's digits with its sign, without zeros in front and at the end, and the power of ten that
/// they are to be multiplied by.
fn digits_of(text: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = digits.trim_end_matches('0');
    let zeros = digits.len() - kept.len();
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() {
        return Some(("0".to_owned(), 0));
    }
    let exponent = i64::from(exponent) - fraction.len() as i64 + zeros as i64;
    Some((format!("{sign}{kept}"), exponent))
}

/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// The numbers below have 15 digits: a double tells them apart wherever their point is.
const SHORT_MAX: u64 = 1_000_000_000_000_000;

/// The double of few digits with `scale` of them behind the point, as [`double_of`] finds it; `None`
/// where that is to be asked. Both numbers are exact, so that one operation rounds once.
fn short_double_of(digits: i64, scale: i32) -> Option<f64> {
    let power = *POWERS.get(scale.unsigned_abs() as usize)?;
    if digits.unsigned_abs() >= SHORT_MAX {
        return None;
    }
    let digits = digits as f64;
    Some(if scale < 0 { digits * power } else { digits / power })
}

/// The double whose shortest digits are these, times a power of ten; `None` where it has others.
fn double_of(digits: &str, exponent: i64) -> Option<f64> {
    let written = format!("{digits}e{exponent}");
    let value: f64 = written.parse().ok()?;
    let back = value.is_finite().then(|| format!("{value:e}"))?;
    (digits_of(&back)? == digits_of(&written)?).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Column, DecimalColumn, SHORT_MAX, double_of, short_double_of};

    const SHORT: i64 = SHORT_MAX as i64;

    proptest! {
        #[test]
        fn few_digits_are_the_double_of_all_digits(
            digits in prop_oneof![-SHORT + 1..SHORT, -99_999_i64..100_000],
            scale in -22..=22,
        ) {
            let slow = double_of(&digits.to_string(), -i64::from(scale));
            let bits = |value: Option<f64>| value.map(f64::to_bits);
            prop_assert_eq!(bits(short_double_of(digits, scale)), bits(slow));
        }
    }

    #[test]
    fn many_digits_and_far_points_are_left_to_who_knows_them() {
        assert_eq!(short_double_of(SHORT - 1, -22), double_of("999999999999999", 22));
        for (digits, scale) in [(SHORT, 0), (-SHORT, 0), (1, 23), (1, -23), (1, i32::MIN)] {
            assert_eq!(short_double_of(digits, scale), None, "{digits} {scale}");
        }
    }

    #[test]
    fn a_decimal_is_the_double_of_its_digits_or_not_known() {
        for (text, expected) in [
            ("0.1", Some(0.1)),
            ("-19.990", Some(-19.99)),
            ("+3", Some(3.0)),
            ("1e3", Some(1000.0)),
            ("0.000", Some(0.0)),
            ("9007199254740992", Some(9_007_199_254_740_992.0)),
            ("9007199254740993", None),
            ("0.1000000000000000055511151231257827", None),
            ("1e400", None),
            ("1e-400", None),
            ("", None),
            (".", None),
            ("abc", None),
            ("NaN", None),
        ] {
            assert_eq!(DecimalColumn::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_decimal_of_cql_is_read_as_its_digits_say() {
        let decode = |scale: i32, unscaled: &[u8]| {
            DecimalColumn::decode(&[&scale.to_be_bytes()[..], unscaled].concat())
        };
        assert_eq!(decode(2, &[0x07, 0xcf]), Ok(Some(19.99)));
        assert_eq!(decode(-3, &[0xff]), Ok(Some(-1000.0)));
        assert_eq!(decode(0, &[0x00, 0x20, 0, 0, 0, 0, 0, 1]), Ok(None), "2^53 + 1");
        assert_eq!(decode(i32::MIN, &[1]), Ok(None), "beyond every double");
        assert!(decode(2, &[]).is_err() && DecimalColumn::decode(&[0, 0]).is_err());
    }
}
