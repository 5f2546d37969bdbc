//! All that a shard counts and measures, and how others ask for copies of the shard's histograms.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::past::{LaneCounts, Past};
use super::{
    Handover, Histograms, KeyCounters, LaneFacts, LaneTelemetry, ShardCounters, StoreCounters,
};
use crate::crossing::Crossing;
use crate::facts::Role;

/// How many versions that are not served any more a shard keeps its counts of, one by one: so many
/// reloads may lie between two scrapes, and each of them takes a megabyte of histograms.
pub const RETIRED_LANES_MAX: usize = 8;

/// What a shard counts and measures, for any thread to read.
#[derive(Debug, Default)]
pub struct ShardTelemetry {
    /// What the shard counts, whatever the model.
    pub counters: ShardCounters,
    /// What its store did.
    pub store: StoreCounters,
    /// Where it copies the histograms of answers that no model was asked for.
    pub handover: Handover,
    /// The lock is taken when a lane is opened, and by readers, for some pointers each time.
    lanes: Crossing<Lanes>,
    /// Held by the one thread that folds.
    folding: Mutex<()>,
    /// What it counts for each API key, since the keys were read.
    keys: Crossing<Option<Arc<KeyCounters>>>,
}

/// A shard's lanes, each of them in one place.
#[derive(Debug, Default)]
struct Lanes {
    /// Those that serve, or have not answered all that they admitted.
    open: Vec<Arc<LaneTelemetry>>,
    /// Those that count no more, the oldest first.
    retired: VecDeque<Arc<LaneTelemetry>>,
    /// Those whose version was loaded again: it is shown once, as the newest.
    replaced: Vec<Arc<LaneTelemetry>>,
    /// All others that there ever were.
    past: Arc<Past>,
}

impl Lanes {
    /// Every version once.
    fn shown(&self) -> Vec<Arc<LaneTelemetry>> {
        self.retired.iter().chain(&self.open).cloned().collect()
    }

    /// Puts each lane that counts no more among the retired.
    fn sort_out(&mut self) {
        self.retired.extend(self.open.extract_if(.., |lane| lane.handover.is_closed()));
    }

    /// The lanes that are to be folded: replaced ones that count no more, and the oldest where there
    /// are too many.
    fn leaving(&self) -> Vec<Arc<LaneTelemetry>> {
        let excess = self.retired.len().saturating_sub(RETIRED_LANES_MAX);
        let replaced = self.replaced.iter().filter(|lane| lane.handover.is_closed());
        self.retired.iter().take(excess).chain(replaced).cloned().collect()
    }

    /// Forgets lanes that `past` has the counts of.
    fn forget(&mut self, left: &[Arc<LaneTelemetry>], past: Past) {
        let stays = |lane: &Arc<LaneTelemetry>| !left.iter().any(|gone| Arc::ptr_eq(gone, lane));
        self.retired.retain(stays);
        self.replaced.retain(stays);
        self.past = Arc::new(past);
    }
}

impl ShardTelemetry {
    /// What the shard counts for each API key; `None` where requests need none.
    pub fn keys(&self) -> Option<Arc<KeyCounters>> {
        self.keys.lock().clone()
    }

    /// Says where requests are counted by key from now on. For the shard, when keys are read.
    pub(crate) fn set_keys(&self, counters: Arc<KeyCounters>) {
        *self.keys.lock() = Some(counters);
    }

    /// What the shard counts and measures for each version of each model that it serves, and for
    /// some of those that it served last.
    pub fn lanes(&self) -> Vec<Arc<LaneTelemetry>> {
        self.lanes.lock().shown()
    }

    /// What all versions that were ever served have counted together: it never goes back.
    pub fn total(&self) -> Total {
        // As of one moment: a lane that is being folded is in one place or the other.
        let lanes = self.lanes.lock();
        let mut counts = lanes.past.counts.clone();
        let all = lanes.retired.iter().chain(&lanes.open).chain(&lanes.replaced);
        all.for_each(|lane| counts.add(lane));
        Total { counts, lanes_gone: lanes.past.lanes }
    }

    /// Cells for a lane that is being opened. The same version loaded again starts at zero, as
    /// after a restart, which readers of counters know how to read.
    pub(crate) fn add_lane(&self, facts: LaneFacts) -> Arc<LaneTelemetry> {
        let lane = Arc::new(LaneTelemetry::new(facts));
        let mut guard = self.lanes.lock();
        let lanes = &mut *guard;
        let is_same = |other: &Arc<LaneTelemetry>| {
            (&other.facts.model, other.facts.version) == (&lane.facts.model, lane.facts.version)
        };
        lanes.replaced.extend(lanes.open.extract_if(.., |other| is_same(other)));
        let known = lanes.retired.iter().position(is_same);
        lanes.replaced.extend(known.and_then(|place| lanes.retired.remove(place)));
        // No reader waits for one that the shard copies no more.
        lanes.replaced.iter().for_each(|lane| lane.counters.retired.set(1));
        lanes.open.push(Arc::clone(&lane));
        lane
    }

