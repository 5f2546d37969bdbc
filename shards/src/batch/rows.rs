//! What each request asks and what came of it, in slots that are reused with their buffers.

use super::given_fields::GivenFields;
use super::row_answer::RowAnswer;
use crate::failure::RowFailure;
use crate::features::KeyParts;
use crate::features::expressions::RequestTexts;
use crate::journal::BatchFigures;
use crate::model::answer::Wants;
use crate::origin::Origin;
use crate::provenance::{EntityStatuses, FeatureStatus};
use crate::spans::RowTimes;

/// A slot of [`Rows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowId(u32);

/// A row that was scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The score; finite, unless a rule decided the row.
    pub score: f64,
    /// What the row's features stood on.
    pub status: FeatureStatus,
    /// How many of its cells took their column's default.
    pub defaulted: u32,
    /// The rule that decided it, by its place in `model.toml`. One that held before the model was
    /// asked leaves it without a score: that is NaN then.
    pub rule: Option<u16>,
    /// What the features of each entity stood on; empty for a model of one.
    pub statuses: EntityStatuses,
}

/// Where a row is between its arrival and its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowState {
    /// Being filled, or waiting in its lane's queue.
    Waiting,
    /// In a batch that is being fetched or computed.
    Running,
    /// Its connection went away; the queue or the batch that holds it frees it.
    Abandoned,
    /// Answered, or to be answered with this.
    Done(Result<Scored, RowFailure>),
}

/// One user to score: what was asked, for whom, and what came of it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "none of the four follows from the others")]
pub struct Row {
    /// The key that the store is asked for; empty for a row with features of its own.
    pub key: String,
    /// Whether the request gave the key as a JSON integer: it is echoed with the same type.
    pub key_is_integer: bool,
    /// The fields of the request that are keys, in the order of the model's; empty where its only
    /// key is the user's.
    pub key_parts: KeyParts,
    /// The cells that come from the request, in the order of the model's request fields; NaN
    /// where the request has none. Of a row with features of its own: all of the model's cells.
    pub request_cells: Vec<f64>,
    /// Which of the fields were read, while the row is filled.
    pub(crate) given_fields: GivenFields,
    /// Those of the fields' texts that expressions read.
    pub texts: RequestTexts,
    /// When its request arrived, in µs since 1970, by the clock of its expressions; 0 before its
    /// batch was formed.
    pub arrived_us: i64,
    /// Whether the request gave the features themselves, and the store is not asked.
    pub has_own_features: bool,
    /// The connection that waits for it.
    pub connection: u32,
    /// What it is asked for beside its score, and what came of it.
    pub answer: RowAnswer,
    /// Where its request comes from.
    pub origin: Origin,
    /// Of a copy of a row: the score that the row itself was answered with.
    pub reference: f64,
    /// What its batch was like; all 0 before it was in one, and where nobody samples requests.
    pub batch: BatchFigures,
    /// When it was in each phase, where its request is recorded.
    pub times: Option<Box<RowTimes>>,
    /// When it was queued, in ns of the shard's clock.
    pub queued_ns: u64,
    /// Where it is.
    pub state: RowState,
    /// Whether a queue or a batch still has its id, so that its slot cannot be used again.
    pub is_held: bool,
    /// The next row of the same request in the same lane.
    pub next: Option<RowId>,
    /// Which row of its request it is, from 0, where two versions score the rows of one.
    pub place: u32,
    /// Whether the slot is free.
    is_free: bool,
}

/// How much a row takes, about, in bytes: with a key as most are.
pub(crate) const ROW_BYTES: usize = size_of::<Row>() + 128;

/// The rows of one lane. A freed slot keeps its buffers for the next row.
#[derive(Debug, Default)]
pub struct Rows {
    slots: Vec<Row>,
    /// When each slot's answer is worthless, in ns of the shard's clock. Apart from the slots, so
    /// that looking for those that are due reads nothing else.
    deadlines_ns: Vec<u64>,
    free: Vec<RowId>,
}

