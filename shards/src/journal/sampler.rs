//! Which requests and rows are sampled. A shard that is asked the same twice samples the same.

use std::cell::Cell;

/// A share of requests or rows, in 2⁻³² of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share(u64);

const ALL: u64 = 1 << 32;

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// The share of `sample`, from 0 to 1; `None` of anything else.
    pub fn of(sample: f64) -> Option<Self> {
        (0.0..=1.0).contains(&sample).then_some(Self((sample * ALL as f64).round() as u64))
    }

    /// Whether it is none.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Counts requests, and takes its share of them, evenly spaced.
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

/// Takes a share of the rows as if by lot. By counting, a client that always sends as many rows
/// would have the same place of each request sampled.
#[derive(Debug)]
pub(super) struct RowSampler {
    share: Share,
    drawn: Cell<u64>,
}

impl RowSampler {
    pub(super) fn new(share: Share) -> Self {
        Self { share, drawn: Cell::new(0) }
    }

    /// Whether the next row is taken.
    pub(super) fn takes_next(&self) -> bool {
        let drawn = self.drawn.get().wrapping_add(1);
        self.drawn.set(drawn);
        (mix(drawn) >> 32) < self.share.0
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): the number of a draw becomes 64 even bits.
fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::{RowSampler, Sampler, Share};

    #[test]
    fn rows_are_taken_by_their_share_from_every_place_of_a_request() {
        for (sample, least, most) in [
            (0.0, 0, 0),
            (0.001, 800, 1_200),
            (0.01, 9_600, 10_400),
            (0.5, 498_000, 502_000),
            (1.0, 1_000_000, 1_000_000),
        ] {
            let sampler = RowSampler::new(Share::of(sample).expect("a share"));
            let mut places = [0; 100];
            for row in 0..1_000_000 {
                places[row % 100] += usize::from(sampler.takes_next());
            }
            let taken: usize = places.iter().sum();
            assert!((least..=most).contains(&taken), "{sample}: {taken}");
            let fair = taken / 100;
            let is_fair = |place: &usize| (fair / 2..=fair * 2).contains(place);
            assert!(sample < 0.01 || places.iter().all(is_fair), "{sample}: {places:?}");
        }
    }

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
