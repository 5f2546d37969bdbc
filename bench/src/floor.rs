//! The floor: the least that a glommio HTTP server can do, which every speed goal is a ratio to.
//!
//! It parses the head of each request with httparse, waits for the body's bytes without looking at
//! them and sends one fixed answer, of the size that the gateway's has. One core, one read and one
//! write per turn of a connection; requests that arrived together are answered together.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-features: stored\r\n\
content-length: 43\r\n\r\n{\"user_id\": \"user-0000001\", \"score\": 0.831}";

const READ_BYTES: usize = 16 * 1024;
const HEADERS_MAX: usize = 32;

/// Where the floor listens and runs.
#[derive(Debug, clap::Args)]
pub(crate) struct FloorArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8887")]
    listen: SocketAddr,
    /// Core that the executor is pinned to.
    #[arg(long, default_value_t = 0)]
    core: usize,
}

/// Serves until the process is ended.
pub(crate) fn run(args: &FloorArgs) -> Result<()> {
    let listen = args.listen;
    let served = LocalExecutorBuilder::new(Placement::Fixed(args.core))
        .name("floor")
        .spawn(move || serve(listen))
        .and_then(glommio::ExecutorJoinHandle::join);
    match served {
        Ok(result) => result,
        Err(error) => bail!("the executor didn't run on core {}: {error}", args.core),
    }
}

async fn serve(listen: SocketAddr) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "an address that needs no resolution; one shard")]
    let listener = TcpListener::bind(listen)
        .map_err(io::Error::from)
        .with_context(|| format!("the floor can't listen on {listen}"))?;
    loop {
        let stream = listener.accept().await.map_err(io::Error::from).context("accept")?;
        glommio::spawn_local(async move {
            // A client that goes away, or talks nonsense, ends its own connection only.
            let _ = answer_all(stream).await;
        })
        .detach();
    }
}

async fn answer_all(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true).map_err(io::Error::from)?;
    let mut input = vec![0; READ_BYTES];
    let mut output = Vec::with_capacity(READ_BYTES);
    let mut filled = 0;
    loop {
        let read = stream.read(&mut input[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let mut taken = 0;
        while let Some(length) = request_length(&input[taken..filled])? {
            taken += length;
            output.extend_from_slice(ANSWER);
        }
        input.copy_within(taken..filled, 0);
        filled -= taken;
        if filled == input.len() {
            return Err(io::Error::other("a request larger than the buffer"));
        }
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
        }
    }
}

/// Bytes of the request that `input` starts with, head and body; `None` while some are missing.
fn request_length(input: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(input).map_err(io::Error::other)? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(None),
    };
    let body = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .map_or(Some(0), |header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("content-length isn't a number"))?;
    Ok(head.checked_add(body).filter(|length| *length <= input.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_states_its_own_length() {
        let answer = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }

    #[test]
    fn a_request_is_whole_only_with_its_body() {
        let request = b"POST /predict HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET";
        assert_eq!(request_length(request).unwrap(), Some(request.len() - 3));
        for cut in 0..request.len() - 3 {
            assert_eq!(request_length(&request[..cut]).unwrap(), None, "{cut} bytes");
        }
    }
}
