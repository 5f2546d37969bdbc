//! A field of a request, and what its cells are to the model that reads it.

use std::sync::Arc;

use crate::features::Categories;
use crate::features::column::{CellValue, ColumnType};
use crate::features::inputs::{InputColumn, OutOfRange, UnknownText};
use crate::features::texts::{UNKNOWN_TEXT, is_unknown_text};

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
    /// The allowed range of its numbers, both ends included.
    pub range: Option<(f64, f64)>,
    /// What becomes of a number outside of it.
    pub out_of_range: OutOfRange,
}

impl RequestField {
    /// The field that `input` reads, for this column of the model.
    pub(crate) fn of(input: &InputColumn, column: usize) -> Self {
        Self {
            name: input.name.clone(),
            column_type: input.column_type,
            column,
            categories: None,
            unknown: input.text.unknown,
            is_kept: false,
            range: input.range,
            out_of_range: input.out_of_range,
        }
    }

    /// Whether it holds text.
    pub(crate) fn is_text(&self) -> bool {
        self.categories.is_some() || self.is_kept || self.column_type.is_text()
    }

    /// The cell that a number of a request is; `None` where the field holds text.
    pub fn number(&self, value: f64) -> Option<f64> {
        match &self.categories {
            None if self.is_kept => value.is_nan().then_some(value),
            None => Some(value),
            Some(known) if known.takes_numbers() && value.is_nan() => Some(value),
            Some(known) if known.takes_numbers() => {
                Some(known.number(value).unwrap_or(UNKNOWN_TEXT))
            }
            Some(_) => None,
        }
    }

    /// The cell that a text of a request is: a code of its categories, or a date or time as a number;
    /// `None` where the field holds numbers.
    pub fn text(&self, text: &str) -> Option<f64> {
        match &self.categories {
            Some(known) => Some(known.code(text.as_bytes()).unwrap_or(UNKNOWN_TEXT)),
            None => match self.column_type.parse(text)? {
                CellValue::Timestamp(us) => Some(us as f64),
                CellValue::Date(days) => Some(f64::from(days)),
                CellValue::Text(_) | CellValue::Uuid(_) if self.is_kept => Some(0.0),
                _ => None,
            },
        }
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
            (None, None) => return Some(cell),
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
            && match (&self.categories, &other.categories) {
                (None, None) => true,
                (Some(own), Some(others)) => own.reads_as(others),
                _ => false,
            }
    }
}
