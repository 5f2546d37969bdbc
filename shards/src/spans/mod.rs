//! Spans of requests, for a thread of the process to send on.
//!
//! A [`Tracer`] says which requests are recorded: those whose caller recorded its own span and, of
//! requests without a caller's, a share by their trace. A recorded request's [`SpanStart`] goes with
//! it, its first row keeps its [`RowTimes`], and at its end all of it becomes a [`RequestSpan`] in a
//! bounded buffer, which a tick leaves in the shard's [`SpanSlot`]. What does not fit is dropped and
//! counted: no request waits for a collector.
//!
//! What is *not* here: how spans are encoded and sent, which is the process's.

mod slot;
mod tracer;

pub use self::slot::SpanSlot;
pub(crate) use self::tracer::Tracer;
use crate::provenance::FeatureStatus;

/// How requests are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpanSettings {
    /// The share of the requests without a caller's span that are, from 0 to 1.
    pub ratio: f64,
    /// How many may wait for the process; beyond it they are dropped.
    pub waiting_max: usize,
}

/// The identity of a request's span, from its arrival on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanStart {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span of the request.
    pub span_id: [u8; 8],
    /// The caller's span; zero where there is none.
    pub parent_id: [u8; 8],
    /// The caller's `tracestate`.
    pub state: Option<Box<str>>,
    /// The name of the operation: its method and its path without names.
    pub name: &'static str,
}

/// When a row was in each phase, in ns of the shard's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowTimes {
    /// When it was queued.
    pub queued_ns: u64,
    /// When its batch was started.
    pub started_ns: u64,
    /// When the features of its batch were there.
    pub fetched_ns: u64,
    /// When its batch had been computed.
    pub computed_ns: u64,
    /// When it had been explained; 0 where it was not.
    pub explained_ns: u64,
    /// How many rows its batch had.
    pub batch_rows: u32,
    /// When its features were fetched, entity by entity; empty where its request gave them.
    pub entities: Vec<EntityTimes>,
}

/// When an entity's features were fetched for a row's batch, in ns of the shard's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTimes {
    /// The entity's name.
    pub name: Box<str>,
    /// What the row's features of it stood on.
    pub status: FeatureStatus,
    /// When they were asked for.
    pub asked_ns: u64,
    /// When the last of the batch's had come.
    pub landed_ns: u64,
}

/// A request that was recorded and is over.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestSpan {
    /// Its identity.
    pub start: SpanStart,
    /// When it arrived, in ns since 1970.
    pub arrived_unix_ns: u64,
    /// When it arrived, in ns of the shard's clock, which the times of its row are in too.
    pub arrived_ns: u64,
    /// From its arrival to the end of the write of its answer, in ns.
    pub duration_ns: u64,
    /// The write alone, in ns.
    pub write_ns: u64,
    /// The status of its answer.
    pub status: u16,
    /// What scored its first row.
    pub model: Option<SpanModel>,
}

/// The model of a request's first row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanModel {
    /// Its name.
    pub name: Box<str>,
    /// The version that scored.
    pub version: u64,
    /// How many rows the request had.
    pub rows: u32,
    /// When the first row was in each phase; `None` where it was in no batch.
    pub times: Option<Box<RowTimes>>,
}

/// The span of a request whose response has not been written.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    /// Its identity.
    pub(crate) start: SpanStart,
    /// What scored its first row.
    pub(crate) model: Option<SpanModel>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpanEnd {
    /// When its response had been written, in ns of the shard's clock.
    pub(crate) now_ns: u64,
    /// The same moment, in ns since 1970.
    pub(crate) unix_ns: u64,
    /// From its arrival until then, in ns.
    pub(crate) duration_ns: u64,
    /// The write alone, in ns.
    pub(crate) write_ns: u64,
    /// The status of its response.
    pub(crate) status: u16,
}

impl OpenSpan {
    /// The whole of it, once it is over.
    pub(crate) fn end(self, end: SpanEnd) -> RequestSpan {
        RequestSpan {
            start: self.start,
            arrived_unix_ns: end.unix_ns.saturating_sub(end.duration_ns),
            arrived_ns: end.now_ns.saturating_sub(end.duration_ns),
            duration_ns: end.duration_ns,
            write_ns: end.write_ns,
            status: end.status,
            model: self.model,
        }
    }
}
