//! Requests of a histogram that traces show, one of each magnitude.

/// A request that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// Its trace.
    pub trace_id: [u8; 16],
    /// How long it took, in ns.
    pub duration_ns: u64,
    /// The status of its answer.
    pub status: u16,
    /// When it ended, in ns since 1970.
    pub unix_ns: u64,
}

/// The magnitudes: powers of two of a microsecond, the last with all above it.
const MAGNITUDES: usize = 26;

/// The last recorded request of each magnitude and outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exemplars {
    good: [Option<Exemplar>; MAGNITUDES],
    failed: [Option<Exemplar>; MAGNITUDES],
}

impl Exemplars {
    /// Keeps a request in the place of the last one of its magnitude.
    pub(super) fn keep(&mut self, exemplar: Exemplar) {
        let magnitude = (exemplar.duration_ns / 1_000).max(1).ilog2() as usize;
        let kept = if exemplar.status == 200 { &mut self.good } else { &mut self.failed };
        kept[magnitude.min(MAGNITUDES - 1)] = Some(exemplar);
    }

    /// All that are kept.
    pub(super) fn all(&self) -> impl Iterator<Item = &Exemplar> {
        self.good.iter().chain(&self.failed).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::{Exemplar, Exemplars};

    #[test]
    fn the_last_of_each_magnitude_is_kept() {
        let mut kept = Exemplars::default();
        let of =
            |duration_ns, status| Exemplar { trace_id: [1; 16], duration_ns, status, unix_ns: 0 };
        for exemplar in
            [of(0, 200), of(900, 200), of(50_000, 200), of(50_000, 404), of(u64::MAX, 200)]
        {
            kept.keep(exemplar);
        }
        let found: Vec<_> = kept.all().map(|known| (known.duration_ns, known.status)).collect();
        assert_eq!(found, [(900, 200), (50_000, 200), (u64::MAX, 200), (50_000, 404)]);
    }
}
