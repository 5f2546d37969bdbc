//! Whether requests should be sent here, and whether their answers are as good as they can be.
//!
//! A gateway that is *degraded* is ready: the policies of the models say what is answered while the
//! store fails, and taking every gateway out of rotation for one store would turn a degraded service
//! into none.

use serde_json::{Value, json};

use super::unfit::{UnfitModel, unfit_models};
use super::{AdminState, live};

/// How the gateway is.
#[derive(Debug)]
pub(super) struct Health {
    is_loaded: bool,
    is_draining: bool,
    /// The models that the feature store does not fit.
    pub(super) unfit: Vec<UnfitModel>,
    /// How answers are worse than with a store that answers.
    pub(super) store_faults: Vec<String>,
}

impl Health {
    /// As of now.
    pub(super) fn of(state: &AdminState) -> Self {
        let is_loaded = state.is_serving();
        Self {
            is_loaded,
            // The question is whether this address serves: another process may by now.
            is_draining: state.shutdown.is_begun() && !state.shutdown.is_taken_over(),
            unfit: unfit_models(state),
            store_faults: if is_loaded { live::store_faults(state) } else { Vec::new() },
        }
    }

    /// Whether requests should be sent here.
    pub(super) fn is_ready(&self) -> bool {
        self.is_loaded && self.fits() && !self.is_draining
    }

    /// Whether answers are worse than they would be with a store that answers.
    pub(super) fn is_degraded(&self) -> bool {
        !self.store_faults.is_empty()
    }

    /// Where a model is unfit its requests are answered with 503: another gateway may have a store
    /// that fits.
    fn fits(&self) -> bool {
        !self.unfit.iter().any(UnfitModel::answers)
    }

    /// What each part says about it.
    pub(super) fn to_json(&self) -> Value {
        let models = match (self.is_loaded, self.fits()) {
            (false, _) => "loading",
            (true, true) => "ok",
            (true, false) => "unfit",
        };
        let store = match (self.is_loaded, self.is_degraded()) {
            (false, _) => "opening",
            (true, false) => "ok",
            (true, true) => "degraded",
        };
        json!({
            "ready": self.is_ready(),
            "degraded": self.is_degraded(),
            "reasons": {
                "models": models,
                "unfit": self.unfit,
                "store": store,
                "store_faults": self.store_faults,
                "draining": self.is_draining,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_fails_degrades_and_leaves_it_ready() {
        let fault = "rows are scored on defaults".to_owned();
        let mut health = Health {
            is_loaded: true,
            is_draining: false,
            unfit: Vec::new(),
            store_faults: vec![fault.clone()],
        };
        let said = health.to_json();
        assert_eq!((&said["ready"], &said["degraded"]), (&json!(true), &json!(true)));
        assert_eq!(said["reasons"]["store"], "degraded");
        assert_eq!(said["reasons"]["store_faults"], json!([fault]));
        health.store_faults.clear();
        let said = health.to_json();
        assert_eq!((&said["ready"], &said["degraded"]), (&json!(true), &json!(false)));
        assert_eq!(said["reasons"]["store"], "ok");
    }
}
