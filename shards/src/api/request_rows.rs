//! The rows of one request: all in the lane of one version or, where a canary scores some of its
//! users, in the lanes of two.
//!
//! Each lane has its own rows chained in the order of the request, so that admission and batches
//! know nothing of the other lane. A document merges the two chains by the rows' places.

use std::cell::Cell;
use std::rc::Rc;

use crate::batch::{Lane, RowId, RowState, Scored, Terms};
use crate::failure::RowFailure;
use crate::model::answer::Wants;
use crate::origin::Origin;

/// Those rows of a request that one version scores, in the order of the request.
pub(crate) struct LaneRows {
    lane: Rc<Lane>,
    first: RowId,
    /// All before this one are done.
    pending: RowId,
    /// Whether they were queued: until then the lane counts none of them.
    is_queued: Cell<bool>,
}

impl LaneRows {
    /// The rows from `first` on, which this value frees.
    pub(crate) fn new(lane: Rc<Lane>, first: RowId) -> Self {
        Self { lane, first, pending: first, is_queued: Cell::new(false) }
    }

    /// Whether every row is done; moves the cursor past those that are.
    fn is_done(&mut self) -> bool {
        let rows = self.lane.rows.borrow();
        loop {
            let row = rows.get(self.pending);
            match (row.state, row.next) {
                (RowState::Done(_), Some(next)) => self.pending = next,
                (state, _) => return matches!(state, RowState::Done(_)),
            }
        }
    }

    fn start(&self) -> (&Lane, RowId) {
        (&self.lane, self.first)
    }

    fn withhold_reasons(&self) -> bool {
        let mut rows = self.lane.rows.borrow_mut();
        let mut next = Some(self.first);
        while let Some(id) = next {
            let row = rows.get_mut(id);
            let wants = row.answer.wants();
            if wants.explain || wants.contributions {
                return false;
            }
            row.answer.ask(Wants { withholds_reasons: true, ..wants });
            next = row.next;
        }
        true
    }

    /// Queues the rows that are not done already, and says where their request comes from.
    fn queue(&self, admission: Admission, terms: &Terms, origin: &Origin) {
        let Self { lane, first, .. } = self;
        self.is_queued.set(true);
        if !origin.is_empty() {
            let mut rows = lane.rows.borrow_mut();
            let mut next = Some(*first);
            while let Some(id) = next {
                let row = rows.get_mut(id);
                row.origin = origin.clone();
                next = row.next;
            }
        }
        match admission {
            Admission::Lone => lane.admit_lone(*first, terms),
            Admission::Each => lane.admit_each(*first, terms),
            Admission::Whole => lane.admit_whole(*first, terms),
        }
    }
}

impl Drop for LaneRows {
    /// Frees the rows: they have been rendered, their client has gone away, or they may not be queued.
    fn drop(&mut self) {
        if !self.is_queued.get() {
            self.lane.rows.borrow_mut().forget(Some(self.first));
            return;
        }
        let mut next = Some(self.first);
        while let Some(id) = next {
            next = self.lane.rows.borrow().get(id).next;
            self.lane.release(id);
        }
    }
}

/// How the rows of a request are admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is one row.
    Lone,
    /// As many as there is room for; the others are refused.
    Each,
    /// All: [`Lane::refuse`] has admitted them.
    Whole,
}

/// The rows of a request.
pub(crate) struct RequestRows {
    rows: LaneRows,
    /// Those of the canary, where both versions score some. That is rare: the value is moved often.
    canary: Option<Box<LaneRows>>,
    count: u32,
}

impl RequestRows {
    /// All `count` rows of a request.
    pub(crate) fn of_one(rows: LaneRows, count: usize) -> Self {
        Self { rows, canary: None, count: count as u32 }
    }

    /// The `count` rows of the stable version and of the canary, which know their places in the
    /// request; `None` where there are neither.
    pub(crate) fn of(
        stable: Option<LaneRows>,
        canary: Option<LaneRows>,
        count: usize,
    ) -> Option<Self> {
        let (rows, canary) = match (stable, canary) {
            (Some(rows), canary) => (rows, canary.map(Box::new)),
            (None, canary) => (canary?, None),
        };
        Some(Self { rows, canary, count: count as u32 })
    }

    /// Has none of the rows explained, also where the model explains unasked; false where one asks
    /// for it.
    pub(crate) fn withhold_reasons(&self) -> bool {
        self.rows.withhold_reasons()
            && self.canary.as_ref().is_none_or(|canary| canary.withhold_reasons())
    }

    /// Queues the rows that are not done already.
    pub(crate) fn queue(&self, admission: Admission, terms: &Terms, origin: &Origin) {
        self.rows.queue(admission, terms, origin);
        if let Some(canary) = &self.canary {
            canary.queue(admission, terms, origin);
        }
    }

    /// Whether every row is done.
    pub(crate) fn is_done(&mut self) -> bool {
        self.rows.is_done() && self.canary.as_mut().is_none_or(|canary| canary.is_done())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether two versions score them.
    pub(crate) fn is_divided(&self) -> bool {
        self.canary.is_some()
    }

    /// The first row, and the lane that it is in: the request is measured with those of that lane.
    pub(crate) fn first(&self) -> (&Rc<Lane>, RowId) {
        match &self.canary {
            Some(canary) if place(&canary.lane, canary.first) == 0 => (&canary.lane, canary.first),
            _ => (&self.rows.lane, self.rows.first),
        }
    }

    /// The version that scores them; `None` where there are two.
    pub(crate) fn version(&self) -> Option<u64> {
        (!self.is_divided()).then_some(self.rows.lane.settings.version)
    }

    /// Whether every score is a 32-bit float.
    pub(crate) fn score_is_f32(&self) -> bool {
        let is_f32 = |rows: &LaneRows| rows.lane.settings.score_is_f32;
        is_f32(&self.rows) && self.canary.as_deref().is_none_or(is_f32)
    }

    /// The outcomes of the rows, in the order of the request, each with its lane.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&Lane, Result<Scored, RowFailure>)> {
        self.members().map(|(lane, id)| (lane, outcome(lane, id)))
    }

    /// The rows in the order of the request, each with its lane.
    pub(crate) fn members(&self) -> Members<'_> {
        let canary = self.canary.as_deref().map(LaneRows::start);
        Members { next: Some(self.rows.start()), canary }
    }
}

/// The rows of a request in its order.
pub(crate) struct Members<'a> {
    next: Option<(&'a Lane, RowId)>,
    canary: Option<(&'a Lane, RowId)>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a Lane, RowId);

    fn next(&mut self) -> Option<Self::Item> {
        let is_canarys = match (self.next, self.canary) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some((lane, id)), Some((canary, tried))) => place(canary, tried) < place(lane, id),
        };
        let from = if is_canarys { &mut self.canary } else { &mut self.next };
        let (lane, id) = (*from)?;
        *from = lane.rows.borrow().get(id).next.map(|next| (lane, next));
        Some((lane, id))
    }
}

/// The outcome of a row that is done. Any other state is a defect; the client is told rather than
/// left waiting.
pub(crate) fn outcome(lane: &Lane, id: RowId) -> Result<Scored, RowFailure> {
    match lane.rows.borrow().get(id).state {
        RowState::Done(outcome) => outcome,
        RowState::Waiting | RowState::Running | RowState::Abandoned => Err(RowFailure::ModelFailed),
    }
}

fn place(lane: &Lane, id: RowId) -> u32 {
    lane.rows.borrow().get(id).place
}
