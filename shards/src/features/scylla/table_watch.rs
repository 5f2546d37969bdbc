//! What is known of a table that may have changed under the shard: whether somebody looks at it, and
//! why it can't be read any more, if it can't.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::ScyllaError;
use crate::executor::runtime::sleep;

/// How long lies between two looks at least, however doubtful the table is.
const LOOKS_APART: Duration = Duration::from_millis(250);
/// How often the table is looked at where nothing makes it doubtful.
const LOOK: Duration = Duration::from_secs(2);
/// How often a batch asks whether a look has ended.
const ASK: Duration = Duration::from_millis(1);

/// A shard's watch over its table.
#[derive(Debug)]
pub(super) struct TableWatch {
    is_doubtful: Cell<bool>,
    is_looking: Cell<bool>,
    last_look: Cell<Instant>,
    /// Why the table can't be read, in words, and what tells this from other reasons.
    unreadable: RefCell<Option<(Arc<str>, u64)>>,
    /// What was wrong at the last look: the same again is no news.
    said: RefCell<String>,
}

impl Default for TableWatch {
    fn default() -> Self {
        Self {
            is_doubtful: Cell::default(),
            is_looking: Cell::default(),
            last_look: Cell::new(Instant::now()),
            unreadable: RefCell::default(),
            said: RefCell::default(),
        }
    }
}

impl TableWatch {
    /// Something says that the table may be another.
    pub(super) fn doubt(&self) {
        self.is_doubtful.set(true);
    }

    /// Whether the table is to be looked at now.
    pub(super) fn is_due(&self) -> bool {
        let apart = self.last_look.get().elapsed();
        !self.is_looking.get() && apart >= if self.is_doubtful.get() { LOOKS_APART } else { LOOK }
    }

    /// Somebody begins to look.
    pub(super) fn begin(&self) {
        self.is_looking.set(true);
        self.is_doubtful.set(false);
    }

    /// The look has ended.
    pub(super) fn end(&self) {
        self.is_looking.set(false);
        self.last_look.set(Instant::now());
    }

    /// Waits for the end of a look that is on its way, until `deadline` at most.
    pub(super) async fn looked(&self, deadline: Instant) {
        while self.is_looking.get() && Instant::now() < deadline {
            sleep(ASK).await;
        }
    }

    /// The table can be read.
    pub(super) fn set_readable(&self) {
        self.unreadable.replace(None);
        self.said.borrow_mut().clear();
    }

    /// The table can't be read as it is now, for ever: no batch is to read it.
    pub(super) fn set_unreadable(&self, error: &ScyllaError) {
        let reason = error.to_string();
        let mut hasher = DefaultHasher::new();
        reason.hash(&mut hasher);
        self.unreadable.replace(Some((reason.into(), hasher.finish())));
    }

    /// Whether this error was not said since the table could be read.
    pub(super) fn is_news(&self, error: &ScyllaError) -> bool {
        let text = error.to_string();
        self.said.replace(text.clone()) != text
    }

    /// Why the table can't be read, where it can't.
    pub(super) fn unreadable(&self) -> Option<Arc<str>> {
        self.unreadable.borrow().as_ref().map(|(reason, _)| Arc::clone(reason))
    }

    /// A number that tells reasons apart.
    pub(super) fn unreadable_fingerprint(&self) -> Option<u64> {
        self.unreadable.borrow().as_ref().map(|(_, fingerprint)| *fingerprint)
    }
}
