//! How much and how long a client may take.

use serde::{Deserialize, Serialize};

/// Bounds on the memory and the time of connections, per shard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpLimits {
    /// The longest request target, in bytes; beyond it 414.
    #[serde(rename = "max_target_bytes", alias = "target_bytes_max")]
    pub target_bytes_max: usize,
    /// The longest head (request line and header fields), in bytes; beyond it 431.
    #[serde(rename = "max_head_bytes", alias = "head_bytes_max")]
    pub head_bytes_max: usize,
    /// The longest body, in bytes; beyond it 413.
    #[serde(rename = "max_body_bytes", alias = "body_bytes_max")]
    pub body_bytes_max: usize,
    /// The most members of an array of rows; beyond it 413.
    #[serde(rename = "max_array_rows", alias = "array_rows_max")]
    pub array_rows_max: usize,
    /// The most pending responses of one connection; reading stops there.
    #[serde(rename = "max_pipelined_requests", alias = "pipelined_requests_max")]
    pub pipelined_requests_max: usize,
    /// The most connections a shard holds. For a further one the longest idle is evicted, first one
    /// that has sent nothing for `head_timeout_ms`. Where none is idle, the new one is closed at
    /// once.
    #[serde(rename = "max_connections", alias = "connections_max")]
    pub connections_max: usize,
    /// The most connections a shard holds of one address, where that is limited; further ones are
    /// closed at once. Addresses of IPv6 count by their first 64 bits.
    #[serde(rename = "max_connections_per_address", alias = "connections_per_address_max")]
    pub connections_per_address_max: Option<usize>,
    /// The most bytes that a shard keeps for all its connections together: requests that have not
    /// wholly arrived or are being answered, and responses that have not wholly been taken. Beyond
    /// it, slow clients lose their memory, first those for which most is kept for longest. A client
    /// that is slow to take responses is cut off; one that is slow to send a request gets 503.
    /// Where that is not enough, requests that are still arriving get 503.
    #[serde(rename = "max_buffered_bytes", alias = "buffered_bytes_max")]
    pub buffered_bytes_max: usize,
    /// The shortest document that is packed for a client that takes gzip, in bytes. A single score
    /// never is.
    #[serde(rename = "min_compressed_bytes")]
    pub compressed_bytes_min: usize,
    /// From a request's first byte to the end of its head, in ms; beyond it 408.
    pub head_timeout_ms: u64,
    /// From the end of the head to the end of the body, in ms; beyond it 408.
    pub body_timeout_ms: u64,
    /// How long a connection may be silent between requests, in ms.
    pub idle_timeout_ms: u64,
    /// How long a client may take to read its responses, in ms, beside the time that they take at
    /// `min_write_bytes_per_s`.
    pub write_timeout_ms: u64,
    /// How fast a client has to take its responses, in bytes a second.
    #[serde(rename = "min_write_bytes_per_s", alias = "write_bytes_per_s_min")]
    pub write_bytes_per_s_min: u64,
    /// While draining, how long a silent connection is kept for a request already on its way, in
    /// ms.
    #[serde(rename = "drain_idle_timeout_ms", alias = "drain_idle_ms")]
    pub drain_idle_ms: u64,
    /// While draining, how long accepted requests may take until the shard ends, in ms.
    #[serde(rename = "drain_timeout_ms", alias = "drain_ms_max")]
    pub drain_ms_max: u64,
    /// Whether a client that closed its sending side is still answered. When not, the end of its
    /// stream means that it went away, and its waiting requests leave the queue.
    pub answer_half_closed: bool,
}

impl HttpLimits {
    /// How long a client may take to read so many bytes, in ms.
    pub(crate) fn write_limit_ms(&self, bytes: usize) -> u64 {
        let least_ms = (bytes as u64).saturating_mul(1_000) / self.write_bytes_per_s_min.max(1);
        self.write_timeout_ms.saturating_add(least_ms)
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            target_bytes_max: 4_096,
            head_bytes_max: 16_384,
            body_bytes_max: 1_048_576,
            array_rows_max: 1_024,
            pipelined_requests_max: 64,
            connections_max: 16_384,
            connections_per_address_max: None,
            buffered_bytes_max: 268_435_456,
            compressed_bytes_min: 16_384,
            head_timeout_ms: 10_000,
            body_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            write_timeout_ms: 10_000,
            write_bytes_per_s_min: 65_536,
            drain_idle_ms: 1_000,
            drain_ms_max: 10_000,
            answer_half_closed: false,
        }
    }
}
