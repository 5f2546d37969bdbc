//! A shard's copy of the keys: it lets requests in, and counts them by key.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::file::{ApiKey, KeyFile, KeyHash, Proof};
use super::permissions::Permissions;
use crate::credentials::Credentials;
use crate::telemetry::KeyCounters;

const NS_PER_S: f64 = 1e9;
/// The least share that is counted with: times stay finite.
const SHARE_MIN: f64 = 1e-6;

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
    /// The key may not do what it asks for.
    NotAllowed,
}

impl KeyRefusal {
    /// The message for its sender.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Missing => "a key is needed: send Authorization: Bearer KEY, or x-api-key: KEY",
            Self::Unknown => "the key is not known",
            Self::OtherModel => "the key may not ask this model",
            Self::TooMany => "the key has made too many requests",
            Self::NotAllowed => "`may` of the key does not have this",
        }
    }

    /// Its place among the words of the metric.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// What a request shows of its sender.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown<'a> {
    /// Its fields.
    pub(crate) credentials: Credentials<'a>,
    /// The names of its connection's certificate, each behind its kind.
    pub(crate) certificate: &'a [Box<str>],
}

/// What a request asks for, as far as its key matters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    /// The model, where it asks one.
    pub(crate) model: Option<&'a str>,
    /// Whether it writes features.
    pub(crate) writes: bool,
}

/// The keys of one shard.
#[derive(Debug)]
pub(crate) struct KeyRing {
    keys: Vec<ApiKey>,
    /// The place of each key by its hash. To find one takes as long for a wrong key as for a right
    /// one: what is compared are hashes, which nobody can aim at.
    by_hash: HashMap<KeyHash, usize>,
    /// The place of each key by its certificate's name.
    by_subject: HashMap<Box<str>, usize>,
    /// Of each key the shard's share of its rate, in requests a second; infinite without a rate.
    shares: Vec<Cell<f64>>,
    /// Which change of the shares these are.
    changes: Cell<u64>,
    /// Of each key that has a rate: when it has next as many requests as it may make in a second, in
    /// ns of the shard's clock.
    due_ns: Vec<Cell<f64>>,
    counters: Arc<KeyCounters>,
}

impl KeyRing {
    /// A shard's own copy of a file's keys.
    pub(crate) fn new(file: &KeyFile) -> Self {
        let keys = file.keys.clone();
        let (mut by_hash, mut by_subject) = (HashMap::new(), HashMap::new());
        for (place, key) in keys.iter().enumerate() {
            match &key.proof {
                Proof::Hash(hash) => _ = by_hash.insert(*hash, place),
                Proof::Subject(subject) => _ = by_subject.insert(subject.clone(), place),
            }
        }
        let share = |rate: f64| rate / file.shards as f64;
        let rates = keys.iter().map(|key| key.requests_per_s_max);
        let shares = rates.map(|rate| Cell::new(rate.map_or(f64::INFINITY, share))).collect();
        let due_ns = keys.iter().map(|_| Cell::new(0.0)).collect();
        let counters = file.counters();
        Self { keys, by_hash, by_subject, shares, changes: Cell::default(), due_ns, counters }
    }

    /// What it counts, for others to read.
    pub(crate) fn counters(&self) -> &Arc<KeyCounters> {
        &self.counters
    }

    /// Lets requests in at the shares of rates that the process says by now. Requests that were let in
    /// count on at the new share.
    pub(crate) fn take_shares(&self, now_ns: u64) {
        let changes = self.counters.shares.changes();
        if self.changes.replace(changes) == changes {
            return;
        }
        let now_ns = now_ns as f64;
        for (place, own) in self.shares.iter().enumerate().filter(|(_, own)| own.get().is_finite())
        {
            let share = self.counters.shares.get(place).max(SHARE_MIN);
            let before = own.replace(share);
            let due_ns = &self.due_ns[place];
            let ahead_ns = (due_ns.get() - now_ns).max(0.0);
            due_ns.set(now_ns + ahead_ns * (before / share));
        }
    }

