//! The cell of a text column: the code that the model has for a text.
//!
//! A record has the code of the store's dictionary. What that is to the model is looked up when the
//! code is first met, and kept in an array: a cell costs an index from then on.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::error::JoinError;
use crate::features::Categories;
use crate::features::column::{ColumnType, bytes, code_of, uuid_text};
use crate::features::inputs::{InputColumn, UnknownText};
use crate::features::record::CellPlace;
use crate::features::texts::{Texts, UNKNOWN_TEXT};

/// What the array holds for a code that was not met yet: turned over, the bits of a NaN that nothing
/// computes.
const NOT_MET: u64 = 0;

/// How the texts of one column become the model's codes.
#[derive(Debug, Clone)]
pub(in crate::features) struct TextCell {
    pub(super) categories: Arc<Categories>,
    pub(super) unknown: UnknownText,
    /// What takes the place of a text that is not known; `None` where the row has no score then.
    pub(super) default: Option<f64>,
    /// The dictionary that `codes` are of.
    generation: Cell<u64>,
    /// By the dictionary's code: the bits of the model's, each of them turned over.
    codes: RefCell<Vec<u64>>,
    /// The text that is looked up.
    text: RefCell<Vec<u8>>,
}

/// A text of the dictionary that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DamagedText;

impl TextCell {
    /// For texts of `column` by these categories.
    pub(super) fn new(
        categories: Arc<Categories>,
        column: &InputColumn,
    ) -> Result<Self, JoinError> {
        let default = column.text.default_code(&categories);
        if let (Some(text), None) = (&column.text.default, default) {
            let (column, default) = (column.name.clone(), text.clone());
            return Err(JoinError::DefaultUnknown { column, default });
        }
        let mut shares = column.text.shares.keys();
        if let Some(text) = shares.find(|text| categories.code(text.as_bytes()).is_none()) {
            let (column, text) = (column.name.clone(), text.clone());
            return Err(JoinError::ShareUnknown { column, text });
        }
        Ok(Self {
            categories,
            unknown: column.text.unknown,
            default,
            generation: Cell::new(0),
            codes: RefCell::default(),
            text: RefCell::default(),
        })
    }

    /// The model's code of a stored cell that is not null; [`UNKNOWN_TEXT`] where it has none.
    #[inline]
    pub(super) fn stored(
        &self,
        place: CellPlace,
        record: &[u8],
        texts: &dyn Texts,
    ) -> Result<f64, DamagedText> {
        if place.column_type != ColumnType::Text {
            return Ok(self.stored_otherwise(place, record));
        }
        let code = code_of(place.bytes(record));
        if self.generation.get() == texts.generation()
            && let Some(bits) = self.codes.borrow().get(code as usize)
            && *bits != NOT_MET
        {
            return Ok(f64::from_bits(!*bits));
        }
        self.look_up(code, texts)
    }

    /// The model's code of a UUID, or of a number among categories that are numbers.
    fn stored_otherwise(&self, place: CellPlace, record: &[u8]) -> f64 {
        let at = place.bytes(record);
        if place.column_type == ColumnType::Uuid {
            return self.categories.code(&uuid_text(bytes(at))).unwrap_or(UNKNOWN_TEXT);
        }
        let (value, _) = place.column_type.join::<f64>(at);
        if value.is_nan() { value } else { self.categories.number(value).unwrap_or(UNKNOWN_TEXT) }
    }

    /// Finds the model's code of a text that is met for the first time.
    #[cold]
    fn look_up(&self, code: u32, texts: &dyn Texts) -> Result<f64, DamagedText> {
        let mut text = self.text.borrow_mut();
        text.clear();
        if !texts.copy_text(code, &mut text) {
            return Err(DamagedText);
        }
        let found = self.categories.code(&text).unwrap_or(UNKNOWN_TEXT);
        let mut codes = self.codes.borrow_mut();
        if self.generation.replace(texts.generation()) != texts.generation() {
            codes.clear();
        }
        if codes.len() <= code as usize {
            let length = (code as usize + 1).next_power_of_two();
            codes.resize(length, NOT_MET);
        }
        codes[code as usize] = !found.to_bits();
        Ok(found)
    }
}

/// The categories by which the texts of each column of a model are read: those of its own file, else
/// those of its `model.toml`, whose columns are given if it has any.
///
/// # Errors
/// A column of text without categories or of numbers with some.
pub fn categories_by_column(
    columns: Option<&[InputColumn]>,
    own: &[Option<Arc<Categories>>],
) -> Result<Vec<Option<Arc<Categories>>>, JoinError> {
    let Some(columns) = columns else { return Ok(own.to_vec()) };
    let named = columns.iter().enumerate();
    named.map(|(at, column)| categories_of(column, own.get(at).and_then(Option::as_ref))).collect()
}

/// The categories by which a column's texts are read: those of the model's own file, else those of
/// `model.toml`; `None` for a column of numbers.
pub(super) fn categories_of(
    column: &InputColumn,
    own: Option<&Arc<Categories>>,
) -> Result<Option<Arc<Categories>>, JoinError> {
    let (name, found) = (|| column.name.clone(), column.column_type);
    match (own, &column.text.categories) {
        (Some(_), Some(_)) => Err(JoinError::CategoriesTwice { column: name() }),
        (Some(own), None) if !found.is_text() && !own.takes_numbers() => {
            Err(JoinError::NumberForText { column: name(), found })
        }
        (Some(own), None) => Ok(Some(Arc::clone(own))),
        (None, Some(texts)) => {
            let codes = texts.iter().enumerate().map(|(code, text)| (text.as_str(), code as f64));
            Ok(Some(Arc::new(Categories::new(codes, f64::NAN))))
        }
        (None, None) if found.is_text() => Err(JoinError::TextForNumber { column: name(), found }),
        (None, None) => Ok(None),
    }
}
