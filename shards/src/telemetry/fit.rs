//! Whether a lane's store fits its model, as others see it.

use std::sync::Arc;

use super::Counter;
use crate::crossing::Crossing;

/// Whether the store of a lane fits its model. The shard writes it when the store's columns change.
#[derive(Debug, Default)]
pub struct Fit {
    changes: Counter,
    unfit: Counter,
    reason: Crossing<Option<Arc<str>>>,
}

impl Fit {
    /// How often the store's columns have changed under the lane.
    pub fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Whether the store does not fit the model.
    pub fn is_unfit(&self) -> bool {
        self.unfit.get() == 1
    }

    /// Why the store does not fit the model, and what to do; `None` while it does.
    pub fn reason(&self) -> Option<Arc<str>> {
        self.reason.lock().clone()
    }

    /// The store's columns have changed; `reason` says why they do not fit, if they do not.
    pub(crate) fn change(&self, reason: Option<Arc<str>>) {
        self.unfit.set(u64::from(reason.is_some()));
        *self.reason.lock() = reason;
        self.changes.add(1);
    }
}
