//! Rows of an import meet those of the store by their keys: the import's columns are taken from it,
//! the others stay as they are, and a column that only one side has is null for the other's rows.

use std::path::Path;
use std::rc::Rc;

use super::entries::{Entry, EntryCopy};
use super::error::EmbeddedError;
use super::keyed_hash::KeyedHash;
use super::snapshot::Found;
use super::view::View;
use crate::features::column::CellValue;
use crate::features::record::{Record, RecordLayout};
use crate::features::schema::{Schema, StoreColumn};
use crate::features::texts::Interner;

/// The columns of a store after an import: those that it has, in their order, then those that only
/// the import has.
pub(super) fn merged(
    path: &Path,
    stored: &Schema,
    given: &Schema,
) -> Result<Schema, EmbeddedError> {
    let differs = |reason| EmbeddedError::SchemaDiffers { path: path.to_owned(), reason };
    let (mut columns, positions) = (stored.columns().to_vec(), stored.positions());
    for StoreColumn { name, column_type } in given.columns() {
        match positions.get(&**name).map(|at| stored.columns()[*at].column_type) {
            None => {
                columns.push(StoreColumn { name: name.clone(), column_type: *column_type });
            }
            Some(kept) if kept == *column_type => {}
            Some(kept) => {
                return Err(differs(format!(
                    "column `{name}` is {kept} in the store and {column_type} in the import"
                )));
            }
        }
    }
    let schema = Schema::new(columns).map_err(|error| differs(error.to_string()))?;
    // Two names of one column are the same key; the order of several is not.
    let (known, keys) = (stored.keys(), given.keys());
    if !known.is_empty() && !keys.is_empty() && known.len().max(keys.len()) > 1 && known != keys {
        return Err(differs(format!(
            "its key is `{}` in the store and `{}` in the import",
            known.join(","),
            keys.join(",")
        )));
    }
    let keys = if known.is_empty() { keys } else { known };
    Ok(if keys.is_empty() { schema } else { schema.with_keys(keys.to_vec()) })
}

/// What an import needs to complete its rows by those of the store.
#[derive(Debug)]
pub(super) struct Merge {
    base: Rc<View>,
    base_layout: RecordLayout,
    /// Where each of the import's columns stands among the merged ones.
    positions: Vec<usize>,
    /// Whether rows of the import lack columns that the store has.
    is_partial: bool,
    /// How many columns there are.
    columns: usize,
    copy: EntryCopy,
    record: Vec<u8>,
    widened: Vec<u8>,
}

impl Merge {
    /// How rows of `given` become rows of `merged`; `None` where they are that already.
    pub(super) fn new(view: &Rc<View>, given: &Schema, merged: &Schema) -> Option<Self> {
        let base = &view.snapshot;
        if base.schema == *merged && given == merged {
            return None;
        }
        let (places, has) = (merged.positions(), given.positions());
        let position = |column: &StoreColumn| places.get(&*column.name).copied();
        Some(Self {
            base: Rc::clone(view),
            base_layout: base.layout(),
            positions: given.columns().iter().filter_map(position).collect(),
            is_partial: base.schema.columns().iter().any(|it| !has.contains_key(&*it.name)),
            columns: merged.columns().len(),
            copy: EntryCopy::default(),
            record: Vec::new(),
            widened: Vec::new(),
        })
    }

    /// The row of all columns that `cells` of the import make with what the store has of `key`.
    pub(super) fn complete<'c>(
        &'c mut self,
        key: &[u8],
        cells: &[CellValue<'c>],
    ) -> Result<Vec<CellValue<'c>>, EmbeddedError> {
        let positions = &self.positions;
        let mut row = if self.is_partial {
            stored(&self.base, &self.base_layout, &mut self.copy, key, self.columns)?
        } else {
            vec![CellValue::Null; self.columns]
        };
        for (&at, &cell) in positions.iter().zip(cells) {
            row[at] = cell;
        }
        Ok(row)
    }

    /// Makes of the entry of a row of the store, for which the import has none, one of all columns;
    /// `None` where it is no such entry.
    pub(super) fn widen(
        &mut self,
        hash: &KeyedHash,
        layout: &RecordLayout,
        texts: &mut Interner,
        entry: &mut Vec<u8>,
    ) -> Option<()> {
        let kept = Entry::at(entry, self.base_layout.length())?;
        let record = self.base_layout.read(kept.record(), &*self.base).ok()?;
        let row = all_columns(&record, &self.base_layout, self.columns)?;
        layout.encode(record.last_updated_us(), &row, texts, &mut self.record).ok()?;
        Entry::encode(hash, kept.key(), &self.record, &mut self.widened);
        std::mem::swap(entry, &mut self.widened);
        Some(())
    }
}

/// What the store has of `key`, in all columns.
fn stored<'c>(
    view: &'c View,
    layout: &'c RecordLayout,
    copy: &'c mut EntryCopy,
    key: &[u8],
    columns: usize,
) -> Result<Vec<CellValue<'c>>, EmbeddedError> {
    let damaged = || EmbeddedError::RecordsDamaged {
        path: view.snapshot.path().to_owned(),
        damaged: 1,
        rows: view.rows(),
    };
    match view.find(view.snapshot.hash.of(key), key, copy) {
        Found::Missing => return Ok(vec![CellValue::Null; columns]),
        Found::Damaged => return Err(damaged()),
        Found::Stored => {}
    }
    let entry = copy.entry(layout.length()).ok_or_else(damaged)?;
    let record = layout.read(entry.record(), view).map_err(|_| damaged())?;
    all_columns(&record, layout, columns).ok_or_else(damaged)
}

/// The cells of a record of the store, and null for the columns after them: the store's columns are
/// the first of the merged ones. `None` where a text is not as it was written.
fn all_columns<'c>(
    record: &Record<'c>,
    layout: &RecordLayout,
    columns: usize,
) -> Option<Vec<CellValue<'c>>> {
    let cells = layout.places().iter().map(|place| record.cell(*place));
    let mut row = cells.collect::<Option<Vec<_>>>()?;
    row.resize(columns, CellValue::Null);
    Some(row)
}
