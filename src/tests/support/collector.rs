//! A collector of traces: it takes what is posted to it, and reads it by the fields' numbers in
//! `opentelemetry/proto/trace/v1/trace.proto`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use prost::Message;

use super::patience::PATIENCE;

/// `ExportTraceServiceRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Export {
    #[prost(message, repeated, tag = "1")]
    pub(crate) resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub(crate) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Scope {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnyValue {
    #[prost(string, optional, tag = "1")]
    pub(crate) text: Option<String>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) number: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    #[prost(int32, tag = "6")]
    pub(crate) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(crate) start_ns: u64,
    #[prost(fixed64, tag = "8")]
    pub(crate) end_ns: u64,
    #[prost(message, repeated, tag = "9")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(crate) status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(crate) flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "3")]
    pub(crate) code: i32,
}

impl Span {
    /// An attribute, as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        value_of(&self.attributes, key)
    }
}

impl Resource {
    /// An attribute, as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        value_of(&self.attributes, key)
    }
}

fn value_of(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|known| known.key == key)?.value.clone()?;
    value.text.or_else(|| value.number.map(|number| number.to_string()))
}

/// A message that was posted.
pub(crate) struct Posted {
    /// The request line and the fields.
    pub(crate) head: String,
    pub(crate) export: Export,
}

/// A collector.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    posted: Receiver<Posted>,
}

impl Collector {
    /// One that answers everything with this status; 0 never answers.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, posted) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || serve(&stream, status, &sender));
            }
        });
        Self { address, posted }
    }

    /// The table that has a gateway send its spans there at once.
    pub(crate) fn config(&self, ratio: f64) -> String {
        let address = self.address;
        format!(
            "[otlp]\nendpoint = \"http://{address}\"\nsample_ratio = {ratio:?}\ninterval_ms = 20\n\
             service_name = \"risk\"\nheaders = {{ x-team = \"fraud\" }}\n"
        )
    }

    /// The next message.
    pub(crate) fn next(&self) -> Posted {
        self.posted.recv_timeout(PATIENCE).expect("a message")
    }

    /// Waits for `count` spans that the server itself begins and all below them.
    pub(crate) fn spans(&self, count: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        while roots(&spans).count() < count {
            spans.extend(spans_of(self.next().export));
        }
        spans
    }

    /// What has come by now, beyond what was taken.
    pub(crate) fn rest(&self) -> Vec<Span> {
        self.posted.try_iter().flat_map(|posted| spans_of(posted.export)).collect()
    }
}

/// The spans of requests.
pub(crate) fn roots(spans: &[Span]) -> impl Iterator<Item = &Span> {
    const SERVER: i32 = 2;
    spans.iter().filter(|span| span.kind == SERVER)
}

/// The spans right below `parent`.
pub(crate) fn below<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent_span_id == parent.id).collect()
}

fn spans_of(export: Export) -> Vec<Span> {
    let scopes = export.resource_spans.into_iter().flat_map(|all| all.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn serve(stream: &TcpStream, status: u16, sender: &Sender<Posted>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            head += &lower;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if status == 0 {
            // Until the other side goes.
            let _ = reader.read(&mut [0]);
            return None;
        }
        let export = Export::decode(&*body).expect("a message");
        sender.send(Posted { head, export }).ok()?;
        let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 2\r\n\r\n{{}}");
        (&mut &*stream).write_all(answer.as_bytes()).ok()?;
    }
}