impl Rows {
    /// A slot for a new row, its buffers empty.
    pub fn insert(&mut self, connection: u32) -> RowId {
        if let Some(id) = self.free.pop() {
            let row = self.get_mut(id);
            row.key.clear();
            row.key_is_integer = false;
            row.key_parts.clear();
            row.request_cells.clear();
            row.texts.clear();
            row.arrived_us = 0;
            row.has_own_features = false;
            row.answer.clear();
            row.connection = connection;
            row.queued_ns = 0;
            row.state = RowState::Waiting;
            row.is_held = false;
            row.next = None;
            row.place = 0;
            row.is_free = false;
            return id;
        }
        let id = RowId(self.slots.len() as u32);
        self.slots.push(Row {
            key: String::new(),
            key_is_integer: false,
            key_parts: KeyParts::default(),
            request_cells: Vec::new(),
            given_fields: GivenFields::default(),
            texts: RequestTexts::default(),
            arrived_us: 0,
            has_own_features: false,
            connection,
            answer: RowAnswer::default(),
            origin: Origin::default(),
            reference: f64::NAN,
            batch: BatchFigures::default(),
            times: None,
            queued_ns: 0,
            state: RowState::Waiting,
            is_held: false,
            next: None,
            place: 0,
            is_free: false,
        });
        self.deadlines_ns.push(u64::MAX);
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

    /// How many of the rows of one request, from `first` on, wait.
    pub(super) fn waiting_from(&self, first: RowId) -> usize {
        self.chain(first).filter(|id| self.get(*id).state == RowState::Waiting).count()
    }

    /// The rows of one request, from `first` on.
    pub(crate) fn chain(&self, first: RowId) -> impl Iterator<Item = RowId> {
        std::iter::successors(Some(first), |id| self.get(*id).next)
    }

    /// Has the rows of one request, from `first` on, asked for `wants`.
    pub(crate) fn ask_for(&mut self, first: RowId, wants: Wants) {
        if wants == Wants::default() {
            return;
        }
        let mut next = Some(first);
        while let Some(id) = next {
            let row = self.get_mut(id);
            row.answer.ask(wants);
            next = row.next;
        }
    }

    /// Makes two chains of the rows of one request, from `first` on: of those that stay and of those
    /// that `goes` holds for, each in the request's order. Returns the first of either, and tells each
    /// row its place in the request.
    pub fn divide(
        &mut self,
        first: RowId,
        goes: impl Fn(&Row) -> bool,
    ) -> (Option<RowId>, Option<RowId>) {
        let (mut firsts, mut lasts) = ([None; 2], [None; 2]);
        let (mut next, mut place) = (Some(first), 0);
        while let Some(id) = next {
            let row = self.get_mut(id);
            next = row.next.take();
            row.place = place;
            place += 1;
            let chain = usize::from(goes(row));
            match lasts[chain].replace(id) {
                Some(last) => self.get_mut(last).next = Some(id),
                None => firsts[chain] = Some(id),
            }
        }
        (firsts[0], firsts[1])
    }

    /// Takes rows of one request over from another lane's, from `first` on, before they are queued;
    /// returns the first. Their buffers are exchanged, not copied.
    pub fn adopt(&mut self, from: &mut Self, first: Option<RowId>) -> Option<RowId> {
        let (mut adopted, mut last) = (None, None);
        let mut next = first;
        while let Some(left) = next {
            let source = from.get_mut(left);
            next = source.next;
            let id = self.insert(source.connection);
            let row = self.get_mut(id);
            std::mem::swap(&mut row.key, &mut source.key);
            std::mem::swap(&mut row.key_parts, &mut source.key_parts);
            std::mem::swap(&mut row.request_cells, &mut source.request_cells);
            std::mem::swap(&mut row.texts, &mut source.texts);
            row.answer.ask(source.answer.wants());
            row.key_is_integer = source.key_is_integer;
            row.has_own_features = source.has_own_features;
            row.state = source.state;
            row.place = source.place;
            from.remove(left);
            match last.replace(id) {
                Some(last) => self.get_mut(last).next = Some(id),
                None => adopted = Some(id),
            }
        }
        adopted
    }

    /// Frees the rows of a request, from `first` on, that nobody has queued.
    pub(crate) fn forget(&mut self, first: Option<RowId>) {
        let mut next = first;
        while let Some(id) = next {
            next = self.get(id).next;
            self.remove(id);
        }
    }

    /// When a row's answer is worthless, in ns of the shard's clock.
    pub fn deadline_ns(&self, id: RowId) -> u64 {
        self.deadlines_ns[id.0 as usize]
    }

    /// Says when a row's answer is worthless, in ns of the shard's clock.
    pub fn set_deadline_ns(&mut self, id: RowId, deadline_ns: u64) {
        self.deadlines_ns[id.0 as usize] = deadline_ns;
    }

    /// Calls `end` with each row that waits or runs and whose deadline has passed; returns the
    /// earliest deadline among the others. It looks at every slot, but only at 8 bytes of it.
    pub fn expire(&mut self, now_ns: u64, mut end: impl FnMut(&mut Row)) -> u64 {
        let mut earliest_ns = u64::MAX;
        for (deadline_ns, row) in self.deadlines_ns.iter_mut().zip(&mut self.slots) {
            if *deadline_ns <= now_ns {
                *deadline_ns = u64::MAX;
                if matches!(row.state, RowState::Waiting | RowState::Running) {
                    end(row);
                }
            }
            earliest_ns = earliest_ns.min(*deadline_ns);
        }
        earliest_ns
    }

    /// A queue or a batch has the row's id no more: it is freed if its connection went away.
    pub fn let_go(&mut self, id: RowId) {
        let row = self.get_mut(id);
        row.is_held = false;
        if row.state == RowState::Abandoned {
            self.remove(id);
        }
    }

    /// Frees a slot. Its buffers stay, unless they grew far beyond what a row needs.
    pub fn remove(&mut self, id: RowId) {
        const KEPT_BYTES_MAX: usize = 1_024;
        const KEPT_CELLS_MAX: usize = 512;
        self.set_deadline_ns(id, u64::MAX);
        let row = self.get_mut(id);
        row.origin = Origin::default();
        row.batch = BatchFigures::default();
        row.times = None;
        row.is_free = true;
        if row.key.capacity() > KEPT_BYTES_MAX {
            row.key = String::new();
        }
        if row.request_cells.capacity() > KEPT_CELLS_MAX {
            row.request_cells = Vec::new();
        }
        row.given_fields.shrink();
        row.key_parts.shrink();
        row.texts.shrink();
        row.answer.shrink();
        self.free.push(id);
    }

    /// Gives back what a peak has left: up to half of the slots, where most are free. To be called
    /// now and then, so that a load that comes and goes keeps its slots.
    pub fn shrink(&mut self) {
        const KEPT_SLOTS: usize = 1_024;
        let kept = (2 * self.len()).max(self.slots.len() / 2).max(KEPT_SLOTS);
        if self.slots.len() <= kept {
            return;
        }
        while self.slots.len() > kept && self.slots.last().is_some_and(|row| row.is_free) {
            self.slots.pop();
        }
        let slots = self.slots.len();
        self.deadlines_ns.truncate(slots);
        self.free.retain(|id| (id.0 as usize) < slots);
        // The slots at the end are used last from now on, so that they come free.
        self.free.sort_unstable_by_key(|id| std::cmp::Reverse(id.0));
        self.slots.shrink_to(2 * slots);
        self.deadlines_ns.shrink_to(2 * slots);
        self.free.shrink_to(2 * slots);
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

#[cfg(test)]
mod tests {
    use super::{RowId, Rows};

    #[test]
    fn what_a_peak_took_is_given_back() {
        let mut rows = Rows::default();
        let peak: Vec<RowId> = (0..20_000).map(|_| rows.insert(0)).collect();
        rows.shrink();
        assert_eq!(rows.slots.len(), 20_000, "all are held");
        // One from the end stays, and each that comes takes a slot before one goes.
        let mut stays = peak[19_999];
        peak[..19_999].iter().for_each(|id| rows.remove(*id));
        for _ in 0..10 {
            rows.shrink();
            let next = rows.insert(1);
            rows.get_mut(next).key.push_str("user");
            rows.remove(std::mem::replace(&mut stays, next));
        }
        assert!(rows.slots.capacity() <= 4_096, "{} slots", rows.slots.capacity());
        assert_eq!((rows.len(), rows.get(stays).key.as_str()), (1, "user"));
        let ids: Vec<RowId> = (0..2_000).map(|_| rows.insert(2)).collect();
        assert!(!ids.contains(&stays));
        assert_eq!(rows.len(), 2_001);
    }
}
