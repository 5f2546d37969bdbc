//! One keep-alive connection to a remote server: a request goes out, its answer comes in.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::error::{HttpFault, RemoteError};
use super::response::{RemoteResponse, ResponseReader};
use crate::executor::readiness::ready_for;
use crate::executor::runtime::{TcpStream, yield_if_needed};

const READ_BYTES: usize = 16_384;

/// A connection with the buffers of its one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// The request to send next.
    pub(super) output: Vec<u8>,
    input: Vec<u8>,
    reader: ResponseReader,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await.map_err(io::Error::from)?;
        stream.set_nodelay(true).map_err(io::Error::from)?;
        let (output, input, reader) = (Vec::new(), Vec::new(), ResponseReader::default());
        Ok(Self { stream, output, input, reader })
    }

    /// Whether nothing has come since the last answer: no byte, no end, no error. Anything that
    /// has is not the answer to a request that was not sent yet.
    pub(super) fn is_quiet(&self) -> bool {
        // The descriptor is this stream's own, and open.
        ready_for(self.stream.as_raw_fd(), libc::POLLIN | libc::POLLRDHUP) == 0
    }

    /// Sends [`Self::output`] and waits for the whole answer.
    pub(super) async fn exchange(&mut self) -> Result<RemoteResponse<'_>, RemoteError> {
        self.input.clear();
        self.reader = ResponseReader::default();
        self.stream.write_all(&self.output).await.map_err(RemoteError::Unreached)?;
        let mut has_any = false;
        while !self.reader.take(&mut self.input)? {
            match self.read_more().await {
                Ok(0) if self.reader.ends_with_connection() => break,
                Ok(0) => return Err(ended(io::ErrorKind::UnexpectedEof.into(), has_any)),
                Ok(_) => has_any = true,
                Err(error) => return Err(ended(error, has_any)),
            }
        }
        let whole = self.reader.response(&self.input);
        whole.ok_or(RemoteError::NotHttp(HttpFault::Malformed("it has no end")))
    }

    /// Appends what has arrived, and returns how many bytes that were.
    async fn read_more(&mut self) -> io::Result<usize> {
        // A server that sends as fast as this reads would keep the shard here: reading what is
        // there does not wait.
        yield_if_needed().await;
        let known = self.input.len();
        self.input.resize(known + READ_BYTES, 0);
        let read = self.stream.read(&mut self.input[known..]).await;
        self.input.truncate(known + *read.as_ref().unwrap_or(&0));
        read
    }
}

/// The failure of a connection, by whether anything of an answer had come.
fn ended(error: io::Error, has_any: bool) -> RemoteError {
    if has_any { RemoteError::Broken(error) } else { RemoteError::Unreached(error) }
}
