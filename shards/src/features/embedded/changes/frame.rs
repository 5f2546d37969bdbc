//! One frame of a log of changes: what one request changed, whole or not at all.
//!
//! ```text
//! 0    checksum of all that follows (8), length of what is behind the head (4), rows (4)
//! 16   number of the change (8), time of the commit (8), idempotency: of the key (16), of the body (8)
//! 56   rows: kind (1), nothing (1), length of the key (2), cells (4), last_updated (8), key, cells
//! ```
//!
//! A row is put (0), removed (1), or something happened to it (2): then its time is the event's, and its
//! cells are what aggregates take of it.
//!
//! A cell is its column (2), of which the highest bit says that it is null, and its value: as wide as a
//! record has it, of a text its length (4) and the text. Numbers are little-endian.

use crate::features::column::{CellValue, ColumnType};
use crate::features::embedded::keyed_hash::KeyedHash;
use crate::features::schema::{Schema, StoreColumn};
use crate::features::texts::{Interner, NoTexts};

/// What is before a frame's rows.
pub(super) const HEAD_BYTES: usize = 56;
const ROW_HEAD_BYTES: usize = 16;
/// The longest frame, head left out.
pub(super) const PAYLOAD_BYTES_MAX: usize = 64 << 20;
const NULL_BIT: u16 = 1 << 15;
/// Stands for the time of the commit.
const AT_COMMIT: i64 = i64::MIN;
/// Kinds of rows.
const PUT: u8 = 0;
const REMOVAL: u8 = 1;
const EVENT: u8 = 2;

/// By which a request is known that is sent again: a hash of its `idempotency-key`, one of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Idempotency {
    pub(super) key: u128,
    pub(super) body: u64,
}

impl Idempotency {
    /// Whether a request with the same `idempotency-key` has this.
    pub fn has_key_of(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Of a request with this key and body.
    pub fn of(key: &[u8], body: &[u8]) -> Self {
        let [one, other, third] = [1, 2, 3].map(KeyedHash::new);
        let key = u128::from(one.of(key)) << 64 | u128::from(other.of(key));
        // 0 says that there is none.
        Self { key: key.max(1), body: third.of(body) }
    }
}

/// Rows to be written or removed, all of them or none.
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    pub(super) fingerprint: u64,
    pub(super) rows: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) idempotency: Option<Idempotency>,
}

impl ChangeBatch {
    /// No rows yet, of a table with these columns.
    pub fn new(schema: &Schema) -> Self {
        let fingerprint = schema.fingerprint();
        Self { fingerprint, rows: 0, bytes: Vec::new(), idempotency: None }
    }

    /// The same, that is written once however often it comes.
    #[must_use]
    pub fn once(self, idempotency: Option<Idempotency>) -> Self {
        Self { idempotency, ..self }
    }

    /// By which it is known when it comes again.
    pub fn idempotency(&self) -> Option<Idempotency> {
        self.idempotency
    }

    /// The keys of its rows, by the columns of the schema that they were made for.
    pub fn keys(&self, schema: &Schema) -> Vec<Vec<u8>> {
        self.written_rows(schema).map(|row| row.key.to_vec()).collect()
    }

    /// How many rows there are.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds the cells of a row, each with its column's place in `schema` and of its type; other cells of
    /// the row stay as they are. It is as old as `last_updated_us` says (µs since 1970), or else as the
    /// commit. The key has 1 to `KEY_BYTES_MAX` bytes.
    pub fn put(
        &mut self,
        schema: &Schema,
        key: &[u8],
        last_updated_us: Option<i64>,
        cells: &[(usize, CellValue<'_>)],
    ) {
        self.row(PUT, key, last_updated_us, cells.len());
        let mut unused = Interner::default();
        for &(column, value) in cells {
            let null = if value == CellValue::Null { NULL_BIT } else { 0 };
            self.bytes.extend_from_slice(&(column as u16 | null).to_le_bytes());
            match value {
                CellValue::Null => {}
                CellValue::Text(text) => {
                    self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    self.bytes.extend_from_slice(text.as_bytes());
                }
                value => {
                    let column_type = schema.columns()[column].column_type;
                    let at = self.bytes.len();
                    self.bytes.resize(at + column_type.width_bytes(), 0);
                    column_type.pack(value, &mut unused, &mut self.bytes[at..]);
                }
            }
        }
    }

    /// Adds that something happened to `key` at a time (µs since 1970): what aggregates take of it, each
    /// with the place of its column of the newest tile in the schema.
    pub(in crate::features) fn count(&mut self, key: &[u8], at_us: i64, operands: &[(usize, u64)]) {
        self.row(EVENT, key, Some(at_us), operands.len());
        for (column, operand) in operands {
            self.bytes.extend_from_slice(&(*column as u16).to_le_bytes());
            self.bytes.extend_from_slice(&operand.to_le_bytes());
        }
    }

    /// Adds that the row of `key` goes.
    pub fn remove(&mut self, key: &[u8]) {
        self.row(REMOVAL, key, None, 0);
    }

    /// Its rows, but events, as they were added by the columns of `schema`.
    pub(in crate::features) fn written_rows<'a>(
        &'a self,
        schema: &'a Schema,
    ) -> impl Iterator<Item = WrittenRow<'a>> {
        let mut left = &self.bytes[..];
        let rows = (0..self.rows)
            .map_while(move |_| RowChange::take(&mut left, schema.columns(), AT_COMMIT));
        rows.filter(|row| !row.is_event).map(|row| WrittenRow {
            key: row.key,
            last_updated_us: Some(row.last_updated_us).filter(|at| *at != AT_COMMIT),
            is_removal: row.is_removal,
            cells: row.cells().collect(),
        })
    }

