//! One group of keys on its way, and what is known of each so far.

use std::cell::{Cell, Ref, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use scylla::deserialize::row::ColumnIterator;
use scylla::response::query_result::{QueryResult, QueryRowsResult};

use super::decode::{FeatureRow, Malformed, Packing};
use super::faults::Fault;
use super::session::{CqlSession, FoundTable};
use crate::failure::FaultReason;
use crate::features::texts::Interner;

/// What is known of one key of a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyState {
    /// Nothing yet.
    Pending,
    /// Its record was found.
    Found,
    /// The store has no such user.
    Missing,
    /// The store did not answer.
    Failed,
}

#[derive(Debug)]
struct Results {
    states: Vec<KeyState>,
    /// One record a key, back to back; only those of found keys mean anything.
    records: Vec<u8>,
}

/// Keys that were asked for together. Every batch that needs one of them waits for it.
#[derive(Debug)]
pub(super) struct Flight {
    key_bytes: Vec<u8>,
    key_ends: Vec<usize>,
    /// What it departed with; another one may have taken its place by the time it lands.
    session: Rc<CqlSession>,
    /// What the codes of its records' texts mean.
    texts: Rc<RefCell<Interner>>,
    results: RefCell<Results>,
    landed_at: Cell<Option<Instant>>,
    /// Keys that were written since it departed.
    forgotten: RefCell<Vec<usize>>,
    /// What came back says that the table may be another.
    doubts_table: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Flight {
    pub(super) fn new<'k>(
        keys: impl ExactSizeIterator<Item = &'k [u8]>,
        session: Rc<CqlSession>,
        texts: Rc<RefCell<Interner>>,
    ) -> Self {
        let states = vec![KeyState::Pending; keys.len()];
        let (mut key_bytes, mut key_ends) = (Vec::new(), Vec::with_capacity(keys.len()));
        for key in keys {
            key_bytes.extend_from_slice(key);
            key_ends.push(key_bytes.len());
        }
        let records = vec![0; states.len() * session.table.shape.layout.length()];
        Self {
            key_bytes,
            key_ends,
            session,
            texts,
            results: RefCell::new(Results { states, records }),
            landed_at: Cell::new(None),
            forgotten: RefCell::default(),
            doubts_table: Cell::new(false),
            waiting: RefCell::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.key_ends.len()
    }

    pub(super) fn key(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.key_ends[index - 1] };
        &self.key_bytes[start..self.key_ends[index]]
    }

    /// What became of a key, and its record if it was found.
    pub(super) fn result(&self, index: usize) -> (KeyState, Ref<'_, [u8]>) {
        let results = self.results.borrow();
        let state = results.states[index];
        let length = self.table().shape.layout.length();
        let span = index * length..(index + 1) * length;
        (state, Ref::map(results, |results| &results.records[span]))
    }

    /// Notes that a key was written since it departed.
    pub(super) fn forget(&self, index: usize) {
        self.forgotten.borrow_mut().push(index);
    }

    /// Whether a key was written since it departed.
    pub(super) fn is_forgotten(&self, index: usize) -> bool {
        self.forgotten.borrow().contains(&index)
    }

    /// What the codes of its records' texts mean.
    pub(super) fn texts(&self) -> &Rc<RefCell<Interner>> {
        &self.texts
    }

    /// How many keys were not read.
    pub(super) fn failed(&self) -> usize {
        let states = &self.results.borrow().states;
        states.iter().filter(|state| **state == KeyState::Failed).count()
    }

    /// The keys of which nothing is known yet.
    pub(super) fn pending(&self) -> Vec<usize> {
        let states = &self.results.borrow().states;
        let pending = states.iter().enumerate();
        pending.filter(|(_, state)| **state == KeyState::Pending).map(|(index, _)| index).collect()
    }

    /// The table that its keys are asked of, as it was found.
    pub(super) fn table(&self) -> &FoundTable {
        &self.session.table
    }

    /// Notes that the table may not be what its keys were asked of.
    pub(super) fn doubt_table(&self) {
        self.doubts_table.set(true);
    }

    /// Whether what came back says so.
    pub(super) fn doubts_table(&self) -> bool {
        self.doubts_table.get()
    }

