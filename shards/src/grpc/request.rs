//! A message of a method, as it was read: which call it is, and its answer.

use bytes::Bytes;
use prost::Message;
use serde_json::{Map, Value, json};

use super::health;
use super::messages::health::HealthCheckRequest;
use super::messages::inference::{
    ModelConfigRequest, ModelInferRequest, ModelMetadataRequest, ModelReadyRequest,
    ModelStatisticsRequest, RepositoryIndexRequest, RepositoryModelLoadRequest,
    RepositoryModelUnloadRequest,
};
use super::messages::prediction::PredictRequest;
use super::messages::reflection::ServerReflectionRequest;
use super::method::Method;
use super::reply::{Reply, Scores};
use super::status::Status;
use super::{documents, predict, reflection};
use crate::api::{Api, Call, CallContext, ModelName, Outcome, RepositoryCall};

/// A message that was read.
#[derive(Debug)]
pub(crate) enum Request {
    /// One of a method whose message is empty.
    Empty(Method),
    /// Of `ModelReady`, `ModelMetadata`, `ModelConfig` and `ModelStatistics`.
    Model { method: Method, name: String, version: String },
    /// Of `ModelInfer` and its stream.
    Infer { message: Box<ModelInferRequest>, in_stream: bool },
    /// Of `Predict` and its stream.
    Predict { message: Box<PredictRequest>, in_stream: bool },
    /// Of the model repository.
    Repository { method: Method, name: String, body: Value },
    /// Of a health check.
    Health { service: String },
    /// Of reflection.
    Reflection(Box<ServerReflectionRequest>),
}

impl Request {
    /// Reads a message of a method.
    pub(crate) fn read(method: Method, message: Bytes) -> Result<Self, Status> {
        Self::decode(method, message).map_err(|error| Status::undecodable(&error))
    }

    fn decode(method: Method, message: Bytes) -> Result<Self, prost::DecodeError> {
        Ok(match method {
            Method::Infer | Method::InferStream => Self::Infer {
                message: Box::new(ModelInferRequest::decode(message)?),
                in_stream: method == Method::InferStream,
            },
            Method::Predict | Method::PredictStream => Self::Predict {
                message: Box::new(PredictRequest::decode(message)?),
                in_stream: method == Method::PredictStream,
            },
            Method::ServerLive | Method::ServerReady | Method::ServerMetadata => {
                Self::Empty(method)
            }
            Method::ModelReady => {
                let ModelReadyRequest { name, version } = ModelReadyRequest::decode(message)?;
                Self::Model { method, name, version }
            }
            Method::ModelMetadata => {
                let ModelMetadataRequest { name, version } = ModelMetadataRequest::decode(message)?;
                Self::Model { method, name, version }
            }
            Method::ModelConfig => {
                let ModelConfigRequest { name, version } = ModelConfigRequest::decode(message)?;
                Self::Model { method, name, version }
            }
            Method::Statistics => {
                let read = ModelStatisticsRequest::decode(message)?;
                Self::Model { method, name: read.name, version: read.version }
            }
            Method::RepositoryIndex => {
                let read = RepositoryIndexRequest::decode(message)?;
                Self::Repository { method, name: String::new(), body: json!({"ready": read.ready}) }
            }
            Method::RepositoryLoad => {
                let read = RepositoryModelLoadRequest::decode(message)?;
                let body = parameters(read.parameters.into_keys());
                Self::Repository { method, name: read.model_name, body }
            }
            Method::RepositoryUnload => {
                let read = RepositoryModelUnloadRequest::decode(message)?;
                let body = parameters(read.parameters.into_keys());
                Self::Repository { method, name: read.model_name, body }
            }
            Method::HealthCheck | Method::HealthWatch => {
                Self::Health { service: HealthCheckRequest::decode(message)?.service }
            }
            Method::Reflection => {
                Self::Reflection(Box::new(ServerReflectionRequest::decode(message)?))
            }
        })
    }

    /// The call that it is, by which its key lets it in.
    pub(crate) fn call(&self) -> Call<'_> {
        match self {
            Self::Infer { message, .. } => {
                Call::Infer(model(&message.model_name, &message.model_version))
            }
            Self::Predict { message, .. } => Call::Predict { model: named(&message.model) },
            Self::Empty(Method::ServerReady) => Call::ServerReady,
            Self::Empty(Method::ServerMetadata) | Self::Reflection(_) => Call::ServerMetadata,
            Self::Empty(_) | Self::Health { .. } => Call::ServerLive,
            Self::Model { method, name, version } => {
                let model = model(name, version);
                match method {
                    Method::ModelReady => Call::ModelReady(model),
                    Method::ModelMetadata => Call::ModelMetadata(model),
                    Method::ModelConfig => Call::ModelConfig(model),
                    _ if name.is_empty() => Call::Statistics,
                    _ => Call::ModelStatistics(model),
                }
            }
            Self::Repository { method, name, .. } => Call::Repository(match method {
                Method::RepositoryLoad => RepositoryCall::Load { name },
                Method::RepositoryUnload => RepositoryCall::Unload { name },
                _ => RepositoryCall::Index,
            }),
        }
    }

    /// Answers it, or queues the rows that its reply waits for.
    pub(crate) fn answer(&self, api: &Api, context: &CallContext<'_>) -> Reply {
        match self {
            Self::Infer { message, in_stream } => {
                let scores = Scores::Tensors { in_stream: *in_stream };
                let model = model(&message.model_name, &message.model_version);
                Reply::of_scores(api.infer(model, &**message, context), scores)
            }
            Self::Predict { message, in_stream } => {
                let scores = Scores::Row { in_stream: *in_stream };
                let wants = predict::wants(message);
                let outcome = api.predict(named(&message.model), &**message, wants, context);
                Reply::of_scores(outcome, scores)
            }
            Self::Repository { method, body, .. } => {
                let body = body.to_string().into_bytes();
                let context = CallContext { body: Some(&body), ..*context };
                Reply::of_repository(api.answer(self.call(), &context), *method)
            }
            Self::Health { service } => health::check(api, context, service),
            Self::Reflection(message) => Reply::Message(reflection::answer(message)),
            Self::Empty(method) | Self::Model { method, .. } => {
                let outcome = api.answer(self.call(), context);
                match outcome {
                    Outcome::Document(document) | Outcome::NotReady(document) => {
                        Reply::Message(documents::message(*method, &document))
                    }
                    outcome => Reply::of_other(outcome),
                }
            }
        }
    }

    /// Whether a watched service takes requests; `None` of what is not watched.
    pub(crate) fn watched(&self, api: &Api, context: &CallContext<'_>) -> Option<i32> {
        match self {
            Self::Health { service } => Some(health::watched(api, context, service)),
            _ => None,
        }
    }
}

/// The body that the process reads of a request with these parameters.
fn parameters(names: impl Iterator<Item = String>) -> Value {
    let parameters: Map<_, _> = names.map(|name| (name, Value::Bool(true))).collect();
    json!({"parameters": parameters})
}

/// What an empty text leaves out.
fn named(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn model<'a>(name: &'a str, version: &'a str) -> ModelName<'a> {
    ModelName { name, version: named(version) }
}