    /// Adds lanes that are gone to one sum, but for the last [`RETIRED_LANES_MAX`], and frees what
    /// they took. To be called now and then, by a thread of the process and not by shards: it takes
    /// milliseconds.
    #[expect(clippy::disallowed_methods, reason = "threads of the process wait, never a shard")]
    pub fn fold(&self) {
        let _one_at_a_time = self.folding.lock().unwrap_or_else(PoisonError::into_inner);
        let (leaving, past) = {
            let mut lanes = self.lanes.lock();
            lanes.sort_out();
            (lanes.leaving(), Arc::clone(&lanes.past))
        };
        if leaving.is_empty() {
            return;
        }
        // Beside the lock: the shard may want it meanwhile.
        let mut sum = Past::clone(&past);
        for lane in &leaving {
            sum.add(lane);
        }
        self.lanes.lock().forget(&leaving, sum);
    }

    /// Asks the shard for a copy of all its histograms.
    pub fn ask(&self) -> Asked<'_> {
        let (shown, replaced, past) = {
            let lanes = self.lanes.lock();
            (lanes.shown(), lanes.replaced.clone(), Arc::clone(&lanes.past))
        };
        let request = |lane: Arc<LaneTelemetry>| (lane.handover.request(), lane);
        Asked {
            shard: self,
            lanes: shown.into_iter().map(request).collect(),
            replaced: replaced.into_iter().map(request).collect(),
            past,
            without_model: self.handover.request(),
        }
    }
}

/// What all versions on a shard have counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Their counters, summed.
    pub counts: LaneCounts,
    /// How many versions were served and are not kept one by one any more.
    pub lanes_gone: u64,
}

/// A shard has been asked for its histograms.
#[derive(Debug)]
pub struct Asked<'a> {
    shard: &'a ShardTelemetry,
    without_model: u64,
    lanes: Vec<(u64, Arc<LaneTelemetry>)>,
    replaced: Vec<(u64, Arc<LaneTelemetry>)>,
    past: Arc<Past>,
}

/// Copies of a shard's histograms.
#[derive(Debug)]
pub struct HistogramCopies {
    /// When the shard made them.
    pub taken_at: Instant,
    /// Of answers that no model was asked for.
    pub without_model: Histograms,
    /// Of each version of each model, those of [`ShardTelemetry::lanes`].
    pub lanes: Vec<(Arc<LaneTelemetry>, Histograms)>,
    /// When the shard made each of those: some ticks after the first.
    lanes_at: Vec<Instant>,
    /// Of versions that were loaded again, up to then.
    replaced: Vec<(Arc<LaneTelemetry>, Histograms)>,
    /// Of versions that are gone.
    past: Arc<Past>,
}

impl Asked<'_> {
    /// Waits for the copies; `None` when the shard did not make all within `patience`. Blocks its
    /// thread: not for shards.
    pub fn wait(self, patience: Duration) -> Option<HistogramCopies> {
        let give_up = Instant::now() + patience;
        let left = || give_up.saturating_duration_since(Instant::now());
        let without_model = self.shard.handover.wait(self.without_model, left())?;
        let taken_at = self.shard.handover.copied_at()?;
        let copy = |(number, lane): (u64, Arc<LaneTelemetry>)| {
            // One that a reload has replaced answers no more; its last copy is final, or nearly.
            let copy = if lane.is_retired() { None } else { lane.handover.wait(number, left()) };
            let copy = copy.or_else(|| lane.is_retired().then(|| lane.handover.latest()))?;
            Some((lane, copy))
        };
        let lanes = self.lanes.into_iter().map(copy).collect::<Option<Vec<_>>>()?;
        let copied_at = |(lane, _): &(Arc<LaneTelemetry>, _)| lane.handover.copied_at();
        let lanes_at = lanes.iter().map(|lane| copied_at(lane).unwrap_or(taken_at)).collect();
        let replaced = self.replaced.into_iter().map(copy).collect::<Option<_>>()?;
        let past = self.past;
        Some(HistogramCopies { taken_at, without_model, lanes, lanes_at, replaced, past })
    }
}

impl HistogramCopies {
    /// Copies of these histograms, of a shard of which no version is gone.
    pub fn new(
        taken_at: Instant,
        without_model: Histograms,
        lanes: Vec<(Arc<LaneTelemetry>, Histograms)>,
    ) -> Self {
        let lanes_at = vec![taken_at; lanes.len()];
        let replaced = Vec::new();
        Self { taken_at, without_model, lanes, lanes_at, replaced, past: Arc::default() }
    }

