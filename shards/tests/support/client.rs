//! A blocking HTTP/1.1 client that hides nothing: bytes out, heads and bodies in.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::patience::PATIENCE;

/// A `POST /predict` with this body.
pub(crate) fn post(body: &str) -> Vec<u8> {
    post_to("/predict", "", body)
}

/// A `POST` to this path with this body and further `fields`, each with its line end.
pub(crate) fn post_to(path: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n{fields}");
    format!("{head}\r\n{body}").into()
}

/// An answer, its head as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// The value of a field, if it is there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let value = lines.find(|(found, _)| found.eq_ignore_ascii_case(name))?.1;
        assert!(!lines.any(|(found, _)| found.eq_ignore_ascii_case(name)), "{name} is there twice");
        Some(value)
    }

    /// The answer without what differs from second to second.
    pub(crate) fn without_date(&self) -> String {
        let lines = self.head.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
        lines.chain([self.body.as_str()]).collect()
    }

    /// The body of an error; its shape is asserted.
    pub(crate) fn error(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        let members = body.as_object().expect("an object");
        assert_eq!(members.len(), 1, "{}", self.body);
        members["error"].as_str().expect("a message").to_owned()
    }

    /// The score of a single answer.
    pub(crate) fn score(&self) -> f64 {
        assert_eq!(self.status, 200, "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        body["score"].as_f64().expect("a score")
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl From<TcpStream> for Client {
    fn from(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, input: Vec::new() }
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        TcpStream::connect(address).expect("a connection").into()
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("sent");
    }

    /// Sends what the server may not want to read to its end.
    pub(crate) fn send_what_goes(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Sends a prediction and waits for its answer.
    pub(crate) fn predict(&mut self, body: &str) -> Response {
        self.send(post(body));
        self.receive()
    }

    /// Sends a whole request and waits for its answer.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request);
        self.receive()
    }

    /// The next answer.
    pub(crate) fn receive(&mut self) -> Response {
        let mut response = self.receive_head();
        let length = response.field("content-length").expect("a length").parse().unwrap();
        self.fill_to(length);
        response.body = String::from_utf8(self.input.drain(..length).collect()).expect("UTF-8");
        response
    }

    /// The next answer: its head, and its body as it came.
    pub(crate) fn receive_bytes(&mut self) -> (String, Vec<u8>) {
        let response = self.receive_head();
        let length = response.field("content-length").expect("a length").parse().unwrap();
        self.fill_to(length);
        (response.head, self.input.drain(..length).collect())
    }

    /// The next answer's head: all of the answer to HEAD, and of an interim answer.
    pub(crate) fn receive_head(&mut self) -> Response {
        let mut length = 0;
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            length += 1;
            self.fill_to(self.input.len().max(length) + 1);
        };
        let head = String::from_utf8(self.input.drain(..end).collect()).expect("UTF-8");
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {head}"));
        Response { status, head, body: String::new() }
    }

    /// The next line of an answer without an end, as of a stream of events.
    pub(crate) fn receive_line(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.input.iter().position(|byte| *byte == b'\n') {
                break at + 1;
            }
            self.fill_to(self.input.len() + 1);
        };
        String::from_utf8(self.input.drain(..end).collect()).expect("UTF-8")
    }

    fn fill_to(&mut self, length: usize) {
        let mut bytes = [0; 16_384];
        while self.input.len() < length {
            let read = self.stream.read(&mut bytes);
            if read.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
                // Who stops and continues the test (Ctrl-Z, fg) interrupts a read with a time limit.
                continue;
            }
            let count = read.expect("an answer in time");
            assert_ne!(count, 0, "ended early: {}", String::from_utf8_lossy(&self.input));
            self.input.extend_from_slice(&bytes[..count]);
        }
    }

    /// The server ends the connection and has nothing more to say.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = std::mem::take(&mut self.input);
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            // What a server that refused the rest of a request may do to one that still sends.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("it does not end: {error}"),
        }
        assert_eq!(String::from_utf8_lossy(&rest), "", "more came before the end");
    }

    /// Nothing has arrived that was not received.
    pub(crate) fn expect_silence(&mut self) {
        self.stream.set_nonblocking(true).unwrap();
        let count = self.stream.read(&mut [0; 1]);
        self.stream.set_nonblocking(false).unwrap();
        let silent = matches!(&count, Err(error) if error.kind() == ErrorKind::WouldBlock);
        assert!(silent && self.input.is_empty(), "{count:?} {:?}", self.input);
    }
}
