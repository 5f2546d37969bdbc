//! Users of whom some are asked for far more often than others.

use crate::random::Random;

/// Zipf's distribution with exponent 1: the user of rank r comes 1/r as often as the first.
pub(super) struct Zipf {
    /// How often one of the first r users comes, up to a common factor.
    cumulated: Vec<f64>,
}

impl Zipf {
    pub(super) fn new(users: u64) -> Self {
        let mut total = 0.0;
        let cumulated = (1..=users).map(|rank| {
            total += 1.0 / rank as f64;
            total
        });
        Self { cumulated: cumulated.collect() }
    }

    /// A user's rank, from 1.
    pub(super) fn sample(&self, random: &mut Random) -> u64 {
        let total = self.cumulated.last().copied().unwrap_or_default();
        let point = random.unit() * total;
        self.cumulated.partition_point(|sum| *sum <= point) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_comes_half_as_often_as_the_first() {
        let (zipf, mut random) = (Zipf::new(1000), Random::new(1));
        let mut came = [0_u32; 1001];
        for _ in 0..200_000 {
            came[zipf.sample(&mut random) as usize] += 1;
        }
        assert_eq!(came[0], 0);
        let ratio = |rank: usize| f64::from(came[1]) / f64::from(came[rank]);
        assert!(
            (ratio(2) - 2.0).abs() < 0.2 && (ratio(10) - 10.0).abs() < 1.5,
            "{:?}",
            &came[..11]
        );
        assert!(came.iter().sum::<u32>() == 200_000);
    }
}
