//! A table as it is now: its file, and what changed since the file was written.

use std::sync::Arc;

use super::changes::{Changes, Overlay};
use super::entries::EntryCopy;
use super::error::EmbeddedError;
use super::snapshot::{Found, Snapshot};
use super::store::EmbeddedStore;
use crate::features::texts::Texts;

/// How often a file and its log are opened anew where other files take their places meanwhile.
const OPENED_MAX: usize = 20;

/// A file and its changes.
#[derive(Debug)]
pub(super) struct View {
    pub(super) snapshot: Arc<Snapshot>,
    changes: Option<Changes>,
    /// The word of those who write, when it was looked at last.
    word: u64,
    /// Whether the log goes on where this view cannot follow.
    is_lost: bool,
}

impl View {
    /// What the table has, up to the change of the number `until`. For threads of the process.
    pub(super) fn open(store: &EmbeddedStore, until: u64) -> Result<Self, EmbeddedError> {
        let mut opened = 0;
        loop {
            let snapshot = store.snapshot()?;
            if let Some(view) = Self::of(store, snapshot, until)? {
                return Ok(view);
            }
            opened += 1;
            if opened == OPENED_MAX {
                let path = store.path().to_owned();
                return Err(EmbeddedError::LogDamaged { path, part: "order of files" });
            }
        }
    }

    /// `snapshot` with its changes; `None` where another file is in its place by now.
    pub(super) fn of(
        store: &EmbeddedStore,
        snapshot: Arc<Snapshot>,
        until: u64,
    ) -> Result<Option<Self>, EmbeddedError> {
        // Where it was written since, one more look than is needed.
        let word = snapshot.superseded_at_open();
        let opened =
            if store.is_written() { Changes::open(store, &snapshot, until)? } else { Ok(None) };
        let Ok(changes) = opened else { return Ok(None) };
        Ok(Some(Self { snapshot, changes, word, is_lost: false }))
    }

    /// Whether the table is to be looked at: somebody wrote what this view cannot follow by itself.
    #[inline]
    pub(super) fn is_superseded(&self) -> bool {
        self.is_lost || self.snapshot.superseded() != self.word
    }

    /// Whether `latest`, which is in the table's place, is what is viewed; if so it was looked at, after
    /// the file's word was `word`.
    pub(super) fn is_of(
        &mut self,
        store: &EmbeddedStore,
        latest: &Arc<Snapshot>,
        word: u64,
    ) -> bool {
        let is_same = Arc::ptr_eq(latest, &self.snapshot)
            && !self.is_lost
            && (self.changes.is_some() || !store.is_written() || !store.has_log());
        if is_same {
            self.word = word;
        }
        is_same
    }

    /// Takes what was committed since. What cannot be read is tried again at the next look.
    #[inline]
    pub(super) fn catch_up(&mut self, store: &EmbeddedStore) {
        if let Some(changes) = &mut self.changes
            && changes.is_behind()
        {
            self.is_lost = !matches!(changes.catch_up(store, &self.snapshot), Ok(Ok(())));
        }
    }

    /// Looks for `key`, whose hash is `hash`, and leaves its entry in `copy`.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8], copy: &mut EntryCopy) -> Found {
        let changed = self.changes.as_ref().and_then(|it| it.overlay.find(hash, key, copy));
        changed.unwrap_or_else(|| self.snapshot.find(hash, key, copy))
    }

    /// What changed since the file was written.
    pub(super) fn overlay(&self) -> Option<&Overlay> {
        self.changes.as_ref().map(|changes| &changes.overlay)
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        let (added, removed) = self.overlay().map_or((0, 0), Overlay::added_and_removed);
        (self.snapshot.header.rows + added).saturating_sub(removed)
    }

    /// How many bytes of the log are not as they were written.
    pub(super) fn damaged_log_bytes(&self) -> u64 {
        self.changes.as_ref().map_or(0, Changes::damaged)
    }

    /// The changes, where a code is of their texts.
    fn changed(&self, code: u32) -> Option<&Overlay> {
        self.overlay().filter(|overlay| !overlay.is_of_file(code))
    }
}

/// The texts of the file, and behind them those of its changes.
impl Texts for View {
    fn generation(&self) -> u64 {
        self.overlay().map_or_else(|| self.snapshot.generation(), Overlay::generation)
    }

    fn text(&self, code: u32) -> Option<&[u8]> {
        match self.changed(code) {
            Some(overlay) => overlay.text(code),
            None => self.snapshot.text(code),
        }
    }

    fn copy_text(&self, code: u32, to: &mut Vec<u8>) -> bool {
        match self.changed(code) {
            Some(overlay) => {
                overlay.text(code).inspect(|text| to.extend_from_slice(text)).is_some()
            }
            None => self.snapshot.copy_text(code, to),
        }
    }
}
