//! A model's server of which each test says what it does, request by request.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// What an answer has in the place of its request's id, which is as long.
pub(crate) const ID: &str = "################";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    /// On which connection, from 0.
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl ReceivedRequest {
    /// The id that an answer to it has to repeat.
    pub(crate) fn id(&self) -> &str {
        let body = std::str::from_utf8(&self.body[..26]).expect("text");
        body.strip_prefix("{\"id\": \"").expect("an id").split('"').next().unwrap()
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

/// What is done with one request.
pub(crate) type Deed = Box<dyn FnOnce(&ReceivedRequest, &mut TcpStream) + Send>;

/// Answers with these bytes.
pub(crate) fn says(answer: impl Into<Vec<u8>>) -> Deed {
    let answer = answer.into();
    Box::new(move |asked, stream| send(stream, &with_id(&answer, asked)))
}

/// An answer with one score; `id` is the JSON of its id and what follows that.
pub(crate) fn scored(id: &str, score: f64) -> String {
    let body = format!(
        "{{{id}\"outputs\": [{{\"name\": \"y\", \"datatype\": \"FP64\", \"shape\": [1], \
         \"data\": [{score}]}}]}}"
    );
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// An answer with one score to the request that it is sent for.
pub(crate) fn score(score: f64) -> String {
    scored(&format!("\"id\": \"{ID}\", "), score)
}

/// The answer, for this request.
pub(crate) fn with_id(answer: &[u8], asked: &ReceivedRequest) -> Vec<u8> {
    let mut answer = answer.to_vec();
    while let Some(at) = answer.windows(ID.len()).position(|bytes| bytes == ID.as_bytes()) {
        answer[at..at + ID.len()].copy_from_slice(asked.id().as_bytes());
    }
    answer
}

/// Sends what the gateway may not want to read to its end.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// A server that takes one connection after the other, and closes each at the end of its script.
/// After the last one it refuses connections.
pub(crate) struct ModelServer {
    port: u16,
    asked: Receiver<ReceivedRequest>,
}

impl ModelServer {
    pub(crate) fn start(scripts: Vec<Vec<Deed>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asked) = channel();
        std::thread::spawn(move || {
            for (connection, script) in scripts.into_iter().enumerate() {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_nodelay(true).unwrap();
                for deed in script {
                    // A connection that is dropped meanwhile is one that the test looks at.
                    let Some(request) = receive(&mut stream, connection) else { break };
                    // Where the test has ended nobody counts.
                    let _ = sender.send(request.clone());
                    deed(&request, &mut stream);
                }
            }
        });
        Self { port, asked }
    }

    /// The manifest of a model that it computes.
    pub(crate) fn manifest(&self) -> String {
        let port = self.port;
        format!(
            "backend = \"remote\"\nurl = \"http://127.0.0.1:{port}/v2/models/x\"\n\
             [[columns]]\nname = \"feature_1\"\n[[columns]]\nname = \"feature_2\"\n"
        )
    }

    /// What has come since this was asked last.
    pub(crate) fn asked(&self) -> Vec<ReceivedRequest> {
        self.asked.try_iter().collect()
    }
}

/// The next request of a connection; `None` where that ends first.
fn receive(stream: &mut TcpStream, connection: usize) -> Option<ReceivedRequest> {
    let mut bytes = Vec::new();
    let mut room = [0; 4_096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
            let body = bytes[end + 4..].to_vec();
            let asked = ReceivedRequest { connection, head, body };
            let length: usize = asked.field("content-length").expect("a length").parse().unwrap();
            if asked.body.len() >= length {
                assert_eq!(asked.body.len(), length, "one request at a time");
                return Some(asked);
            }
        }
        match stream.read(&mut room) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&room[..count]),
        }
    }
}
