//! Packs the rows of a CQL answer as records, without building values on the way.

use std::borrow::Cow;

use scylla::deserialize::row::ColumnIterator;
use scylla::frame::response::result::{ColumnType as CqlType, NativeType};
use scylla::response::query_result::ColumnSpecs;

use super::faults::Fault;
use super::feast;
use super::table_key::TableKey;
use crate::failure::FaultReason;
use crate::features::column::{CellValue, ColumnType, NotOfType};
use crate::features::record::{CELLS_START, RecordLayout, last_updated_us};
use crate::features::schema::Schema;
use crate::features::texts::Interner;

/// A row that is not as the statement asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What packing rows fills besides the records.
#[derive(Debug)]
pub(super) struct Packing<'a> {
    /// When rows count as written that don't say it, in µs since 1970.
    pub(super) now_us: i64,
    /// What the codes of texts mean.
    pub(super) texts: &'a mut Interner,
    /// Values that a record can't keep as they are, and that count as not known.
    pub(super) cells_lost: u64,
}

/// How an answer's rows look: the key, `last_updated` where the table has it, then the features. Of a
/// table that Feast wrote: the key, a feature's name and value, and when the event was.
#[derive(Debug)]
pub(super) struct RowShape {
    pub(super) layout: RecordLayout,
    pub(super) has_last_updated: bool,
    pub(super) key: TableKey,
    /// The features of a table that Feast wrote.
    pub(super) features: Option<FeatureNames>,
}

/// The names of features, which rows of Feast's tables have.
#[derive(Debug)]
pub(super) struct FeatureNames {
    /// In order, with the places of the columns.
    sorted: Vec<(Vec<u8>, usize)>,
}

impl FeatureNames {
    pub(super) fn of(schema: &Schema) -> Self {
        let columns = schema.columns().iter().enumerate();
        let named = columns.map(|(at, column)| (column.name.clone().into_bytes(), at));
        let mut sorted: Vec<_> = named.collect();
        sorted.sort();
        Self { sorted }
    }

    /// The place of the column that is called so.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let found = self.sorted.binary_search_by(|(other, _)| other.as_slice().cmp(name));
        found.ok().map(|at| self.sorted[at].1)
    }
}

/// A row of a table that Feast wrote.
pub(super) struct FeatureRow<'f> {
    /// The key of its entity.
    pub(super) key: &'f [u8],
    name: &'f [u8],
    value: Option<&'f [u8]>,
    event_us: Option<i64>,
}

impl RowShape {
    /// Whether an answer's columns are those that were asked for, in the types that they had then.
    pub(super) fn check(&self, found: ColumnSpecs<'_, '_>) -> Result<(), Fault> {
        if self.features.is_some() {
            return check_features(found);
        }
        let keys = self.key.columns();
        let special = keys + usize::from(self.has_last_updated);
        let places = self.layout.places();
        if found.len() != special + places.len() {
            let said = format!("{} columns, expected {}", found.len(), special + places.len());
            return Err(Fault::new(FaultReason::TableChanged, said));
        }
        for (at, spec) in found.iter().enumerate() {
            let fits = match (at.checked_sub(special), spec.typ()) {
                (None, CqlType::Native(native)) if at < keys => self.key.is(at, native),
                (None, CqlType::Native(NativeType::Timestamp)) => true,
                (Some(place), CqlType::Native(native)) => {
                    Some(places[place].column_type) == ColumnType::of_cql(native)
                }
                _ => false,
            };
            if !fits {
                let said = format!("column `{}` is {:?} now", spec.name(), spec.typ());
                return Err(Fault::new(FaultReason::TableChanged, said));
            }
        }
        Ok(())
    }

    /// Packs a row into `record`, as long as the layout says, and returns its key as
    /// [`TableKey::wire`] has it. A null
    /// `last_updated` and one that the table does not have count as now.
    pub(super) fn pack<'frame>(
        &self,
        mut row: ColumnIterator<'frame, '_>,
        packing: &mut Packing<'_>,
        record: &mut [u8],
    ) -> Result<Cow<'frame, [u8]>, Malformed> {
        let mut next = || match row.next() {
            Some(Ok(column)) => Ok(column.slice.map(|slice| slice.as_slice())),
            _ => Err(Malformed),
        };
        let key = self.key.of_row(&mut next, Malformed)?;
        let last_updated_us = match self.has_last_updated.then(&mut next).transpose()?.flatten() {
            Some(bytes) => i64::from_be_bytes(fixed(bytes)?).saturating_mul(1000),
            None => packing.now_us,
        };
        record.fill(0);
        record[..CELLS_START].copy_from_slice(&last_updated_us.to_le_bytes());
        for place in self.layout.places() {
            let known = cell_of(place.column_type, next()?)?;
            packing.cells_lost += u64::from(known.is_none());
            if !place.write(known.unwrap_or(CellValue::Null), packing.texts, record) {
                return Err(Malformed);
            }
        }
        Ok(key)
    }
}

