//! Which requests are sampled: evenly spaced ones, by counting, so that a shard that is asked the
//! same twice samples the same.

use std::cell::Cell;

/// A share of the requests, in 2⁻³² of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share(u64);

const ALL: u64 = 1 << 32;

impl Share {
    /// No request.
    pub const NONE: Self = Self(0);

    /// The share of `sample`, from 0 to 1, of the requests; `None` of anything else.
    pub fn of(sample: f64) -> Option<Self> {
        (0.0..=1.0).contains(&sample).then_some(Self((sample * ALL as f64).round() as u64))
    }

    /// Whether it is none.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Counts requests, and takes its share of them.
#[derive(Debug)]
pub(super) struct Sampler {
    share: Share,
    sum: Cell<u64>,
}

impl Sampler {
    pub(super) fn new(share: Share) -> Self {
        Self { share, sum: Cell::new(0) }
    }

    /// Whether the next request is taken.
    pub(super) fn takes_next(&self) -> bool {
        let sum = self.sum.get() + self.share.0;
        self.sum.set(sum % ALL);
        sum >= ALL
    }
}

#[cfg(test)]
mod tests {
    use super::{Sampler, Share};

    #[test]
    fn the_share_is_taken_evenly() {
        for (sample, taken) in [(0.0, 0), (0.001, 10), (0.01, 100), (0.5, 5_000), (1.0, 10_000)] {
            let sampler = Sampler::new(Share::of(sample).expect("a share"));
            let places: Vec<_> = (0..10_000).filter(|_| sampler.takes_next()).collect();
            assert!(places.len().abs_diff(taken) <= 1, "{sample}: {}", places.len());
            let gaps = places.windows(2).map(|pair| pair[1] - pair[0]);
            let (least, most) = (gaps.clone().min(), gaps.max());
            assert!(most.zip(least).is_none_or(|(most, least)| most - least <= 1), "{sample}");
        }
        assert_eq!([-0.1, 1.1, f64::NAN].map(Share::of), [None; 3]);
    }
}
