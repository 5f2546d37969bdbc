//! Spans as OTLP has them: `ExportTraceServiceRequest` of `opentelemetry-proto`, by hand.
//!
//! A request is a server span, and below it spans of the phases that its first row went through:
//! `queue`, `features` (one for each entity), `model`, `explain` and, of the response, `write`.

use shards::spans::{EntityTimes, RequestSpan, RowTimes, SpanModel, SpanStart};

use super::OfShard;

/// `SpanKind`: of the program itself, and of what a client asked of it.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
/// `StatusCode` of a request that failed by a fault of ours.
const STATUS_ERROR: u64 = 2;
/// The flags of a span whose trace is recorded, and whose parent is known to be elsewhere.
const SAMPLED: u32 = 1;
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Numbers of a request's parts; entities have theirs from [`ENTITIES`] on.
const QUEUE: u64 = 1;
const MODEL: u64 = 2;
const EXPLAIN: u64 = 3;
const WRITE: u64 = 4;
const ENTITIES: u64 = 5;

/// What sends the spans.
pub(super) struct Resource {
    attributes: Vec<u8>,
}

impl Resource {
    /// The gateway by this name, on this machine.
    pub(super) fn new(service_name: &str) -> Self {
        let mut attributes = Vec::new();
        let process = i64::from(std::process::id());
        for (key, value) in [
            ("service.name", Value::Text(service_name)),
            ("service.version", Value::Text(env!("CARGO_PKG_VERSION"))),
            ("telemetry.sdk.name", Value::Text("shardgate")),
            ("telemetry.sdk.language", Value::Text("rust")),
            ("process.pid", Value::Number(process)),
        ] {
            message(&mut attributes, 1, |out| attribute(out, key, value));
        }
        Self { attributes }
    }
}

/// An attribute's value.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

