//! What a shard's work costs: times from a file, drawn again.

use std::collections::BTreeMap;

/// Times of one kind of work, by batches in flight and by rows.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// `(batches in flight, [(rows, times in ns ascending)])`, both ascending.
    levels: Vec<(usize, Vec<Size>)>,
}

type Size = (usize, Vec<u64>);

impl Recorded {
    /// From the lines `KIND,IN_FLIGHT,ROWS,TIME_NS` of this kind.
    pub(crate) fn of(kind: &str, csv: &str) -> Self {
        let mut levels: BTreeMap<usize, BTreeMap<usize, Vec<u64>>> = BTreeMap::new();
        for line in csv.lines().filter(|line| line.split(',').next() == Some(kind)) {
            let numbers: Vec<u64> =
                line.split(',').skip(1).map(|field| field.parse().expect("a number")).collect();
            let [in_flight, rows, ref times @ ..] = numbers[..] else { panic!("{line}") };
            let mut times = times.to_vec();
            times.sort_unstable();
            levels.entry(in_flight as usize).or_default().insert(rows as usize, times);
        }
        assert!(!levels.is_empty(), "{kind} has no times");
        let levels = levels.into_iter().map(|(level, sizes)| (level, sizes.into_iter().collect()));
        Self { levels: levels.collect() }
    }

    /// What a batch of `rows` takes that is so lucky that `quantile` of the times are below its,
    /// at each number of batches in flight that there are times for.
    pub(crate) fn draw(&self, rows: usize, quantile: f64) -> Drawn {
        let time = |(size, times): &Size| {
            (*size as f64, times[(quantile * times.len() as f64) as usize] as f64)
        };
        let by_others = self
            .levels
            .iter()
            .map(|(level, sizes)| (*level as f64, between(sizes.iter().map(time), rows as f64)));
        Drawn { by_others: by_others.collect() }
    }

    /// The mean time of a batch of `rows` with `in_flight` batches in flight, in ns.
    fn mean_ns(&self, in_flight: usize, rows: usize) -> f64 {
        let quantiles = (0..256).map(|step| (f64::from(step) + 0.5) / 256.0);
        quantiles.map(|quantile| self.draw(rows, quantile).time_ns(in_flight)).sum::<f64>() / 256.0
    }
}

/// What one batch takes, by the number of batches that are in flight.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    /// `(batches in flight, ns)`, ascending.
    by_others: Vec<(f64, f64)>,
}

impl Drawn {
    /// With `in_flight` batches in flight, itself among them, in ns.
    pub(crate) fn time_ns(&self, in_flight: usize) -> f64 {
        between(self.by_others.iter().copied(), in_flight as f64)
    }
}

/// The value at a place between those of the two nearest places, which come in ascending order;
/// outside of them that of the nearest.
fn between(mut points: impl Iterator<Item = (f64, f64)>, place: f64) -> f64 {
    let mut left = None;
    loop {
        match (points.next(), left) {
            (Some(point), _) if point.0 < place => left = Some(point),
            (Some((end, later)), Some((start, earlier))) => {
                let share = (place - start) / (end - start);
                return f64::mul_add(share, later - earlier, earlier);
            }
            (Some((_, value)), None) | (None, Some((_, value))) => return value,
            (None, None) => return 0.0,
        }
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
    /// When what would be fetched at `end_ns` is: never within a pause of the store, which comes
    /// at the same times whatever the policy does.
    pub(crate) fn fetched_ns(&self, end_ns: u64) -> u64 {
        let (period, pause) = self.stall_ns;
        if period > 0 && end_ns % period < pause {
            end_ns - end_ns % period + pause
        } else {
            end_ns
        }
    }

    /// The rows per ns that the shard can do at best, in full batches.
    pub(crate) fn capacity(&self, rows_max: usize) -> f64 {
        let rows = rows_max as f64;
        let batch = self.compute.mean_ns(1, rows_max) + self.submit_ns.0 as f64;
        let row = (self.read_ns + self.write_ns + self.submit_ns.1) as f64;
        let cpu = rows / rows.mul_add(row, batch);
        let Some(fetch) = &self.fetch else { return cpu };
        cpu.min(8.0 * rows / fetch.mean_ns(8, rows_max))
    }
}
