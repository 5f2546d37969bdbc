//! The plan that a lane's batches are joined by, bound again when the store's columns change.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Lane;
use crate::batch::PreparedModel;
use crate::features::join::JoinPlan;
use crate::features::{FeatureStore, Unfit};
use crate::telemetry::ShardCounters;

/// A lane's plan, or none while the store does not fit the model.
#[derive(Debug)]
pub(super) struct Binding {
    plan: RefCell<Option<Rc<JoinPlan>>>,
    /// The store's fingerprint that `plan` was bound at.
    fingerprint: Cell<u64>,
}

impl Binding {
    /// The plan that the model was loaded with.
    pub(super) fn new(prepared: &PreparedModel) -> Self {
        Self {
            fingerprint: Cell::new(prepared.plan.schema().fingerprint_of_all()),
            plan: RefCell::new(Some(Rc::new(prepared.plan.clone()))),
        }
    }

    /// The plan for the columns that `store` has now; `None` where they do not fit, which the lane
    /// then says. It compares two numbers, unless the columns have changed.
    pub(super) fn plan(
        &self,
        lane: &Lane,
        prepared: &PreparedModel,
        store: &FeatureStore,
        counters: &ShardCounters,
    ) -> Option<Rc<JoinPlan>> {
        let found = store.fingerprint();
        if self.fingerprint.replace(found) != found {
            let bound = prepared.bound_to(store);
            lane.set_unfit(bound.as_ref().err().map(Unfit::to_string));
            counters.fit_changes.add(1);
            self.plan.replace(bound.ok().map(Rc::new));
        }
        self.plan.borrow().clone()
    }
}
