//! Says in the log what is wrong with the feature store's file while shards read it.

use std::time::{Duration, Instant};

use shards::features::StoreSource;

use super::shard_thread::ShardHandle;

/// How often the file system is asked.
const LOOK: Duration = Duration::from_secs(1);
/// How long damaged records are only counted, once they were told of.
const QUIET: Duration = Duration::from_mins(1);

/// What was said of the store.
#[derive(Debug)]
pub(super) struct StoreWatch {
    store: StoreSource,
    looked: Option<Instant>,
    trouble: Option<String>,
    damage: DamageLog,
}

impl StoreWatch {
    pub(super) fn new(store: StoreSource) -> Self {
        Self { store, looked: None, trouble: None, damage: DamageLog::default() }
    }

    /// Looks at the store and at what shards have read of it, and logs what is new.
    pub(super) fn look(&mut self, shards: &[ShardHandle]) {
        let now = Instant::now();
        let damaged = shards.iter().map(|shard| shard.shared.telemetry.store.damaged.get()).sum();
        if let Some(more) = self.damage.more(damaged, now) {
            tracing::error!(
                rows = more,
                "records of the feature store are damaged: answered as `error`; import all features \
                 again with --replace"
            );
        }
        if self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
            return;
        }
        self.looked = Some(now);
        let found = self.store.trouble();
        if found == self.trouble {
            return;
        }
        if let Some(trouble) = &found {
            tracing::error!(
                %trouble,
                "the feature store's file: what can still be read of the one before goes on serving"
            );
        } else {
            tracing::info!("the feature store's file is whole again");
        }
        self.trouble = found;
    }
}

/// Tells of damaged records at once when the first is read, and then once a minute.
#[derive(Debug, Default)]
struct DamageLog {
    told: u64,
    last: Option<Instant>,
}

impl DamageLog {
    /// How many there are to tell of at `now`, of `count` in all.
    fn more(&mut self, count: u64, now: Instant) -> Option<u64> {
        let is_quiet = self.last.is_some_and(|last| now.duration_since(last) < QUIET);
        if count <= self.told || is_quiet {
            return None;
        }
        let more = count - self.told;
        (self.told, self.last) = (count, Some(now));
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::DamageLog;

    #[test]
    fn the_first_is_told_at_once_and_the_others_by_the_minute() {
        let mut log = DamageLog::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(log.more(0, at(0)), None);
        assert_eq!(log.more(3, at(1)), Some(3));
        assert_eq!(log.more(90, at(2)), None);
        assert_eq!(log.more(90, at(62)), Some(87));
        assert_eq!(log.more(90, at(200)), None);
        assert_eq!(log.more(91, at(201)), Some(1));
    }
}