/// The message that hands these requests over.
pub(super) fn request(resource: &Resource, requests: &[OfShard]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024 * requests.len());
    // resource_spans
    message(&mut out, 1, |out| {
        bytes(out, 1, &resource.attributes);
        // scope_spans
        message(out, 2, |out| {
            message(out, 1, |scope| {
                bytes(scope, 1, b"shardgate");
                bytes(scope, 2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            for (shard, request) in requests {
                write_request(out, *shard, request);
            }
        });
    });
    out
}

fn write_request(out: &mut Vec<u8>, shard: usize, request: &RequestSpan) {
    let RequestSpan { start, arrived_unix_ns, arrived_ns, duration_ns, write_ns, .. } = request;
    let end_unix_ns = arrived_unix_ns + duration_ns;
    message(out, 2, |span| write_server_span(span, shard, request, end_unix_ns));
    // Of the shard's clock, as time of the day.
    let at = |clock_ns: u64| arrived_unix_ns + clock_ns.saturating_sub(*arrived_ns);
    let mut child = |number, name, from, until, attributes: &[(&str, Value<'_>)]| {
        message(out, 2, |span| write_child(span, start, number, (name, from, until), attributes));
    };
    if let Some(SpanModel { times: Some(times), .. }) = &request.model {
        let RowTimes { queued_ns, started_ns, fetched_ns, computed_ns, explained_ns, .. } = **times;
        let rows = ("shardgate.batch.rows", Value::Number(i64::from(times.batch_rows)));
        child(QUEUE, "queue", at(queued_ns), at(started_ns), &[]);
        for (place, entity) in times.entities.iter().enumerate() {
            let EntityTimes { name, status, asked_ns, landed_ns } = entity;
            let said = [
                ("shardgate.entity", Value::Text(name)),
                ("shardgate.features", Value::Text(status.as_str())),
                rows,
            ];
            child(ENTITIES + place as u64, "features", at(*asked_ns), at(*landed_ns), &said);
        }
        child(MODEL, "model", at(fetched_ns), at(computed_ns), &[rows]);
        if explained_ns > 0 {
            child(EXPLAIN, "explain", at(computed_ns), at(explained_ns), &[]);
        }
    }
    child(WRITE, "write", end_unix_ns.saturating_sub(*write_ns), end_unix_ns, &[]);
}

fn write_server_span(span: &mut Vec<u8>, shard: usize, request: &RequestSpan, end_unix_ns: u64) {
    let RequestSpan { start, arrived_unix_ns, status, model, .. } = request;
    let has_parent = start.parent_id != [0; 8];
    bytes(span, 1, &start.trace_id);
    bytes(span, 2, &start.span_id);
    if let Some(state) = &start.state {
        bytes(span, 3, state.as_bytes());
    }
    if has_parent {
        bytes(span, 4, &start.parent_id);
    }
    bytes(span, 5, start.name.as_bytes());
    number(span, 6, SERVER);
    fixed64(span, 7, *arrived_unix_ns);
    fixed64(span, 8, end_unix_ns);
    let mut add = |key, value| message(span, 9, |out| attribute(out, key, value));
    match (start.name.split_once(' '), start.name.split_once('/')) {
        (Some((method, route)), _) => {
            add("http.request.method", Value::Text(method));
            add("http.route", Value::Text(route));
        }
        (None, Some((service, method))) => {
            add("rpc.system", Value::Text("grpc"));
            add("rpc.service", Value::Text(service));
            add("rpc.method", Value::Text(method));
        }
        (None, None) => add("http.request.method", Value::Text("_OTHER")),
    }
    add("http.response.status_code", Value::Number(i64::from(*status)));
    add("shardgate.shard", Value::Number(shard as i64));
    if let Some(SpanModel { name, version, rows, .. }) = model {
        add("shardgate.model.name", Value::Text(name));
        add("shardgate.model.version", Value::Number(*version as i64));
        add("shardgate.rows", Value::Number(i64::from(*rows)));
    }
    if *status >= 500 {
        message(span, 15, |out| number(out, 3, STATUS_ERROR));
    }
    let remote = if has_parent { IS_REMOTE } else { 0 };
    fixed32(span, 16, SAMPLED | HAS_IS_REMOTE | remote);
}

fn write_child(
    span: &mut Vec<u8>,
    start: &SpanStart,
    child: u64,
    (name, from_unix_ns, until_unix_ns): (&str, u64, u64),
    attributes: &[(&str, Value<'_>)],
) {
    bytes(span, 1, &start.trace_id);
    bytes(span, 2, &child_id(start.span_id, child));
    if let Some(state) = &start.state {
        bytes(span, 3, state.as_bytes());
    }
    bytes(span, 4, &start.span_id);
    bytes(span, 5, name.as_bytes());
    number(span, 6, INTERNAL);
    fixed64(span, 7, from_unix_ns);
    fixed64(span, 8, until_unix_ns.max(from_unix_ns));
    for (key, value) in attributes {
        message(span, 9, |out| attribute(out, key, *value));
    }
    fixed32(span, 16, SAMPLED | HAS_IS_REMOTE);
}

/// The id of a part of a span: another one than any draw is likely to give.
fn child_id(span_id: [u8; 8], child: u64) -> [u8; 8] {
    let mixed = (u64::from_be_bytes(span_id) ^ child).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).max(1).to_be_bytes()
}

fn attribute(out: &mut Vec<u8>, key: &str, value: Value<'_>) {
    bytes(out, 1, key.as_bytes());
    message(out, 2, |any| match value {
        Value::Text(text) => bytes(any, 1, text.as_bytes()),
        Value::Number(value) => number(any, 3, value as u64),
    });
}

// ---- fields of messages, as protocol buffers write them -----------------------------------

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | VARINT);
    varint(out, value);
}

fn fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn fixed32(out: &mut Vec<u8>, field: u64, value: u32) {
    varint(out, field << 3 | FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | LENGTH);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A message within another one, by what writes its fields.
fn message(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    write(&mut inner);
    bytes(out, field, &inner);
}

#[cfg(test)]
mod tests {
    use super::{child_id, varint};

    #[test]
    fn numbers_have_seven_bits_a_byte() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (300, &[0xac, 0x02]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out, expected, "{value}");
        }
    }

    #[test]
    fn parts_of_a_span_have_ids_of_their_own() {
        let span = 7_u64.to_be_bytes();
        let ids: Vec<_> = (1..=5).map(|child| child_id(span, child)).chain([span]).collect();
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id) && *id != [0; 8]);
        }
    }
}
