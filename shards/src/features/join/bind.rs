//! Maps a model's columns to a store's and to the request's fields, once, before anything is read.

use std::collections::HashMap;
use std::sync::Arc;

use super::text::TextCell;
use crate::features::column::{CellValue, ColumnType};
use crate::features::inputs::{
    FeaturePolicies, InputColumn, IntegerRange, NanMeaning, OutOfRange, Source, UnknownText,
};
use crate::features::record::{CELLS_START, CellPlace, RecordLayout};
use crate::features::schema::{Schema, StoreColumn};
use crate::features::texts::{UNKNOWN_TEXT, is_unknown_text};
use crate::features::{Categories, Precision};

/// What a model says of its input.
#[derive(Debug, Clone, Copy)]
pub enum ModelInputs<'a> {
    /// `model.toml` names the columns.
    Columns(&'a [InputColumn]),
    /// Only the width of its tensor is known: it takes the store's columns in order.
    Width(usize),
}

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
}

impl RequestField {
    /// The cell that a number of a request is; `None` where the field holds text.
    pub fn number(&self, value: f64) -> Option<f64> {
        match &self.categories {
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
        if cell.is_nan() || Arc::ptr_eq(own, others) || own.hashes_as(others) {
            return Some(cell);
        }
        let text = others.text(cell)?;
        Some(own.code(text.as_bytes()).unwrap_or(UNKNOWN_TEXT))
    }

    /// Whether a cell that was read for one of them is as the other reads it.
    pub fn reads_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.column_type == other.column_type
            && match (&self.categories, &other.categories) {
                (None, None) => true,
                (Some(own), Some(others)) => Arc::ptr_eq(own, others),
                _ => false,
            }
    }
}

/// A store that does not fit a model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JoinError {
    /// The store has no column that the model names.
    #[error(
        "the model's input column `{column}` is not in the store, which has {}",
        listed(available)
    )]
    ColumnMissing {
        /// The model's column.
        column: String,
        /// The store's columns.
        available: Vec<String>,
    },
    /// There is no store, and the model reads a column of one.
    #[error(
        "the model's input column `{column}` is one of a feature store, and there is none: say where \
         it is with --store, or set `source = \"request\"` in model.toml"
    )]
    NoStore {
        /// The model's column.
        column: String,
    },
    /// The store has the column that the model names, and its type is not read.
    #[error(
        "the model's input column `{column}` is {found} in the store, which is not read: store it as \
         {}, or leave it out of model.toml",
        ColumnType::words()
    )]
    ColumnUnread {
        /// The column.
        column: String,
        /// Its type, as the store writes it.
        found: String,
    },
    /// A model without columns and a store some of whose columns are not read: which of them the
    /// model means can't be known.
    #[error(
        "the model does not name its columns, and `{column}` of the store is {found}, which is not \
         read: name the columns in model.toml, or in `columns` of [features.scylla]"
    )]
    UnnamedUnread {
        /// The first of the store's columns that are not read.
        column: String,
        /// Its type, as the store writes it.
        found: String,
    },
    /// The store's column can't be read as the type that the model declares.
    #[error(
        "column `{column}` is {found} in the store and the model declares it as {expected}: \
         set `type = \"{found}\"` in model.toml or store it as {expected}"
    )]
    ColumnType {
        /// The column.
        column: String,
        /// Its type in the store.
        found: ColumnType,
        /// The type that the model declares.
        expected: ColumnType,
    },
    /// A column of text of a model that knows no texts.
    #[error(
        "column `{column}` is {found}, and the model reads numbers there: leave the column out, store \
         what the model was trained on, or give its texts as `categories` in model.toml"
    )]
    TextForNumber {
        /// The column.
        column: String,
        /// Its type.
        found: ColumnType,
    },
    /// A column of numbers of a model that reads texts there.
    #[error(
        "column `{column}` is {found}, and the model reads texts there: set `type = \"text\"` in \
         model.toml and store the texts that it was trained on"
    )]
    NumberForText {
        /// The column.
        column: String,
        /// Its type.
        found: ColumnType,
    },
    /// Categories in `model.toml` of a column whose categories the model's own file has.
    #[error(
        "column `{column}`: the model's own file has its categories: leave `categories` out of \
         model.toml"
    )]
    CategoriesTwice {
        /// The column.
        column: String,
    },
    /// A default that is none of the categories.
    #[error("column `{column}`: default `{default}` is none of the texts that the model knows")]
    DefaultUnknown {
        /// The column.
        column: String,
        /// Its default.
        default: String,
    },
    /// A share of the training data for what is none of the categories.
    #[error(
        "column `{column}`: `shares` names `{text}`, which is none of the texts that the model knows"
    )]
    ShareUnknown {
        /// The column.
        column: String,
        /// The text.
        text: String,
    },
    /// The store's column holds floats, and the model's tensor integers.
    #[error(
        "column `{column}` is {found} in the store and the model's tensor holds integers: store it \
         as bigint, int or boolean"
    )]
    NotIntegers {
        /// The column.
        column: String,
        /// Its type in the store.
        found: ColumnType,
    },
    /// A default that the model's tensor of integers does not hold.
    #[error(
        "column `{column}`: default {default} is none of the integers from {} to {} that the \
         model's tensor holds", range.low, range.high
    )]
    DefaultNotInteger {
        /// The column.
        column: String,
        /// Its default.
        default: f64,
        /// What the tensor holds.
        range: IntegerRange,
    },
    /// A model without columns and a store of another width.
    #[error(
        "the model reads {expected} columns without naming them and the store has {found} \
         (first without a match: `{column}`)"
    )]
    Width {
        /// How many columns the store has.
        found: usize,
        /// How many columns the model reads.
        expected: usize,
        /// The first of the store's columns that the model does not read, or of the model's
        /// positions that the store does not fill.
        column: String,
    },
    /// A model without columns that was bound to other columns before: which of them is which of its
    /// inputs nobody can tell.
    #[error(
        "the model reads columns without naming them, and column {position} of the store is `{found}` \
         where it was `{expected}`: name them under `[[columns]]` in model.toml"
    )]
    Renamed {
        /// The column's position, from 1.
        position: usize,
        /// Its name in the store.
        found: String,
        /// The name that it had when the model was loaded.
        expected: String,
    },
}

