//! S3-FIFO: which entry goes when the cache is full. It knows entries by number and size only.

use std::collections::{HashSet, VecDeque};

/// How often an entry's use is counted.
const USES_MAX: u8 = 3;
/// The share of the bytes that entries get before they were asked for a second time.
const SMALL_SHARE: usize = 10;

#[derive(Debug, Clone, Copy, Default)]
struct UseEntry {
    bytes: usize,
    hash: u64,
    uses: u8,
    in_main: bool,
}

/// The queues of S3-FIFO.
#[derive(Debug)]
pub(super) struct Policy {
    entries: Vec<UseEntry>,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    /// The hashes of what left the small queue without being used: the next time, such a key
    /// starts in the main queue.
    ghosts: VecDeque<u64>,
    ghost_set: HashSet<u64>,
    small_bytes: usize,
    bytes: usize,
    bytes_max: usize,
}

impl Policy {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            entries: Vec::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            ghost_set: HashSet::new(),
            small_bytes: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// How many bytes the entries have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The entry was asked for.
    pub(super) fn used(&mut self, number: u32) {
        let uses = &mut self.entries[number as usize].uses;
        *uses = (*uses + 1).min(USES_MAX);
    }

    /// An entry came; `number` is not in use.
    pub(super) fn insert(&mut self, number: u32, hash: u64, bytes: usize) {
        let in_main = self.ghost_set.remove(&hash);
        if self.entries.len() <= number as usize {
            self.entries.resize(number as usize + 1, UseEntry::default());
        }
        self.entries[number as usize] = UseEntry { bytes, hash, uses: 0, in_main };
        self.bytes += bytes;
        if in_main {
            self.main.push_back(number);
        } else {
            self.small_bytes += bytes;
            self.small.push_back(number);
        }
    }

    /// An entry became longer by `bytes`.
    pub(super) fn grow(&mut self, number: u32, bytes: usize) {
        let entry = &mut self.entries[number as usize];
        entry.bytes += bytes;
        self.bytes += bytes;
        if !entry.in_main {
            self.small_bytes += bytes;
        }
    }

    /// The next entry to go, while there are too many bytes. Its number is free from then on.
    pub(super) fn evict(&mut self) -> Option<u32> {
        while self.bytes > self.bytes_max {
            let from_small =
                self.small_bytes * SMALL_SHARE > self.bytes_max || self.main.is_empty();
            let queue = if from_small { &mut self.small } else { &mut self.main };
            let number = queue.pop_front()?;
            let entry = &mut self.entries[number as usize];
            if from_small {
                self.small_bytes -= entry.bytes;
            }
            if entry.uses > 0 {
                entry.uses = if from_small { 0 } else { entry.uses - 1 };
                entry.in_main = true;
                self.main.push_back(number);
                continue;
            }
            self.bytes -= entry.bytes;
            if from_small {
                let hash = entry.hash;
                self.remember(hash);
            }
            return Some(number);
        }
        None
    }

    fn remember(&mut self, hash: u64) {
        if self.ghost_set.insert(hash) {
            self.ghosts.push_back(hash);
        }
        while self.ghosts.len() > (self.main.len() + self.small.len()).max(16) {
            if let Some(oldest) = self.ghosts.pop_front() {
                self.ghost_set.remove(&oldest);
            }
        }
    }
}
