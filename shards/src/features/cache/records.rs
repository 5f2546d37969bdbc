//! Records by key, with the time at which they were fetched.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use hashbrown::HashTable;

use super::CacheSettings;
use super::policy::Policy;

/// What an entry costs besides its key and record, in bytes: its places in tables and queues.
const ENTRY_BYTES: usize = 128;

/// What the cache did since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounters {
    /// Keys that were there and fresh.
    pub hits: u64,
    /// Keys that were not, or were too old.
    pub misses: u64,
    /// Entries that went to make room.
    pub evictions: u64,
}

/// What the cache knows of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached<'a> {
    /// Its record, within its time to live.
    Fresh(&'a [u8]),
    /// The store has no such user, as of less than the time to live ago.
    FreshMissing,
    /// Nothing that may be served without asking.
    Unknown,
}

#[derive(Debug)]
struct CacheEntry {
    hash: u64,
    key_length: usize,
    /// The key, and after it the record if there is one.
    bytes: Box<[u8]>,
    found: bool,
    /// Whether somebody wrote it since.
    is_forgotten: bool,
    fetched: Instant,
}

impl CacheEntry {
    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_length]
    }

    fn record(&self) -> &[u8] {
        &self.bytes[self.key_length..]
    }
}

/// A shard's cache of records.
#[derive(Debug)]
pub struct RecordCache {
    hasher: RandomState,
    table: HashTable<u32>,
    entries: Vec<CacheEntry>,
    free: Vec<u32>,
    policy: Policy,
    settings: CacheSettings,
    counters: CacheCounters,
}

impl RecordCache {
    /// An empty cache.
    pub fn new(settings: CacheSettings) -> Self {
        Self {
            hasher: RandomState::new(),
            table: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            policy: Policy::new(settings.bytes_max),
            settings,
            counters: CacheCounters::default(),
        }
    }

    /// What it did since it was made.
    pub fn counters(&self) -> CacheCounters {
        self.counters
    }

    /// Forgets every record, and goes on counting.
    pub fn clear(&mut self) {
        let (settings, counters) = (self.settings, self.counters);
        *self = Self { counters, ..Self::new(settings) };
    }

    /// How many bytes it holds, as `bytes_max` counts them.
    pub fn bytes(&self) -> usize {
        self.policy.bytes()
    }