    /// Lets a request in that asks this; gives back what else its key lets it do.
    pub(crate) fn admit(
        &self,
        shown: Shown<'_>,
        asked: Asked<'_>,
        now_ns: u64,
    ) -> Result<Permissions, KeyRefusal> {
        let place = self.find(shown)?;
        let admitted = self.admit_key(place, asked, now_ns);
        let counted =
            if admitted.is_ok() { &self.counters.admitted } else { &self.counters.refused };
        counted.get(place).add(1);
        admitted.map(|()| self.keys[place].may)
    }

    /// The place of the key: of that which is sent, and where none is, of the certificate's.
    fn find(&self, shown: Shown<'_>) -> Result<usize, KeyRefusal> {
        let Some(key) = presented(shown.credentials) else {
            let mut known = shown.certificate.iter().filter_map(|name| self.by_subject.get(name));
            return known.next().copied().ok_or(KeyRefusal::Missing);
        };
        let hash: KeyHash =
            digest(&SHA256, key).as_ref().try_into().map_err(|_| KeyRefusal::Unknown)?;
        self.by_hash.get(&hash).copied().ok_or(KeyRefusal::Unknown)
    }

    fn admit_key(&self, place: usize, asked: Asked<'_>, now_ns: u64) -> Result<(), KeyRefusal> {
        let key = &self.keys[place];
        let is_allowed = if asked.writes { key.may.may_write } else { key.may.may_predict };
        if !is_allowed {
            return Err(KeyRefusal::NotAllowed);
        }
        if let (Some(models), Some(model)) = (&key.models, asked.model)
            && !models.iter().any(|known| known == model)
        {
            return Err(KeyRefusal::OtherModel);
        }
        let share = self.shares[place].get();
        if share.is_infinite() {
            return Ok(());
        }
        // Virtual scheduling, as ATM's generic cell rate algorithm has it: a second's worth of
        // requests may come at once.
        let (now_ns, due_ns, each_ns) = (now_ns as f64, &self.due_ns[place], NS_PER_S / share);
        let next_ns = due_ns.get().max(now_ns) + each_ns;
        if next_ns - now_ns > NS_PER_S.max(each_ns) {
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

    use super::{Asked, Credentials, KeyFile, KeyRefusal, KeyRing, Permissions, Shown};

    fn file(text: &str) -> KeyFile {
        KeyFile::parse(text, Path::new("k")).expect("keys")
    }

    fn key(more: &str) -> KeyFile {
        let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        file(&format!("[[keys]]\nname = \"a\"\nsha256 = \"{hash}\"\n{more}\n"))
    }

    fn with(key: &'static [u8]) -> Shown<'static> {
        let credentials = Credentials { api_key: Some(key), ..Credentials::default() };
        Shown { credentials, ..Shown::default() }
    }

    fn asks(model: Option<&str>) -> Asked<'_> {
        Asked { model, writes: false }
    }

    #[test]
    fn a_key_is_taken_from_either_field() {
        let ring = KeyRing::new(&key("models = [\"risk\"]"));
        let bearer = |value: &'static [u8]| Shown {
            credentials: Credentials { authorization: Some(value), ..Credentials::default() },
            ..Shown::default()
        };
        let may = Ok(Permissions::UNSAID);
        assert_eq!(ring.admit(with(b"secret"), asks(Some("risk")), 0), may);
        assert_eq!(ring.admit(bearer(b"bEARER  secret "), asks(None), 0), may);
        for (shown, refusal) in [
            (Shown::default(), KeyRefusal::Missing),
            (bearer(b"Basic secret"), KeyRefusal::Missing),
            (bearer(b""), KeyRefusal::Missing),
            (with(b""), KeyRefusal::Missing),
            (with(b"Secret"), KeyRefusal::Unknown),
        ] {
            assert_eq!(ring.admit(shown, asks(Some("risk")), 0), Err(refusal));
        }
        let other = ring.admit(with(b"secret"), asks(Some("other")), 0);
        assert_eq!(other, Err(KeyRefusal::OtherModel));
        let counted = (ring.counters.admitted.get(0).get(), ring.counters.refused.get(0).get());
        assert_eq!(counted, (2, 1));
    }

    #[test]
    fn a_key_lets_its_client_do_what_its_file_says() {
        let writes = Asked { model: None, writes: true };
        for (more, reads, written, explains) in [
            ("", true, false, true),
            ("may = [\"predict\"]", true, false, false),
            ("may = [\"predict\", \"explain\"]", true, false, true),
            ("may = [\"write\"]", false, true, false),
            ("may = [\"write\", \"predict\", \"explain\"]", true, true, true),
        ] {
            let ring = KeyRing::new(&key(more));
            let allowed = |asked| match ring.admit(with(b"secret"), asked, 0) {
                Ok(may) => Some(may.may_explain),
                Err(KeyRefusal::NotAllowed) => None,
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(allowed(asks(Some("risk"))), reads.then_some(explains), "{more}");
            assert_eq!(allowed(writes), written.then_some(explains), "{more}");
        }
    }

    #[test]
    fn a_certificate_shows_a_key_where_none_is_sent() {
        let one = |name, subject| format!("[[keys]]\nname = \"{name}\"\nsubject = \"{subject}\"\n");
        let ring = KeyRing::new(&file(
            &(one("a", "dns:Scoring.Internal") + &one("b", "cn:b") + "models = [\"risk\"]\n"),
        ));
        let admit = |names: &[&str], api_key: Option<&'static [u8]>, model| {
            let certificate: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
            let credentials = Credentials { api_key, ..Credentials::default() };
            let shown = Shown { credentials, certificate: &certificate };
            ring.admit(shown, asks(Some(model)), 0).map(|_| ())
        };
        assert_eq!(admit(&["dns:scoring.internal"], None, "other"), Ok(()));
        assert_eq!(admit(&["uri:x", "cn:b"], None, "risk"), Ok(()));
        assert_eq!(admit(&["cn:b"], None, "other"), Err(KeyRefusal::OtherModel));
        // A name of another kind is another name.
        assert_eq!(
            admit(&["dns:b", "cn:scoring.internal"], None, "risk"),
            Err(KeyRefusal::Missing)
        );
        assert_eq!(admit(&["cn:b"], Some(b"wrong"), "risk"), Err(KeyRefusal::Unknown));
    }

    #[test]
    fn a_rate_lets_a_seconds_worth_in_at_once_and_then_one_after_the_other() {
        let ring = KeyRing::new(&key("max_requests_per_s = 10"));
        let admitted = |now_ns| ring.admit(with(b"secret"), Asked::default(), now_ns).is_ok();
        assert_eq!((0..20).filter(|_| admitted(1_000)).count(), 10);
        assert!(!admitted(50_000_000) && admitted(100_002_000) && !admitted(100_002_000));
        assert_eq!((0..20).filter(|_| admitted(9_000_000_000)).count(), 10);
        // One request in ten seconds is let in, too.
        let slow = KeyRing::new(&key("max_requests_per_s = 0.1"));
        let admitted = |now_ns| slow.admit(with(b"secret"), Asked::default(), now_ns).is_ok();
        assert!(admitted(0) && !admitted(9_000_000_000) && admitted(10_000_000_000));
    }

    #[test]
    fn a_shard_has_its_share_of_a_rate_and_keeps_count_when_that_changes() {
        let ring = KeyRing::new(&key("max_requests_per_s = 100").for_shards(4));
        let admitted = |now_ns| ring.admit(with(b"secret"), Asked::default(), now_ns).is_ok();
        assert_eq!((0..200).filter(|_| admitted(0)).count(), 25);
        ring.counters.shares.set([50.0]);
        assert!(!admitted(0), "nothing was taken over yet");
        ring.take_shares(0);
        // Those 25 are among the 50 of the second.
        assert_eq!((0..200).filter(|_| admitted(0)).count(), 25);
        ring.counters.shares.set([1.0]);
        ring.take_shares(0);
        assert!(!admitted(40_000_000_000) && admitted(60_000_000_000));
        // A share of next to nothing holds nobody up once it is more.
        ring.counters.shares.set([1e-9]);
        ring.take_shares(70_000_000_000);
        ring.counters.shares.set([100.0]);
        ring.take_shares(70_000_000_000);
        assert!(admitted(71_000_000_000));
    }
}
