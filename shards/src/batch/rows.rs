//! What each request asks and what came of it, in slots that are reused with their buffers.

use super::RowFailure;
use crate::features::FeatureStatus;
use crate::http::Origin;

/// A slot of [`Rows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowId(u32);

/// A row that was scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The score; finite.
    pub score: f64,
    /// What the row's features stood on.
    pub status: FeatureStatus,
}

/// Where a row is between its arrival and its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowState {
    /// Being filled, or waiting in its lane's queue.
    Waiting,
    /// In a batch that is being fetched or computed.
    Running,
    /// Its connection went away while it was running; the end of the batch frees it.
    Abandoned,
    /// Answered.
    Done(Result<Scored, RowFailure>),
}

/// One user to score: what was asked, for whom, and what came of it.
#[derive(Debug)]
pub struct Row {
    /// The key that the store is asked for; empty for a row with features of its own.
    pub key: String,
    /// Whether the request gave the key as a JSON integer: it is echoed with the same type.
    pub key_is_integer: bool,
    /// The cells that come from the request, in the order of the model's request fields; NaN
    /// where the request has none. Of a row with features of its own: all of the model's cells.
    pub request_cells: Vec<f64>,
    /// Whether the request gave the features themselves, and the store is not asked.
    pub has_own_features: bool,
    /// The connection that waits for it.
    pub connection: u32,
    /// Where its request comes from.
    pub origin: Origin,
    /// When it was queued, in ns of the shard's clock.
    pub queued_ns: u64,
    /// When its answer is worthless, in ns of the shard's clock.
    pub deadline_ns: u64,
    /// Where it is.
    pub state: RowState,
    /// The next row of the same request.
    pub next: Option<RowId>,
}

/// The rows of one lane. A freed slot keeps its buffers for the next row.
#[derive(Debug, Default)]
pub struct Rows {
    slots: Vec<Row>,
    free: Vec<RowId>,
}

impl Rows {
    /// A slot for a new row, its buffers empty.
    pub fn insert(&mut self, connection: u32) -> RowId {
        if let Some(id) = self.free.pop() {
            let row = self.get_mut(id);
            row.key.clear();
            row.key_is_integer = false;
            row.request_cells.clear();
            row.has_own_features = false;
            row.connection = connection;
            row.queued_ns = 0;
            row.deadline_ns = u64::MAX;
            row.state = RowState::Waiting;
            row.next = None;
            return id;
        }
        let id = RowId(self.slots.len() as u32);
        self.slots.push(Row {
            key: String::new(),
            key_is_integer: false,
            request_cells: Vec::new(),
            has_own_features: false,
            connection,
            origin: Origin::default(),
            queued_ns: 0,
            deadline_ns: u64::MAX,
            state: RowState::Waiting,
            next: None,
        });
        id
    }

    /// The row in a slot that [`Rows::insert`] gave and [`Rows::remove`] has not taken back.
    pub fn get(&self, id: RowId) -> &Row {
        &self.slots[id.0 as usize]
    }

    /// [`Rows::get`], to change it.
    pub fn get_mut(&mut self, id: RowId) -> &mut Row {
        &mut self.slots[id.0 as usize]
    }

    /// Frees a slot. Its buffers stay, unless they grew far beyond what a row needs.
    pub fn remove(&mut self, id: RowId) {
        const KEPT_BYTES_MAX: usize = 1_024;
        const KEPT_CELLS_MAX: usize = 512;
        let row = self.get_mut(id);
        row.origin = Origin::default();
        if row.key.capacity() > KEPT_BYTES_MAX {
            row.key = String::new();
        }
        if row.request_cells.capacity() > KEPT_CELLS_MAX {
            row.request_cells = Vec::new();
        }
        self.free.push(id);
    }

    /// How many rows are held.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
