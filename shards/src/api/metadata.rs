//! Metadata of the server and its models, as JSON.

use serde_json::{Value, json};

use super::infer::outputs::OutputKind;
use super::infer::rows::USER_ID;
use super::{Api, ModelName, Outcome};
use crate::batch::Lane;
use crate::features::Precision;
use crate::features::join::RequestField;
use crate::tensors::Datatype;

const PLATFORM: &str = "shardgate_onnx";

/// The server's name, version and extensions; one of these where models are managed here too.
pub(super) fn server(api: &Api) -> Outcome {
    let mut extensions = vec!["binary_tensor_data", "model_configuration", "statistics"];
    if api.limits.takes_repository_requests {
        extensions.push("model_repository");
    }
    Outcome::Document(json!({
        "name": "shardgate",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": extensions,
    }))
}

/// The inputs and outputs of a model, and its versions that may be asked.
pub(super) fn model(api: &Api, model: ModelName<'_>) -> Outcome {
    let Some(lane) = api.find(model) else { return api.unknown(model) };
    Outcome::Document(describe(&lane, &api.lanes.versions(&lane.settings.model)))
}

/// How a model is served.
pub(super) fn config(api: &Api, model: ModelName<'_>) -> Outcome {
    let Some(lane) = api.find(model) else { return api.unknown(model) };
    Outcome::Document(describe_config(&lane, api.limits.rows_max))
}

fn describe(lane: &Lane, versions: &[u64]) -> Value {
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

fn describe_config(lane: &Lane, rows_max: usize) -> Value {
    let settings = &lane.settings;
    let signature = &settings.signature;
    let input = |tensor: &Tensor<'_>| {
        json!({
            "name": tensor.name,
            "data_type": triton_type(tensor.datatype),
            "dims": tensor.axes,
            "optional": true,
        })
    };
    let output = |tensor: &Tensor<'_>| {
        json!({
            "name": tensor.name,
            "data_type": triton_type(tensor.datatype),
            "dims": tensor.axes,
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

struct Tensor<'a> {
    name: &'a str,
    datatype: Datatype,
    /// The sizes of its axes after that of the rows.
    axes: Vec<usize>,
}

/// The matrix of all columns or, instead of it, users with what the request says of them.
fn inputs(lane: &Lane) -> Vec<Tensor<'_>> {
    let signature = &lane.settings.signature;
    let number = match signature.precision {
        Precision::F32 => Datatype::Fp32,
        Precision::F64 => Datatype::Fp64,
    };
    let width = signature.columns.len();
    let datatype_of = |field: &RequestField| {
        if field.column_type.is_text() { Datatype::Bytes } else { number }
    };
    let mut tensors = Vec::new();
    if signature.texts.is_empty() {
        tensors.push(Tensor { name: &signature.matrix, datatype: number, axes: vec![width] });
    }
    let keys = &lane.settings.keys;
    if lane.settings.has_store {
        let key = |name| Tensor { name, datatype: Datatype::Bytes, axes: vec![1] };
        if keys.is_user_alone() {
            tensors.push(key(USER_ID));
        }
        tensors.extend(keys.fields.iter().map(|field| key(field)));
    }
    let columns = signature.texts.iter().filter(|column| {
        !lane.settings.request_fields.iter().any(|field| field.name == column.name)
    });
    let fields = lane.settings.request_fields.iter().chain(columns);
    // A field that is a key is there already.
    for field in fields.filter(|field| keys.position(&field.name).is_none()) {
        tensors.push(Tensor { name: &field.name, datatype: datatype_of(field), axes: vec![1] });
    }
    tensors
}

fn outputs(lane: &Lane) -> Vec<Tensor<'static>> {
    let settings = &lane.settings;
    let tensor = |kind: OutputKind| Tensor {
        name: kind.name(),
        datatype: kind.datatype(settings.score_is_f32),
        axes: kind.axes(settings).collect(),
    };
    OutputKind::of(settings, settings.has_store).map(tensor).collect()
}

fn tensors(tensors: &[Tensor<'_>]) -> Vec<Value> {
    let shape = |axes: &[usize]| {
        let sizes = axes.iter().map(|size| Value::from(*size));
        std::iter::once(Value::from(-1)).chain(sizes).collect::<Value>()
    };
    tensors
        .iter()
        .map(|tensor| {
            json!({
                "name": tensor.name,
                "datatype": tensor.datatype.as_str(),
                "shape": shape(&tensor.axes),
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
