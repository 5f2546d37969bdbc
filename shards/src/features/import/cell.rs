//! The value of a cell: what its text means in a column of a type, and where it means nothing, what
//! its writer may have meant.

use crate::features::column::{Cause, CellValue, ColumnType, FALSE_WORDS, TRUE_WORDS};
use crate::features::texts::TEXT_BYTES_MAX;

/// How much of a wrong cell is shown, in characters.
const SHOWN_CHARACTERS_MAX: usize = 40;

/// Words for "not known" of spreadsheets, databases and data frames, beside the empty cell.
const NULL_WORDS: [&str; 15] = [
    "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "null", "NULL", "Null", "None",
    "none", "nil", r"\N",
];
/// The only one of them that no column of text has for a value: `NA` is Namibia, too.
const TEXT_NULL_WORD: &str = r"\N";
/// How many letters a unit has at most: a text with more is no number with a unit.
const UNIT_LETTERS_MAX: usize = 3;

/// What a cell was read as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CellRead<'t> {
    pub(super) value: CellValue<'t>,
    /// The word that stands for the value, where it is not of the column's type itself.
    pub(super) word: Option<&'static str>,
}

/// A cell's value. An empty one is null, and so is a word for that; a float column's NaN stays one. A
/// text is any text but `\N`.
pub(super) fn read(text: &[u8], column_type: ColumnType) -> Result<CellRead<'_>, Cause> {
    if text.is_empty() {
        return Ok(CellRead { value: CellValue::Null, word: None });
    }
    let text = std::str::from_utf8(text).map_err(|_| Cause::NotUtf8)?;
    let is_text = column_type == ColumnType::Text;
    if is_text && text.len() > TEXT_BYTES_MAX {
        return Err(Cause::TextTooLong);
    }
    if !is_text && let Some(value) = column_type.parse(text) {
        return Ok(CellRead { value, word: None });
    }
    if let Some(word) = among(&NULL_WORDS, text)
        && (!is_text || word == TEXT_NULL_WORD)
    {
        return Ok(CellRead { value: CellValue::Null, word: Some(word) });
    }
    if is_text {
        return Ok(CellRead { value: CellValue::Text(text), word: None });
    }
    let truth = [(&TRUE_WORDS, true), (&FALSE_WORDS, false)]
        .into_iter()
        .find_map(|(words, truth)| Some((among(words, text)?, truth)));
    match truth {
        Some((word, truth)) => {
            let value = column_type.of_truth(truth).ok_or_else(|| cause(text, column_type))?;
            Ok(CellRead { value, word: Some(word) })
        }
        None => Err(cause(text, column_type)),
    }
}

