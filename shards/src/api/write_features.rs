//! Rows of the feature store that a client writes or removes. One thread of the process writes for every
//! shard; the shard goes on with others meanwhile.

use super::{Api, CallContext, CallFault, Outcome};

/// Calls of one shard that may wait for the process at once.
pub(super) const WAITING_MAX: usize = 4_096;

/// A call that writes or removes rows, with names of the type `N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureCall<N> {
    /// The entity, as the path has it.
    pub entity: N,
    /// The key as the path has it, percent-encoded; `None`: the body has a row a line.
    pub key: Option<N>,
    /// Whether the row goes.
    pub is_removal: bool,
}

/// A call that came to a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRequest {
    /// The number that its reply comes back with.
    pub number: u64,
    /// The call.
    pub call: FeatureCall<String>,
    /// Its body.
    pub body: Vec<u8>,
    /// Where the JSON of the body ends, if binary tensors follow it.
    pub json_bytes: Option<usize>,
    /// `Idempotency-Key`, where it has one.
    pub idempotency_key: Option<Vec<u8>>,
}

impl FeatureCall<&str> {
    /// The same with names of its own.
    pub fn into_owned(self) -> FeatureCall<String> {
        FeatureCall {
            entity: self.entity.to_owned(),
            key: self.key.map(str::to_owned),
            is_removal: self.is_removal,
        }
    }
}

/// Leaves a call to the process.
pub(super) fn answer(api: &Api, context: &CallContext<'_>, call: FeatureCall<&str>) -> Outcome {
    if !api.limits.takes_writes {
        let message = "features are written on the admin port, and here only where the configuration \
            says `[features.writes] on_serving_port = true`";
        return Outcome::fault(CallFault::Forbidden, message);
    }
    let body = context.body.unwrap_or_default().to_owned();
    let idempotency_key = context.idempotency_key.map(<[u8]>::to_owned);
    let call = call.into_owned();
    let queued = api.write_queue.push(context.client, |number| WriteRequest {
        number,
        call,
        body,
        json_bytes: context.json_bytes,
        idempotency_key,
    });
    match queued {
        Some(reply) => Outcome::Awaited(reply),
        None => Outcome::fault(CallFault::Busy, "too many writes wait"),
    }
}
