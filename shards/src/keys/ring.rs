//! A shard's copy of the keys: it lets requests in, and counts them by key.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::file::{ApiKey, KeyFile, KeyHash};
use crate::credentials::Credentials;
use crate::telemetry::KeyCounters;

const NS_PER_S: f64 = 1e9;

/// Why a request is not let in by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyRefusal {
    /// It has none.
    Missing,
    /// Nobody gave it out, or it was taken back.
    Unknown,
    /// The key may not ask this model.
    OtherModel,
    /// The key has made as many requests as it may.
    TooMany,
}

impl KeyRefusal {
    /// The message for its sender.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Missing => "a key is needed: send Authorization: Bearer KEY, or x-api-key: KEY",
            Self::Unknown => "the key is not known",
            Self::OtherModel => "the key may not ask this model",
            Self::TooMany => "the key has made too many requests",
        }
    }

    /// Its place among the words of the metric.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// The keys of one shard.
#[derive(Debug)]
pub(crate) struct KeyRing {
    keys: Vec<ApiKey>,
    /// The place of each key by its hash. To find one takes as long for a wrong key as for a right
    /// one: what is compared are hashes, which nobody can aim at.
    places: HashMap<KeyHash, usize>,
    /// Of each key that has a rate: when it has next as many requests as it may make in a second, in
    /// ns of the shard's clock.
    due_ns: Vec<Cell<f64>>,
    counters: Arc<KeyCounters>,
}

impl KeyRing {
    /// A shard's own copy of a file's keys.
    pub(crate) fn new(file: &KeyFile) -> Self {
        let keys = file.keys.clone();
        let places = keys.iter().enumerate().map(|(place, key)| (key.hash, place)).collect();
        let due_ns = keys.iter().map(|_| Cell::new(0.0)).collect();
        let counters = Arc::new(KeyCounters::new(file.names().map(str::to_owned).collect()));
        Self { keys, places, due_ns, counters }
    }

    /// What it counts, for others to read.
    pub(crate) fn counters(&self) -> &Arc<KeyCounters> {
        &self.counters
    }

    /// Lets a request in that asks `model`, if it asks one.
    pub(crate) fn admit(
        &self,
        credentials: Credentials<'_>,
        model: Option<&str>,
        now_ns: u64,
    ) -> Result<(), KeyRefusal> {
        let key = presented(credentials).ok_or(KeyRefusal::Missing)?;
        let hash: KeyHash =
            digest(&SHA256, key).as_ref().try_into().map_err(|_| KeyRefusal::Unknown)?;
        let place = *self.places.get(&hash).ok_or(KeyRefusal::Unknown)?;
        let admitted = self.admit_key(place, model, now_ns);
        let counted =
            if admitted.is_ok() { &self.counters.admitted } else { &self.counters.refused };
        counted.get(place).add(1);
        admitted
    }

    fn admit_key(&self, place: usize, model: Option<&str>, now_ns: u64) -> Result<(), KeyRefusal> {
        let key = &self.keys[place];
        if let (Some(models), Some(model)) = (&key.models, model)
            && !models.iter().any(|known| known == model)
        {
            return Err(KeyRefusal::OtherModel);
        }
        let Some(rate) = key.requests_per_s_max else { return Ok(()) };
        // Virtual scheduling, as ATM's generic cell rate algorithm has it: a second's worth of
        // requests may come at once.
        let (now_ns, due_ns) = (now_ns as f64, &self.due_ns[place]);
        let next_ns = due_ns.get().max(now_ns) + NS_PER_S / rate;
        if next_ns - now_ns > NS_PER_S.max(NS_PER_S / rate) {
            return Err(KeyRefusal::TooMany);
        }
        due_ns.set(next_ns);
        Ok(())
    }
}

/// The key of a request: `Authorization: Bearer KEY`, or `x-api-key: KEY`.
fn presented(credentials: Credentials<'_>) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let bearer = credentials.authorization.and_then(|value| {
        let (scheme, key) = value.split_at_checked(SCHEME.len())?;
        scheme.eq_ignore_ascii_case(SCHEME).then_some(key.trim_ascii())
    });
    bearer.or(credentials.api_key).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Credentials, KeyFile, KeyRefusal, KeyRing};

    fn ring(more: &str) -> KeyRing {
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        let text = format!("[[keys]]\nname = \"a\"\nsha256 = \"{hash}\"\n{more}\n");
        KeyRing::new(&KeyFile::parse(&text, Path::new("k")).expect("keys"))
    }

    fn with(key: &'static [u8]) -> Credentials<'static> {
        Credentials { api_key: Some(key), ..Credentials::default() }
    }

    #[test]
    fn a_key_is_taken_from_either_field() {
        let ring = ring("models = [\"risk\"]");
        let bearer = |value: &'static [u8]| Credentials {
            authorization: Some(value),
            ..Credentials::default()
        };
        assert_eq!(ring.admit(with(b"secret"), Some("risk"), 0), Ok(()));
        assert_eq!(ring.admit(bearer(b"bEARER  secret "), None, 0), Ok(()));
        for (credentials, refusal) in [
            (Credentials::default(), KeyRefusal::Missing),
            (bearer(b"Basic secret"), KeyRefusal::Missing),
            (bearer(b""), KeyRefusal::Missing),
            (with(b""), KeyRefusal::Missing),
            (with(b"Secret"), KeyRefusal::Unknown),
        ] {
            assert_eq!(ring.admit(credentials, Some("risk"), 0), Err(refusal));
        }
        assert_eq!(ring.admit(with(b"secret"), Some("other"), 0), Err(KeyRefusal::OtherModel));
        let counted = (ring.counters.admitted.get(0).get(), ring.counters.refused.get(0).get());
        assert_eq!(counted, (2, 1));
    }

    #[test]
    fn a_rate_lets_a_seconds_worth_in_at_once_and_then_one_after_the_other() {
        let ring = ring("max_requests_per_s = 10");
        let admitted = |now_ns| ring.admit(with(b"secret"), None, now_ns).is_ok();
        assert_eq!((0..20).filter(|_| admitted(1_000)).count(), 10);
        assert!(!admitted(50_000_000) && admitted(100_002_000) && !admitted(100_002_000));
        assert_eq!((0..20).filter(|_| admitted(9_000_000_000)).count(), 10);
        // One request in ten seconds is let in, too.
        let slow = super::tests::ring("max_requests_per_s = 0.1");
        let admitted = |now_ns| slow.admit(with(b"secret"), None, now_ns).is_ok();
        assert!(admitted(0) && !admitted(9_000_000_000) && admitted(10_000_000_000));
    }
}
