//! Packs the rows of a CQL answer as records, without building values on the way.

use scylla::deserialize::row::ColumnIterator;
use scylla::frame::response::result::{ColumnType as CqlType, NativeType};
use scylla::response::query_result::ColumnSpecs;

use super::faults::Fault;
use super::keys::KeyType;
use crate::failure::FaultReason;
use crate::features::column::{CellValue, ColumnType, NotOfType};
use crate::features::record::{CELLS_START, RecordLayout};
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

/// How an answer's rows look: the key, `last_updated` where the table has it, then the features.
#[derive(Debug)]
pub(super) struct RowShape {
    pub(super) layout: RecordLayout,
    pub(super) has_last_updated: bool,
    pub(super) key_type: KeyType,
}

impl RowShape {
    /// Whether an answer's columns are those that were asked for, in the types that they had then.
    pub(super) fn check(&self, found: ColumnSpecs<'_, '_>) -> Result<(), Fault> {
        let special = 1 + usize::from(self.has_last_updated);
        let places = self.layout.places();
        if found.len() != special + places.len() {
            let said = format!("{} columns, expected {}", found.len(), special + places.len());
            return Err(Fault::new(FaultReason::TableChanged, said));
        }
        for (at, spec) in found.iter().enumerate() {
            let fits = match (at.checked_sub(special), spec.typ()) {
                (None, CqlType::Native(native)) if at == 0 => self.key_type.is(native),
                (None, CqlType::Native(NativeType::Timestamp)) => at == 1,
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

    /// Packs a row into `record`, as long as the layout says, and returns its key. A null
    /// `last_updated` and one that the table does not have count as now.
    pub(super) fn pack<'frame>(
        &self,
        mut row: ColumnIterator<'frame, '_>,
        packing: &mut Packing<'_>,
        record: &mut [u8],
    ) -> Result<&'frame [u8], Malformed> {
        let mut next = || match row.next() {
            Some(Ok(column)) => Ok(column.slice.map(|slice| slice.as_slice())),
            _ => Err(Malformed),
        };
        let key = next()?.ok_or(Malformed)?;
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
