//! Learns how batches in flight delay each other, and limits how many there are.

use super::Cost;
use super::cost::learn;

/// How much of what is known one more batch replaces.
const SHARE: f64 = 1.0 / 512.0;
/// How far from the expected time a batch counts, in mean distances. A pause of the store delays
/// everything in flight.
const FAR: f64 = 3.0;
/// A batch further off than this, in mean distances, tells less of what distances are usual.
const FARTHER: f64 = 4.0;
/// What is as good as none, as a share of a batch's time.
const NEAR: f64 = 0.02;
/// Batches before which nothing is held to be known.
const KNOWN_AFTER: u64 = 32;
/// The variance of the number of others from which on the contention cost can be told.
const VARIED: f64 = 0.05;
/// How many standard errors above the cost that was found count, where the limit is to be raised.
/// With more, batches of clients that wait shrink until the cost can't be told.
const ERRORS: f64 = 1.5;
/// The standard deviation of what is distributed normally, as a share of its mean distance.
const DEVIATION: f64 = 1.25;
/// The batches beside those that the others' work fills: one is on its way, one is handed over.
const SPARE: f64 = 2.0;
/// The lowest limit, and the first one.
const LIMIT_MIN: usize = 3;
/// How often the demand has to reach the limit before it is raised by one.
const FULL_BEFORE_MORE: u32 = 2;
/// The limit is tried in turns of so many batches; every fourth turn has a lower one …
const TURN: u64 = 16;
/// … where so few are free. Elsewhere it would tell nothing, and make a batch wait.
const FREE_WHILE_TRIED: f64 = 1.5;

/// The contention of batches in flight: `time = alone(rows) · (1 + cost · others)`, where `others`
/// is the mean number of other batches (the contention of Gunther's Universal Scalability Law).
///
/// A server that answers one request at a time has a cost of 1: it answers no more of them when it
/// has two. One that is far away and idle has a cost of 0. In between, batches beyond some number
/// only wait for each other, though each is smaller and has its own overhead. That number is what
/// fits in the time of one batch alone, `1 / cost` (Kleinrock's optimal operating point, by which TCP
/// BBR bounds what it has in flight), and a few for what is on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contention {
    seen: u64,
    /// The time of a batch with no others in flight.
    alone: Cost,
    /// Weighted means: of the number of others, of a batch's time as a share of its time alone, and
    /// of the first one's square and the product of both.
    others: f64,
    ratio: f64,
    others_squared: f64,
    others_ratio: f64,
    /// The mean distance of that share from the expected one.
    distance: f64,
    /// By what share of its time alone each other batch makes a batch longer.
    cost: f64,
    /// The highest limit that was tried, and how often the demand has reached it since.
    limit: usize,
    full: u32,
}

impl Default for Contention {
    fn default() -> Self {
        Self {
            seen: 0,
            alone: Cost::default(),
            others: 0.0,
            ratio: 0.0,
            others_squared: 0.0,
            others_ratio: 0.0,
            distance: 0.0,
            cost: 0.0,
            limit: LIMIT_MIN,
            full: 0,
        }
    }
}

impl Contention {
    /// Learns that a batch of `rows` took `time_ns` with a mean of `others` in flight. `demand` is
    /// how many were in flight at its start, itself among them, and how many its queue would have
    /// made.
    pub fn observe(&mut self, rows: usize, demand: usize, others: f64, time_ns: u64) {
        if rows == 0 {
            return;
        }
        self.seen += 1;
        if self.seen > 1 {
            let alone_ns = (self.alone.predict_ns(rows, 0) as f64).max(1.0);
            self.learn_cost(others, time_ns as f64 / alone_ns);
        }
        self.learn_alone(rows, time_ns as f64 / self.cost.mul_add(others, 1.0));
        self.try_more(demand);
    }

    /// Keeps the remembered shares in terms of the time alone as it is known now. Otherwise a time
    /// that changes while the number of others does, as at the start, looks like contention.
    fn learn_alone(&mut self, rows: usize, time_ns: f64) {
        let usual_rows = self.alone.usual_rows();
        let before_ns = self.alone.at(usual_rows, 0.0).max(1.0);
        self.alone.observe(rows, 0, time_ns as u64);
        if self.seen > 1 {
            let scale = before_ns / self.alone.at(usual_rows, 0.0).max(1.0);
            self.ratio *= scale;
            self.others_ratio *= scale;
            self.distance *= scale;
        }
    }

