//! What a batch asks of a store: a key per row, and the cells that its request gives itself.

use super::distinct::DistinctRows;

/// The longest key that a store takes, in bytes: one limit for every store, so that a user who can be
/// looked up in one can be in each.
pub const KEY_BYTES_MAX: usize = 511;

/// The keys of a batch's rows and the cells that their requests give. Reused from batch to batch.
#[derive(Debug)]
pub struct FetchRequests {
    key_bytes: Vec<u8>,
    key_ends: Vec<usize>,
    cells: Vec<f64>,
    cells_per_row: usize,
    distinct: DistinctRows,
}

impl FetchRequests {
    /// No rows, each to come with `cells_per_row` cells from its request: the length of
    /// `JoinPlan::request_fields`.
    pub fn new(cells_per_row: usize) -> Self {
        Self {
            key_bytes: Vec::new(),
            key_ends: Vec::new(),
            cells: Vec::new(),
            cells_per_row,
            distinct: DistinctRows::default(),
        }
    }

    /// Forgets all rows and keeps what is allocated.
    pub fn clear(&mut self) {
        self.key_bytes.clear();
        self.key_ends.clear();
        self.cells.clear();
        self.distinct.clear();
    }

    /// Adds a row. Cells beyond the plan's are ignored, those not given are NaN.
    pub fn push(&mut self, key: &[u8], cells: &[f64]) {
        let row = self.len();
        self.key_bytes.extend_from_slice(key);
        self.key_ends.push(self.key_bytes.len());
        self.cells.extend(cells.iter().take(self.cells_per_row));
        self.cells.resize((row + 1) * self.cells_per_row, f64::NAN);
        let (bytes, ends) = (&self.key_bytes, &self.key_ends);
        self.distinct.push(key, |other| key_of(bytes, ends, other) == key);
    }

    /// Adds a row whose features the request gives itself: no store is asked for it.
    pub(crate) fn push_without_key(&mut self) {
        self.key_ends.push(self.key_bytes.len());
        self.cells.resize(self.len() * self.cells_per_row, f64::NAN);
        self.distinct.push_without_key();
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.key_ends.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.key_ends.is_empty()
    }

    /// The key of `row`.
    pub fn key(&self, row: usize) -> &[u8] {
        key_of(&self.key_bytes, &self.key_ends, row)
    }

    /// The first row of each distinct key: what a store is asked for.
    pub(crate) fn distinct(&self) -> &[u32] {
        self.distinct.firsts()
    }

    /// All rows that have the key of `first`, which is one of [`Self::distinct`].
    pub(crate) fn rows_like(&self, first: u32) -> impl Iterator<Item = usize> {
        self.distinct.rows_like(first)
    }

    /// The cells that the request of `row` gives.
    pub fn cells(&self, row: usize) -> &[f64] {
        &self.cells[row * self.cells_per_row..(row + 1) * self.cells_per_row]
    }
}

fn key_of<'a>(key_bytes: &'a [u8], key_ends: &[usize], row: usize) -> &'a [u8] {
    let start = if row == 0 { 0 } else { key_ends[row - 1] };
    &key_bytes[start..key_ends[row]]
}