/// The first of many names: a store may have thousands of columns.
fn listed(names: &[String]) -> String {
    const NAMES_MAX: usize = 20;
    let (first, rest) = names.split_at(names.len().min(NAMES_MAX));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("{}{more}", first.join(", "))
}

/// Where the cell of a model's column comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum CellSource {
    Store(CellPlace),
    /// Of text: the cell is a code of the store's dictionary. `text` is the place of its [`TextCell`].
    StoreText {
        place: CellPlace,
        text: usize,
    },
    Request {
        index: usize,
    },
    RequestText {
        index: usize,
        text: usize,
    },
}

/// What is done to the cell of a model's column.
#[derive(Debug, Clone)]
pub(super) struct CellPlan {
    pub(super) source: CellSource,
    pub(super) column_type: ColumnType,
    pub(super) default: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) nan: NanMeaning,
    pub(super) out_of_range: OutOfRange,
    pub(super) required: bool,
}

/// The ranges of a row whose cells the store holds as the model reads them: floats, in order.
#[derive(Debug, Clone)]
pub(super) struct FloatRow {
    pub(super) low: Vec<f32>,
    pub(super) high: Vec<f32>,
}

/// How a store's rows and a request's fields become the rows that one model reads.
#[derive(Debug, Clone)]
pub struct JoinPlan {
    pub(super) cells: Vec<CellPlan>,
    pub(super) float_row: Option<FloatRow>,
    pub(super) policies: FeaturePolicies,
    /// Which columns are of tensors of integers, and which ones those hold; empty: none.
    pub(super) integers: Vec<Option<IntegerRange>>,
    /// The columns of text, in order.
    pub(in crate::features) texts: Vec<TextCell>,
    /// What `model.toml` says of each column.
    columns: Vec<InputColumn>,
    names: Vec<String>,
    request_fields: Vec<RequestField>,
    schema: Schema,
    layout: RecordLayout,
    precision: Precision,
}

