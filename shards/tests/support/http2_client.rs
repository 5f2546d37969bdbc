//! A client of HTTP/2 and gRPC that hides nothing: streams are opened, fed and read one by one.

use std::future::Future;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use prost::Message;
use shards::grpc::framing::{self, MessageReader};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use super::patience::PATIENCE;

/// The longest message that is read.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A connection.
pub(crate) struct Http2Client {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Http2Response {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Http2Response {
    /// A field of head or trailers.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = self.fields.get(name).or_else(|| self.trailers.get(name))?;
        Some(value.to_str().expect("visible ASCII"))
    }

    /// The status of gRPC.
    pub(crate) fn code(&self) -> i32 {
        assert_eq!(self.status, 200, "{self:?}");
        self.field("grpc-status").expect("a status").parse().expect("a number")
    }

    /// The messages of a call that was done, or of what there was before it failed.
    pub(crate) fn messages<M: Message + Default>(&self) -> Vec<M> {
        let mut reader = MessageReader::default();
        reader.push(self.body.clone());
        let mut found = Vec::new();
        while let Some(message) = reader.next(MESSAGE_BYTES_MAX).expect("messages") {
            found.push(M::decode(message).expect("a message"));
        }
        assert!(reader.is_empty());
        found
    }

    /// The one message of a call that was done.
    pub(crate) fn message<M: Message + Default>(&self) -> M {
        assert_eq!(self.code(), 0, "{self:?}");
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1);
        messages.pop().expect("a message")
    }
}

/// A stream that was opened.
pub(crate) struct Http2Stream {
    pub(crate) response: ResponseFuture,
    pub(crate) sender: SendStream<Bytes>,
}

/// A message behind its prefix.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let mut out = Vec::new();
    framing::frame(&mut out, |out| message.encode(out)).expect("a Vec takes all");
    out.into()
}

/// A request of gRPC with further fields.
pub(crate) fn call(path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
    all.extend_from_slice(fields);
    request("POST", path, &all)
}

/// A request with these fields.
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(format!("http://test{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

impl Http2Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, h2::client::Builder::new())
    }

    /// A connection with settings of its own.
    pub(crate) fn connect_with(address: SocketAddr, builder: h2::client::Builder) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (requests, connection) = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            let (requests, connection) =
                builder.handshake::<_, Bytes>(stream).await.expect("HTTP/2");
            (requests, tokio::spawn(connection))
        });
        Self { runtime, requests, connection }
    }

    /// Runs what asks, with the connection beside it.
    pub(crate) fn run<T>(&self, asks: impl Future<Output = T>) -> T {
        let asks = async { tokio::time::timeout(PATIENCE, asks).await };
        self.runtime.block_on(asks).expect("an answer in time")
    }

    /// Opens a stream, and sends the first of its data.
    pub(crate) async fn open(&self, request: Request<()>, data: Bytes, ends: bool) -> Http2Stream {
        let mut requests = self.requests.clone().ready().await.expect("room for a stream");
        let is_all = ends && data.is_empty();
        let (response, mut sender) = requests.send_request(request, is_all).expect("sent");
        if !data.is_empty() {
            sender.send_data(data, ends).expect("sent");
        }
        Http2Stream { response, sender }
    }

    /// Sends a whole request, and waits for its whole response.
    pub(crate) fn ask(&self, request: Request<()>, body: impl Into<Bytes>) -> Http2Response {
        self.run(async {
            let stream = self.open(request, body.into(), true).await;
            whole(stream.response).await.expect("a response")
        })
    }

    /// Makes a call of gRPC with one message.
    pub(crate) fn call(&self, path: &str, message: &impl Message) -> Http2Response {
        self.ask(call(path, &[]), framed(message))
    }

    /// Waits for the end of the connection; whether the server said that it is no error.
    pub(crate) fn ended(self) -> bool {
        let Self { runtime, requests, connection } = self;
        drop(requests);
        let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, connection).await });
        let ended = ended.expect("an end in time").expect("no panic");
        match ended {
            Ok(()) => true,
            Err(error) => {
                error.reason().is_none_or(|reason| reason == h2::Reason::NO_ERROR) && !error.is_io()
            }
        }
    }

    /// Whether the connection has ended by now.
    pub(crate) fn is_over(&self) -> bool {
        self.runtime.block_on(tokio::task::yield_now());
        self.connection.is_finished()
    }
}

/// A response to its end.
pub(crate) async fn whole(response: ResponseFuture) -> Result<Http2Response, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let mut body = BytesMut::new();
    while let Some(data) = next_data(&mut stream).await? {
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await?.unwrap_or_default();
    let (status, fields) = (head.status.as_u16(), head.headers);
    Ok(Http2Response { status, fields, body: body.freeze(), trailers })
}

/// The next data of a response, whose window is opened again.
pub(crate) async fn next_data(stream: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    let Some(data) = stream.data().await.transpose()? else { return Ok(None) };
    stream.flow_control().release_capacity(data.len())?;
    Ok(Some(data))
}