impl FeatureRow<'_> {
    /// Reads a row.
    pub(super) fn read<'f>(mut row: ColumnIterator<'f, '_>) -> Result<FeatureRow<'f>, Malformed> {
        let mut next = || match row.next() {
            Some(Ok(column)) => Ok(column.slice.map(|slice| slice.as_slice())),
            _ => Err(Malformed),
        };
        let key = next()?.ok_or(Malformed)?;
        let (name, value) = (next()?.ok_or(Malformed)?, next()?);
        let event_ms = next()?.map(fixed).transpose()?.map(i64::from_be_bytes);
        let event_us = event_ms.map(|ms| ms.saturating_mul(1000));
        Ok(FeatureRow { key, name, value, event_us })
    }

    /// Puts the feature into the record of its entity, which has others already or is
    /// [`RowShape::begin`]'s; a feature that is none of the shape's is left out. False where it was.
    /// The record is as old as the oldest of its features.
    ///
    /// # Errors
    /// Its value is of another type, in words.
    pub(super) fn put(
        &self,
        shape: &RowShape,
        packing: &mut Packing<'_>,
        record: &mut [u8],
    ) -> Result<bool, String> {
        let found = shape.features.as_ref().and_then(|features| features.find(self.name));
        let Some(at) = found else { return Ok(false) };
        let place = shape.layout.places()[at];
        let known = feast::value_of(place.column_type, self.value.unwrap_or_default());
        let known = known.map_err(|found| {
            let name = String::from_utf8_lossy(self.name);
            format!("the feature `{name}` is {found}, expected {}", place.column_type)
        })?;
        packing.cells_lost += u64::from(known.is_none());
        record[place.null_offset] &= !place.null_mask;
        if !place.write(known.unwrap_or(CellValue::Null), packing.texts, record) {
            return Err(format!(
                "the texts of `{}` are too many",
                String::from_utf8_lossy(self.name)
            ));
        }
        let event_us = self.event_us.unwrap_or(packing.now_us);
        let oldest_us = last_updated_us(record).min(event_us);
        record[..CELLS_START].copy_from_slice(&oldest_us.to_le_bytes());
        Ok(true)
    }
}

impl RowShape {
    /// Makes a record that has no feature yet.
    pub(super) fn begin(&self, packing: &mut Packing<'_>, record: &mut [u8]) {
        record.fill(0);
        record[..CELLS_START].copy_from_slice(&i64::MAX.to_le_bytes());
        for place in self.layout.places() {
            // Null is of every type.
            let _: bool = place.write(CellValue::Null, packing.texts, record);
        }
    }
}

/// Whether an answer's columns are those of Feast's tables.
fn check_features(found: ColumnSpecs<'_, '_>) -> Result<(), Fault> {
    let fits = |(spec, expected): (&scylla::frame::response::result::ColumnSpec<'_>, &str)| {
        let CqlType::Native(native) = spec.typ() else { return false };
        match native {
            NativeType::Text | NativeType::Ascii => expected == "text",
            NativeType::Blob => expected == "blob",
            NativeType::Timestamp => expected == "timestamp",
            _ => false,
        }
    };
    let expected = feast::COLUMNS.iter().map(|(_, column_type)| *column_type);
    if found.len() == feast::COLUMNS.len() && found.iter().zip(expected).all(fits) {
        return Ok(());
    }
    Err(Fault::new(FaultReason::TableChanged, "the columns are no more those of Feast"))
}

/// A cell of an answer; `None` is a value that a record can't keep as it is.
pub(super) fn cell_of(
    column_type: ColumnType,
    cql: Option<&[u8]>,
) -> Result<Option<CellValue<'_>>, Malformed> {
    match cql {
        None => Ok(Some(CellValue::Null)),
        // CQL tells an empty value from null; only a text says anything by it.
        Some([]) if column_type != ColumnType::Text => Ok(Some(CellValue::Null)),
        Some(bytes) => column_type.decode(bytes).map_err(|NotOfType| Malformed),
    }
}

fn fixed<const WIDTH: usize>(bytes: &[u8]) -> Result<[u8; WIDTH], Malformed> {
    bytes.try_into().map_err(|_| Malformed)
}