impl JoinPlan {
    /// Maps `inputs` to the columns of `schema` and to request fields.
    pub fn bind(
        inputs: ModelInputs<'_>,
        schema: &Schema,
        policies: &FeaturePolicies,
        precision: Precision,
    ) -> Result<Self, JoinError> {
        let columns = match inputs {
            ModelInputs::Columns(columns) => columns.to_vec(),
            ModelInputs::Width(width) => columns_in_order(width, schema)?,
        };
        let layout = RecordLayout::new(schema);
        let stored = schema.columns().iter().enumerate();
        let positions: HashMap<_, _> =
            stored.map(|(position, column)| (column.name.as_str(), position)).collect();
        let mut request_fields = Vec::new();
        let mut cells = Vec::with_capacity(columns.len());
        for (position, column) in columns.iter().enumerate() {
            let source = match column.source {
                Source::Store => {
                    let position = positions.get(column.name.as_str()).copied();
                    CellSource::Store(store_place(column, position, schema, &layout)?)
                }
                Source::Request => {
                    let field = RequestField {
                        name: column.name.clone(),
                        column_type: column.column_type,
                        column: position,
                        categories: None,
                        unknown: column.text.unknown,
                    };
                    request_fields.push(field);
                    CellSource::Request { index: request_fields.len() - 1 }
                }
            };
            let (low, high) = column.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
            cells.push(CellPlan {
                source,
                column_type: column.column_type,
                default: column.default,
                low,
                high,
                nan: column.nan,
                out_of_range: column.out_of_range,
                required: column.required,
            });
        }
        Ok(Self {
            float_row: (precision == Precision::F32).then(|| FloatRow::of(&cells)).flatten(),
            cells,
            policies: policies.clone(),
            integers: Vec::new(),
            texts: Vec::new(),
            names: columns.iter().map(|column| column.name.clone()).collect(),
            columns,
            request_fields,
            schema: schema.clone(),
            layout,
            precision,
        })
    }

    /// The same for a model that reads integers in some of its columns: those whose range is given.
    /// `ranges` is empty where there are none.
    ///
    /// # Errors
    /// A column whose store or default is no integer.
    pub fn with_integers(mut self, ranges: &[Option<IntegerRange>]) -> Result<Self, JoinError> {
        for ((cell, range), name) in self.cells.iter().zip(ranges).zip(&self.names) {
            let Some(range) = *range else { continue };
            let column = || name.clone();
            if let CellSource::Store(place) = cell.source
                && place.column_type.is_floating()
            {
                let found = place.column_type;
                return Err(JoinError::NotIntegers { column: column(), found });
            }
            if !range.holds(cell.default) {
                let default = cell.default;
                return Err(JoinError::DefaultNotInteger { column: column(), default, range });
            }
        }
        self.integers = ranges.to_vec();
        Ok(self)
    }

    /// The same for a model that reads texts in those of its columns whose categories are given.
    /// `categories` is empty where its own file has none.
    ///
    /// # Errors
    /// A column of text without categories or of numbers with some, in the store or in `model.toml`,
    /// and a default that is none of them.
    pub fn with_categories(
        mut self,
        categories: &[Option<Arc<Categories>>],
    ) -> Result<Self, JoinError> {
        for (position, cell) in self.cells.iter_mut().enumerate() {
            let column = &self.columns[position];
            let own = categories.get(position).and_then(Option::as_ref);
            let Some(known) = categories_of(column, own)? else { continue };
            let (name, text) = (|| column.name.clone(), self.texts.len());
            cell.source = match cell.source {
                CellSource::Store(place)
                    if place.column_type.is_text() || known.takes_numbers() =>
                {
                    CellSource::StoreText { place, text }
                }
                CellSource::Store(place) => {
                    return Err(JoinError::NumberForText {
                        column: name(),
                        found: place.column_type,
                    });
                }
                CellSource::Request { index } => CellSource::RequestText { index, text },
                bound => bound,
            };
            if let CellSource::RequestText { index, .. } = cell.source {
                self.request_fields[index].categories = Some(Arc::clone(&known));
            }
            self.texts.push(TextCell::new(known, column)?);
        }
        Ok(self)
    }

    /// [`JoinPlan::bind`] for a model that was bound to other columns before. One that names none
    /// reads the store's in order, and nothing tells that another order is not a mistake: it is
    /// bound to columns of the same names in the same order alone, whatever else there is by now.
    pub fn bind_again(&self, inputs: ModelInputs<'_>, schema: &Schema) -> Result<Self, JoinError> {
        if let (ModelInputs::Width(_), Some(columns)) = (inputs, self.same_columns(schema)) {
            let inputs = ModelInputs::Columns(&columns);
            return Self::bind(inputs, schema, &self.policies, self.precision);
        }
        let bound = Self::bind(inputs, schema, &self.policies, self.precision)?;
        if matches!(inputs, ModelInputs::Width(_)) {
            let mut names = bound.names.iter().zip(&self.names);
            if let Some(at) = names.position(|(found, expected)| found != expected) {
                return Err(JoinError::Renamed {
                    position: at + 1,
                    found: bound.names[at].clone(),
                    expected: self.names[at].clone(),
                });
            }
        }
        Ok(bound)
    }

