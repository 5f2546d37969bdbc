//! How one row is packed into bytes, in the embedded store and in the cache.
//!
//! Little-endian: `last_updated` (8 bytes, µs since 1970), the cells in the schema's order, each
//! as wide as its type and without padding, then one null bit per column. A null float is packed
//! as NaN besides, so that a row of floats is read without looking at its bits. A text is the code
//! that the store's dictionary has for it.

use super::column::{CellValue, ColumnType};
use super::schema::Schema;
use super::texts::{Interner, Texts};

/// Where the first cell starts.
pub(crate) const CELLS_START: usize = size_of::<i64>();

/// Where a column's cell lies in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellPlace {
    pub(crate) column_type: ColumnType,
    pub(crate) offset: usize,
    pub(crate) null_offset: usize,
    pub(crate) null_mask: u8,
}

/// Where the cells of a schema lie in its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLayout {
    places: Vec<CellPlace>,
    length: usize,
}

/// A record that can't be of this layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {found} bytes where the schema's have {expected}")]
pub struct WrongLength {
    /// The record's length in bytes.
    pub found: usize,
    /// The layout's length in bytes.
    pub expected: usize,
}

/// Cells that don't fit the layout's columns.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// Too few or too many cells.
    #[error("{found} cells for {expected} columns")]
    WrongCount {
        /// How many cells were given.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// A cell's type is not its column's.
    #[error("{value} in column {column}, which is {expected}")]
    WrongType {
        /// The column's position, from 0.
        column: usize,
        /// The cell, as CSV has it.
        value: String,
        /// The column's type.
        expected: ColumnType,
    },
    /// There are as many different texts as codes.
    #[error("column {column}: the store has 2^32 different texts already")]
    TooManyTexts {
        /// The column's position, from 0.
        column: usize,
    },
}

impl RecordLayout {
    /// The layout of `schema`'s records.
    pub fn new(schema: &Schema) -> Self {
        let columns = schema.columns();
        let nulls: usize = CELLS_START
            + columns.iter().map(|column| column.column_type.width_bytes()).sum::<usize>();
        let mut offset = CELLS_START;
        let places = columns.iter().enumerate().map(|(index, column)| {
            let place = CellPlace {
                column_type: column.column_type,
                offset,
                null_offset: nulls + index / 8,
                null_mask: 1 << (index % 8),
            };
            offset += column.column_type.width_bytes();
            place
        });
        let places = places.collect();
        Self { places, length: nulls + columns.len().div_ceil(8) }
    }

    /// The length of every record, in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    pub(crate) fn places(&self) -> &[CellPlace] {
        &self.places
    }

    /// The columns whose cells are codes of texts.
    pub(crate) fn text_places(&self) -> impl Iterator<Item = &CellPlace> {
        self.places.iter().filter(|place| place.column_type == ColumnType::Text)
    }

    /// Packs a row into `record`, whose content is replaced, with the codes that `texts` has for its
    /// texts.
    pub fn encode(
        &self,
        last_updated_us: i64,
        cells: &[CellValue<'_>],
        texts: &mut Interner,
        record: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if cells.len() != self.places.len() {
            return Err(EncodeError::WrongCount {
                found: cells.len(),
                expected: self.places.len(),
            });
        }
        record.clear();
        record.resize(self.length, 0);
        record[..CELLS_START].copy_from_slice(&last_updated_us.to_le_bytes());
        for (column, (&value, place)) in cells.iter().zip(&self.places).enumerate() {
            if !place.write(value, texts, record) {
                let expected = place.column_type;
                if expected == ColumnType::Text && matches!(value, CellValue::Text(_)) {
                    return Err(EncodeError::TooManyTexts { column });
                }
                let value = value.to_string();
                return Err(EncodeError::WrongType { column, value, expected });
            }
        }
        Ok(())
    }

    /// Reads `bytes` as a record of this layout, whose texts are those of `texts`.
    pub fn read<'a>(
        &'a self,
        bytes: &'a [u8],
        texts: &'a dyn Texts,
    ) -> Result<Record<'a>, WrongLength> {
        if bytes.len() == self.length {
            Ok(Record { layout: self, bytes, texts })
        } else {
            Err(WrongLength { found: bytes.len(), expected: self.length })
        }
    }
}

impl CellPlace {
    /// Writes the cell, a text by its code in `texts`; false where its type is not the column's, or
    /// there is no further code.
    pub(crate) fn write(
        &self,
        value: CellValue<'_>,
        texts: &mut Interner,
        record: &mut [u8],
    ) -> bool {
        if value == CellValue::Null {
            record[self.null_offset] |= self.null_mask;
        }
        self.column_type.pack(value, texts, &mut record[self.offset..])
    }

    /// Whether the cell is null.
    pub(crate) fn is_null(&self, record: &[u8]) -> bool {
        record[self.null_offset] & self.null_mask != 0
    }

    /// The record from the cell's bytes on.
    pub(crate) fn bytes<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        &record[self.offset..]
    }
}

/// When a record of any layout was written, in µs since 1970.
pub(crate) fn last_updated_us(record: &[u8]) -> i64 {
    let mut bytes = [0; CELLS_START];
    bytes.copy_from_slice(&record[..CELLS_START]);
    i64::from_le_bytes(bytes)
}

/// One packed row, read in place.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    layout: &'a RecordLayout,
    bytes: &'a [u8],
    texts: &'a dyn Texts,
}

impl<'a> Record<'a> {
    /// When the row was written, in µs since 1970.
    pub fn last_updated_us(&self) -> i64 {
        last_updated_us(self.bytes)
    }

    /// The cells, in the schema's order. A text that the dictionary does not have as it was written
    /// is null.
    pub fn cells(&self) -> impl Iterator<Item = CellValue<'a>> {
        self.checked_cells().map(|cell| cell.unwrap_or(CellValue::Null))
    }

    /// The cells, in the schema's order; `None` is a text that the dictionary does not have as it was
    /// written.
    pub(crate) fn checked_cells(&self) -> impl Iterator<Item = Option<CellValue<'a>>> {
        self.layout.places.iter().map(|place| self.cell(*place))
    }

    /// A cell; `None` is a text that the dictionary does not have as it was written.
    pub(crate) fn cell(&self, place: CellPlace) -> Option<CellValue<'a>> {
        if place.is_null(self.bytes) {
            return Some(CellValue::Null);
        }
        place.column_type.unpack(place.bytes(self.bytes), self.texts)
    }
}
