//! What the server, its models and their counters are, as JSON.

use serde_json::{Value, json};

use super::answer::{FEATURES, MODEL_VERSION, SCORE, score_datatype};
use super::rows::USER_ID;
use crate::batch::Lane;
use crate::facts::Role;
use crate::features::Precision;
use crate::telemetry::histograms::DIFFERENCE_UNIT;
use crate::telemetry::{Counter, Phase, Sum};
use crate::tensors::Datatype;

const PLATFORM: &str = "shardgate_onnx";

/// `GET /v2`; whether models are managed on this port too.
pub(super) fn server(has_repository: bool) -> Value {
    let mut extensions = vec!["binary_tensor_data", "model_configuration", "statistics"];
    if has_repository {
        extensions.push("model_repository");
    }
    json!({
        "name": "shardgate",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": extensions,
    })
}

/// `GET /v2/models/NAME`; `versions` are those that may be asked.
pub(super) fn metadata(lane: &Lane, versions: &[u64]) -> Value {
    let versions: Vec<_> = versions.iter().map(u64::to_string).collect();
    let mut outputs = tensors(&outputs(lane));
    outputs[0]["parameters"] = json!({"score": lane.telemetry().facts.description.score});
    json!({
        "name": lane.settings.model,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": tensors(&inputs(lane)),
        "outputs": outputs,
    })
}

/// `GET /v2/models/NAME/config`; a request may have `rows_max` rows.
pub(super) fn config(lane: &Lane, rows_max: usize) -> Value {
    let settings = &lane.settings;
    let signature = &settings.signature;
    let input = |tensor: &Tensor<'_>| {
        json!({
            "name": tensor.name,
            "data_type": triton_type(tensor.datatype),
            "dims": [tensor.width],
            "optional": true,
        })
    };
    let output = |tensor: &Tensor<'_>| {
        json!({
            "name": tensor.name,
            "data_type": triton_type(tensor.datatype),
            "dims": [tensor.width],
        })
    };
    json!({
        "name": settings.model,
        "platform": PLATFORM,
        "backend": "shardgate",
        "max_batch_size": rows_max,
        "version_policy": {"specific": {"versions": [settings.version]}},
        "input": inputs(lane).iter().map(input).collect::<Vec<_>>(),
        "output": outputs(lane).iter().map(output).collect::<Vec<_>>(),
        "dynamic_batching": {
            "preferred_batch_size": [settings.policy.batch_rows_max],
            "max_queue_delay_microseconds": settings.policy.delay_us_max,
        },
        "parameters": {
            "description": {"string_value": signature.description},
            "score": {"string_value": lane.telemetry().facts.description.score},
            "kernel": {"string_value": lane.telemetry().facts.description.kernel},
            "columns": {"string_value": signature.columns.join(",")},
            "max_queue_size": {"string_value": settings.queue_rows_max.to_string()},
        },
    })
}

/// `GET /v2/models/NAME/stats`: of the shard that answers, since it loaded the model. Durations
/// are sums in ns; requests are counted by their rows.
pub(super) fn statistics<'a>(lanes: impl Iterator<Item = &'a Lane>) -> Value {
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

/// How far a candidate's scores were from those that were answered.
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

struct Tensor<'a> {
    name: &'a str,
    datatype: Datatype,
    width: usize,
}

/// The matrix of all columns or, instead of it, users with what the request says of them.
fn inputs(lane: &Lane) -> Vec<Tensor<'_>> {
    let signature = &lane.settings.signature;
    let number = match signature.precision {
        Precision::F32 => Datatype::Fp32,
        Precision::F64 => Datatype::Fp64,
    };
    let width = signature.columns.len();
    let mut tensors = vec![
        Tensor { name: &signature.matrix, datatype: number, width },
        Tensor { name: USER_ID, datatype: Datatype::Bytes, width: 1 },
    ];
    for field in &lane.settings.request_fields {
        let datatype = if field.column_type.is_text() { Datatype::Bytes } else { number };
        tensors.push(Tensor { name: &field.name, datatype, width: 1 });
    }
    tensors
}

fn outputs(lane: &Lane) -> Vec<Tensor<'static>> {
    let datatype = score_datatype(lane.settings.score_is_f32);
    vec![
        Tensor { name: SCORE, datatype, width: 1 },
        Tensor { name: FEATURES, datatype: Datatype::Bytes, width: 1 },
        Tensor { name: MODEL_VERSION, datatype: Datatype::Bytes, width: 1 },
    ]
}

fn tensors(tensors: &[Tensor<'_>]) -> Vec<Value> {
    let shape = |width: usize| json!([-1, width]);
    tensors
        .iter()
        .map(|tensor| {
            json!({
                "name": tensor.name,
                "datatype": tensor.datatype.as_str(),
                "shape": shape(tensor.width),
            })
        })
        .collect()
}

fn triton_type(datatype: Datatype) -> String {
    match datatype {
        Datatype::Bytes => "TYPE_STRING".to_owned(),
        other => format!("TYPE_{}", other.as_str()),
    }
}
