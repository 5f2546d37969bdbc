//! How much of a shard one connection of HTTP/2 may take, and for how long.

use serde::{Deserialize, Serialize};

/// Bounds on connections of HTTP/2, beside those of `[http]`, which hold for their requests too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http2Limits {
    /// Whether connections may speak HTTP/2, and with it gRPC.
    pub enabled: bool,
    /// The most streams of one connection that are open at once; a further one is refused.
    #[serde(rename = "max_concurrent_streams")]
    pub streams_max: u32,
    /// How much of a stream's messages a client may send before the shard has read it, in bytes.
    pub stream_window_bytes: u32,
    /// The same of all streams of a connection together, in bytes.
    pub connection_window_bytes: u32,
    /// How long a connection takes new requests, in ms, to within a tenth: then it is told to end,
    /// so that its client connects anew, maybe to another shard. `None`: for ever.
    #[serde(rename = "max_connection_age_ms")]
    pub age_ms_max: Option<u64>,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            streams_max: 1_024,
            stream_window_bytes: 262_144,
            connection_window_bytes: 1_048_576,
            age_ms_max: Some(300_000),
        }
    }
}
