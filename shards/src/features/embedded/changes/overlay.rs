//! What changed since a table's file was written, by key: whole rows, in the file's own layout.

use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;

use super::frame::{Frame, RowChange};
use crate::features::aggregates::ring::Ring;
use crate::features::column::CellValue;
use crate::features::embedded::entries::{Entry, EntryCopy};
use crate::features::embedded::layout::ENTRY_HEAD_BYTES;
use crate::features::embedded::snapshot::{Found, Snapshot};
use crate::features::record::{CELLS_START, CellPlace, RecordLayout, last_updated_us};
use crate::features::schema::{Schema, StoreColumn};
use crate::features::texts::{Interner, Texts};

/// Counts overlays, so that the codes of one are not taken for those of another.
static MADE: AtomicU64 = AtomicU64::new(1);

/// Where a changed row is.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u64,
    /// Of its entry in the bytes.
    at: usize,
    state: State,
}

/// What became of a changed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    There,
    Removed,
    /// The row of the file is not as it was written, of which a change keeps cells.
    Damaged,
}

/// Changed rows over a file.
#[derive(Debug)]
pub(in crate::features::embedded) struct Overlay {
    layout: RecordLayout,
    rings: Vec<Ring>,
    places: HashTable<Place>,
    /// Entries as a file has them, their checksums left out.
    bytes: Vec<u8>,
    /// A row of which nothing is known.
    empty: Vec<u8>,
    /// Texts that rows were changed to: their codes follow those of the file.
    texts: Interner,
    texts_of_file: u32,
    generation: u64,
    copy: EntryCopy,
    /// How many of its keys the file has not, and how many rows of the file are gone.
    added: u64,
    removed: u64,
}

