//! The endpoints of a shard, apart from how clients reach them: one endpoint a file.
//!
//! A front turns what it reads into a [`Call`] and its [`CallContext`]. [`Api::answer`] gives back
//! an [`Outcome`], which the front renders as its protocol has it.
//!
//! [`predict`] and [`infer`] score rows: each reads its own bodies, and `ask` does all the rest
//! once. The rows of a call are [`request_rows`]. `probes`, `metadata` and `statistics` describe
//! the shard, and [`openapi`] what all of it takes and gives; [`instances`] is `KServe`'s version 1,
//! read and scored as [`predict`] does. `repository` and `write_features` leave a call to the
//! process, by an [`admin_queue`]. [`failures`] and
//! [`json`] are parts of documents.
//!
//! What is *not* here: sockets, heads, statuses and header lines, which are a front's.

pub(crate) mod admin_queue;
mod ask;
mod context;
pub(crate) mod failures;
pub mod infer;
mod instances;
pub(crate) mod json;
mod metadata;
pub mod openapi;
mod outcome;
pub mod predict;
mod probes;
mod repository;
pub(crate) mod request_rows;
mod statistics;
mod write_features;

use std::rc::Rc;

use self::admin_queue::ProcessQueue;
pub use self::admin_queue::{AdminReply, AdminReplyKind, RepositoryRequest};
pub(crate) use self::context::{Arrival, CallContext};
pub(crate) use self::infer::TensorRequest;
use self::openapi::Description;
pub(crate) use self::outcome::{CallFault, Form, Outcome, RowsSummary, StatusOf};
use self::predict::Members;
pub use self::repository::RepositoryCall;
pub use self::write_features::{FeatureCall, WriteRequest};
use crate::batch::Lanes;
use crate::context::ShardContext;
use crate::model::answer::Wants;

