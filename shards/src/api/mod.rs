//! What clients may ask of a shard, apart from how they reach it: one endpoint a file.
//!
//! A front turns what it reads into a [`Call`] and its [`CallContext`]. [`Api::answer`] gives back an
//! [`Outcome`], which the front renders as its protocol has it.
//!
//! [`predict`] and [`infer`] score rows: each reads its own bodies, and `ask` does all the rest once.
//! The rows of a call are [`request_rows`]. [`probes`], [`metadata`] and [`statistics`] describe the
//! shard; [`repository`] leaves a call to the process, by [`desk`]. [`failures`] and [`json`] are how
//! documents are written.
//!
//! What is *not* here: sockets, heads, statuses and header lines, which are a front's.

mod ask;
mod context;
pub(crate) mod desk;
pub(crate) mod failures;
pub mod infer;
pub(crate) mod json;
mod metadata;
mod outcome;
pub mod predict;
mod probes;
mod repository;
pub(crate) mod request_rows;
mod statistics;

use std::rc::Rc;

pub(crate) use self::context::{Arrival, CallContext};
use self::desk::Desk;
pub use self::desk::{ProcessReply, ReplyKind, RepositoryRequest};
pub(crate) use self::outcome::{CallFault, Form, Outcome, StatusOf, Written};
pub use self::repository::RepositoryCall;
use crate::batch::Lanes;
use crate::context::ShardContext;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// Scores of rows that are given as JSON, by a model or by the default one.
    Predict {
        /// The model's name, where the call has one.
        model: Option<&'a str>,
    },
    /// Scores of rows that are given as tensors.
    Infer(ModelName<'a>),
    /// What the server is.
    ServerMetadata,
    /// Whether the server runs.
    ServerLive,
    /// Whether the server takes requests.
    ServerReady,
    /// What a model reads and gives.
    ModelMetadata(ModelName<'a>),
    /// How a model is served.
    ModelConfig(ModelName<'a>),
    /// Whether a model takes requests.
    ModelReady(ModelName<'a>),
    /// What every model has done.
    Statistics,
    /// What a model has done.
    ModelStatistics(ModelName<'a>),
    /// Which models are served, which the process says and changes.
    Repository(RepositoryCall<&'a str>),
}

/// A model, and the version of it that a call insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelName<'a> {
    /// The model's name.
    pub name: &'a str,
    /// The version as the call spells it, where it names one.
    pub version: Option<&'a str>,
}

/// What the endpoints of one shard are bound by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ApiLimits {
    /// The most rows of one call.
    pub(crate) rows_max: usize,
    /// How long an answer is worth having where neither the call nor its body says, in ns.
    pub(crate) limit_ns: Option<u64>,
    /// Whether calls about the model repository are left to the process; otherwise they are refused.
    pub(crate) takes_repository_requests: bool,
}

/// The endpoints of one shard.
#[derive(Debug)]
pub(crate) struct Api {
    /// What the process is to answer.
    pub(crate) desk: Desk,
    context: Rc<ShardContext>,
    /// The models that may be asked.
    lanes: Rc<Lanes>,
    limits: ApiLimits,
}

impl Api {
    pub(crate) fn new(context: Rc<ShardContext>, lanes: Rc<Lanes>, limits: ApiLimits) -> Self {
        Self { desk: Desk::default(), context, lanes, limits }
    }

    /// Answers a call, or queues what its answer waits for.
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
            Call::Repository(call) => repository::answer(self, context, call),
        }
    }
}