impl Overlay {
    /// No changes of `snapshot` yet.
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let layout = snapshot.layout();
        let nulls = vec![CellValue::Null; snapshot.schema.columns().len()];
        let (mut empty, mut texts) = (Vec::new(), Interner::default());
        // Nulls fit every column.
        let _ = layout.encode(0, &nulls, &mut texts, &mut empty);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        Self {
            layout,
            rings: Ring::all_of(&snapshot.schema),
            places: HashTable::new(),
            bytes: Vec::new(),
            empty,
            texts,
            texts_of_file: u32::try_from(snapshot.header.texts).unwrap_or(u32::MAX),
            generation: snapshot.header.seed ^ made.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            copy: EntryCopy::default(),
            added: 0,
            removed: 0,
        }
    }

    /// How many keys there are that the file has not, and how many rows of the file are gone.
    pub(in crate::features::embedded) fn added_and_removed(&self) -> (u64, u64) {
        (self.added, self.removed)
    }

    /// Looks for a change of `key`, whose hash under the file's seed is `hash`, and leaves its entry in
    /// `copy`; `None` where it was not changed.
    #[inline]
    pub(in crate::features::embedded) fn find(
        &self,
        hash: u64,
        key: &[u8],
        copy: &mut EntryCopy,
    ) -> Option<Found> {
        let place = self.place(hash, key)?;
        match place.state {
            State::There => {}
            State::Removed => return Some(Found::Missing),
            State::Damaged => return Some(Found::Damaged),
        }
        let entry = Entry::at(&self.bytes[place.at..], self.layout.length())?;
        copy.take(entry, self.layout.length()).map(|_| Found::Stored)
    }

    /// Whether `key` was changed or removed.
    pub(in crate::features::embedded) fn has(&self, hash: u64, key: &[u8]) -> bool {
        self.place(hash, key).is_some()
    }

    fn place(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let (bytes, record_bytes) = (&self.bytes, self.layout.length());
        let found = self
            .places
            .find(hash, |place| place.hash == hash && key_at(bytes, place.at, record_bytes) == key);
        found.copied()
    }

    /// The rows that were changed and are there, in no order.
    pub(in crate::features::embedded) fn rows(&self) -> impl Iterator<Item = Entry<'_>> {
        let there = self.places.iter().filter(|place| place.state == State::There);
        there.filter_map(|place| Entry::at(&self.bytes[place.at..], self.layout.length()))
    }

    /// Takes what a frame changed of `snapshot`; `columns` are those of the frame's log, and `positions`
    /// says which of the file's each is.
    pub(super) fn apply(
        &mut self,
        snapshot: &Snapshot,
        frame: Frame<'_>,
        columns: &[StoreColumn],
        positions: &[Option<usize>],
    ) {
        for row in frame.rows(columns) {
            self.apply_row(snapshot, row, positions);
        }
    }

    fn apply_row(&mut self, snapshot: &Snapshot, row: RowChange<'_>, positions: &[Option<usize>]) {
        let hash = snapshot.hash.of(row.key);
        let at = match self.place(hash, row.key) {
            Some(place) => self.revive(place, row.is_removal),
            None => self.add(snapshot, hash, row),
        };
        if row.is_removal {
            return;
        }
        let start = at + ENTRY_HEAD_BYTES + row.key.len();
        let end = start + self.layout.length();
        let record = &mut self.bytes[start..end];
        // What happens to a row does not make what is known of it newer.
        if !row.is_event || last_updated_us(record) == 0 {
            record[..CELLS_START].copy_from_slice(&row.last_updated_us.to_le_bytes());
        }
        if row.is_event {
            for (column, value) in row.cells() {
                let position = positions.get(column).copied().flatten();
                let ring = self.rings.iter().find(|ring| Some(ring.head) == position);
                if let (Some(ring), CellValue::Bigint(operand)) = (ring, value) {
                    ring.take(record, row.last_updated_us, operand.cast_unsigned());
                }
            }
            return;
        }
        for (column, value) in row.cells() {
            let Some(position) = positions.get(column).copied().flatten() else { continue };
            let place = self.layout.places()[position];
            self.write(place, value, start..end);
        }
    }

    fn write(&mut self, place: CellPlace, value: CellValue<'_>, record: std::ops::Range<usize>) {
        let record = &mut self.bytes[record];
        record[place.null_offset] &= !place.null_mask;
        let cell = &mut record[place.offset..place.offset + place.column_type.width_bytes()];
        cell.fill(0);
        if let CellValue::Text(text) = value {
            let code = self.texts.intern(text.as_bytes());
            // A log is merged long before it has as many texts as there are codes.
            let code =
                code.and_then(|code| code.checked_add(self.texts_of_file)).unwrap_or(u32::MAX);
            cell.copy_from_slice(&code.to_le_bytes());
        } else {
            place.write(value, &mut self.texts, record);
        }
    }

    /// The entry of a key that was changed before, which is empty if its row was removed.
    fn revive(&mut self, place: Place, is_removal: bool) -> usize {
        let Place { hash, at, state } = place;
        if (state == State::Removed) == is_removal {
            return at;
        }
        let same = |known: &Place| known.at == at;
        if let Some(known) = self.places.find_mut(hash, same) {
            known.state = if is_removal { State::Removed } else { State::There };
        }
        // Whether the file has the key was counted when it was first met.
        let was_of_file = self.bytes[at] == OF_FILE;
        match (is_removal, was_of_file) {
            (true, true) => self.removed += 1,
            (true, false) => self.added -= 1,
            (false, true) => self.removed -= 1,
            (false, false) => self.added += 1,
        }
        let end = at + ENTRY_HEAD_BYTES + key_at(&self.bytes, at, self.layout.length()).len();
        self.bytes[end..end + self.empty.len()].copy_from_slice(&self.empty);
        at
    }

    /// Makes the entry of a key that is changed for the first time, of what the file has of it.
    fn add(&mut self, snapshot: &Snapshot, hash: u64, row: RowChange<'_>) -> usize {
        let at = self.bytes.len();
        let found = snapshot.find(hash, row.key, &mut self.copy);
        let stored = self.copy.entry(self.layout.length()).filter(|_| found == Found::Stored);
        let mark = if found == Found::Missing { 0 } else { OF_FILE };
        self.bytes.extend_from_slice(&[mark, 0, 0, 0]);
        self.bytes.extend_from_slice(&(row.key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(row.key);
        match stored {
            Some(entry) if !row.is_removal => self.bytes.extend_from_slice(entry.record()),
            _ => self.bytes.extend_from_slice(&self.empty),
        }
        match (row.is_removal, mark == OF_FILE) {
            (true, true) => self.removed += 1,
            (false, false) => self.added += 1,
            _ => {}
        }
        let state = match found {
            _ if row.is_removal => State::Removed,
            Found::Damaged => State::Damaged,
            Found::Stored | Found::Missing => State::There,
        };
        self.places.insert_unique(hash, Place { hash, at, state }, |place| place.hash);
        at
    }

    pub(in crate::features::embedded) fn generation(&self) -> u64 {
        self.generation
    }

    /// The text of a code that the file has not.
    pub(in crate::features::embedded) fn text(&self, code: u32) -> Option<&[u8]> {
        self.texts.text(code.checked_sub(self.texts_of_file)?)
    }

    /// Whether a code is of the file's texts.
    pub(in crate::features::embedded) fn is_of_file(&self, code: u32) -> bool {
        code < self.texts_of_file
    }
}

/// In the place of an entry's checksum: the file has a row of this key.
const OF_FILE: u8 = 1;

fn key_at(bytes: &[u8], at: usize, record_bytes: usize) -> &[u8] {
    Entry::at(&bytes[at..], record_bytes).map_or(&[], |entry| entry.key())
}

/// Where each of the columns of `log` is among those of `file`: by name and type.
pub(super) fn positions(log: &Schema, file: &Schema) -> Vec<Option<usize>> {
    let places = file.positions();
    let position = |column: &StoreColumn| {
        let at = places.get(&*column.name).copied()?;
        (file.columns()[at].column_type == column.column_type).then_some(at)
    };
    log.columns().iter().map(position).collect()
}
