//! Whether a request is let into a lane's queue: while there is room, and while it can be answered
//! in time.

use super::{Lane, RowFailure, RowId, RowState};

/// How willingly a request is let in while the queue fills up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Priority {
    /// As long as there is room at all.
    High,
    /// While the queue is less than nine tenths full.
    #[default]
    Normal,
    /// While the queue is less than half full.
    Low,
}

impl Priority {
    /// How much of a queue with this limit requests of this priority may fill.
    pub const fn share_of(self, limit: u64) -> u64 {
        match self {
            Self::High => limit,
            Self::Normal => limit - limit / 10,
            Self::Low => limit.div_ceil(2),
        }
    }
}

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
        let refusal = self.refusal(terms);
        let mut rows = self.rows.borrow_mut();
        let row = rows.get_mut(id);
        if let Some(failure) = refusal {
            row.state = RowState::Done(Err(failure));
            self.count_failure(failure);
            return Err(failure);
        }
        row.queued_ns = terms.now_ns;
        row.is_held = true;
        rows.set_deadline_ns(id, terms.deadline_ns);
        self.push(id, terms.deadline_ns);
        Ok(())
    }

    /// Refuses a request before it is read, where its first row would be; counted as one row.
    pub(crate) fn refuse(&self, terms: &Terms) -> Option<RowFailure> {
        let refusal = self.refusal(terms);
        if let Some(failure) = refusal {
            self.count_failure(failure);
        }
        refusal
    }

    /// Why one more row would be refused now, if it would be.
    fn refusal(&self, terms: &Terms) -> Option<RowFailure> {
        let waiting = self.waiting_rows();
        let settings = &self.settings;
        if waiting as u64 >= terms.priority.share_of(settings.queue_rows_max as u64) {
            return Some(RowFailure::Overloaded);
        }
        if terms.deadline_ns <= terms.now_ns {
            return Some(RowFailure::DeadlineExceeded);
        }
        // Somebody is always tried: else one slow spell would refuse everybody for ever.
        if waiting == 0 && self.batches_in_flight() == 0 {
            return None;
        }
        let known = self.estimates.borrow();
        let policy = &settings.policy;
        // What is being computed here comes before whatever waits.
        let queue_ns = known
            .queue_ns(waiting, policy.batch_rows_max)
            .saturating_add(known.rest_ns(self.computing_rows.get()));
        if queue_ns / 1_000 > terms.priority.share_of(settings.queue_us_max) {
            return Some(RowFailure::Overloaded);
        }
        if terms.deadline_ns < u64::MAX {
            let others = self.batches_in_flight();
            let is_full = others >= policy.batches_in_flight_max;
            let place_ns = if is_full { known.place_ns() } else { 0 };
            let rows = waiting % policy.batch_rows_max.max(1) + 1;
            let predicted_ns = queue_ns.saturating_add(place_ns + known.batch_ns(rows, others));
            if terms.now_ns.saturating_add(predicted_ns) > terms.deadline_ns {
                return Some(RowFailure::DeadlineUnreachable {
                    predicted_us: predicted_ns / 1_000,
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Priority;

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
