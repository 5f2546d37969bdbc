//! How rows leave a lane's queue without a batch: late, given up, or waited for by nobody.

use super::Lane;
use super::RowState;
use crate::failure::RowFailure;
use crate::mutation::{Mutation, is_in_force};

/// How many rows that wait no more the queue may hold before they are looked for, beside as many
/// as do wait.
const GONE_ROWS_MAX: usize = 64;

impl Lane {
    /// Ends the rows that wait or run and whose deadline has passed, and calls `wake` with the
    /// connection of each. To be called often: it looks at the rows only when one may be due.
    pub(crate) fn expire(&self, now_ns: u64, mut wake: impl FnMut(u32)) {
        if now_ns < self.earliest_deadline_ns.get() || is_in_force(Mutation::IgnoreDeadline) {
            return;
        }
        let mut left = 0;
        let earliest_ns = self.rows.borrow_mut().expire(now_ns, |row| {
            left += usize::from(row.state == RowState::Waiting);
            row.state = RowState::Done(Err(RowFailure::DeadlineExceeded));
            self.count_failure(RowFailure::DeadlineExceeded);
            wake(row.connection);
        });
        self.earliest_deadline_ns.set(earliest_ns);
        self.leave(left);
    }

    /// Ends those of the oldest rows that a batch of `count`, taken now, would answer too late at
    /// `ends_ns`, and calls `wake` with the connection of each; as long as more wait than it takes, so
    /// that it has the place for one that is in time, and that an estimate which is too high is tried
    /// and corrected.
    pub(crate) fn give_up(
        &self,
        count: usize,
        now_ns: u64,
        ends_ns: u64,
        mut wake: impl FnMut(u32),
    ) {
        if ends_ns <= self.earliest_deadline_ns.get() {
            return;
        }
        let predicted_us = ends_ns.saturating_sub(now_ns) / 1_000;
        let failure = RowFailure::DeadlineUnreachable { predicted_us };
        let spare = self.waiting_rows().saturating_sub(count);
        let (mut kept, mut left) = (0, 0);
        let mut rows = self.rows.borrow_mut();
        for id in &*self.queue.borrow() {
            if kept == count || left == spare {
                break;
            }
            let is_late = rows.deadline_ns(*id) < ends_ns;
            let row = rows.get_mut(*id);
            if row.state != RowState::Waiting {
                continue;
            }
            if !is_late {
                kept += 1;
                continue;
            }
            row.state = RowState::Done(Err(failure));
            wake(row.connection);
            rows.set_deadline_ns(*id, u64::MAX);
            left += 1;
        }
        drop(rows);
        self.count_failures(failure, left);
        self.leave(left);
    }

    /// No row that waits or runs has an earlier deadline; `u64::MAX` where none has one.
    pub(super) fn earliest_deadline_ns(&self) -> u64 {
        self.earliest_deadline_ns.get()
    }

    /// How many rows have left the queue since this was asked last, for whatever reason.
    pub(crate) fn departed_rows(&self) -> usize {
        self.departed_rows.replace(0)
    }

    /// Takes `count` rows off those that wait in the queue.
    pub(super) fn leave(&self, count: usize) {
        self.waiting_rows.set(self.waiting_rows.get() - count);
        self.departed_rows.set(self.departed_rows.get() + count);
        self.counters().queue_rows.subtract(count as u64);
        if count > 0 {
            self.tidy();
        }
    }

    /// Has the queue begin with a row that waits, and hold not many more than do: each row is
    /// passed over once, whatever it left for.
    fn tidy(&self) {
        let mut queue = self.queue.borrow_mut();
        let mut rows = self.rows.borrow_mut();
        while let Some(id) = queue.front()
            && rows.get(*id).state != RowState::Waiting
        {
            rows.let_go(*id);
            queue.pop_front();
        }
        if queue.len() > 2 * self.waiting_rows.get() + GONE_ROWS_MAX {
            queue.retain(|id| {
                let waits = rows.get(*id).state == RowState::Waiting;
                if !waits {
                    rows.let_go(*id);
                }
                waits
            });
        }
    }

    /// Frees the rows that wait, of a lane whose rows nobody waits for; returns how many there
    /// were.
    pub(super) fn forget_waiting(&self) -> usize {
        let mut rows = self.rows.borrow_mut();
        self.queue.borrow_mut().drain(..).for_each(|id| rows.remove(id));
        let count = self.waiting_rows.replace(0);
        self.counters().queue_rows.subtract(count as u64);
        count
    }
}
