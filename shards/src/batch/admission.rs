//! Whether a request is let into a lane's queue: while there is room, and while it can be answered
//! in time.

use super::decide::concurrency_limit;
use super::{Lane, RowId, RowState};
use crate::failure::RowFailure;
use crate::mutation::{Mutation, is_in_force};
use crate::priority::Priority;

/// What a request is admitted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// When it arrived, in ns of the shard's clock.
    pub now_ns: u64,
    /// When its answer is worthless, in ns of the shard's clock.
    pub deadline_ns: u64,
    /// Who is let in where not all can be.
    pub priority: Priority,
}

impl Lane {
    /// Queues a row that has been filled, or ends it when it is refused.
    pub fn admit(&self, id: RowId, terms: &Terms) -> Result<(), RowFailure> {
        let refusal = self.refusal(terms, 0);
        self.settle(id, terms, refusal);
        refusal.map_or(Ok(()), Err)
    }

    /// [`Lane::admit`] for a request of one row, which may be done already.
    pub(crate) fn admit_lone(&self, id: RowId, terms: &Terms) {
        let waits = self.rows.borrow().get(id).state == RowState::Waiting;
        if waits {
            // A refusal is the row's outcome.
            let _ = self.admit(id, terms);
        }
    }

    /// Queues the rows from `first` on that are not done already, as many as there is room for,
    /// and ends the others. The room is looked for once, not for every row.
    pub(crate) fn admit_each(&self, first: RowId, terms: &Terms) {
        let waiting = self.rows.borrow().waiting_from(first);
        let Some(last) = waiting.checked_sub(1) else { return };
        let (mut admitted, mut refusal) = (waiting, self.refusal(terms, last));
        if refusal.is_some() {
            admitted = self.room(terms, last);
            refusal = self.refusal(terms, admitted);
        }
        self.settle_all(first, terms, admitted, refusal);
    }

    /// Queues the rows from `first` on: [`Lane::refuse`] let them in.
    pub(crate) fn admit_whole(&self, first: RowId, terms: &Terms) {
        self.settle_all(first, terms, usize::MAX, None);
    }

    /// Refuses a request before it is queued that only succeeds as a whole and has so many rows,
    /// or at least so many; its rows are counted. One with more rows than there is room for at any
    /// time is let in when nothing waits.
    pub(crate) fn refuse(&self, terms: &Terms, rows: usize) -> Option<RowFailure> {
        let refusal = self.refusal_of_all(terms, rows);
        if let Some(failure) = refusal {
            self.count_failures(failure, rows);
        }
        refusal
    }

    /// Why so many rows of one request would be refused now.
    fn refusal_of_all(&self, terms: &Terms, rows: usize) -> Option<RowFailure> {
        let behind = rows.saturating_sub(1);
        match self.refusal(terms, 0) {
            None if self.waiting_rows() > 0 => self.refusal(terms, behind),
            None if self.batches_in_flight() > 0 => self.unreachable(terms, behind),
            first => first,
        }
    }

    /// How many of the first `most` rows would be let in: the further behind, the fewer.
    fn room(&self, terms: &Terms, most: usize) -> usize {
        let (mut fits, mut too_many) = (0, most);
        while fits < too_many {
            let middle = usize::midpoint(fits, too_many);
            if self.refusal(terms, middle).is_none() {
                fits = middle + 1;
            } else {
                too_many = middle;
            }
        }
        fits
    }

    /// Queues the first `admitted` rows from `first` on that are not done already, and ends the
    /// others with `refusal`.
    fn settle_all(
        &self,
        first: RowId,
        terms: &Terms,
        admitted: usize,
        refusal: Option<RowFailure>,
    ) {
        let mut settled = 0;
        let mut next = Some(first);
        while let Some(id) = next {
            let waits = {
                let rows = self.rows.borrow();
                let row = rows.get(id);
                next = row.next;
                row.state == RowState::Waiting
            };
            if waits {
                self.settle(id, terms, refusal.filter(|_| settled >= admitted));
                settled += 1;
            }
        }
    }

