//! What a plan takes from the table of one entity: which cells, by which policies.

use std::sync::Arc;

use super::error::JoinError;
use super::text::{TextCell, categories_of};
use crate::features::Categories;
use crate::features::column::ColumnType;
use crate::features::entities::Entity;
use crate::features::expressions::StoredSlot;
use crate::features::inputs::{FeaturePolicies, InputColumn, IntegerRange, NanMeaning, OutOfRange};
use crate::features::record::{CellPlace, RecordLayout};
use crate::features::schema::Schema;

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
    /// The model's column, from 0.
    pub(super) column: u32,
    pub(super) source: CellSource,
    pub(super) column_type: ColumnType,
    pub(super) default: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) nan: NanMeaning,
    pub(super) out_of_range: OutOfRange,
    pub(super) required: bool,
}

/// The ranges of cells that the store holds as the model reads them: floats, in order, one beside the
/// other.
#[derive(Debug, Clone)]
pub(super) struct FloatRow {
    /// The first of the model's columns.
    pub(super) column: usize,
    /// Where the first of them stands in a record.
    pub(super) offset: usize,
    pub(super) low: Vec<f32>,
    pub(super) high: Vec<f32>,
}

/// How the rows of one entity's table become their cells of the rows that a model reads.
#[derive(Debug, Clone)]
pub struct EntityPlan {
    /// Which of the model's entities it is, from 0: the one that rows are told by. Its plan has the
    /// cells of requests besides.
    pub(super) place: usize,
    /// In the order of the model's columns.
    pub(super) cells: Vec<CellPlan>,
    /// How many of them its table has.
    pub(super) stored_columns: u32,
    /// Whether these are all columns of the model.
    pub(super) is_whole: bool,
    pub(super) float_row: Option<FloatRow>,
    pub(super) policies: FeaturePolicies,
    /// Which columns are of tensors of integers, and which ones those hold; empty: none.
    pub(super) integers: Vec<Option<IntegerRange>>,
    /// The columns of text, in order.
    pub(super) texts: Vec<TextCell>,
    /// What is kept of a row for expressions.
    pub(super) kept: Vec<StoredSlot>,
    table: Option<String>,
    schema: Schema,
    layout: RecordLayout,
}

impl EntityPlan {
    /// A plan without cells for the entity at this place.
    ///
    /// # Errors
    /// The store has not the entity's table.
    pub(super) fn new(entity: &Entity, place: usize, schema: &Schema) -> Result<Self, JoinError> {
        let schema = match &entity.table {
            None => schema.own(),
            Some(table) => {
                let (entity, found) = (entity.name.clone(), schema.table(table));
                match found {
                    Some(Ok(schema)) => schema.clone(),
                    Some(Err(reason)) => {
                        let (table, reason) = (table.clone(), reason.to_string());
                        return Err(JoinError::TableUnread { entity, table, reason });
                    }
                    None => return Err(JoinError::NoTable { entity, table: table.clone() }),
                }
            }
        };
        if let Some(expected) = schema.key_parts()
            && expected != entity.key.len()
        {
            let (entity, found) = (entity.name.clone(), entity.key.len());
            return Err(JoinError::KeyParts { entity, found, expected });
        }
        let is_elsewhere = |(place, field): (usize, &String)| {
            schema.keys().iter().position(|key| key == field).is_some_and(|known| known != place)
        };
        if entity.key.len() > 1 && entity.key.iter().enumerate().any(is_elsewhere) {
            return Err(JoinError::KeyOrder {
                entity: entity.name.clone(),
                found: entity.key.join(","),
                expected: schema.keys().join(","),
            });
        }
        Ok(Self {
            place,
            cells: Vec::new(),
            stored_columns: 0,
            is_whole: false,
            float_row: None,
            policies: entity.policies.clone(),
            integers: Vec::new(),
            texts: Vec::new(),
            kept: Vec::new(),
            table: entity.table.clone(),
            layout: RecordLayout::new(&schema),
            schema,
        })
    }

