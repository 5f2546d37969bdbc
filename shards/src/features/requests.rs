//! What a batch asks of a store: a key per row, and the cells that its request gives itself.

use super::composite::push_part;
use super::distinct::DistinctRows;

/// The longest key that a store takes, in bytes: one limit for every store, so that a user who can be
/// looked up in one can be in each.
pub const KEY_BYTES_MAX: usize = 511;

/// The keys of a batch's rows for one entity. Reused from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct KeyList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    distinct: DistinctRows,
}

impl KeyList {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.distinct.clear();
    }

    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.finish();
    }

    /// Ends the row whose key's bytes were appended.
    fn finish(&mut self) {
        let start = self.ends.last().copied().unwrap_or(0);
        self.ends.push(self.bytes.len());
        let (bytes, ends) = (&self.bytes, &self.ends);
        let key = &bytes[start..];
        self.distinct.push(key, |other| key_of(bytes, ends, other) == key);
    }

    fn push_without_key(&mut self) {
        self.ends.push(self.bytes.len());
        self.distinct.push_without_key();
    }

    /// The key of `row`; empty where its request names none.
    pub(crate) fn key(&self, row: usize) -> &[u8] {
        key_of(&self.bytes, &self.ends, row)
    }

    /// The first row of each distinct key: what a store is asked for.
    pub(crate) fn distinct(&self) -> &[u32] {
        self.distinct.firsts()
    }

    /// All rows that have the key of `first`, which is one of [`Self::distinct`].
    pub(crate) fn rows_like(&self, first: u32) -> impl Iterator<Item = usize> {
        self.distinct.rows_like(first)
    }
}

/// The keys of a batch's rows and the cells that their requests give. Reused from batch to batch.
#[derive(Debug)]
pub struct FetchRequests {
    /// Of the entity that rows are told by.
    keys: KeyList,
    /// Of the model's other entities.
    more_keys: Vec<KeyList>,
    cells: Vec<f64>,
    cells_per_row: usize,
}

impl FetchRequests {
    /// No rows, each to come with `cells_per_row` cells from its request: the length of
    /// `JoinPlan::request_fields`. They have one key each.
    pub fn new(cells_per_row: usize) -> Self {
        Self { keys: KeyList::default(), more_keys: Vec::new(), cells: Vec::new(), cells_per_row }
    }

    /// The same for rows with a key for each entity of a model.
    #[must_use]
    pub fn with_entities(self, entities: usize) -> Self {
        Self { more_keys: (1..entities).map(|_| KeyList::default()).collect(), ..self }
    }

    /// Forgets all rows and keeps what is allocated.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.more_keys.iter_mut().for_each(KeyList::clear);
        self.cells.clear();
    }

    /// Adds a row. Cells beyond the plan's are ignored, those not given are NaN. The keys of the
    /// other entities have to follow: [`Self::push_key`].
    pub fn push(&mut self, key: &[u8], cells: &[f64]) {
        let row = self.len();
        self.cells.extend(cells.iter().take(self.cells_per_row));
        self.cells.resize((row + 1) * self.cells_per_row, f64::NAN);
        self.keys.push(key);
    }

    /// Adds the key that the last row has for the entity at this place, from 1 on, in its parts.
    /// Without parts, or with one that no key has, it has none.
    pub fn push_key<'k>(&mut self, entity: usize, parts: impl Iterator<Item = &'k [u8]>) {
        let keys = &mut self.more_keys[entity - 1];
        join_key(parts, &mut keys.bytes);
        keys.finish();
    }

    /// Adds a row whose features the request gives itself: no store is asked for it.
    pub(crate) fn push_without_key(&mut self) {
        self.keys.push_without_key();
        self.more_keys.iter_mut().for_each(KeyList::push_without_key);
        self.cells.resize(self.len() * self.cells_per_row, f64::NAN);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.keys.ends.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.keys.ends.is_empty()
    }

    /// The keys of the entity at this place.
    pub(crate) fn keys(&self, entity: usize) -> &KeyList {
        match entity.checked_sub(1) {
            None => &self.keys,
            Some(other) => &self.more_keys[other],
        }
    }

    /// The cells that the request of `row` gives.
    pub fn cells(&self, row: usize) -> &[f64] {
        &self.cells[row * self.cells_per_row..(row + 1) * self.cells_per_row]
    }
}

/// Appends the key of these parts, as stores have it. Nothing is appended where there is none, or one
/// of them is empty.
pub(crate) fn join_key<'k>(mut parts: impl Iterator<Item = &'k [u8]>, key: &mut Vec<u8>) {
    let start = key.len();
    let Some(first) = parts.next() else { return };
    let Some(second) = parts.next() else { return key.extend_from_slice(first) };
    for part in [first, second].into_iter().chain(parts) {
        if part.is_empty() {
            return key.truncate(start);
        }
        push_part(key, part);
    }
}

fn key_of<'a>(key_bytes: &'a [u8], key_ends: &[usize], row: usize) -> &'a [u8] {
    let start = if row == 0 { 0 } else { key_ends[row - 1] };
    &key_bytes[start..key_ends[row]]
}

#[cfg(test)]
mod tests {
    use super::join_key;

    #[test]
    fn parts_become_one_key_or_none() {
        let joined = |parts: &[&str]| {
            let mut key = b"before".to_vec();
            join_key(parts.iter().map(|part| part.as_bytes()), &mut key);
            String::from_utf8(key.split_off(6)).unwrap()
        };
        assert_eq!(joined(&["a"]), "a");
        assert_eq!(joined(&["NL", "411111", "x"]), "2:NL6:4111111:x");
        for none in [&[][..], &[""], &["a", ""], &["", "b"]] {
            assert_eq!(joined(none), "", "{none:?}");
        }
    }
}