fn among(words: &[&'static str], text: &str) -> Option<&'static str> {
    words.iter().copied().find(|word| *word == text)
}

fn cause(text: &str, column_type: ColumnType) -> Cause {
    if let Ok(number) = text.parse() {
        return column_type.cause(text, number);
    }
    let bytes = text.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = text.chars().filter(|character| character.is_alphabetic()).count();
    let has = |mark: char, count: usize| text.matches(mark).count() == count;
    if !column_type.is_numeric() {
        column_type.cause(text, f64::NAN)
    } else if digits >= 6
        && (has('-', 2) || has('/', 2) || has(':', 2) || (has('.', 2) && letters == 0))
    {
        Cause::Date
    } else if column_type == ColumnType::Boolean {
        Cause::NotBoolean
    } else if digits > 0 && letters == 0 && bytes.contains(&b',') {
        Cause::Comma
    } else if digits > 0 && letters <= UNIT_LETTERS_MAX && has('_', 0) && has('-', 0) {
        Cause::Unit
    } else {
        Cause::Text
    }
}

/// Whether a float32 says another number than the digits it was read from: 16777217 and
/// 0.123456789012 do, 0.1 does not, as it is the number that comes back.
#[expect(clippy::float_cmp, reason = "it is about the last bit")]
pub(super) fn is_rounded(text: &[u8], value: f32) -> bool {
    // So many digits always come back from a float32, where it is not smaller than most.
    const SHORT: usize = f32::DIGITS as usize;
    let is_usual = value.abs() >= f32::MIN_POSITIVE;
    if !value.is_finite() || (is_usual && text.len() <= SHORT) {
        return false;
    }
    let digits = significant_digits(text);
    if digits == 0 || (is_usual && digits <= SHORT) {
        return false;
    }
    let Some(meant) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok())
    else {
        return false;
    };
    // A fraction comes back where it is the shortest number that reads as the float32: nine digits
    // at most. A whole number that is written out is meant exactly.
    f64::from(value) != meant
        && (!is_usual
            || digits > 9
            || (meant.fract() == 0.0 && !text.iter().any(|byte| matches!(byte, b'e' | b'E')))
            || value.to_string().parse::<f64>().is_ok_and(|back| back != meant))
}

/// How many digits of a number count: zeros in front and at its end do not.
fn significant_digits(text: &[u8]) -> usize {
    let (mut digits, mut zeros) = (0, 0);
    for byte in text {
        match byte {
            b'0' if digits == 0 => {}
            b'0' => zeros += 1,
            b'1'..=b'9' => {
                digits += zeros + 1;
                zeros = 0;
            }
            b'e' | b'E' => break,
            _ => {}
        }
    }
    digits
}

/// A cell for people: shortened, and what is no UTF-8 replaced.
pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::{Cause, CellRead, CellValue, ColumnType, is_rounded, read};

    #[test]
    fn words_of_other_programs_are_read() {
        use ColumnType::{Bigint, Boolean, Double, Float, Int};
        for word in ["NA", "N/A", "#N/A", "<NA>", "null", "NULL", "None", r"\N"] {
            for column_type in ColumnType::ALL.into_iter().filter(|it| *it != ColumnType::Text) {
                let expected = CellRead { value: CellValue::Null, word: Some(word) };
                assert_eq!(read(word.as_bytes(), column_type), Ok(expected), "{word}");
            }
        }
        for (text, value) in [("NA", CellValue::Text("NA")), (r"\N", CellValue::Null)] {
            assert_eq!(read(text.as_bytes(), ColumnType::Text).map(|it| it.value), Ok(value));
        }
        for (text, column_type, value) in [
            ("True", Float, CellValue::Float(1.0)),
            ("False", Double, CellValue::Double(0.0)),
            ("TRUE", Int, CellValue::Int(1)),
            ("false", Bigint, CellValue::Bigint(0)),
            ("True", Boolean, CellValue::Boolean(true)),
            ("1.0", Boolean, CellValue::Boolean(true)),
            ("3.0", Int, CellValue::Int(3)),
            ("-3.", Int, CellValue::Int(-3)),
            ("9007199254740993.000", Bigint, CellValue::Bigint(9_007_199_254_740_993)),
            ("NaN", Int, CellValue::Null),
        ] {
            assert_eq!(read(text.as_bytes(), column_type).map(|it| it.value), Ok(value), "{text}");
        }
        assert!(matches!(read(b"nan", Float), Ok(CellRead { value: CellValue::Float(value), .. })
            if value.is_nan()));
    }

    #[test]
    fn what_is_no_value_has_a_likely_cause() {
        use ColumnType::{Bigint, Boolean, Double, Float, Int};
        for (text, column_type, cause) in [
            ("1e39", Float, Cause::Wider(Double)),
            ("1e999", Double, Cause::TooGreat),
            ("1e999", Float, Cause::TooGreat),
            ("3.5", Int, Cause::Fraction),
            ("3e2", Bigint, Cause::Exponent),
            ("2147483648", Int, Cause::Wider(Bigint)),
            ("9223372036854775808", Bigint, Cause::Wider(Double)),
            ("1,5", Float, Cause::Comma),
            ("1,234.50", Double, Cause::Comma),
            ("2026-01-31", Float, Cause::Date),
            ("31.01.2026", Float, Cause::Date),
            ("12:30:00", Int, Cause::Date),
            ("12 %", Float, Cause::Unit),
            ("€100", Float, Cause::Unit),
            ("yes", Boolean, Cause::NotBoolean),
            ("2", Boolean, Cause::NotBoolean),
            ("Berlin", Float, Cause::Text),
            ("?", Float, Cause::Text),
        ] {
            assert_eq!(read(text.as_bytes(), column_type), Err(cause), "{text}");
        }
        assert_eq!(read(b"M\xfcnchen", Float), Err(Cause::NotUtf8));
    }

    #[test]
    fn a_rounded_number_is_told_from_one_that_comes_back() {
        for (text, expected) in [
            ("0.1", false),
            ("16777216", false),
            ("16777217", true),
            ("1677721700", true),
            ("0.12345678", false),
            ("0.1234567890123", true),
            ("0.5000000000000", false),
            ("0.30000001192092896", false),
            ("123456.7", false),
            ("1e-42", true),
            ("1e-300", true),
            ("0", false),
            ("-33554433", true),
            ("3.4028235e38", false),
        ] {
            let value: f32 = text.parse().unwrap();
            assert_eq!(is_rounded(text.as_bytes(), value), expected, "{text} as {value}");
        }
    }
}
