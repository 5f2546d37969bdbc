//! One keep-alive connection to a remote server: a request goes out, its answer comes in.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::TcpStream;

use super::error::RemoteError;
use crate::http::chunked::ChunkedBody;

const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 65_536;
const BODY_BYTES_MAX: usize = 16 << 20;
const READ_BYTES: usize = 16_384;

/// A connection with the buffers of its one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// The request to send next.
    pub(super) output: Vec<u8>,
    input: Vec<u8>,
    chunks: ChunkedBody,
}

/// What a server answered, lent by its connection.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    /// Where the JSON of the body ends, if binary tensors follow it.
    pub(super) json_bytes: Option<usize>,
    /// Whether the connection may be used again.
    pub(super) keep_alive: bool,
}

/// What an answer's head says.
struct Head {
    status: u16,
    bytes: usize,
    length: Option<usize>,
    is_chunked: bool,
    json_bytes: Option<usize>,
    keep_alive: bool,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await.map_err(io::Error::from)?;
        stream.set_nodelay(true).map_err(io::Error::from)?;
        Ok(Self { stream, output: Vec::new(), input: Vec::new(), chunks: ChunkedBody::default() })
    }

    /// Sends [`Self::output`] and waits for the whole answer.
    pub(super) async fn exchange(&mut self) -> Result<Answer<'_>, RemoteError> {
        self.input.clear();
        self.stream.write_all(&self.output).await.map_err(RemoteError::Unreached)?;
        let head = self.read_head().await?;
        let body = if head.is_chunked {
            self.read_chunks(head.bytes).await?;
            self.chunks.body()
        } else {
            let range = self.read_length(&head).await?;
            &self.input[range]
        };
        let Head { status, json_bytes, keep_alive, .. } = head;
        Ok(Answer { status, body, json_bytes, keep_alive })
    }

    /// The head of the answer; interim answers are thrown away.
    async fn read_head(&mut self) -> Result<Head, RemoteError> {
        loop {
            match parse_head(&self.input)? {
                Some(head) if head.status < 200 => {
                    self.input.drain(..head.bytes);
                }
                Some(head) => return Ok(head),
                None if self.input.len() > HEAD_BYTES_MAX => {
                    return Err(RemoteError::NotHttp("its head is larger than 64 KiB"));
                }
                None => self.read_more().await?,
            }
        }
    }

    async fn read_length(&mut self, head: &Head) -> Result<Range<usize>, RemoteError> {
        let length = match head.length {
            Some(length) if length > BODY_BYTES_MAX => {
                return Err(RemoteError::NotHttp("its body is larger than 16 MiB"));
            }
            Some(length) => length,
            None if head.status == 204 || head.status == 304 => 0,
            None => return Err(RemoteError::NotHttp("it has neither Content-Length nor chunks")),
        };
        let end = head.bytes + length;
        while self.input.len() < end {
            self.read_more().await?;
        }
        Ok(head.bytes..end)
    }

    async fn read_chunks(&mut self, head_bytes: usize) -> Result<(), RemoteError> {
        self.chunks = ChunkedBody::default();
        let mut at = head_bytes;
        loop {
            let fed = self
                .chunks
                .feed(&self.input[at..], BODY_BYTES_MAX)
                .map_err(|_| RemoteError::NotHttp("its chunks are malformed or too large"))?;
            at += fed.consumed;
            if fed.complete {
                return Ok(());
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), RemoteError> {
        let known = self.input.len();
        self.input.resize(known + READ_BYTES, 0);
        let read = match self.stream.read(&mut self.input[known..]).await {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        self.input.truncate(known + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(_) => Ok(()),
            Err(error) if known == 0 => Err(RemoteError::Unreached(error)),
            Err(error) => Err(RemoteError::Broken(error)),
        }
    }
}

/// Reads a head; `None` while its end has not arrived.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, RemoteError> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(RemoteError::NotHttp("its head is not that of an HTTP/1.1 answer")),
    };
    let mut head = Head {
        status: response.code.unwrap_or(0),
        bytes: length,
        length: None,
        is_chunked: false,
        json_bytes: None,
        keep_alive: response.version == Some(1),
    };
    for field in response.headers.iter() {
        let number = || std::str::from_utf8(field.value).ok()?.trim().parse::<usize>().ok();
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let length = number().ok_or(RemoteError::NotHttp("its Content-Length is no number"))?;
            head.length = Some(length);
        } else if is("transfer-encoding") {
            head.is_chunked = field.value.eq_ignore_ascii_case(b"chunked");
        } else if is("inference-header-content-length") {
            head.json_bytes = number();
        } else if is("connection") {
            head.keep_alive &= !field.value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(Some(head))
}
