//! The time by two clocks, as files are kept by one that somebody may set.

use std::time::{Duration, Instant, SystemTime};

/// A difference between the clocks' advances that is a step, not jitter.
const STEP_MIN: Duration = Duration::from_mins(1);

/// A moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// By the clock that files are dated by; it may be set.
    pub(super) wall: SystemTime,
    /// By the clock that only goes forward.
    pub(super) steady: Instant,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }
}

/// Notices that the wall clock was set.
#[derive(Debug)]
pub(super) struct StepWatch {
    last: Moment,
}

/// By how much the wall clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Ahead(Duration),
    Back(Duration),
}

impl StepWatch {
    pub(super) fn new(now: Moment) -> Self {
        Self { last: now }
    }

    /// The step since the last look, if there was one. To be called often: drift adds up.
    pub(super) fn look(&mut self, now: Moment) -> Option<Step> {
        let last = std::mem::replace(&mut self.last, now);
        let expected = last.wall + now.steady.saturating_duration_since(last.steady);
        match now.wall.duration_since(expected) {
            Ok(ahead) => (ahead >= STEP_MIN).then_some(Step::Ahead(ahead)),
            Err(error) => (error.duration() >= STEP_MIN).then_some(Step::Back(error.duration())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_from_time_that_passes() {
        let start = Moment::now();
        let after = |wall_s, steady_s| Moment {
            wall: start.wall + Duration::from_secs(wall_s),
            steady: start.steady + Duration::from_secs(steady_s),
        };
        let mut watch = StepWatch::new(start);
        assert_eq!(watch.look(after(3_600, 3_590)), None, "an hour passed");
        let ahead = watch.look(after(3_600 + 86_400, 3_590));
        assert_eq!(ahead, Some(Step::Ahead(Duration::from_hours(24))));
        assert_eq!(watch.look(after(3_601 + 86_400, 3_591)), None, "it was set once");
        let back = watch.look(after(3_602, 3_592));
        assert_eq!(back, Some(Step::Back(Duration::from_hours(24))));
    }
}