    /// The columns of `schema` that have the plan's names, where they stand in the plan's order.
    fn same_columns(&self, schema: &Schema) -> Option<Vec<InputColumn>> {
        let mut stored = schema.columns().iter();
        let named = self.names.iter().map(|name| stored.find(|column| column.name == *name));
        named.map(|column| column.map(unnamed_column)).collect()
    }

    /// How many cells a row has.
    pub fn columns(&self) -> usize {
        self.cells.len()
    }

    /// The columns' names, in the model's order.
    pub fn column_names(&self) -> &[String] {
        &self.names
    }

    /// The fields that a request may give, in the order in which its cells are passed.
    pub fn request_fields(&self) -> &[RequestField] {
        &self.request_fields
    }

    /// How cells of each column are read that a request gives without the join; empty where all of
    /// them are numbers.
    pub fn text_fields(&self) -> Vec<RequestField> {
        if self.texts.is_empty() {
            return Vec::new();
        }
        let field = |(column, input): (usize, &InputColumn)| {
            let text = match self.cells[column].source {
                CellSource::StoreText { text, .. } | CellSource::RequestText { text, .. } => text,
                CellSource::Store(_) | CellSource::Request { .. } => usize::MAX,
            };
            let categories = self.texts.get(text).map(|text| Arc::clone(&text.categories));
            let (name, column_type) = (input.name.clone(), input.column_type);
            let unknown = input.text.unknown;
            RequestField { name, column_type, column, categories, unknown }
        };
        self.columns.iter().enumerate().map(field).collect()
    }

    /// The store's columns that it was bound to.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How the records that it reads are packed.
    pub fn layout(&self) -> &RecordLayout {
        &self.layout
    }

    /// The precision of the matrix that it fills.
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

fn columns_in_order(width: usize, schema: &Schema) -> Result<Vec<InputColumn>, JoinError> {
    if let Some(unread) = schema.unread().first() {
        let (column, found) = (unread.name.clone(), unread.found.clone());
        return Err(JoinError::UnnamedUnread { column, found });
    }
    let stored = schema.columns();
    if schema.is_none() {
        return Err(JoinError::NoStore { column: "input 1".to_owned() });
    }
    if stored.len() != width {
        let column = stored
            .get(width)
            .map_or_else(|| format!("input {}", stored.len() + 1), |column| column.name.clone());
        return Err(JoinError::Width { found: stored.len(), expected: width, column });
    }
    Ok(stored.iter().map(unnamed_column).collect())
}

/// A column of a model that names none, as the store has it.
fn unnamed_column(stored: &StoreColumn) -> InputColumn {
    InputColumn {
        name: stored.name.clone(),
        column_type: stored.column_type,
        ..InputColumn::default()
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
fn categories_of(
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

fn store_place(
    column: &InputColumn,
    position: Option<usize>,
    schema: &Schema,
    layout: &RecordLayout,
) -> Result<CellPlace, JoinError> {
    let Some(position) = position else {
        if let Some(found) = schema.unread_type(&column.name) {
            let (column, found) = (column.name.clone(), found.to_owned());
            return Err(JoinError::ColumnUnread { column, found });
        }
        if schema.is_none() {
            return Err(JoinError::NoStore { column: column.name.clone() });
        }
        return Err(JoinError::ColumnMissing {
            column: column.name.clone(),
            available: schema.columns().iter().map(|stored| stored.name.clone()).collect(),
        });
    };
    let found = schema.columns()[position].column_type;
    if !column.column_type.reads(found) {
        return Err(JoinError::ColumnType {
            column: column.name.clone(),
            found,
            expected: column.column_type,
        });
    }
    Ok(layout.places()[position])
}

impl FloatRow {
    fn of(cells: &[CellPlan]) -> Option<Self> {
        for (position, cell) in cells.iter().enumerate() {
            let CellSource::Store(place) = cell.source else { return None };
            if place.column_type != ColumnType::Float
                || place.offset != CELLS_START + position * size_of::<f32>()
            {
                return None;
            }
        }
        let low = cells.iter().map(|cell| float_at_least(cell.low)).collect();
        let high = cells.iter().map(|cell| -float_at_least(-cell.high)).collect();
        Some(Self { low, high })
    }
}

/// The smallest float that is not below `bound`: comparing floats with it is comparing with the
/// bound itself.
fn float_at_least(bound: f64) -> f32 {
    let rounded = bound as f32;
    if f64::from(rounded) < bound { rounded.next_up() } else { rounded }
}
