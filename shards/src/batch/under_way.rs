//! The batches of one lane whose fetch or computation is not done.

use super::Load;

/// What is under way, and how many rows have come since it was started.
#[derive(Debug, Default)]
pub struct UnderWay {
    /// When each batch was started, in ns of the shard's clock, and how many rows had come by
    /// then; the oldest first. There are few: it is searched from the front.
    starts: Vec<(u64, u64)>,
    /// How many rows have come at all.
    rows: u64,
}

impl UnderWay {
    /// So many rows have come.
    pub fn arrive(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// A batch is started, no earlier than those before it. Returns how many others there are.
    pub fn start(&mut self, now_ns: u64) -> usize {
        self.starts.push((now_ns, self.rows));
        self.starts.len() - 1
    }

    /// A batch that was started at `start_ns` is done.
    pub fn end(&mut self, start_ns: u64) {
        if let Some(place) = self.starts.iter().position(|start| start.0 == start_ns) {
            self.starts.remove(place);
        }
    }

    /// How many batches there are.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// What the policy sees of them.
    pub fn load(&self) -> Load {
        let oldest = self.starts.first().copied();
        let (oldest_ns, rows_before) = oldest.unwrap_or((0, self.rows));
        let rows_since = (self.rows - rows_before) as usize;
        Load { batches_in_flight: self.count(), oldest_ns, rows_since }
    }
}

#[cfg(test)]
mod tests {
    use super::{Load, UnderWay};

    #[test]
    fn rows_count_from_the_start_of_the_oldest_that_is_left() {
        let mut under_way = UnderWay::default();
        under_way.arrive(1);
        assert_eq!(under_way.load(), Load::default());
        for (now_ns, others) in [(10, 0), (20, 1), (30, 2)] {
            assert_eq!(under_way.start(now_ns), others);
            under_way.arrive(2);
        }
        let load = |batches_in_flight, oldest_ns, rows_since| Load {
            batches_in_flight,
            oldest_ns,
            rows_since,
        };
        assert_eq!(under_way.load(), load(3, 10, 6));
        under_way.end(20);
        assert_eq!(under_way.load(), load(2, 10, 6));
        under_way.end(10);
        assert_eq!(under_way.load(), load(1, 30, 2));
        under_way.end(30);
        assert_eq!(under_way.load(), Load::default());
    }

    #[test]
    fn of_two_that_began_together_one_is_left() {
        let mut under_way = UnderWay::default();
        under_way.start(10);
        under_way.start(10);
        under_way.end(10);
        assert_eq!((under_way.count(), under_way.load().oldest_ns), (1, 10));
    }
}