    /// What may be served for `key` at `now` without asking the store.
    pub fn get(&mut self, key: &[u8], now: Instant) -> Cached<'_> {
        let Some(number) = self.find(key) else {
            self.counters.misses += 1;
            return Cached::Unknown;
        };
        self.policy.used(number);
        let entry = &self.entries[number as usize];
        let ttl_ms = if entry.found { self.settings.ttl_ms } else { self.settings.negative_ttl_ms };
        let is_old = now.saturating_duration_since(entry.fetched) >= Duration::from_millis(ttl_ms);
        if is_old || entry.is_forgotten {
            self.counters.misses += 1;
            return Cached::Unknown;
        }
        self.counters.hits += 1;
        if entry.found { Cached::Fresh(entry.record()) } else { Cached::FreshMissing }
    }

    /// The last known record of `key`, if it may stand in at `now` for a store that does not
    /// answer.
    pub fn get_stale(&self, key: &[u8], now: Instant) -> Option<&[u8]> {
        let entry = &self.entries[self.find(key)? as usize];
        let age = now.saturating_duration_since(entry.fetched);
        let usable = entry.found
            && !entry.is_forgotten
            && age <= Duration::from_secs(self.settings.max_stale_s);
        usable.then(|| entry.record())
    }

    /// Forgets what is known of `key`: somebody wrote it.
    pub fn forget(&mut self, key: &[u8]) {
        if let Some(number) = self.find(key) {
            self.entries[number as usize].is_forgotten = true;
        }
    }

    /// Keeps what the store answered at `now`: a record, or that there is no such user.
    pub fn put(&mut self, key: &[u8], record: Option<&[u8]>, now: Instant) {
        if self.settings.bytes_max == 0 {
            return;
        }
        if let Some(number) = self.find(key) {
            self.replace(number, record, now);
            return;
        }
        let hash = self.hasher.hash_one(key);
        let entry = CacheEntry {
            hash,
            key_length: key.len(),
            bytes: [key, record.unwrap_or_default()].concat().into_boxed_slice(),
            found: record.is_some(),
            is_forgotten: false,
            fetched: now,
        };
        let bytes = entry.bytes.len() + ENTRY_BYTES;
        let number = if let Some(number) = self.free.pop() {
            self.entries[number as usize] = entry;
            number
        } else {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        };
        let entries = &self.entries;
        self.table.insert_unique(hash, number, |&number| entries[number as usize].hash);
        self.policy.insert(number, hash, bytes);
        self.shrink();
    }

    /// Replaces what is known of an entry's key. Where the length changes (a user came or went),
    /// the entry keeps its place and the bytes of the longer form are counted.
    fn replace(&mut self, number: u32, record: Option<&[u8]>, now: Instant) {
        let entry = &mut self.entries[number as usize];
        entry.fetched = now;
        entry.is_forgotten = false;
        match record {
            Some(record) if record.len() == entry.bytes.len() - entry.key_length => {
                entry.bytes[entry.key_length..].copy_from_slice(record);
                entry.found = true;
            }
            Some(record) => {
                let more = record.len();
                entry.bytes = [entry.key(), record].concat().into_boxed_slice();
                entry.found = true;
                self.policy.grow(number, more);
                self.shrink();
            }
            None => entry.found = false,
        }
    }

    fn shrink(&mut self) {
        while let Some(number) = self.policy.evict() {
            let entry = &mut self.entries[number as usize];
            if let Ok(found) = self.table.find_entry(entry.hash, |&other| other == number) {
                found.remove();
            }
            entry.bytes = Box::default();
            entry.key_length = 0;
            self.free.push(number);
            self.counters.evictions += 1;
        }
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let entries = &self.entries;
        self.table.find(hash, |&number| entries[number as usize].key() == key).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(bytes_max: usize) -> CacheSettings {
        CacheSettings {
            bytes_max,
            ttl_ms: 100,
            negative_ttl_ms: 10,
            max_stale_s: 1,
            ..CacheSettings::default()
        }
    }

    #[test]
    fn ages_decide_what_is_served() {
        let mut cache = RecordCache::new(settings(10_000));
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        cache.put(b"known", Some(b"row"), start);
        cache.put(b"nobody", None, start);
        assert_eq!(cache.get(b"known", after(99)), Cached::Fresh(b"row"));
        assert_eq!(cache.get(b"known", after(100)), Cached::Unknown);
        assert_eq!(cache.get(b"nobody", after(9)), Cached::FreshMissing);
        assert_eq!(cache.get(b"nobody", after(10)), Cached::Unknown);
        assert_eq!(cache.get(b"stranger", start), Cached::Unknown);
        assert_eq!(cache.get_stale(b"known", after(1000)), Some(&b"row"[..]));
        assert_eq!(cache.get_stale(b"known", after(1001)), None);
        assert_eq!(cache.get_stale(b"nobody", start), None);
        cache.put(b"nobody", Some(b"came"), after(10));
        cache.put(b"known", None, after(10));
        assert_eq!(cache.get(b"nobody", after(11)), Cached::Fresh(b"came"));
        assert_eq!(cache.get(b"known", after(11)), Cached::FreshMissing);
        assert_eq!(cache.counters(), CacheCounters { hits: 4, misses: 3, evictions: 0 });
        cache.forget(b"nobody");
        cache.forget(b"stranger");
        assert_eq!(cache.get(b"nobody", after(11)), Cached::Unknown);
        assert_eq!(cache.get_stale(b"nobody", after(11)), None);
        cache.put(b"nobody", Some(b"back"), after(12));
        assert_eq!(cache.get(b"nobody", after(12)), Cached::Fresh(b"back"));
    }

    #[test]
    fn a_scan_does_not_displace_what_is_asked_for_again() {
        let now = Instant::now();
        let mut cache = RecordCache::new(settings(200 * (ENTRY_BYTES + 12)));
        let hot: Vec<_> = (0..100).map(|user| format!("hot-{user:04}")).collect();
        for key in &hot {
            cache.put(key.as_bytes(), Some(b"row!"), now);
            cache.get(key.as_bytes(), now);
        }
        for user in 0..10_000 {
            cache.put(format!("scan{user:04}").as_bytes(), Some(b"row!"), now);
        }
        let kept = hot.iter().filter(|key| cache.get(key.as_bytes(), now) != Cached::Unknown);
        assert_eq!(kept.count(), hot.len());
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_never_answers_for_another_key(
            steps in prop::collection::vec((0..60_u32, 0..3_u8, 0..40_usize), 1..800),
        ) {
            let bytes_max = 20 * ENTRY_BYTES;
            let mut cache = RecordCache::new(settings(bytes_max));
            let mut last = std::collections::HashMap::new();
            let now = Instant::now();
            for (user, action, length) in steps {
                let key = format!("user-{user}");
                let record = [key.as_bytes(), &vec![b'.'; length]].concat();
                match action {
                    0 => {
                        cache.put(key.as_bytes(), Some(&record), now);
                        last.insert(user, Some(record));
                    }
                    1 => {
                        cache.put(key.as_bytes(), None, now);
                        last.insert(user, None);
                    }
                    _ => match cache.get(key.as_bytes(), now) {
                        Cached::Fresh(found) => {
                            prop_assert_eq!(Some(found), last[&user].as_deref());
                        }
                        Cached::FreshMissing => prop_assert_eq!(&last[&user], &None),
                        Cached::Unknown => {}
                    },
                }
                prop_assert!(cache.bytes() <= bytes_max);
            }
        }
    }
}
