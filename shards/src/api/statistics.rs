//! Counters of the models on the shard that answers, since it loaded them.

use std::rc::Rc;

use serde_json::{Value, json};

use super::{Api, ModelName, Outcome};
use crate::batch::{Lane, LaneSettings};
use crate::facts::Role;
use crate::telemetry::histograms::DIFFERENCE_UNIT;
use crate::telemetry::{Counter, Phase, Sum};

/// The counters of every model.
pub(super) fn all(api: &Api) -> Outcome {
    Outcome::Document(describe(api.lanes.all().iter().map(Rc::as_ref)))
}

/// The counters of a model, with those of its shadow.
pub(super) fn model(api: &Api, model: ModelName<'_>) -> Outcome {
    if api.find(model).is_none() {
        return api.unknown(model);
    }
    let lanes = api.lanes.all();
    let is_asked = |lane: &&Lane| {
        let LaneSettings { model: name, version: number, .. } = &lane.settings;
        name == model.name && model.version.is_none_or(|it| number.to_string() == it)
    };
    Outcome::Document(describe(lanes.iter().map(Rc::as_ref).filter(is_asked)))
}

/// Durations are sums in ns; requests are counted by their rows.
fn describe<'a>(lanes: impl Iterator<Item = &'a Lane>) -> Value {
    let of_lane = |lane: &Lane| {
        let counters = lane.counters();
        let part = |count: u64, ns: u64| json!({"count": count, "ns": ns});
        let sum = |counters: &[Counter]| counters.iter().map(Counter::get).sum::<u64>();
        let batches = counters.batches.get();
        let (scored, failed) = match lane.settings.role {
            // Its rows are copies: they are no rows that were answered.
            Role::Shadow => (counters.shadow.compared.get(), counters.shadow.failed.get()),
            Role::Stable | Role::Canary => {
                let scored = sum(&counters.rows) + counters.rows_own_features.get();
                (scored, sum(&counters.rows_failed))
            }
        };
        // Rows that got no score waited too.
        let waited = lane.histograms.borrow().phase(Phase::Queue).len();
        let queue_ns = counters.queue_ns.get();
        let (features_ns, model_ns) = (counters.features_ns.get(), counters.model_ns.get());
        let mut described = json!({
            "name": lane.settings.model,
            "version": lane.settings.version.to_string(),
            "last_inference": counters.last_batch_ms.get(),
            "inference_count": scored,
            "execution_count": batches,
            "inference_stats": {
                "success": part(scored, queue_ns + features_ns + model_ns),
                "fail": part(failed, 0),
                "queue": part(waited, queue_ns),
                "compute_input": part(batches, features_ns),
                "compute_infer": part(batches, model_ns),
                "compute_output": part(batches, 0),
                "cache_hit": part(0, 0),
                "cache_miss": part(0, 0),
            },
            "batch_stats": [],
        });
        if lane.settings.role == Role::Shadow {
            described["shadow"] = differences(lane);
        }
        described
    };
    json!({"model_stats": lanes.map(of_lane).collect::<Vec<_>>()})
}

/// The differences between a shadow's scores and those that were answered.
fn differences(lane: &Lane) -> Value {
    let counters = &lane.counters().shadow;
    let compared = counters.compared.get();
    let mean = |sum: &Sum| if compared > 0 { sum.get() / compared as f64 } else { 0.0 };
    let histograms = lane.histograms.borrow();
    let quantile = |quantile| {
        let value = histograms.differences().map_or(0, |known| known.value_at_quantile(quantile));
        value as f64 * DIFFERENCE_UNIT
    };
    json!({
        "compared": compared,
        "failed": counters.failed.get(),
        "skipped": counters.skipped.get(),
        "mean": mean(&counters.difference_sum),
        "mean_absolute": mean(&counters.difference_absolute_sum),
        "absolute_quantiles": {
            "0.5": quantile(0.5),
            "0.9": quantile(0.9),
            "0.99": quantile(0.99),
            "1": quantile(1.0),
        },
    })
}