    /// Adds a cell of the model's column at this position; `source` says where it comes from.
    pub(super) fn push(&mut self, column: &InputColumn, position: usize, source: CellSource) {
        let (low, high) = column.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        self.stored_columns += u32::from(matches!(source, CellSource::Store(_)));
        self.cells.push(CellPlan {
            column: position as u32,
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

    /// Which of the model's entities it is, from 0.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// The table that it reads; `None` is the store's own.
    pub(crate) fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The table's columns that it was bound to.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How the records that it reads are packed.
    pub fn layout(&self) -> &RecordLayout {
        &self.layout
    }

    pub(super) fn with_integers(
        &mut self,
        ranges: &[Option<IntegerRange>],
        names: &[String],
    ) -> Result<(), JoinError> {
        for cell in &self.cells {
            let position = cell.column as usize;
            let Some(range) = ranges.get(position).copied().flatten() else { continue };
            let column = || names[position].clone();
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
        Ok(())
    }

    /// Makes cells of text those of columns that have categories; `known` is told the categories of
    /// each field of a request.
    pub(super) fn with_categories(
        &mut self,
        categories: &[Option<Arc<Categories>>],
        columns: &[InputColumn],
        mut known: impl FnMut(usize, &Arc<Categories>),
    ) -> Result<(), JoinError> {
        for cell in &mut self.cells {
            let position = cell.column as usize;
            let column = &columns[position];
            let own = categories.get(position).and_then(Option::as_ref);
            let Some(found) = categories_of(column, own)? else { continue };
            let (name, text) = (|| column.name.clone(), self.texts.len());
            cell.source = match cell.source {
                CellSource::Store(place)
                    if place.column_type.is_text() || found.takes_numbers() =>
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
                known(index, &found);
            }
            self.texts.push(TextCell::new(found, column)?);
        }
        // A cell that becomes a code is not copied as it is.
        self.float_row = self.float_row.take().and_then(|_| FloatRow::of(&self.cells));
        Ok(())
    }

    /// The categories that the model's column at this position is read by, where it is of text.
    pub(super) fn categories_at(&self, position: usize) -> Option<&Arc<Categories>> {
        let cell = self.cells.iter().find(|cell| cell.column as usize == position)?;
        match cell.source {
            CellSource::StoreText { text, .. } | CellSource::RequestText { text, .. } => {
                self.texts.get(text).map(|text| &text.categories)
            }
            CellSource::Store(_) | CellSource::Request { .. } => None,
        }
    }

    /// Where the table has a column of the model.
    pub(super) fn store_place(
        &self,
        column: &InputColumn,
        position: Option<usize>,
    ) -> Result<CellPlace, JoinError> {
        let schema = &self.schema;
        let Some(position) = position else {
            if let Some(found) = schema.unread_type(column.stored_name()) {
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
        Ok(self.layout.places()[position])
    }
}

impl FloatRow {
    pub(super) fn of(cells: &[CellPlan]) -> Option<Self> {
        let first = cells.first()?;
        let CellSource::Store(start) = first.source else { return None };
        let (column, offset) = (first.column as usize, start.offset);
        for (position, cell) in cells.iter().enumerate() {
            let CellSource::Store(place) = cell.source else { return None };
            if place.column_type != ColumnType::Float
                || place.offset != offset + position * size_of::<f32>()
                || cell.column as usize != column + position
            {
                return None;
            }
        }
        let low = cells.iter().map(|cell| float_at_least(cell.low)).collect();
        let high = cells.iter().map(|cell| -float_at_least(-cell.high)).collect();
        Some(Self { column, offset, low, high })
    }
}

/// The smallest float that is not below `bound`: comparing floats with it is comparing with the
/// bound itself.
fn float_at_least(bound: f64) -> f32 {
    let rounded = bound as f32;
    if f64::from(rounded) < bound { rounded.next_up() } else { rounded }
}
