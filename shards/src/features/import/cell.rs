//! The value of a cell: what its text means in a column of a type, and where it means nothing, what
//! its writer may have meant.

use super::dialect::DecimalMark;
use super::rounding::is_rounded;
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
/// Words of columns of truth values beside those that every column knows: of people, of Postgres.
const YES_WORDS: [&str; 6] = ["yes", "Yes", "YES", "y", "Y", "t"];
const NO_WORDS: [&str; 6] = ["no", "No", "NO", "n", "N", "f"];
/// How many letters a unit has at most: a text with more is no number with a unit.
const UNIT_LETTERS_MAX: usize = 3;
/// The longest number that a decimal comma is looked for in, in bytes.
const NUMBER_BYTES_MAX: usize = 64;

/// What a cell was read as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CellRead<'a> {
    pub(super) value: CellValue<'a>,
    /// The word that stands for the value, where it is not of the column's type itself.
    pub(super) word: Option<&'a str>,
}

/// How the cells of a file are to be read.
#[derive(Debug, Clone, Default)]
pub(super) struct CellRules {
    /// Numbers have a comma before their fraction.
    pub(super) decimal: DecimalMark,
    /// No comma separates columns, so it may stand in numbers.
    pub(super) is_comma_free: bool,
    /// Words that mean "not known", in the place of the usual ones.
    pub(super) nulls: Option<Vec<String>>,
}

impl CellRules {
    /// Whether a cell of a column of text, or of another one, is not known.
    pub(super) fn is_null(&self, text: &str, is_text: bool) -> bool {
        match &self.nulls {
            Some(words) => words.iter().any(|word| word == text) || (text.is_empty() && !is_text),
            None if is_text => text.is_empty() || text == TEXT_NULL_WORD,
            None => text.is_empty() || NULL_WORDS.contains(&text),
        }
    }

    /// Whether it is a word for "not known" that a column of text keeps as it is.
    pub(super) fn is_kept_word(&self, text: &str) -> bool {
        self.nulls.is_none() && text != TEXT_NULL_WORD && NULL_WORDS.contains(&text)
    }

    /// A cell's value. An empty one is null, and so is a word for that; a float column's NaN stays
    /// one.
    pub(super) fn read<'a>(
        &self,
        text: &'a [u8],
        column_type: ColumnType,
    ) -> Result<CellRead<'a>, Cause> {
        if text.is_empty() && self.nulls.is_none() {
            return Ok(CellRead { value: CellValue::Null, word: None });
        }
        let text = std::str::from_utf8(text).map_err(|_| Cause::NotUtf8)?;
        let is_text = is_text(column_type);
        if is_text && text.len() > TEXT_BYTES_MAX {
            return Err(Cause::TextTooLong);
        }
        if (self.nulls.is_some() || is_text) && self.is_null(text, is_text) {
            let word = (!text.is_empty()).then_some(text);
            return Ok(CellRead { value: CellValue::Null, word });
        }
        if let Some(value) = self.parse(text, column_type) {
            return Ok(CellRead { value, word: None });
        }
        if self.is_null(text, is_text) {
            return Ok(CellRead { value: CellValue::Null, word: Some(text) });
        }
        let value = truth(text, column_type).and_then(|truth| column_type.of_truth(truth));
        match value {
            Some(value) => Ok(CellRead { value, word: Some(text) }),
            None => Err(cause(text, column_type)),
        }
    }

    /// Whether a cell that is no value of the type is a number with another decimal mark.
    pub(super) fn has_other_mark(&self, text: &[u8], column_type: ColumnType) -> bool {
        let other = match self.decimal {
            DecimalMark::Comma => b'.',
            DecimalMark::Point if self.is_comma_free => b',',
            DecimalMark::Point => return false,
        };
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.,".contains(byte);
        column_type.is_numeric() && text.contains(&other) && text.iter().all(is_part)
    }

    /// The value that a text of the type is; a number by the file's decimal mark.
    pub(super) fn parse<'a>(
        &self,
        text: &'a str,
        column_type: ColumnType,
    ) -> Option<CellValue<'a>> {
        if self.decimal == DecimalMark::Point || !column_type.is_numeric() {
            return column_type.parse(text);
        }
        let mut plain = [0; NUMBER_BYTES_MAX];
        // A number borrows nothing of its text.
        number_of(column_type.parse(with_point(text, &mut plain)?)?)
    }

    /// Whether a float32 that a cell was read as is another number than the cell says.
    pub(super) fn is_rounded(&self, text: &[u8], value: f32) -> bool {
        let mut plain = [0; NUMBER_BYTES_MAX];
        match (self.decimal, std::str::from_utf8(text)) {
            (DecimalMark::Comma, Ok(cell)) => with_point(cell, &mut plain)
                .is_some_and(|plain| is_rounded(plain.as_bytes(), value)),
            _ => is_rounded(text, value),
        }
    }
}

/// A number whose decimal mark is a comma, with a point; `None` where it is none.
fn with_point<'a>(text: &str, plain: &'a mut [u8; NUMBER_BYTES_MAX]) -> Option<&'a str> {
    let plain = plain.get_mut(..text.len())?;
    // What it has of the other mark separates thousands, or it is no number.
    if text.contains('.') {
        return None;
    }
    plain.copy_from_slice(text.as_bytes());
    plain.iter_mut().filter(|byte| **byte == b',').for_each(|byte| *byte = b'.');
    std::str::from_utf8(plain).ok()
}

