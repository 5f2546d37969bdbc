//! The model repository: its index, and loading and unloading of models. These change every shard,
//! so that the process does them.

use super::{Api, CallContext, CallFault, Outcome, RepositoryRequest};

/// Requests of one shard that may wait for the process at once.
pub(super) const WAITING_MAX: usize = 16;

/// A call of the model repository, with names of the type `N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryCall<N> {
    /// Which models and versions there are, and which are served.
    Index,
    /// Serve the model as it is on disk now.
    Load {
        /// The model's name.
        name: N,
    },
    /// Serve the model no more.
    Unload {
        /// The model's name.
        name: N,
    },
}

impl RepositoryCall<&str> {
    /// The same with a name of its own.
    pub fn into_owned(self) -> RepositoryCall<String> {
        match self {
            Self::Index => RepositoryCall::Index,
            Self::Load { name } => RepositoryCall::Load { name: name.to_owned() },
            Self::Unload { name } => RepositoryCall::Unload { name: name.to_owned() },
        }
    }
}

impl RepositoryCall<String> {
    /// The same with a borrowed name.
    pub fn as_deref(&self) -> RepositoryCall<&str> {
        match self {
            Self::Index => RepositoryCall::Index,
            Self::Load { name } => RepositoryCall::Load { name },
            Self::Unload { name } => RepositoryCall::Unload { name },
        }
    }
}

/// Leaves a call to the process.
pub(super) fn answer(api: &Api, context: &CallContext<'_>, call: RepositoryCall<&str>) -> Outcome {
    if !api.limits.takes_repository_requests {
        let message = "models are managed on the admin port, and here only where the \
            configuration says `[admin] repository_on_serving_port = true`";
        return Outcome::fault(CallFault::Forbidden, message);
    }
    match api
        .admin_queue
        .push(context.client, |number| RepositoryRequest::of(number, call, context))
    {
        Some(reply) => Outcome::Awaited(reply),
        None => Outcome::fault(CallFault::Busy, "too many such requests wait"),
    }
}
