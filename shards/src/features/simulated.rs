//! A store in memory's speed that a simulation makes slow, silent or gone.
//!
//! Its rows are those of an embedded store: what is simulated is the way there. A fetch takes the
//! time that the [`Weather`] gives, and brings nothing where the store is away.
//!
//! What is *not* here: anything that a process can configure.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::embedded::EmbeddedReader;
use super::fit::Fetched;
use super::join::JoinPlan;
use super::joined::Joined;
use super::requests::FetchRequests;
use crate::executor::{runtime, simulated};
use crate::provenance::FeatureStatus;

/// How the store is at present. A simulation changes it as it runs.
#[derive(Debug, Default)]
pub struct Weather {
    is_away: AtomicBool,
    least_us: AtomicU64,
    most_us: AtomicU64,
}

impl Weather {
    /// Whether statements bring nothing from now on.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// Whether they bring nothing.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// How long fetches take from now on, in µs.
    pub fn set_delay_us(&self, range: &Range<u64>) {
        self.least_us.store(range.start, Ordering::Relaxed);
        self.most_us.store(range.end, Ordering::Relaxed);
    }

    fn draw_delay(&self) -> Duration {
        let (least, most) =
            (self.least_us.load(Ordering::Relaxed), self.most_us.load(Ordering::Relaxed));
        Duration::from_micros(least + simulated::below(most.saturating_sub(least)))
    }
}

/// A shard's way to a simulated store.
#[derive(Debug)]
pub(super) struct SimulatedStore {
    pub(super) reader: EmbeddedReader,
    pub(super) weather: Arc<Weather>,
}

impl SimulatedStore {
    /// Joins the batch's rows once their time has passed; a store that was away when they were asked
    /// for, or is when they come, has not answered.
    pub(super) async fn fetch(
        &self,
        plan: &JoinPlan,
        requests: &FetchRequests,
        now_us: i64,
        joined: &mut Joined,
    ) -> Fetched {
        let was_away = self.weather.is_away();
        runtime::sleep(self.weather.draw_delay()).await;
        if !was_away && !self.weather.is_away() {
            return self.reader.fetch(plan, requests, now_us, joined);
        }
        joined.reset(requests.len(), now_us);
        let keys = requests.keys(0);
        for &first in keys.distinct() {
            for row in keys.rows_like(first) {
                let cells = requests.cells(row);
                plan.first().join_absent(FeatureStatus::Error, cells, row, joined);
            }
        }
        Fetched::Joined
    }
}
