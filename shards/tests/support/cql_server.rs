//! A server that speaks as much of CQL as a test has it say: real nodes say neither what is wrong
//! nor what has no end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// The kinds of frames.
pub(crate) mod opcode {
    pub(crate) const ERROR: u8 = 0x00;
    pub(crate) const STARTUP: u8 = 0x01;
    pub(crate) const READY: u8 = 0x02;
    pub(crate) const AUTHENTICATE: u8 = 0x03;
    pub(crate) const OPTIONS: u8 = 0x05;
    pub(crate) const SUPPORTED: u8 = 0x06;
    pub(crate) const AUTH_RESPONSE: u8 = 0x0f;
}

/// Codes of errors.
pub(crate) const SERVER_ERROR: u32 = 0x0000;
pub(crate) const BAD_CREDENTIALS: u32 = 0x0100;

/// A request of the driver.
pub(crate) struct Frame {
    pub(crate) stream: [u8; 2],
    pub(crate) opcode: u8,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// A frame that answers it.
    pub(crate) fn answer(&self, opcode: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        [&self.head(opcode, length)[..], body].concat()
    }

    /// The head of a frame that answers it, whose body is said to have this length.
    pub(crate) fn head(&self, opcode: u8, length: u32) -> Vec<u8> {
        let [high, low] = self.stream;
        [&[0x84, 0, high, low, opcode][..], &length.to_be_bytes()].concat()
    }

    /// An error with this message.
    pub(crate) fn error(&self, code: u32, message: &str) -> Vec<u8> {
        self.answer(opcode::ERROR, &[&code.to_be_bytes()[..], &string(message)].concat())
    }
}

/// A string as frames have it.
pub(crate) fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// Answers each request of each connection with what `deed` writes, until that says to stop.
pub(crate) fn serve(
    deed: impl Fn(&Frame, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let deed = Arc::new(deed);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (deed, mut stream) = (Arc::clone(&deed), stream.unwrap());
            std::thread::spawn(move || {
                while let Some(frame) = receive(&mut stream) {
                    if !deed(&frame, &mut stream) {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Writes what the driver may not want to read to its end; whether it did.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

fn receive(stream: &mut TcpStream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let [_, _, high, low, opcode, length @ ..] = head;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(Frame { stream: [high, low], opcode, body })
}