    /// Least squares on the share of a batch's time alone. Its time itself grows with what is asked,
    /// as that of the others does.
    fn learn_cost(&mut self, others: f64, ratio: f64) {
        let share = SHARE.max(1.0 / self.seen as f64);
        let expected = self.slope().mul_add(others - self.others, self.ratio);
        let mut off = ratio - expected;
        let far = FAR.mul_add(self.distance, NEAR);
        let farther = FARTHER.mul_add(self.distance, 5.0 * NEAR);
        learn(&mut self.distance, off.abs().min(farther), share);
        if self.seen > KNOWN_AFTER {
            off = off.clamp(-far, far);
        }
        let ratio = expected + off;
        learn(&mut self.others, others, share);
        learn(&mut self.ratio, ratio, share);
        learn(&mut self.others_squared, others * others, share);
        learn(&mut self.others_ratio, others * ratio, share);
        let variance = self.variance();
        if 2 * self.seen > KNOWN_AFTER && variance > VARIED {
            let slope = self.others.mul_add(-self.ratio, self.others_ratio) / variance;
            self.cost = self.cost_at(slope.max(0.0));
        }
    }

    /// The variance of the number of others.
    fn variance(&self) -> f64 {
        self.others.mul_add(-self.others, self.others_squared)
    }

    /// How much the share grows with each other batch.
    fn slope(&self) -> f64 {
        self.cost * self.ratio / self.cost.mul_add(self.others, 1.0)
    }

    /// The cost that goes with such a slope.
    fn cost_at(&self, slope: f64) -> f64 {
        let alone = slope.mul_add(-self.others, self.ratio).max(0.1 * self.ratio);
        slope / alone.max(NEAR)
    }

    /// The upper end of what the cost may be. The slope is less certain the more times differ, the
    /// fewer batches were seen, and the less the number of others varied.
    fn cost_max(&self) -> f64 {
        let batches = (self.seen as f64).min(2.0 / SHARE);
        let error = DEVIATION * self.distance / (batches * self.variance().max(VARIED)).sqrt();
        self.cost_at(ERRORS.mul_add(error, self.slope()))
    }

    /// Raises the limit by one when the demand has reached it and the cost allows it. It is raised
    /// from below: where clients wait for their answers, many batches shrink, and small batches
    /// don't tell how few larger ones would do.
    fn try_more(&mut self, demand: usize) {
        if demand < self.limit {
            return;
        }
        self.full += 1;
        if self.seen >= KNOWN_AFTER && self.full >= FULL_BEFORE_MORE {
            self.full = 0;
            self.limit += usize::from(fitting(self.cost_max()) > self.limit);
        }
    }

    /// How many batches are worth having in flight, as far as is known.
    fn worthwhile(&self) -> usize {
        fitting(if self.seen < KNOWN_AFTER { 0.0 } else { self.cost })
    }

    /// How many batches may be in flight, at most `limit_max`. It is lower every now and then where
    /// it is reached: only a comparison with fewer tells what more would bring.
    pub fn limit(&self, limit_max: usize) -> usize {
        let limit = self.worthwhile().min(self.limit).min(limit_max);
        let is_busy = self.others + FREE_WHILE_TRIED > limit as f64;
        let is_fewer = is_busy && (self.seen / TURN).is_multiple_of(4);
        if is_fewer { (2 * limit).div_ceil(3) } else { limit }
    }

    /// The time of a batch of the usual size with no others in flight, in ns.
    pub fn alone_ns(&self) -> u64 {
        self.alone.at(self.alone.usual_rows(), 0.0) as u64
    }
}

/// How many batches are worth having in flight at such a cost.
fn fitting(cost: f64) -> usize {
    ((SPARE + 1.0 / cost) as usize).max(LIMIT_MIN)
}

#[cfg(test)]
mod tests {
    use super::{Contention, LIMIT_MIN, TURN};
    use crate::random::Random;

    /// The estimate after batches of many sizes with any number of others that the limit allows.
    /// Each takes what `time_ns` gives for its rows and the others.
    fn learnt(limit_max: usize, time_ns: impl Fn(usize, usize) -> u64) -> Contention {
        let mut known = Contention::default();
        for batch in 0..6_000 {
            let (rows, others) = (1 + batch * 7 % 64, batch * 31 % known.limit(limit_max));
            known.observe(rows, others + 1, others as f64, time_ns(rows, others));
        }
        known
    }

    /// What is known, at each batch of four turns.
    fn turns(known: Contention) -> impl Iterator<Item = Contention> {
        (0..4 * TURN).map(move |batch| Contention { seen: known.seen + batch, ..known })
    }

    /// The limit of the turns that don't try a lower one.
    fn limit(known: Contention, limit_max: usize) -> usize {
        turns(known).map(|known| known.limit(limit_max)).max().unwrap_or(0)
    }

    #[test]
    fn what_is_idle_and_far_away_is_asked_for_as_much_as_may_be() {
        let known = learnt(8, |rows, _| 700_000 + 1_000 * rows as u64);
        assert_eq!(known.limit(8), 8, "{known:?}");
        assert_eq!(known.limit(16), 9, "no more is known to be worth it than was tried: {known:?}");
        assert_eq!(limit(learnt(16, |_, _| 700_000), 16), 16);
    }

