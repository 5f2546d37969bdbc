//! How long a client may take: decided here, without a clock and without I/O.

/// What a stream waits for its client for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum StreamWait {
    /// Nothing: rows are being scored, or the client may be silent.
    #[default]
    Nothing,
    /// The rest of a request.
    Request,
    /// Room in its window for the response.
    Window,
}

/// Since when a stream waits for its client, and until when it may.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StreamLimit {
    wait: StreamWait,
    due_ms: Option<u64>,
}

impl StreamLimit {
    /// Notes what the stream waits for now, at most for `limit_ms`; a wait that goes on keeps its
    /// limit. Gives back when it is due, in ms of the shard's coarse clock.
    pub(super) fn note(&mut self, wait: StreamWait, now_ms: u64, limit_ms: u64) -> Option<u64> {
        if self.wait != wait {
            self.wait = wait;
            self.due_ms = match wait {
                StreamWait::Nothing => None,
                StreamWait::Request | StreamWait::Window => Some(now_ms.saturating_add(limit_ms)),
            };
        }
        self.due_ms
    }

    /// What it waits for.
    pub(super) fn wait(self) -> StreamWait {
        self.wait
    }

    /// When it is due.
    pub(super) fn due_ms(self) -> Option<u64> {
        self.due_ms
    }
}

/// When a connection of this age limit, opened at `now_ms`, is told to end: to within a tenth, so
/// that connections which were opened together don't end together. `random` is any number.
pub(super) fn age_due_ms(now_ms: u64, age_ms_max: Option<u64>, random: u64) -> Option<u64> {
    let age_ms = age_ms_max?;
    let tenth = age_ms / 10;
    let jitter = random % (2 * tenth + 1);
    Some(now_ms.saturating_add(age_ms - tenth).saturating_add(jitter))
}

#[cfg(test)]
mod tests {
    use super::{StreamLimit, StreamWait, age_due_ms};

    #[test]
    fn a_wait_that_goes_on_keeps_its_limit() {
        let mut limit = StreamLimit::default();
        assert_eq!(limit.note(StreamWait::Nothing, 5, 10), None);
        assert_eq!(limit.note(StreamWait::Request, 5, 10), Some(15));
        assert_eq!(limit.note(StreamWait::Request, 9, 10), Some(15));
        assert_eq!(limit.note(StreamWait::Window, 9, 10), Some(19));
        assert_eq!(limit.note(StreamWait::Nothing, 9, 10), None);
    }

    #[test]
    fn connections_of_one_moment_end_at_different_ones() {
        assert_eq!(age_due_ms(7, None, 3), None);
        let dues: Vec<_> =
            (0..1_000).filter_map(|it| age_due_ms(7, Some(1_000), it * 31)).collect();
        assert!(dues.iter().all(|due| (907..=1_107).contains(due)), "{dues:?}");
        assert!(dues.iter().any(|due| *due < 950) && dues.iter().any(|due| *due > 1_060));
        assert_eq!(age_due_ms(7, Some(3), u64::MAX), Some(10));
    }
}
