//! The batches of one lane whose fetch or computation is not done.

use super::Load;

/// The batches in flight, and how many rows have come since each was started.
#[derive(Debug, Default)]
pub struct InFlightBatches {
    /// The oldest first. There are few: it is searched from the front.
    starts: Vec<Start>,
    /// How many rows have come at all.
    rows: u64,
    /// How long batches have been in flight until `until_ns`, each of them counted, in ns.
    taken_ns: u64,
    until_ns: u64,
    /// When the last one was done.
    ended_ns: u64,
}

/// A batch in flight.
#[derive(Debug, Clone, Copy)]
struct Start {
    now_ns: u64,
    /// How many rows had come by then.
    rows: u64,
    /// How long all batches had been in flight by then.
    taken_ns: u64,
}

impl InFlightBatches {
    /// So many rows have come.
    pub fn arrive(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// A batch is started, no earlier than those before it. Returns how many others there are.
    pub fn start(&mut self, now_ns: u64) -> usize {
        self.pass(now_ns);
        self.starts.push(Start { now_ns, rows: self.rows, taken_ns: self.taken_ns });
        self.starts.len() - 1
    }

    /// How many others there were in the mean since a batch was started at `start_ns`.
    pub fn others_mean(&mut self, start_ns: u64, now_ns: u64) -> f64 {
        self.pass(now_ns);
        let Some(start) = self.starts.iter().find(|start| start.now_ns == start_ns) else {
            return 0.0;
        };
        let own_ns = now_ns.saturating_sub(start_ns);
        let others_ns = (self.taken_ns - start.taken_ns).saturating_sub(own_ns);
        others_ns as f64 / own_ns.max(1) as f64
    }

    /// A batch that was started at `start_ns` is done.
    pub fn end(&mut self, start_ns: u64, now_ns: u64) {
        self.pass(now_ns);
        self.ended_ns = now_ns;
        if let Some(place) = self.starts.iter().position(|start| start.now_ns == start_ns) {
            self.starts.remove(place);
        }
    }

    /// Counts the time of those that are in flight.
    fn pass(&mut self, now_ns: u64) {
        let passed_ns = now_ns.saturating_sub(self.until_ns);
        self.taken_ns += passed_ns * self.starts.len() as u64;
        self.until_ns += passed_ns;
    }

    /// How many batches there are.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// What the policy sees of them.
    pub fn load(&self) -> Load {
        let oldest = self.starts.first().copied();
        let (oldest_ns, rows) = oldest.map_or((0, self.rows), |start| (start.now_ns, start.rows));
        Load {
            batches_in_flight: self.count(),
            oldest_ns,
            rows_since: (self.rows - rows) as usize,
            ended_ns: self.ended_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{InFlightBatches, Load};

    #[test]
    fn rows_count_from_the_start_of_the_oldest_that_is_left() {
        let mut under_way = InFlightBatches::default();
        under_way.arrive(1);
        assert_eq!(under_way.load(), Load::default());
        for (now_ns, others) in [(10, 0), (20, 1), (30, 2)] {
            assert_eq!(under_way.start(now_ns), others);
            under_way.arrive(2);
        }
        let load = |batches_in_flight, oldest_ns, rows_since, ended_ns| Load {
            batches_in_flight,
            oldest_ns,
            rows_since,
            ended_ns,
        };
        assert_eq!(under_way.load(), load(3, 10, 6, 0));
        under_way.end(20, 40);
        assert_eq!(under_way.load(), load(2, 10, 6, 40));
        under_way.end(10, 50);
        assert_eq!(under_way.load(), load(1, 30, 2, 50));
        under_way.end(30, 60);
        assert_eq!(under_way.load(), load(0, 0, 0, 60));
    }

    #[test]
    fn others_are_counted_for_as_long_as_they_were_there() {
        let mut under_way = InFlightBatches::default();
        let halves = |others_mean: f64| (2.0 * others_mean).round() as u32;
        under_way.start(100);
        under_way.start(150);
        assert_eq!(halves(under_way.others_mean(100, 200)), 1);
        under_way.end(100, 200);
        assert_eq!(halves(under_way.others_mean(150, 200)), 2);
        assert_eq!(halves(under_way.others_mean(150, 250)), 1);
        under_way.end(150, 250);
        // Nobody was there in the meantime.
        under_way.start(1_000);
        assert_eq!(halves(under_way.others_mean(1_000, 1_000)), 0);
        assert_eq!(halves(under_way.others_mean(1_000, 1_100)), 0);
        assert_eq!(halves(under_way.others_mean(7, 1_100)), 0, "there is no such batch");
    }

    #[test]
    fn of_two_that_began_together_one_is_left() {
        let mut under_way = InFlightBatches::default();
        under_way.start(10);
        under_way.start(10);
        under_way.end(10, 20);
        assert_eq!((under_way.count(), under_way.load().oldest_ns), (1, 10));
    }
}
