//! Posts messages to a collector, over a connection that is kept.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::settings::{OtlpSettings, Target};

/// The most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 65_536;

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The collector took it.
    Taken,
    /// It never will.
    Refused(String),
    /// It may take it later.
    Unanswered(String),
}

/// A collector, as messages are posted to it.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    fields: String,
    timeout: Duration,
    kept: Option<TcpStream>,
}

impl Client {
    /// The client of the collector that is configured; `None` where there is none.
    pub(super) fn of(settings: &OtlpSettings) -> anyhow::Result<Option<Self>> {
        let Some(target) = settings.target()? else { return Ok(None) };
        let mut fields = String::new();
        for (name, value) in &settings.headers {
            for part in [name, ": ", value, "\r\n"] {
                fields.push_str(part);
            }
        }
        let timeout = Duration::from_millis(settings.timeout_ms.max(1));
        Ok(Some(Self { target, fields, timeout, kept: None }))
    }

    /// Host and port, for people.
    pub(super) fn endpoint(&self) -> &str {
        &self.target.address
    }

    /// Posts a message. A kept connection may have been closed meanwhile: then it is tried once more on
    /// a new one.
    pub(super) fn post(&mut self, message: &[u8]) -> Sent {
        let has_kept = self.kept.is_some();
        let answered = match self.exchange(message) {
            Err(_) if has_kept => self.exchange(message),
            answered => answered,
        };
        match answered {
            Ok(200..=299) => Sent::Taken,
            // These may be tried again, by OTLP's own list.
            Ok(status @ (429 | 502..=504)) => Sent::Unanswered(format!("it answers {status}")),
            Ok(status) => Sent::Refused(format!("it answers {status}")),
            Err(error) => Sent::Unanswered(error.to_string()),
        }
    }

    fn exchange(&mut self, message: &[u8]) -> io::Result<u16> {
        let mut stream = match self.kept.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let Target { address, path } = &self.target;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-protobuf\r\n\
             content-length: {}\r\n{}\r\n",
            message.len(),
            self.fields
        );
        stream.write_all(&[head.as_bytes(), message].concat())?;
        let (status, stays) = read_answer(&mut stream)?;
        self.kept = stays.then_some(stream);
        Ok(status)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in self.target.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(self.timeout))?;
                    stream.set_write_timeout(Some(self.timeout))?;
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// The status of an answer, and whether its connection can be used again.
fn read_answer(stream: &mut TcpStream) -> io::Result<(u16, bool)> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "its answer is not HTTP");
    let (mut answer, mut buffer) = (Vec::new(), [0; 4_096]);
    let head_bytes = loop {
        if let Some(at) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(invalid());
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&buffer[..count]),
        }
    };
    let head = String::from_utf8_lossy(&answer[..head_bytes]).to_ascii_lowercase();
    let status = head.strip_prefix("http/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    let status: u16 = status.ok_or_else(invalid)?;
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| *known == name).map(|(_, value)| value.trim())
    };
    let length: Option<usize> = field("content-length").and_then(|value| value.parse().ok());
    let stays = field("connection") != Some("close") && !head.starts_with("http/1.0");
    // An answer of unknown length ends with its connection, as far as this client is concerned.
    let Some(length) = length.filter(|length| *length <= ANSWER_BYTES_MAX) else {
        return Ok((status, false));
    };
    let mut left = (head_bytes + length).saturating_sub(answer.len());
    while left > 0 {
        let most = left.min(buffer.len());
        match stream.read(&mut buffer[..most])? {
            0 => return Ok((status, false)),
            count => left -= count,
        }
    }
    Ok((status, stays))
}
