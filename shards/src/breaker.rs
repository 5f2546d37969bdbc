//! Keeps a shard from queueing behind a server that does not answer: a node of the feature store,
//! or a remote model. Pure: it is told the time.

use std::time::{Duration, Instant};

/// How many requests in a row have to fail before a server is left alone.
const FAILURES_MAX: u32 = 3;
/// For how long it is left alone at first; each failed probe doubles it.
const OPEN_FIRST: Duration = Duration::from_millis(100);
/// For how long it is left alone at most: recovery is seen within that time.
const OPEN_MAX: Duration = Duration::from_secs(2);

/// Whether a server may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It answers; so many requests in a row did not.
    Closed { failures: u32 },
    /// It is left alone until then.
    Open { until: Instant, lasting: Duration },
    /// One request is on its way to see whether it answers again.
    Probing { since: Instant, lasting: Duration },
}

/// A server's circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breaker {
    state: State,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self { state: State::Closed { failures: 0 } }
    }

    /// Whether the server may be asked at `now`; it answers `true` once for a probe.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            // A probe whose outcome was never told is given up like one that failed.
            State::Open { until, lasting } if now >= until => {
                self.state = State::Probing { since: now, lasting };
                true
            }
            State::Probing { since, lasting } if now >= since + lasting => {
                self.state = State::Probing { since: now, lasting };
                true
            }
            State::Open { .. } | State::Probing { .. } => false,
        }
    }

    /// Whether the server is left alone, but for a probe.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// The server answered.
    pub(crate) fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// The server did not answer, as of `now`.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES_MAX => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } => State::Open { until: now + OPEN_FIRST, lasting: OPEN_FIRST },
            State::Probing { lasting, .. } => {
                let lasting = (2 * lasting).min(OPEN_MAX);
                State::Open { until: now + lasting, lasting }
            }
            open @ State::Open { .. } => open,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_probes_once_and_closes() {
        let start = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..FAILURES_MAX {
            assert!(breaker.admits(start));
            breaker.failed(start);
        }
        assert!(!breaker.admits(start));
        let later = start + OPEN_FIRST;
        assert!(breaker.admits(later), "one probe");
        assert!(!breaker.admits(later), "and no other");
        breaker.failed(later);
        assert!(!breaker.admits(later + OPEN_FIRST), "the second time lasts twice as long");
        assert!(breaker.admits(later + 2 * OPEN_FIRST));
        breaker.succeeded();
        assert!(breaker.admits(later) && breaker.admits(later));
    }

    #[test]
    fn it_probes_within_the_longest_time_however_long_a_server_was_away() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..100 {
            breaker.failed(now);
            now += OPEN_MAX;
            assert!(breaker.admits(now));
        }
    }

    #[test]
    fn a_success_between_failures_keeps_it_closed() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..100 {
            breaker.failed(now);
            breaker.failed(now);
            breaker.succeeded();
        }
        assert!(breaker.admits(now));
    }
}