    #[test]
    fn what_does_one_thing_after_the_other_is_asked_for_little_more_than_that() {
        let known = learnt(8, |rows, others| (100_000 + 60_000 * rows * (1 + others)) as u64);
        assert_eq!(limit(known, 8), LIMIT_MIN, "{known:?}");
        assert_eq!(limit(known, 2), 2);
        assert_eq!(limit(known, 1), 1);
        assert_eq!(limit(known, 0), 0);
    }

    #[test]
    fn in_between_there_are_as_many_places_as_fit_in_the_time_of_one_alone() {
        let known = learnt(16, |rows, others| {
            ((100_000 + 10_000 * rows) as f64 * 0.2f64.mul_add(others as f64, 1.0)) as u64
        });
        assert!((known.cost - 0.2).abs() < 0.01, "{known:?}");
        let usual_ns = known.alone_ns();
        assert!((350_000..550_000).contains(&usual_ns), "as 32 rows: {usual_ns}");
        assert!((6..=7).contains(&limit(known, 16)), "{known:?}");
    }

    #[test]
    fn a_place_that_was_given_is_taken_back_when_it_holds_others_up() {
        let mut known = learnt(8, |_, _| 700_000);
        for batch in 0..4_000 {
            let others = batch % known.limit(8);
            known.observe(8, others + 1, others as f64, (1 + others as u64) * 700_000);
        }
        assert_eq!(limit(known, 8), LIMIT_MIN, "{known:?}");
    }

    #[test]
    fn a_price_that_was_wrong_at_first_is_not_held_against_what_came_before_it() {
        for first_cost in [0.25, 0.5, 1.0, 2.0] {
            let mut known = Contention::default();
            for batch in 0..1_500 {
                // Company grows and stays, as with clients that wait.
                let (least, cost) = if batch < 30 { (0.2, first_cost) } else { (1.7, 1.0) };
                let others = 0.2f64.mul_add(f64::from(batch % 4), least);
                known.observe(64, 5, others, (2e6 * others.mul_add(cost, 1.0)) as u64);
            }
            assert!((0.75..1.35).contains(&known.cost), "{first_cost}: {known:?}");
        }
    }

    /// As a real node's do: half of what they are in the mean is chance.
    #[test]
    fn few_places_are_given_by_chance() {
        let is_given_one = |seed: &u64| {
            let (mut known, mut random) = (Contention::default(), Random::new(*seed));
            (0..2_000_u32).any(|batch| {
                let luck = 1.5_f64.mul_add(random.unit(), 0.25);
                let others = f64::from(batch % 3);
                known.observe(64, 4, others, (luck * 2e6 * others.mul_add(0.7, 1.0)) as u64);
                known.limit > LIMIT_MIN
            })
        };
        let given = (0..200).filter(is_given_one).count();
        assert!(given <= 1, "to {given} of 200");
    }

    #[test]
    fn a_place_is_tried_where_a_batch_waits_for_it() {
        let limit_where = |demand| {
            let mut known = Contention::default();
            for batch in 0..1_000 {
                known.observe(64, demand, f64::from(batch % 2), 700_000);
            }
            limit(known, 8)
        };
        assert_eq!([2, 3, 5].map(limit_where), [3, 4, 6], "one more than the demand");
    }

    #[test]
    fn a_pause_that_holds_up_whatever_is_under_way_is_not_taken_for_contention() {
        let mut known = learnt(8, |_, _| 700_000);
        for batch in 0..10_000 {
            let others = batch % 8;
            let is_pause = batch % 200 > 193;
            let (others, time_ns) = if is_pause { (7, 1_700_000) } else { (others, 700_000) };
            known.observe(8, others + 1, others as f64, time_ns);
            assert_eq!(known.limit(8), 8, "after {batch}: {known:?}");
        }
    }

    #[test]
    fn the_limit_stays_within_its_bounds_whatever_is_seen() {
        let mut known = Contention::default();
        let times_ns = [0, 1, 300_000, u64::MAX, 0, 5, 1 << 40];
        for batch in 0..30_000 {
            let (rows, demand) = (batch * 13 % 66, batch * 7 % 9 + 1);
            let others = [0.0, 0.5, 7.0, 1e9][batch / 11 % 4];
            known.observe(rows, demand, others, times_ns[batch / 3 % times_ns.len()]);
            assert!(known.cost.is_finite() && known.cost >= 0.0, "{known:?}");
            for limit_max in [1, 2, 3, 8, 64] {
                let limit = known.limit(limit_max);
                assert!((1..=limit_max).contains(&limit), "{limit} of {limit_max}: {known:?}");
            }
        }
    }

    #[test]
    fn where_all_places_are_taken_fewer_are_tried_now_and_then() {
        let known = learnt(8, |_, others| (1 + others as u64) * 700_000);
        let tried = |others: f64, limit: usize| {
            let known = Contention { others, ..known };
            turns(known).filter(|known| known.limit(8) == limit).count()
        };
        assert_eq!([2, 3].map(|limit| tried(2.0, limit)), [16, 48]);
        assert_eq!([2, 3].map(|limit| tried(0.2, limit)), [0, 64], "some are free");
    }
}
