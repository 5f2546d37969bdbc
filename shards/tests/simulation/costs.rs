//! What a shard's work costs: times from a file, drawn again.

use crate::random::Random;

/// Times of one kind of work, by batches under way and by rows.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// `(batches under way, rows, times in ns ascending)`, ordered by the first two.
    cells: Vec<(usize, usize, Vec<u64>)>,
}

impl Recorded {
    /// From the lines `KIND,IN_FLIGHT,ROWS,TIME_NS` of this kind.
    pub(crate) fn of(kind: &str, csv: &str) -> Self {
        let mut cells: Vec<(usize, usize, Vec<u64>)> = Vec::new();
        for line in csv.lines().filter(|line| line.split(',').next() == Some(kind)) {
            let numbers: Vec<u64> =
                line.split(',').skip(1).map(|field| field.parse().expect("a number")).collect();
            let [in_flight, rows, ref times @ ..] = numbers[..] else { panic!("{line}") };
            let mut times = times.to_vec();
            times.sort_unstable();
            cells.push((in_flight as usize, rows as usize, times));
        }
        assert!(!cells.is_empty(), "{kind} has no times");
        cells.sort_by_key(|(in_flight, rows, _)| (*in_flight, *rows));
        Self { cells }
    }

    /// A time for a batch of `rows` with `in_flight` batches under way, itself among them: one
    /// quantile, taken between the two nearest sizes that there are.
    pub(crate) fn draw_ns(&self, in_flight: usize, rows: usize, random: &mut Random) -> u64 {
        let quantile = random.unit();
        let below = self.cells.iter().map(|cell| cell.0).filter(|known| *known <= in_flight);
        let level = below.max().unwrap_or(self.cells[0].0);
        let mut left = None;
        for (_, size, times) in self.cells.iter().filter(|cell| cell.0 == level) {
            let time = times[(quantile * times.len() as f64) as usize] as f64;
            let (size, rows) = (*size as f64, rows as f64);
            match left {
                _ if size < rows => left = Some((size, time)),
                Some((before, earlier)) => {
                    let share = (rows - before) / (size - before);
                    return share.mul_add(time - earlier, earlier) as u64;
                }
                None => return time as u64,
            }
        }
        left.map_or(0, |(_, time)| time as u64)
    }
}

/// What everything costs in one set-up.
#[derive(Debug, Clone)]
pub(crate) struct Costs {
    pub(crate) name: &'static str,
    /// Accepting, reading and parsing one request, in ns.
    pub(crate) read_ns: u64,
    /// Writing one answer, in ns.
    pub(crate) write_ns: u64,
    /// Taking a batch and sending its statements, in ns, whatever its size and for each row.
    pub(crate) submit_ns: (u64, u64),
    /// Computing scores.
    pub(crate) compute: Recorded,
    /// Waiting for features; `None` where they are at hand.
    pub(crate) fetch: Option<Recorded>,
    /// Every so often what is fetched takes so much longer, in ns: `(period, pause)`.
    pub(crate) stall_ns: (u64, u64),
}

impl Costs {
    /// When a fetch that was sent at `now_ns` and takes `time_ns` ends: never within a pause of
    /// the store, which comes at the same times whatever the policy does.
    pub(crate) fn fetched_ns(&self, now_ns: u64, time_ns: u64) -> u64 {
        let (period, pause) = self.stall_ns;
        let end = now_ns + time_ns;
        if period > 0 && end % period < pause { end - end % period + pause } else { end }
    }

    /// The rows per ns that the shard can do at best, in full batches.
    pub(crate) fn capacity(&self, rows_max: usize) -> f64 {
        let mut random = Random::new(1);
        let rows = rows_max as f64;
        let mut sum = 0.0;
        for _ in 0..256 {
            sum += self.compute.draw_ns(1, rows_max, &mut random) as f64 / 256.0;
        }
        let batch = sum + self.submit_ns.0 as f64;
        let row = (self.read_ns + self.write_ns + self.submit_ns.1) as f64;
        let cpu = rows / rows.mul_add(row, batch);
        let Some(fetch) = &self.fetch else { return cpu };
        let mut sum = 0.0;
        for _ in 0..256 {
            sum += fetch.draw_ns(8, rows_max, &mut random) as f64 / 256.0;
        }
        cpu.min(8.0 * rows / sum)
    }
}
