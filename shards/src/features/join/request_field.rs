//! A field of a request, and what its cells are to the model that reads it.

use std::sync::Arc;

use crate::failure::FieldFault;
use crate::features::column::{CellValue, ColumnType};
use crate::features::inputs::{InputColumn, IntegerRange, UnknownText};
use crate::features::number_range::NumberRange;
use crate::features::texts::{UNKNOWN_TEXT, is_unknown_text};
use crate::features::{Categories, Precision};

/// A field of the request's JSON object that a model reads.
#[derive(Debug, Clone, Default)]
pub struct RequestField {
    /// The field's name.
    pub name: String,
    /// What it may hold.
    pub column_type: ColumnType,
    /// The model's column that it fills, from 0.
    pub column: usize,
    /// The categories that its texts are read by, where it holds text.
    pub categories: Option<Arc<Categories>>,
    /// What a text means that is none of them.
    pub unknown: UnknownText,
    /// Whether its text is kept besides, for expressions.
    pub is_kept: bool,
    /// The range of its column: what becomes of a number outside, the column's policy says.
    pub range: NumberRange,
    /// Whether a model reads it as a 32-bit float.
    pub is_narrowed: bool,
}

impl RequestField {
    /// The field of a column at this place, for a model of this precision.
    pub(in crate::features) fn of(
        column: &InputColumn,
        place: usize,
        precision: Precision,
    ) -> Self {
        Self {
            name: column.name.clone(),
            column_type: column.column_type,
            column: place,
            categories: None,
            unknown: column.text.unknown,
            is_kept: false,
            range: NumberRange::of(column),
            is_narrowed: precision == Precision::F32,
        }
    }

    /// Whether it holds text.
    pub(crate) fn is_text(&self) -> bool {
        self.categories.is_some() || self.is_kept || self.column_type.is_text()
    }

    /// The cell that a number of a request is.
    ///
    /// # Errors
    /// The field holds text, or a type that does not have the number.
    pub fn number(&self, value: f64) -> Result<f64, FieldFault> {
        match &self.categories {
            None if self.is_kept => {
                if value.is_nan() {
                    Ok(value)
                } else {
                    Err(FieldFault::Number(value))
                }
            }
            None => self.check(value).map(|()| value),
            Some(known) if known.takes_numbers() && value.is_nan() => Ok(value),
            Some(known) if known.takes_numbers() => Ok(known.number(value).unwrap_or(UNKNOWN_TEXT)),
            Some(_) => Err(FieldFault::Number(value)),
        }
    }

    /// The cell that true or false is: 1 or 0.
    ///
    /// # Errors
    /// The field holds texts, dates or times.
    pub fn truth(&self, value: bool) -> Result<f64, FieldFault> {
        if matches!(self.column_type, ColumnType::Timestamp | ColumnType::Date) {
            return Err(FieldFault::Boolean);
        }
        self.number(f64::from(u8::from(value))).map_err(|_| FieldFault::Boolean)
    }

    /// The cell that a whole number of a request is, which no float may have rounded yet.
    ///
    /// # Errors
    /// The same, and a number that a float rounds, unless floats are what the field holds.
    pub fn integer(&self, value: i128) -> Result<f64, FieldFault> {
        let number = value as f64;
        let is_float = matches!(self.column_type, ColumnType::Float | ColumnType::Double);
        let may_round = is_float && self.categories.is_none();
        if may_round || number as i128 == value || self.range.is_outside(number) {
            return self.number(number);
        }
        let is_held = self.categories.is_some() || self.column_type.holds(number);
        Err(if is_held { FieldFault::Inexact } else { FieldFault::Number(number) })
    }

    /// Checks a number that is no category: NaN stands for none. One outside of the column's range is
    /// left to the column's policy.
    ///
    /// # Errors
    /// The type does not have it.
    #[inline]
    pub(crate) fn check(&self, value: f64) -> Result<(), FieldFault> {
        if value.is_nan() || self.range.is_outside(value) {
            return Ok(());
        }
        if (self.is_narrowed || self.column_type == ColumnType::Float)
            && value.is_finite()
            && (value as f32).is_infinite()
        {
            return Err(FieldFault::TooGreat(value));
        }
        if self.column_type.is_floating() {
            return Ok(());
        }
        if !self.column_type.holds(value) {
            return Err(FieldFault::Number(value));
        }
        // A number beyond may be another that was rounded to it.
        if value.abs() > IntegerRange::EXACT_MAX { Err(FieldFault::Inexact) } else { Ok(()) }
    }

    /// The cell that a text of a request is: a code of its categories, or a date or time as a number.
    ///
    /// # Errors
    /// The field holds numbers, or the text is no date or time.
    pub fn text(&self, text: &str) -> Result<f64, FieldFault> {
        match &self.categories {
            Some(known) => Ok(known.code(text.as_bytes()).unwrap_or(UNKNOWN_TEXT)),
            None => match self.column_type.parse(text).ok_or(FieldFault::Text)? {
                CellValue::Timestamp(us) => self.number(us as f64),
                CellValue::Date(days) => self.number(f64::from(days)),
                CellValue::Text(_) | CellValue::Uuid(_) if self.is_kept => Ok(0.0),
                _ => Err(FieldFault::Text),
            },
        }
    }

    /// The cell that the digits of a whole number are, or a text that is a category.
    ///
    /// # Errors
    /// It is neither.
    pub fn digits(&self, text: &str) -> Result<f64, FieldFault> {
        let number = text.parse().map_err(|_| FieldFault::Text);
        let read = number.and_then(|number| self.integer(number));
        read.or_else(|fault| self.text(text).map_err(|_| fault))
    }

    /// A cell that the model is to read without the join; `None` for a text that is to be refused, and
    /// for a text or a missing value that the model's library has no answer to.
    pub(crate) fn unjoined(&self, cell: f64) -> Option<f64> {
        match &self.categories {
            Some(known) if is_unknown_text(cell) => self.unknown.code(known),
            Some(known) if cell.is_nan() => known.missing(),
            _ => Some(cell),
        }
    }

    /// What a cell that was read for the field `given` of another model is to this one; `None` where
    /// that can't be told, as the text itself is gone: one that only this model may know, or that
    /// the other hashes.
    pub(crate) fn cell_of(&self, given: &Self, cell: f64) -> Option<f64> {
        let (own, others) = match (&self.categories, &given.categories) {
            (None, None) => return self.check(cell).is_ok().then_some(cell),
            (Some(own), Some(others)) => (own, others),
            _ => return None,
        };
        if is_unknown_text(cell) {
            return own.knows_the_same(others).then_some(cell);
        }
        if cell.is_nan() || own.reads_as(others) {
            return Some(cell);
        }
        let text = others.text(cell)?;
        Some(own.code(text.as_bytes()).unwrap_or(UNKNOWN_TEXT))
    }

    /// Whether a cell that was read for one of them is as the other reads it.
    pub fn reads_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.is_kept == other.is_kept
            && self.column_type == other.column_type
            && self.range.has_ends_of(other.range)
            && self.is_narrowed == other.is_narrowed
            && match (&self.categories, &other.categories) {
                (None, None) => true,
                (Some(own), Some(others)) => own.reads_as(others),
                _ => false,
            }
    }
}