    /// Queues a row, or ends it where it is refused.
    fn settle(&self, id: RowId, terms: &Terms, refusal: Option<RowFailure>) {
        let mut rows = self.rows.borrow_mut();
        let row = rows.get_mut(id);
        if let Some(failure) = refusal {
            row.state = RowState::Done(Err(failure));
            self.count_failures(failure, 1);
            return;
        }
        row.queued_ns = terms.now_ns;
        row.is_held = true;
        rows.set_deadline_ns(id, terms.deadline_ns);
        self.push(id, terms.deadline_ns);
    }

    /// Why one more row would be refused now, with so many of its own request queued before it.
    fn refusal(&self, terms: &Terms, behind: usize) -> Option<RowFailure> {
        let waiting = self.waiting_rows() + behind;
        let settings = &self.settings;
        let is_bound = !is_in_force(Mutation::IgnoreQueueBound);
        if is_bound && waiting as u64 >= terms.priority.share_of(settings.queue_rows_max as u64) {
            return Some(RowFailure::Overloaded);
        }
        if terms.deadline_ns <= terms.now_ns {
            return Some(RowFailure::DeadlineExceeded);
        }
        // Somebody is always tried: else one slow spell would refuse everybody for ever.
        if waiting == 0 && self.batches_in_flight() == 0 {
            return None;
        }
        if self.queue_ns(waiting) / 1_000 > terms.priority.share_of(settings.queue_us_max) {
            return Some(RowFailure::Overloaded);
        }
        self.unreachable(terms, behind)
    }

    /// How long a row with so many before it is expected to wait. What is being computed here comes
    /// before whatever waits.
    fn queue_ns(&self, waiting: usize) -> u64 {
        let known = self.estimates.borrow();
        let rest_ns = known.rest_ns(self.computing_rows.get());
        known.queue_ns(waiting, self.settings.policy.batch_rows_max).saturating_add(rest_ns)
    }

    /// Whether one more row would be too late, with so many of its own request queued before it.
    fn unreachable(&self, terms: &Terms, behind: usize) -> Option<RowFailure> {
        if terms.deadline_ns == u64::MAX {
            return None;
        }
        let (policy, others) = (&self.settings.policy, self.batches_in_flight());
        let waiting = self.waiting_rows() + behind;
        let rows = waiting % policy.batch_rows_max.max(1) + 1;
        let queue_ns = self.queue_ns(waiting);
        let known = self.estimates.borrow();
        let is_full = others >= concurrency_limit(&known, policy);
        let place_ns = if is_full { known.place_ns() } else { 0 };
        let predicted_ns = queue_ns.saturating_add(place_ns + known.batch_ns(rows, others));
        let is_late = terms.now_ns.saturating_add(predicted_ns) > terms.deadline_ns;
        is_late.then_some(RowFailure::DeadlineUnreachable { predicted_us: predicted_ns / 1_000 })
    }
}

/// [`Lane::refuse`] for a request whose rows are for two lanes, so many for each: what one of them
/// refuses is refused as a whole.
pub(crate) fn refuse_all(parts: [(&Lane, usize); 2], terms: &Terms) -> Option<RowFailure> {
    let failure = parts
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .find_map(|(lane, rows)| lane.refusal_of_all(terms, *rows))?;
    for (lane, rows) in parts {
        lane.count_failures(failure, rows);
    }
    Some(failure)
}

#[cfg(test)]
mod tests {
    use crate::priority::Priority;

    #[test]
    fn low_is_shed_before_normal_and_normal_before_high() {
        for limit in [1, 2, 9, 10, 4_096] {
            let [high, normal, low] = [Priority::High, Priority::Normal, Priority::Low]
                .map(|priority| priority.share_of(limit));
            assert!(1 <= low && low <= normal && normal <= high && high == limit, "{limit}");
        }
        assert!(Priority::Low.share_of(4_096) < Priority::Normal.share_of(4_096));
        assert!(Priority::Normal.share_of(4_096) < 4_096);
    }
}