/// A number, or what else borrows nothing of its text.
fn number_of(value: CellValue<'_>) -> Option<CellValue<'static>> {
    use CellValue::{
        Bigint, Boolean, Date, Decimal, Double, Float, Int, Null, Smallint, Text, Timestamp,
        Tinyint, Uuid, Varint,
    };
    Some(match value {
        Null => Null,
        Float(value) => Float(value),
        Double(value) => Double(value),
        Tinyint(value) => Tinyint(value),
        Smallint(value) => Smallint(value),
        Int(value) => Int(value),
        Bigint(value) => Bigint(value),
        Decimal(value) => Decimal(value),
        Varint(value) => Varint(value),
        Boolean(value) => Boolean(value),
        Timestamp(value) => Timestamp(value),
        Date(value) => Date(value),
        Uuid(value) => Uuid(value),
        Text(_) => return None,
    })
}

/// Whether cells of the type are kept as they are written.
pub(super) fn is_text(column_type: ColumnType) -> bool {
    column_type == ColumnType::Text
}

fn truth(text: &str, column_type: ColumnType) -> Option<bool> {
    let is_boolean = column_type == ColumnType::Boolean;
    if !is_boolean && !column_type.is_numeric() {
        return None;
    }
    if TRUE_WORDS.contains(&text) || (is_boolean && YES_WORDS.contains(&text)) {
        Some(true)
    } else if FALSE_WORDS.contains(&text) || (is_boolean && NO_WORDS.contains(&text)) {
        Some(false)
    } else {
        None
    }
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

/// A cell for people: shortened, and what is no UTF-8 replaced.
pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::{Cause, CellRead, CellRules, CellValue, ColumnType, DecimalMark, is_rounded};

    #[test]
    fn words_of_other_programs_are_read() {
        use ColumnType::{Bigint, Boolean, Double, Float, Int};
        let rules = CellRules::default();
        for word in ["NA", "N/A", "#N/A", "<NA>", "null", "NULL", "None", r"\N"] {
            for column_type in [Float, Double, Int, Bigint, Boolean] {
                let expected = CellRead { value: CellValue::Null, word: Some(word) };
                assert_eq!(rules.read(word.as_bytes(), column_type), Ok(expected), "{word}");
            }
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
            assert_eq!(
                rules.read(text.as_bytes(), column_type).map(|it| it.value),
                Ok(value),
                "{text}"
            );
        }
        assert!(
            matches!(rules.read(b"nan", Float), Ok(CellRead { value: CellValue::Float(value), .. })
            if value.is_nan())
        );
    }

    #[test]
    fn what_is_no_value_has_a_likely_cause() {
        use ColumnType::{Bigint, Boolean, Double, Float, Int};
        let rules = CellRules::default();
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
            ("perhaps", Boolean, Cause::NotBoolean),
            ("2", Boolean, Cause::NotBoolean),
            ("Berlin", Float, Cause::Text),
            ("?", Float, Cause::Text),
        ] {
            assert_eq!(rules.read(text.as_bytes(), column_type), Err(cause), "{text}");
        }
        assert_eq!(rules.read(b"M\xfcnchen", Float), Err(Cause::NotUtf8));
    }

    #[test]
    fn a_decimal_comma_is_one_in_numbers_only() {
        let rules = CellRules { decimal: DecimalMark::Comma, ..CellRules::default() };
        let read = |text: &str, column_type| {
            let read = rules.read(text.as_bytes(), column_type).ok();
            read.and_then(|read| super::number_of(read.value))
        };
        assert_eq!(read("-1,5", ColumnType::Float), Some(CellValue::Float(-1.5)));
        assert_eq!(read("1,234", ColumnType::Double), Some(CellValue::Double(1.234)));
        assert_eq!(read("3,0", ColumnType::Int), Some(CellValue::Int(3)));
        assert_eq!(read("7", ColumnType::Bigint), Some(CellValue::Bigint(7)));
        for text in ["1.5", "1.234,5", "1,2,3", "1.234.567,8"] {
            assert_eq!(read(text, ColumnType::Double), None, "{text}");
        }
        assert_eq!(read(&"1".repeat(65), ColumnType::Double), None);
    }

    #[test]
    fn the_words_for_null_are_those_that_were_asked_for() {
        let nulls = Some(vec!["?".to_owned(), "-".to_owned()]);
        let rules = CellRules { nulls, ..CellRules::default() };
        let read = |text: &'static str| rules.read(text.as_bytes(), ColumnType::Int);
        let null = |word| Ok(CellRead { value: CellValue::Null, word });
        assert_eq!(read("?"), null(Some("?")));
        assert_eq!(read(""), null(None));
        assert!(read("NA").is_err());
        assert!(rules.is_null("-", true) && !rules.is_null("", true) && rules.is_null("", false));
        let usual = CellRules::default();
        for (text, in_text, in_numbers) in
            [("", true, true), (r"\N", true, true), ("NA", false, true), ("x", false, false)]
        {
            assert_eq!(
                (usual.is_null(text, true), usual.is_null(text, false)),
                (in_text, in_numbers)
            );
        }
        assert!(
            usual.is_kept_word("NA") && !usual.is_kept_word(r"\N") && !rules.is_kept_word("NA")
        );
    }

    #[test]
    fn words_for_yes_and_no_are_truth_values_in_their_columns() {
        let rules = CellRules::default();
        for (text, truth) in [("yes", true), ("No", false), ("t", true), ("f", false)] {
            let read = rules.read(text.as_bytes(), ColumnType::Boolean).unwrap();
            assert_eq!(read.value, CellValue::Boolean(truth), "{text}");
            assert!(rules.read(text.as_bytes(), ColumnType::Float).is_err(), "{text}");
        }
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
            let rules = CellRules { decimal: DecimalMark::Comma, ..CellRules::default() };
            let comma = text.replace('.', ",");
            assert_eq!(rules.is_rounded(comma.as_bytes(), value), expected, "{comma} as {value}");
        }
    }
}
