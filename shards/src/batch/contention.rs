//! How batches that are under way hold each other up, and how many are thus worth having there.

use super::Cost;
use super::cost::learn;

/// How much of what is known one more batch replaces.
const SHARE: f64 = 1.0 / 512.0;
/// How far from what was expected a batch counts, in mean distances: a pause of the store makes
/// everything under way late, and the more there is, the more is late.
const FAR: f64 = 3.0;
/// A batch further off than this, in mean distances, tells less of what distances are usual.
const FARTHER: f64 = 4.0;
/// What is as good as none, as a share of a batch's time.
const NEAR: f64 = 0.02;
/// Batches before which nothing is held to be known.
const KNOWN_AFTER: u64 = 32;
/// The variance of batches' company from which on its price can be told.
const VARIED: f64 = 0.05;
/// How many standard errors a price may lie above the one that was found, where it is about giving
/// one more place: where that is too many, batches of clients that wait shrink until it can't be told.
const ERRORS: f64 = 1.5;
/// The standard deviation of what is distributed normally, as a share of its mean distance.
const DEVIATION: f64 = 1.25;
/// How many places there are beside those that the others' work fills: one that is on its way, and
/// one that is handed over.
const SPARE_PLACES: f64 = 2.0;
/// The fewest places, and those that there are at first.
const PLACES_MIN: usize = 3;
/// So often batches have to want all places before one more is tried.
const FULL_BEFORE_MORE: u32 = 2;
/// Places are tried in turns of so many batches, every fourth of them with fewer …
const TURN: u64 = 16;
/// … where so few are free: else it would tell nothing, and make somebody wait.
const FREE_WHILE_TRIED: f64 = 1.5;

/// What batches under way cost each other: `time = alone(rows) · (1 + price · company)`, company
/// being how many others there were in the mean, which is the contention of Gunther's Universal
/// Scalability Law.
///
/// What answers one request at a time answers no more of them when it has two (the price is 1), and
/// what is far away and idle answers twice as many (0). In between there is a number from which on
/// more batches under way only wait for each other, though each is smaller and has its own overhead.
/// It is what fits in the time of one that is alone, `1 / price` (Kleinrock's optimal operating
/// point, by which TCP BBR bounds what it has under way too), and a few for what is on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contention {
    seen: u64,
    /// What a batch takes that has no company.
    alone: Cost,
    /// Weighted means of batches' company, of their time as a share of what they would take alone,
    /// and of the square and the product.
    company: f64,
    ratio: f64,
    company_company: f64,
    company_ratio: f64,
    /// The mean distance of that share from what was expected.
    distance: f64,
    /// By what share of its time alone each other one makes a batch longer.
    price: f64,
    /// How many places have been tried, and how often all of them were wanted since.
    places: usize,
    full: u32,
}

impl Default for Contention {
    fn default() -> Self {
        Self {
            seen: 0,
            alone: Cost::default(),
            company: 0.0,
            ratio: 0.0,
            company_company: 0.0,
            company_ratio: 0.0,
            distance: 0.0,
            price: 0.0,
            places: PLACES_MIN,
            full: 0,
        }
    }
}

impl Contention {
    /// Learns that a batch of `rows` took `time_ns` with `company` others in the mean, and how many
    /// were `wanted` at its start: those under way, itself among them, and those that its queue would
    /// have made.
    pub fn observe(&mut self, rows: usize, wanted: usize, company: f64, time_ns: u64) {
        if rows == 0 {
            return;
        }
        self.seen += 1;
        if self.seen > 1 {
            let alone_ns = (self.alone.predict_ns(rows, 0) as f64).max(1.0);
            self.learn_price(company, time_ns as f64 / alone_ns);
        }
        self.learn_alone(rows, time_ns as f64 / self.price.mul_add(company, 1.0));
        self.try_more(wanted);
    }

    /// What is remembered is a share of what a batch takes alone, as that was known then: it is put
    /// in terms of what is known now. Otherwise a time that changes while company does, as both do
    /// at the start, looks like what company costs.
    fn learn_alone(&mut self, rows: usize, time_ns: f64) {
        let usual_rows = self.alone.usual_rows();
        let before_ns = self.alone.at(usual_rows, 0.0).max(1.0);
        self.alone.observe(rows, 0, time_ns as u64);
        if self.seen > 1 {
            let scale = before_ns / self.alone.at(usual_rows, 0.0).max(1.0);
            self.ratio *= scale;
            self.company_ratio *= scale;
            self.distance *= scale;
        }
    }

