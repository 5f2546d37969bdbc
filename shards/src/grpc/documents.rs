//! Documents of the endpoints as messages of the methods.

use prost::Message;
use serde_json::Value;

use super::messages::inference::model_metadata_response::TensorMetadata;
use super::messages::inference::repository_index_response::ModelIndex;
use super::messages::inference::{
    DataType, InferStatistics, ModelConfig, ModelConfigResponse, ModelDynamicBatching, ModelInput,
    ModelMetadataResponse, ModelOutput, ModelParameter, ModelReadyResponse, ModelStatistics,
    ModelStatisticsResponse, RepositoryIndexResponse, RepositoryModelLoadResponse,
    RepositoryModelUnloadResponse, ServerLiveResponse, ServerMetadataResponse, ServerReadyResponse,
    StatisticDuration,
};
use super::method::Method;

/// The message of a method whose endpoint gave this document.
pub(super) fn message(method: Method, document: &Value) -> Vec<u8> {
    match method {
        Method::ServerLive => ServerLiveResponse { live: is(document, "live") }.encode_to_vec(),
        Method::ServerReady => ServerReadyResponse { ready: is(document, "ready") }.encode_to_vec(),
        Method::ModelReady => ModelReadyResponse { ready: is(document, "ready") }.encode_to_vec(),
        Method::ServerMetadata => ServerMetadataResponse {
            name: text(document, "name"),
            version: text(document, "version"),
            extensions: texts(document, "extensions"),
        }
        .encode_to_vec(),
        Method::ModelMetadata => ModelMetadataResponse {
            name: text(document, "name"),
            versions: texts(document, "versions"),
            platform: text(document, "platform"),
            inputs: each(document, "inputs").map(tensor).collect(),
            outputs: each(document, "outputs").map(tensor).collect(),
        }
        .encode_to_vec(),
        Method::ModelConfig => {
            ModelConfigResponse { config: Some(config(document)) }.encode_to_vec()
        }
        Method::Statistics => {
            let model_stats = each(document, "model_stats").map(statistics).collect();
            ModelStatisticsResponse { model_stats }.encode_to_vec()
        }
        Method::RepositoryIndex => {
            let entries = document.as_array().into_iter().flatten();
            RepositoryIndexResponse { models: entries.map(entry).collect() }.encode_to_vec()
        }
        Method::RepositoryLoad => RepositoryModelLoadResponse {}.encode_to_vec(),
        Method::RepositoryUnload => RepositoryModelUnloadResponse {}.encode_to_vec(),
        // These have no document.
        Method::Infer
        | Method::InferStream
        | Method::Predict
        | Method::PredictStream
        | Method::HealthCheck
        | Method::HealthWatch
        | Method::Reflection => Vec::new(),
    }
}

fn is(document: &Value, name: &str) -> bool {
    document[name].as_bool().unwrap_or(false)
}

fn text(document: &Value, name: &str) -> String {
    document[name].as_str().unwrap_or_default().to_owned()
}

fn number(document: &Value, name: &str) -> u64 {
    document[name].as_u64().unwrap_or_default()
}

fn each<'a>(document: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    document[name].as_array().into_iter().flatten()
}

fn texts(document: &Value, name: &str) -> Vec<String> {
    each(document, name).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn lengths(document: &Value, name: &str) -> Vec<i64> {
    each(document, name).filter_map(Value::as_i64).collect()
}

fn tensor(document: &Value) -> TensorMetadata {
    TensorMetadata {
        name: text(document, "name"),
        datatype: text(document, "datatype"),
        shape: lengths(document, "shape"),
    }
}

fn entry(document: &Value) -> ModelIndex {
    ModelIndex {
        name: text(document, "name"),
        version: text(document, "version"),
        state: text(document, "state"),
        reason: text(document, "reason"),
    }
}

fn data_type(document: &Value) -> i32 {
    let known = DataType::from_str_name(document["data_type"].as_str().unwrap_or_default());
    known.unwrap_or(DataType::TypeInvalid) as i32
}

fn config(document: &Value) -> ModelConfig {
    let input = |input: &Value| ModelInput {
        name: text(input, "name"),
        data_type: data_type(input),
        dims: lengths(input, "dims"),
        optional: is(input, "optional"),
    };
    let output = |output: &Value| ModelOutput {
        name: text(output, "name"),
        data_type: data_type(output),
        dims: lengths(output, "dims"),
    };
    let batching = &document["dynamic_batching"];
    let parameters = document["parameters"].as_object().into_iter().flatten();
    ModelConfig {
        name: text(document, "name"),
        platform: text(document, "platform"),
        max_batch_size: number(document, "max_batch_size").try_into().unwrap_or(i32::MAX),
        input: each(document, "input").map(input).collect(),
        output: each(document, "output").map(output).collect(),
        dynamic_batching: Some(ModelDynamicBatching {
            preferred_batch_size: lengths(batching, "preferred_batch_size")
                .into_iter()
                .map(|rows| rows.try_into().unwrap_or(i32::MAX))
                .collect(),
            max_queue_delay_microseconds: number(batching, "max_queue_delay_microseconds"),
        }),
        parameters: parameters
            .map(|(name, value)| {
                let string_value = text(value, "string_value");
                (name.clone(), ModelParameter { string_value })
            })
            .collect(),
        backend: text(document, "backend"),
    }
}

fn statistics(document: &Value) -> ModelStatistics {
    let parts = &document["inference_stats"];
    let part = |name: &str| {
        let (count, ns) = (number(&parts[name], "count"), number(&parts[name], "ns"));
        Some(StatisticDuration { count, ns })
    };
    ModelStatistics {
        name: text(document, "name"),
        version: text(document, "version"),
        last_inference: number(document, "last_inference"),
        inference_count: number(document, "inference_count"),
        execution_count: number(document, "execution_count"),
        inference_stats: Some(InferStatistics {
            success: part("success"),
            fail: part("fail"),
            queue: part("queue"),
            compute_input: part("compute_input"),
            compute_infer: part("compute_infer"),
            compute_output: part("compute_output"),
            cache_hit: part("cache_hit"),
            cache_miss: part("cache_miss"),
        }),
    }
}