/// A call of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// Scores of rows that are given as JSON, by a model or by the default one.
    Predict {
        /// The model's name, where the call has one.
        model: Option<&'a str>,
    },
    /// Scores of rows that are given as tensors.
    Infer(ModelName<'a>),
    /// The server's name, version and extensions.
    ServerMetadata,
    /// Whether the server runs.
    ServerLive,
    /// Whether the server takes requests.
    ServerReady,
    /// The inputs and outputs of a model.
    ModelMetadata(ModelName<'a>),
    /// How a model is served.
    ModelConfig(ModelName<'a>),
    /// Whether a model takes requests.
    ModelReady(ModelName<'a>),
    /// The counters of every model.
    Statistics,
    /// The counters of a model.
    ModelStatistics(ModelName<'a>),
    /// Scores of rows that are given as instances.
    Instances {
        /// The model's name.
        model: &'a str,
    },
    /// The names of the models.
    ModelNames,
    /// Whether a model takes requests, as `KServe`'s version 1 asks.
    InstancesReady {
        /// The model's name.
        model: &'a str,
    },
    /// The description of what is served.
    OpenApi,
    /// The model repository, which the process answers for.
    Repository(RepositoryCall<&'a str>),
    /// Rows of the feature store are written or removed, by the process.
    WriteFeatures(FeatureCall<&'a str>),
}

impl<'a> Call<'a> {
    /// Whether it is a probe, which a load balancer makes without any credentials.
    pub(crate) fn is_probe(&self) -> bool {
        matches!(
            self,
            Self::ServerLive
                | Self::ServerReady
                | Self::ModelReady(_)
                | Self::InstancesReady { .. }
        )
    }

    /// Whether the process answers it, by rules of its own.
    pub(crate) fn is_for_the_process(&self) -> bool {
        matches!(self, Self::Repository(_))
    }

    /// The model that it names.
    fn model(&self) -> Option<&'a str> {
        match self {
            Self::Predict { model } => *model,
            Self::Instances { model } | Self::InstancesReady { model } => Some(model),
            Self::Infer(model)
            | Self::ModelMetadata(model)
            | Self::ModelConfig(model)
            | Self::ModelReady(model)
            | Self::ModelStatistics(model) => Some(model.name),
            _ => None,
        }
    }
}

/// A model, and the version of it that a call insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelName<'a> {
    /// The model's name.
    pub name: &'a str,
    /// The version as the call spells it, where it names one.
    pub version: Option<&'a str>,
}

/// The limits of one shard's endpoints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ApiLimits {
    /// The most rows of one call.
    pub(crate) rows_max: usize,
    /// How long an outcome is worth having where neither the call nor its body says, in ns.
    pub(crate) limit_ns: Option<u64>,
    /// Whether calls about the model repository are left to the process; otherwise they are
    /// refused.
    pub(crate) takes_repository_requests: bool,
    /// Whether calls that write features are left to the process; otherwise they are refused.
    pub(crate) takes_writes: bool,
}

/// The endpoints of one shard.
#[derive(Debug)]
pub(crate) struct Api {
    /// The requests that wait for the process.
    pub(crate) admin_queue: ProcessQueue<RepositoryRequest>,
    /// The writes that wait for it.
    pub(crate) write_queue: ProcessQueue<WriteRequest>,
    /// The description of what is served.
    pub(crate) description: Description,
    context: Rc<ShardContext>,
    /// The models.
    lanes: Rc<Lanes>,
    limits: ApiLimits,
}

impl Api {
    pub(crate) fn new(context: Rc<ShardContext>, lanes: Rc<Lanes>, limits: ApiLimits) -> Self {
        Self {
            admin_queue: ProcessQueue::new(repository::WAITING_MAX),
            write_queue: ProcessQueue::new(write_features::WAITING_MAX),
            description: Description::default(),
            context,
            lanes,
            limits,
        }
    }

    /// Calls `with` with the name of the model that a call is about: that of the default one, where
    /// it asks for scores and names none.
    pub(crate) fn with_model<T>(&self, call: &Call<'_>, with: impl FnOnce(Option<&str>) -> T) -> T {
        match call {
            Call::Predict { model: None } => match self.lanes.lane(None) {
                Some(lane) => with(Some(&lane.settings.model)),
                None => with(None),
            },
            call => with(call.model()),
        }
    }

    /// Scores the rows of a request of tensors that a front has read.
    pub(crate) fn infer(
        &self,
        model: ModelName<'_>,
        request: &dyn TensorRequest,
        context: &CallContext<'_>,
    ) -> Outcome {
        infer::answer_request(self, context, model, request)
    }

    /// Scores a row whose members a front has read, and that asks for `wants` beside its score.
    pub(crate) fn predict(
        &self,
        model: Option<&str>,
        members: &dyn Members,
        wants: Wants,
        context: &CallContext<'_>,
    ) -> Outcome {
        predict::answer_members(self, context, model, members, wants)
    }

    /// Answers a call, or queues the rows or the request that its outcome waits for.
    pub(crate) fn answer(&self, call: Call<'_>, context: &CallContext<'_>) -> Outcome {
        match call {
            Call::Predict { model } => predict::answer(self, context, model),
            Call::Infer(model) => infer::answer(self, context, model),
            Call::ServerMetadata => metadata::server(self),
            Call::ServerLive => probes::live(),
            Call::ServerReady => probes::ready(self),
            Call::ModelMetadata(model) => metadata::model(self, model),
            Call::ModelConfig(model) => metadata::config(self, model),
            Call::ModelReady(model) => probes::model_ready(self, model),
            Call::Statistics => statistics::all(self),
            Call::ModelStatistics(model) => statistics::model(self, model),
            Call::Instances { model } => predict::answer_instances(self, context, model),
            Call::ModelNames => instances::names(self),
            Call::InstancesReady { model } => instances::ready(self, model),
            Call::OpenApi => openapi::answer(self),
            Call::Repository(call) => repository::answer(self, context, call),
            Call::WriteFeatures(call) => write_features::answer(self, context, call),
        }
    }
}
