//! The body and the terms of a call, the same for each endpoint.

use crate::batch::Terms;
use crate::credentials::Credentials;
use crate::origin::Origin;
use crate::priority::Priority;

/// When a request came, in ns of the shard's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When it, or its beginning, could have been read.
    pub(crate) arrived_ns: u64,
    /// When it was read wholly.
    pub(crate) read_ns: u64,
}

/// A call's body and the terms that it comes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallContext<'a> {
    /// The client to wake when the outcome is there, by its front's number.
    pub(crate) client: u32,
    /// When it came.
    pub(crate) arrival: Arrival,
    /// How long the outcome is worth having, in ns, where the call says.
    pub(crate) limit_ns: Option<u64>,
    /// How willingly it is let in.
    pub(crate) priority: Priority,
    /// Where it comes from.
    pub(crate) origin: &'a Origin,
    /// Its sender, as far as it says.
    pub(crate) credentials: Credentials<'a>,
    /// Whether its sender may have scores explained.
    pub(crate) may_explain: bool,
    /// Its body, where there is one.
    pub(crate) body: Option<&'a [u8]>,
    /// Where the JSON of the body ends, if binary tensors follow it.
    pub(crate) json_bytes: Option<usize>,
    /// `Idempotency-Key`: the same request comes with the same one again.
    pub(crate) idempotency_key: Option<&'a [u8]>,
}

impl CallContext<'_> {
    /// The terms that rows are admitted by, with a time limit from the arrival on.
    pub(super) fn terms(&self, limit_ns: Option<u64>) -> Terms {
        let arrived_ns = self.arrival.arrived_ns;
        Terms {
            now_ns: self.arrival.read_ns,
            deadline_ns: limit_ns.map_or(u64::MAX, |limit| arrived_ns.saturating_add(limit)),
            priority: self.priority,
        }
    }
}
