//! How a shard serves.

use std::os::fd::RawFd;

use serde::Deserialize;

use super::Http2Limits;
use crate::api::ApiLimits;
use crate::batch::BatchPolicy;
use crate::features::aggregates::Aggregate;
use crate::http1::HttpLimits;
use crate::journal::JournalSettings;
use crate::origin::RequestIds;
use crate::spans::SpanSettings;

/// How a shard serves.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardSettings {
    /// The limits on clients.
    pub http: HttpLimits,
    /// The limits on connections of HTTP/2.
    pub http2: Http2Limits,
    /// How batches are formed.
    pub batch: BatchPolicy,
    /// The most rows that may wait for one model on one shard; beyond it 429.
    #[serde(rename = "max_queue_rows", alias = "queue_rows_max")]
    pub queue_rows_max: usize,
    /// The longest time that a row may be expected to wait for its batch, in µs; beyond it 429.
    #[serde(rename = "max_queue_delay_us", alias = "queue_us_max")]
    pub queue_us_max: u64,
    /// The most of its time, in percent, that a shard spends on refusals. Beyond it, connections
    /// wait to be read. With 100, each request is refused at once.
    #[serde(rename = "max_refusal_percent", alias = "refusal_percent_max")]
    pub refusal_percent_max: u32,
    /// How long a response is worth having when the request does not say, in ms.
    pub deadline_ms: Option<u64>,
    /// Whether a request without an id gets one.
    pub request_ids: RequestIds,
    /// Whether requests about the model repository are handed to the process; otherwise they are
    /// refused with 403.
    pub takes_repository_requests: bool,
    /// Whether requests that write features are handed to the process; otherwise they are refused with
    /// 403.
    pub takes_writes: bool,
    /// The aggregates, of which some count scored requests.
    #[serde(skip)]
    pub aggregates: Vec<Aggregate>,
    /// The number of a descriptor from which on no connection is accepted, so that some are left
    /// for the rest of the process. The system gives out the lowest that is free.
    #[serde(skip)]
    pub descriptors_max: Option<RawFd>,
    /// Which responses are written down.
    #[serde(skip)]
    pub journal: JournalSettings,
    /// Which requests are recorded as spans; `None`: none.
    #[serde(skip)]
    pub spans: Option<SpanSettings>,
}

impl Default for ShardSettings {
    fn default() -> Self {
        Self {
            http: HttpLimits::default(),
            http2: Http2Limits::default(),
            batch: BatchPolicy::default(),
            queue_rows_max: 4_096,
            queue_us_max: 1_000_000,
            refusal_percent_max: 5,
            deadline_ms: None,
            request_ids: RequestIds::default(),
            takes_repository_requests: false,
            takes_writes: false,
            aggregates: Vec::new(),
            descriptors_max: None,
            journal: JournalSettings::default(),
            spans: None,
        }
    }
}

impl ShardSettings {
    /// The limits of the endpoints.
    pub(super) fn api_limits(&self) -> ApiLimits {
        ApiLimits {
            rows_max: self.http.array_rows_max,
            limit_ns: self.deadline_ms.map(|limit_ms| limit_ms.saturating_mul(1_000_000)),
            takes_repository_requests: self.takes_repository_requests,
            takes_writes: self.takes_writes,
        }
    }
}
