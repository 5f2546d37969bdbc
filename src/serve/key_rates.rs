//! Divides the rates of API keys among the shards, by where the requests of each key come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shards::keys::shares;
use shards::telemetry::KeyCounters;

use super::shard_thread::ShardHandle;

/// How often rates are divided.
const EVERY: Duration = Duration::from_millis(100);
/// How much of a shard's demand is what it was before: clients come in bursts.
const MEMORY: f64 = 0.7;

/// What was seen of the keys when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct KeyRates {
    shards: Vec<Seen>,
    at: Option<Instant>,
}

/// A shard's counters, what they were, and what each key's requests were a second.
#[derive(Debug)]
struct Seen {
    counters: Arc<KeyCounters>,
    counts: Vec<u64>,
    demands: Vec<f64>,
}

impl Seen {
    fn of(counters: Arc<KeyCounters>) -> Self {
        let count = counters.names.len();
        let counts = (0..count).map(|key| count_of(&counters, key)).collect();
        Self { counters, counts, demands: vec![0.0; count] }
    }

    /// Takes in what was counted since the last look, `elapsed_s` ago.
    fn look(&mut self, elapsed_s: f64) {
        for (key, (seen, demand)) in self.counts.iter_mut().zip(&mut self.demands).enumerate() {
            let now = count_of(&self.counters, key);
            let rate = now.saturating_sub(std::mem::replace(seen, now)) as f64 / elapsed_s;
            *demand = rate.max(*demand * MEMORY);
        }
    }
}

/// The requests of a key, let in or not.
fn count_of(counters: &KeyCounters, key: usize) -> u64 {
    counters.admitted.get(key).get() + counters.refused.get(key).get()
}

impl KeyRates {
    /// Looks at what the shards counted, where it is time, and tells them their shares.
    pub(super) fn look(&mut self, shards: &[ShardHandle]) {
        if shards.len() < 2 || self.at.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        let counters: Option<Vec<_>> =
            shards.iter().map(|shard| shard.shared.telemetry.keys()).collect();
        let now = Instant::now();
        let before = self.at.replace(now);
        let Some(counters) = counters else { return };
        let is_known = self.shards.len() == counters.len()
            && self.shards.iter().zip(&counters).all(|(it, own)| Arc::ptr_eq(&it.counters, own));
        let Some(before) = before.filter(|_| is_known) else {
            // Keys that were read just now: each shard has begun with the same share.
            self.shards = counters.into_iter().map(Seen::of).collect();
            return;
        };
        self.divide(now.duration_since(before).as_secs_f64());
    }

    fn divide(&mut self, elapsed_s: f64) {
        let Some(first) = self.shards.first() else { return };
        let rates = first.counters.rates.clone();
        if rates.iter().all(Option::is_none)
            || self.shards.iter().any(|shard| shard.counters.rates != rates)
        {
            return;
        }
        for shard in &mut self.shards {
            shard.look(elapsed_s);
        }
        let of_key = |(key, rate): (usize, &Option<f64>)| {
            let demands: Vec<_> = self.shards.iter().map(|shard| shard.demands[key]).collect();
            rate.map_or_else(|| vec![0.0; demands.len()], |rate| shares(rate, &demands))
        };
        let by_key: Vec<Vec<f64>> = rates.iter().enumerate().map(of_key).collect();
        for (place, shard) in self.shards.iter().enumerate() {
            shard.counters.shares.set(by_key.iter().map(|shares| shares[place]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shards::keys::KeyFile;

    use super::{KeyRates, Seen};

    const TEXT: &str = "[[keys]]\nname = \"a\"\nmax_requests_per_s = 100\n\
        sha256 = \"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"\n\
        [[keys]]\nname = \"b\"\nsubject = \"cn:b\"\n";

    #[test]
    fn a_rate_follows_its_requests_to_another_shard() {
        let file = KeyFile::parse(TEXT, Path::new("keys.toml")).expect("keys").for_shards(2);
        let shards: Vec<_> = (0..2).map(|_| Seen::of(file.counters())).collect();
        let mut rates = KeyRates { shards, at: None };
        let shares = |rates: &KeyRates| -> Vec<f64> {
            rates.shards.iter().map(|shard| shard.counters.shares.get(0).round()).collect()
        };
        rates.divide(0.1);
        assert_eq!(shares(&rates), [50.0, 50.0]);
        // The second shard is asked for 1,000 requests a second, most of which it refuses.
        let second = &rates.shards[1].counters;
        second.admitted.get(0).add(5);
        second.refused.get(0).add(95);
        rates.divide(0.1);
        assert_eq!(shares(&rates), [3.0, 98.0]);
        for _ in 0..40 {
            rates.divide(0.1);
        }
        assert_eq!(shares(&rates), [50.0, 50.0], "they are forgotten");
    }
}