    fn row(&mut self, kind: u8, key: &[u8], last_updated_us: Option<i64>, cells: usize) {
        self.rows += 1;
        self.bytes.extend_from_slice(&[kind, 0]);
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(&(cells as u32).to_le_bytes());
        self.bytes.extend_from_slice(&last_updated_us.unwrap_or(AT_COMMIT).to_le_bytes());
        self.bytes.extend_from_slice(key);
    }

    /// Puts the frame of these rows at the end of `out`.
    pub(super) fn encode(&self, hash: &KeyedHash, number: u64, time_us: i64, out: &mut Vec<u8>) {
        let start = out.len();
        let Idempotency { key, body } = self.idempotency.unwrap_or_default();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&time_us.to_le_bytes());
        out.extend_from_slice(&key.to_le_bytes());
        out.extend_from_slice(&body.to_le_bytes());
        out.extend_from_slice(&self.bytes);
        let checksum = hash.of(&out[start + 8..]);
        out[start..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// A row to be written elsewhere than in a log.
#[derive(Debug)]
pub(in crate::features) struct WrittenRow<'a> {
    pub(in crate::features) key: &'a [u8],
    /// `None`: as old as its writing.
    pub(in crate::features) last_updated_us: Option<i64>,
    pub(in crate::features) is_removal: bool,
    /// Its cells, each with its column's place.
    pub(in crate::features) cells: Vec<(usize, CellValue<'a>)>,
}

/// A frame as it lies in a log, its checksum right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) number: u64,
    pub(super) time_us: i64,
    pub(super) idempotency: Option<Idempotency>,
    rows: u32,
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// How long the frame is that begins with `head`, its head included; `None` for none that can be.
    pub(super) fn length(head: &[u8]) -> Option<usize> {
        let length = u32::from_le_bytes(*head.get(8..)?.first_chunk()?) as usize;
        (length <= PAYLOAD_BYTES_MAX).then_some(HEAD_BYTES + length)
    }

    /// The frame at the start of `bytes`; `None` where there is none that is whole.
    pub(super) fn at(bytes: &'a [u8], hash: &KeyedHash) -> Option<Self> {
        let whole = bytes.get(..Self::length(bytes)?)?;
        let word = |at: usize| u64::from_le_bytes(super::array(&whole[at..]));
        if word(0) != hash.of(&whole[8..]) {
            return None;
        }
        let key = u128::from(word(40)) << 64 | u128::from(word(32));
        Some(Self {
            number: word(16),
            time_us: word(24).cast_signed(),
            idempotency: (key != 0).then(|| Idempotency { key, body: word(48) }),
            rows: u32::from_le_bytes(super::array(&whole[12..])),
            bytes: &whole[HEAD_BYTES..],
        })
    }

    /// Its rows, by the columns of the log that it is in; ends early at one that cannot be.
    pub(super) fn rows(self, columns: &'a [StoreColumn]) -> impl Iterator<Item = RowChange<'a>> {
        let mut left = self.bytes;
        (0..self.rows).map_while(move |_| RowChange::take(&mut left, columns, self.time_us))
    }
}

/// What a frame says of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowChange<'a> {
    pub(super) key: &'a [u8],
    pub(super) last_updated_us: i64,
    /// Whether the row goes; it has no cells then.
    pub(super) is_removal: bool,
    /// Whether it is an event, at `last_updated_us`: its cells are operands of aggregates.
    pub(super) is_event: bool,
    cells: u32,
    bytes: &'a [u8],
    columns: &'a [StoreColumn],
}

impl<'a> RowChange<'a> {
    fn take(left: &mut &'a [u8], columns: &'a [StoreColumn], time_us: i64) -> Option<Self> {
        let head: &[u8; ROW_HEAD_BYTES] = left.first_chunk()?;
        let key_bytes = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let last_updated_us = i64::from_le_bytes(super::array(&head[8..]));
        let key = left.get(ROW_HEAD_BYTES..ROW_HEAD_BYTES + key_bytes)?;
        let bytes = &left[ROW_HEAD_BYTES + key_bytes..];
        let row = Self {
            key,
            last_updated_us: if last_updated_us == AT_COMMIT { time_us } else { last_updated_us },
            is_removal: head[0] == REMOVAL,
            is_event: head[0] == EVENT,
            cells: u32::from_le_bytes(super::array(&head[4..])),
            bytes,
            columns,
        };
        let mut cells = row.cells();
        cells.by_ref().for_each(drop);
        *left = cells.left;
        Some(row)
    }

    /// Its cells, each with the place of its column among the log's.
    pub(super) fn cells(&self) -> CellChanges<'a> {
        CellChanges { left: self.bytes, cells: self.cells, columns: self.columns }
    }
}

/// Goes over the cells of a row.
#[derive(Debug)]
pub(super) struct CellChanges<'a> {
    left: &'a [u8],
    cells: u32,
    columns: &'a [StoreColumn],
}

impl<'a> CellChanges<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(length)?;
        self.left = left;
        Some(taken)
    }
}

impl<'a> Iterator for CellChanges<'a> {
    type Item = (usize, CellValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.cells = self.cells.checked_sub(1)?;
        let word = u16::from_le_bytes(super::array(self.take(2)?));
        let column = usize::from(word & !NULL_BIT);
        if word & NULL_BIT != 0 {
            return Some((column, CellValue::Null));
        }
        let column_type = self.columns.get(column)?.column_type;
        let value = if column_type == ColumnType::Text {
            let length = u32::from_le_bytes(super::array(self.take(4)?)) as usize;
            CellValue::Text(std::str::from_utf8(self.take(length)?).ok()?)
        } else {
            column_type.unpack(self.take(column_type.width_bytes())?, &NoTexts)?
        };
        Some((column, value))
    }
}
