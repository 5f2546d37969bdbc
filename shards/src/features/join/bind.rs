//! Maps a model's columns to a store's and to the request's fields, once, before anything is read.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::JoinError;
use super::request_field::RequestField;
use super::text::{TextCell, categories_of};
use crate::features::column::ColumnType;
use crate::features::inputs::{
    FeaturePolicies, InputColumn, IntegerRange, NanMeaning, OutOfRange, Source,
};
use crate::features::record::{CELLS_START, CellPlace, RecordLayout};
use crate::features::schema::{Schema, StoreColumn};
use crate::features::{Categories, Precision};

/// What a model says of its input.
#[derive(Debug, Clone, Copy)]
pub enum ModelInputs<'a> {
    /// `model.toml` names the columns.
    Columns(&'a [InputColumn]),
    /// Only the width of its tensor is known: it takes the store's columns in order.
    Width(usize),
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
        // A cell that becomes a code is not copied as it is.
        self.float_row = self.float_row.take().and_then(|_| FloatRow::of(&self.cells));
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