    /// Least squares on the share of a batch's time alone, and not on its time: what a batch is
    /// delayed by grows with what is asked, as that of the others does.
    fn learn_price(&mut self, company: f64, ratio: f64) {
        let share = SHARE.max(1.0 / self.seen as f64);
        let expected = self.slope().mul_add(company - self.company, self.ratio);
        let mut off = ratio - expected;
        let far = FAR.mul_add(self.distance, NEAR);
        let farther = FARTHER.mul_add(self.distance, 5.0 * NEAR);
        learn(&mut self.distance, off.abs().min(farther), share);
        if self.seen > KNOWN_AFTER {
            off = off.clamp(-far, far);
        }
        let ratio = expected + off;
        learn(&mut self.company, company, share);
        learn(&mut self.ratio, ratio, share);
        learn(&mut self.company_company, company * company, share);
        learn(&mut self.company_ratio, company * ratio, share);
        let variance = self.variance();
        if 2 * self.seen > KNOWN_AFTER && variance > VARIED {
            let slope = self.company.mul_add(-self.ratio, self.company_ratio) / variance;
            self.price = self.price_at(slope.max(0.0));
        }
    }

    /// The variance of batches' company.
    fn variance(&self) -> f64 {
        self.company.mul_add(-self.company, self.company_company)
    }

    /// How much more of what it would take alone a batch takes for each other one.
    fn slope(&self) -> f64 {
        self.price * self.ratio / self.price.mul_add(self.company, 1.0)
    }

    /// The price that goes with such a slope.
    fn price_at(&self, slope: f64) -> f64 {
        let alone = slope.mul_add(-self.company, self.ratio).max(0.1 * self.ratio);
        slope / alone.max(NEAR)
    }

    /// What the price may be at most: the slope that it is told from is off by as much as times
    /// differ, the more so the fewer batches were seen and the less their company differed.
    fn price_max(&self) -> f64 {
        let batches = (self.seen as f64).min(2.0 / SHARE);
        let error = DEVIATION * self.distance / (batches * self.variance().max(VARIED)).sqrt();
        self.price_at(ERRORS.mul_add(error, self.slope()))
    }

    /// One place more is given when all were wanted, and what is known speaks for it. Where clients
    /// wait for their answers, batches that have shrunk to what many places leave tell nothing any
    /// more of what few of them would do: so it is come to from below.
    fn try_more(&mut self, wanted: usize) {
        if wanted < self.places {
            return;
        }
        self.full += 1;
        if self.seen >= KNOWN_AFTER && self.full >= FULL_BEFORE_MORE {
            self.full = 0;
            self.places += usize::from(fitting(self.price_max()) > self.places);
        }
    }

    /// How many batches are worth having under way, as far as is known.
    fn worthwhile(&self) -> usize {
        fitting(if self.seen < KNOWN_AFTER { 0.0 } else { self.price })
    }

    /// How many batches may be under way, at most `places_max`. Every now and then it is fewer where
    /// all are taken: what more of them would bring can only be told from what fewer did.
    pub fn places(&self, places_max: usize) -> usize {
        let places = self.worthwhile().min(self.places).min(places_max);
        let is_busy = self.company + FREE_WHILE_TRIED > places as f64;
        let is_fewer = is_busy && (self.seen / TURN).is_multiple_of(4);
        if is_fewer { (2 * places).div_ceil(3) } else { places }
    }

    /// The time of a batch of the usual size that has no company, in ns.
    pub fn alone_ns(&self) -> u64 {
        self.alone.at(self.alone.usual_rows(), 0.0) as u64
    }
}

/// How many batches are worth having under way at such a price.
fn fitting(price: f64) -> usize {
    ((SPARE_PLACES + 1.0 / price) as usize).max(PLACES_MIN)
}

#[cfg(test)]
mod tests {
    use super::{Contention, PLACES_MIN, TURN};
    use crate::random::Random;

    /// What is known after batches of many sizes, in all company that there are places for, of which
    /// each takes what `time_ns` gives for its rows and its company.
    fn learnt(places_max: usize, time_ns: impl Fn(usize, usize) -> u64) -> Contention {
        let mut known = Contention::default();
        for batch in 0..6_000 {
            let (rows, others) = (1 + batch * 7 % 64, batch * 31 % known.places(places_max));
            known.observe(rows, others + 1, others as f64, time_ns(rows, others));
        }
        known
    }

    /// What is known, at each batch of four turns.
    fn turns(known: Contention) -> impl Iterator<Item = Contention> {
        (0..4 * TURN).map(move |batch| Contention { seen: known.seen + batch, ..known })
    }

    /// The places that there are in the turns in which none are left out.
    fn places(known: Contention, places_max: usize) -> usize {
        turns(known).map(|known| known.places(places_max)).max().unwrap_or(0)
    }

    #[test]
    fn what_is_idle_and_far_away_is_asked_for_as_much_as_may_be() {
        let known = learnt(8, |rows, _| 700_000 + 1_000 * rows as u64);
        assert_eq!(known.places(8), 8, "{known:?}");
        assert_eq!(
            known.places(16),
            9,
            "no more is known to be worth it than was tried: {known:?}"
        );
        assert_eq!(places(learnt(16, |_, _| 700_000), 16), 16);
    }