    /// Ready when nothing of it is pending.
    pub(super) fn landed(&self) -> impl Future<Output = ()> {
        std::future::poll_fn(|context| {
            if self.landed_at.get().is_some() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
    }

    /// When that came to be.
    pub(super) fn landed_at(&self) -> Option<Instant> {
        self.landed_at.get()
    }

    /// Nothing more will come: what is pending has failed.
    pub(super) fn land(&self) {
        for state in &mut self.results.borrow_mut().states {
            if *state == KeyState::Pending {
                *state = KeyState::Failed;
            }
        }
        self.landed_at.set(Some(Instant::now()));
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Takes the rows of an answer to `asked`; what is not among them is missing. Returns how many
    /// values a record can't keep as they are.
    pub(super) fn take(
        &self,
        answer: QueryResult,
        asked: &[usize],
        now_us: i64,
    ) -> Result<u64, Fault> {
        let malformed = |said: &str| Fault::new(FaultReason::Other, said);
        let answer = answer.into_rows_result().map_err(|error| malformed(&error.to_string()))?;
        let shape = &self.table().shape;
        shape.check(answer.column_specs())?;
        if shape.features.is_some() {
            return self.take_features(&answer, asked, now_us);
        }
        let length = shape.layout.length();
        let mut results = self.results.borrow_mut();
        let mut record = vec![0; length];
        let mut texts = self.texts.borrow_mut();
        let mut packing = Packing { now_us, texts: &mut texts, cells_lost: 0 };
        let mut expected = 0;
        let wires: Vec<_> = asked.iter().map(|index| shape.key.wire(self.key(*index))).collect();
        let rows = answer.rows::<ColumnIterator<'_, '_>>();
        for row in rows.map_err(|error| malformed(&error.to_string()))? {
            let row = row.map_err(|error| malformed(&error.to_string()))?;
            let key = shape.pack(row, &mut packing, &mut record);
            let key = key.map_err(|Malformed| malformed("a row is cut short"))?;
            let text_is = |place: usize| wires[place].as_deref() == Some(&*key);
            // Rows come in the order of the keys or of their tokens: where one was found, the next
            // is looked for first.
            let mut order = (expected..asked.len()).chain(0..expected);
            let Some(found) = order.find(|place| text_is(*place)) else { continue };
            let index = asked[found];
            expected = (found + 1) % asked.len();
            results.states[index] = KeyState::Found;
            let start = index * length;
            results.records[start..start + length].copy_from_slice(&record);
            if !shape.key.has_spellings() {
                continue;
            }
            // Two texts may be one key, as 7 and 007 are.
            let others = (0..asked.len()).filter(|place| *place != found && text_is(*place));
            for other in others.map(|place| asked[place]) {
                results.states[other] = KeyState::Found;
                let start = other * length;
                results.records[start..start + length].copy_from_slice(&record);
            }
        }
        results.rest_is_missing(asked);
        Ok(packing.cells_lost)
    }

    /// [`Self::take`] of a table that Feast wrote: each row is a feature of a key. A key with a feature
    /// of another type than the settings say has failed.
    fn take_features(
        &self,
        answer: &QueryRowsResult,
        asked: &[usize],
        now_us: i64,
    ) -> Result<u64, Fault> {
        let malformed = |said: &str| Fault::new(FaultReason::Other, said);
        let shape = &self.table().shape;
        let length = shape.layout.length();
        let mut results = self.results.borrow_mut();
        let mut texts = self.texts.borrow_mut();
        let mut packing = Packing { now_us, texts: &mut texts, cells_lost: 0 };
        let wires: Vec<_> = asked.iter().map(|index| shape.key.wire(self.key(*index))).collect();
        let (mut wrong, mut last) = (None, 0);
        let rows = answer.rows::<ColumnIterator<'_, '_>>();
        for row in rows.map_err(|error| malformed(&error.to_string()))? {
            let row = row.map_err(|error| malformed(&error.to_string()))?;
            let row = FeatureRow::read(row).map_err(|Malformed| malformed("a row is cut short"))?;
            let is_it = |place: &usize| wires[*place].as_deref() == Some(row.key);
            // The rows of a key come together.
            let mut order = (last..asked.len()).chain(0..last);
            let Some(found) = order.find(is_it) else { continue };
            last = found;
            // Two texts may be one key, as 7 and 007 are.
            for place in (0..asked.len()).filter(is_it) {
                let (index, Results { states, records }) = (asked[place], &mut *results);
                let record = &mut records[index * length..(index + 1) * length];
                match states[index] {
                    KeyState::Failed => continue,
                    KeyState::Found => {}
                    KeyState::Pending | KeyState::Missing => shape.begin(&mut packing, record),
                }
                match row.put(shape, &mut packing, record) {
                    Ok(true) => states[index] = KeyState::Found,
                    Ok(false) => {}
                    Err(said) => {
                        states[index] = KeyState::Failed;
                        wrong = Some(said);
                    }
                }
            }
        }
        results.rest_is_missing(asked);
        match wrong {
            Some(said) => Err(malformed(&said)),
            None => Ok(packing.cells_lost),
        }
    }
}

impl Results {
    /// Of the keys `asked`, those of which nothing came are not there.
    fn rest_is_missing(&mut self, asked: &[usize]) {
        for &index in asked {
            if self.states[index] == KeyState::Pending {
                self.states[index] = KeyState::Missing;
            }
        }
    }
}