    /// How long before the copy of a lane's histograms the `earlier` one was made, in seconds; before
    /// it was opened, how long before it the earlier copies were.
    pub fn elapsed_s(&self, lane: &Arc<LaneTelemetry>, earlier: &Self) -> f64 {
        let made = |copies: &Self| {
            let known = copies.lanes.iter().position(|(known, _)| Arc::ptr_eq(known, lane));
            known.map_or(copies.taken_at, |place| copies.lanes_at[place])
        };
        made(self).saturating_duration_since(made(earlier)).as_secs_f64()
    }

    /// What was measured since `earlier`, an older copy, all merged into one; everything where there
    /// is none.
    pub fn since(&self, earlier: Option<&Self>) -> Histograms {
        let mut since = self.merged();
        if let Some(earlier) = earlier {
            // A lane of then is there now, or in what is past, and has measured no less.
            since.subtract(&earlier.merged());
        }
        since
    }

    /// All of them merged into one.
    pub fn merged(&self) -> Histograms {
        let mut merged = self.without_model.clone();
        if let Some(past) = self.past.histograms() {
            merged.merge(past);
        }
        for (_, lane) in self.answering() {
            merged.merge(lane);
        }
        merged
    }

    /// The lanes whose batches answer somebody.
    fn answering(&self) -> impl Iterator<Item = &(Arc<LaneTelemetry>, Histograms)> {
        let all = self.lanes.iter().chain(&self.replaced);
        all.filter(|(lane, _)| lane.facts.role != Role::Shadow)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::Phase;

    /// Opens a lane that answers one row, and ends it if told so.
    fn lane(shard: &ShardTelemetry, model: &str, version: u64, ends: bool) {
        let facts = LaneTelemetry::with_quantiles(&[]).facts;
        let lane = shard.add_lane(LaneFacts { model: model.to_owned(), version, ..facts });
        lane.counters.rows[0].add(1);
        if ends {
            end(&lane);
        }
    }

    fn end(lane: &LaneTelemetry) {
        let mut measured = Histograms::default();
        measured.record(Phase::Request, 5_000, 1);
        lane.counters.retired.set(1);
        lane.handover.close(&measured);
    }

    /// Copies of a shard that answers at once.
    fn copies(shard: &ShardTelemetry) -> HistogramCopies {
        let asked = shard.ask();
        shard.handover.answer(&Histograms::default());
        let open = shard.lanes().into_iter().filter(|lane| !lane.handover.is_closed());
        open.for_each(|lane| _ = lane.handover.answer(&Histograms::default()));
        asked.wait(Duration::ZERO).expect("all answered")
    }

    fn requests(histograms: &Histograms) -> u64 {
        histograms.phase(Phase::Request).len()
    }

    #[test]
    fn of_versions_without_end_a_few_are_kept_and_no_count_is_lost() {
        let shard = ShardTelemetry::default();
        lane(&shard, "serves", 1, false);
        let mut before: Option<HistogramCopies> = None;
        for count in 1..=100 {
            lane(&shard, &format!("name-{count}"), 1, true);
            shard.fold();
            let total = shard.total();
            let kept = shard.lanes();
            assert_eq!(total.counts.rows_scored(), 1 + count);
            assert_eq!(kept.len() as u64 + total.lanes_gone, 1 + count);
            assert!(kept.len() <= 1 + RETIRED_LANES_MAX, "{}", kept.len());
            assert!(kept.iter().any(|lane| lane.facts.model == "serves"));
            assert!(kept.iter().any(|lane| lane.facts.model == format!("name-{count}")));
            let now = copies(&shard);
            assert_eq!(requests(&now.merged()), count);
            assert_eq!(requests(&now.since(before.as_ref())), 1, "each looks like its second");
            before = Some(now);
        }
    }

    #[test]
    fn a_version_that_is_loaded_again_is_shown_once_and_counted_twice() {
        let shard = ShardTelemetry::default();
        lane(&shard, "model", 1, false);
        let first = shard.lanes().pop().expect("a lane");
        lane(&shard, "model", 1, false);
        shard.fold();
        assert_eq!(shard.lanes().len(), 1);
        assert_eq!(shard.total().counts.rows_scored(), 2);
        assert_eq!(shard.total().lanes_gone, 0, "it may still answer somebody");
        let before = copies(&shard);
        first.counters.rows[0].add(1);
        end(&first);
        shard.fold();
        assert_eq!(shard.total().counts.rows_scored(), 3);
        assert_eq!((shard.lanes().len(), shard.total().lanes_gone), (1, 1));
        assert_eq!(requests(&copies(&shard).since(Some(&before))), 1);
    }

    #[test]
    fn a_shadow_measures_nothing_that_a_client_waited_for() {
        let shard = ShardTelemetry::default();
        let facts = LaneTelemetry::with_quantiles(&[]).facts;
        for version in 0..20 {
            end(&shard.add_lane(LaneFacts { version, role: Role::Shadow, ..facts.clone() }));
        }
        shard.fold();
        assert_eq!(shard.total().lanes_gone, 20 - RETIRED_LANES_MAX as u64);
        assert_eq!(requests(&copies(&shard).merged()), 0);
    }
}