    #[test]
    fn what_does_one_thing_after_the_other_is_asked_for_little_more_than_that() {
        let known = learnt(8, |rows, others| (100_000 + 60_000 * rows * (1 + others)) as u64);
        assert_eq!(places(known, 8), PLACES_MIN, "{known:?}");
        assert_eq!(places(known, 2), 2);
        assert_eq!(places(known, 1), 1);
        assert_eq!(places(known, 0), 0);
    }

    #[test]
    fn in_between_there_are_as_many_places_as_fit_in_the_time_of_one_alone() {
        let known = learnt(16, |rows, others| {
            ((100_000 + 10_000 * rows) as f64 * 0.2f64.mul_add(others as f64, 1.0)) as u64
        });
        assert!((known.price - 0.2).abs() < 0.01, "{known:?}");
        let usual_ns = known.alone_ns();
        assert!((350_000..550_000).contains(&usual_ns), "as 32 rows: {usual_ns}");
        assert!((6..=7).contains(&places(known, 16)), "{known:?}");
    }

    #[test]
    fn a_place_that_was_given_is_taken_back_when_it_holds_others_up() {
        let mut known = learnt(8, |_, _| 700_000);
        for batch in 0..4_000 {
            let others = batch % known.places(8);
            known.observe(8, others + 1, others as f64, (1 + others as u64) * 700_000);
        }
        assert_eq!(places(known, 8), PLACES_MIN, "{known:?}");
    }

    #[test]
    fn a_price_that_was_wrong_at_first_is_not_held_against_what_came_before_it() {
        for first_price in [0.25, 0.5, 1.0, 2.0] {
            let mut known = Contention::default();
            for batch in 0..1_500 {
                // Company grows and stays, as with clients that wait.
                let (least, price) = if batch < 30 { (0.2, first_price) } else { (1.7, 1.0) };
                let company = 0.2f64.mul_add(f64::from(batch % 4), least);
                known.observe(64, 5, company, (2e6 * company.mul_add(price, 1.0)) as u64);
            }
            assert!((0.75..1.35).contains(&known.price), "{first_price}: {known:?}");
        }
    }

    /// As a real node's do: half of what they are in the mean is chance.
    #[test]
    fn few_places_are_given_by_chance() {
        let is_given_one = |seed: &u64| {
            let (mut known, mut random) = (Contention::default(), Random::new(*seed));
            (0..2_000_u32).any(|batch| {
                let luck = 1.5_f64.mul_add(random.unit(), 0.25);
                let company = f64::from(batch % 3);
                known.observe(64, 4, company, (luck * 2e6 * company.mul_add(0.7, 1.0)) as u64);
                known.places > PLACES_MIN
            })
        };
        let given = (0..200).filter(is_given_one).count();
        assert!(given <= 1, "to {given} of 200");
    }

    #[test]
    fn a_place_is_tried_where_a_batch_waits_for_it() {
        let places_where = |wanted| {
            let mut known = Contention::default();
            for batch in 0..1_000 {
                known.observe(64, wanted, f64::from(batch % 2), 700_000);
            }
            places(known, 8)
        };
        assert_eq!([2, 3, 5].map(places_where), [3, 4, 6], "one place more than were wanted");
    }

    #[test]
    fn a_pause_that_holds_up_whatever_is_under_way_is_not_taken_for_contention() {
        let mut known = learnt(8, |_, _| 700_000);
        for batch in 0..10_000 {
            let others = batch % 8;
            let is_pause = batch % 200 > 193;
            let (others, time_ns) = if is_pause { (7, 1_700_000) } else { (others, 700_000) };
            known.observe(8, others + 1, others as f64, time_ns);
            assert_eq!(known.places(8), 8, "after {batch}: {known:?}");
        }
    }

    #[test]
    fn whatever_is_seen_there_are_places_and_no_more_than_may_be() {
        let mut known = Contention::default();
        let times_ns = [0, 1, 300_000, u64::MAX, 0, 5, 1 << 40];
        for batch in 0..30_000 {
            let (rows, others) = (batch * 13 % 66, batch * 7 % 9);
            let company = [0.0, 0.5, 7.0, 1e9][batch / 11 % 4];
            known.observe(rows, others + 1, company, times_ns[batch / 3 % times_ns.len()]);
            assert!(known.price.is_finite() && known.price >= 0.0, "{known:?}");
            for places_max in [1, 2, 3, 8, 64] {
                let places = known.places(places_max);
                assert!((1..=places_max).contains(&places), "{places} of {places_max}: {known:?}");
            }
        }
    }

    #[test]
    fn where_all_places_are_taken_fewer_are_tried_now_and_then() {
        let known = learnt(8, |_, others| (1 + others as u64) * 700_000);
        let tried = |company: f64, places: usize| {
            let known = Contention { company, ..known };
            turns(known).filter(|known| known.places(8) == places).count()
        };
        assert_eq!([2, 3].map(|places| tried(2.0, places)), [16, 48]);
        assert_eq!([2, 3].map(|places| tried(0.2, places)), [0, 64], "some are free");
    }
}
