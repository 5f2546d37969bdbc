//! A stand-in for a node that speaks CQL, behind a relay that can refuse what it is asked or fall
//! silent.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[path = "../../../bench/src/cql_stub/mod.rs"]
mod stub;

use stub::frames::{
    HEADER_BYTES, OPCODE_ERROR, OPCODE_EXECUTE, frame_length, put_string, set_length,
};

/// CQL's code of an error for those who may not do what they ask for.
const UNAUTHORIZED: i32 = 0x2100;

/// What becomes of statements for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Answers = 0,
    Refuses = 1,
    IsSilent = 2,
}

/// A node that runs until the tests end.
pub(crate) struct CqlNode {
    pub(crate) address: SocketAddr,
    mood: Arc<AtomicU8>,
}

impl CqlNode {
    /// A node with the rows of the CSV at `path` in the keyspace `features`.
    pub(crate) fn of(path: &Path) -> Self {
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (behind, relay) = (bind(), bind());
        let (node, address) = (behind.local_addr().unwrap(), relay.local_addr().unwrap());
        let stub = stub::Stub::of(path, "features", behind).unwrap();
        std::thread::spawn(move || stub.serve());
        let mood = Arc::new(AtomicU8::new(Mood::Answers as u8));
        let shared = Arc::clone(&mood);
        std::thread::spawn(move || {
            for client in relay.incoming().map_while(Result::ok) {
                let (server, mood) = (TcpStream::connect(node).unwrap(), Arc::clone(&shared));
                std::thread::spawn(move || pass(client, server, &mood));
            }
        });
        Self { address, mood }
    }

    /// The store that a gateway is to be given.
    pub(crate) fn store(&self) -> String {
        format!("scylla://{}/features", self.address)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::Release);
    }
}

/// Passes frames on, one request at a time: what is refused is answered here.
fn pass(mut client: TcpStream, mut server: TcpStream, mood: &AtomicU8) -> io::Result<()> {
    loop {
        let request = read_frame(&mut client)?;
        let is_for_users = request[4] == OPCODE_EXECUTE
            && [&b"applicant-"[..], b"user-", b"shardgate-probe"]
                .iter()
                .any(|key| request[HEADER_BYTES..].windows(key.len()).any(|bytes| bytes == *key));
        let mood = if is_for_users { mood.load(Ordering::Acquire) } else { Mood::Answers as u8 };
        if mood == Mood::IsSilent as u8 {
            continue;
        }
        if mood == Mood::Refuses as u8 {
            let mut answer = vec![0x84, 0, request[2], request[3], OPCODE_ERROR, 0, 0, 0, 0];
            answer.extend(UNAUTHORIZED.to_be_bytes());
            put_string(&mut answer, "User gateway has no SELECT permission on <table t>");
            set_length(&mut answer);
            client.write_all(&answer)?;
            continue;
        }
        server.write_all(&request)?;
        client.write_all(&read_frame(&mut server)?)?;
    }
}

fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; HEADER_BYTES];
    stream.read_exact(&mut frame)?;
    let length = frame_length(&frame).expect("a whole header");
    frame.resize(length, 0);
    stream.read_exact(&mut frame[HEADER_BYTES..])?;
    Ok(frame)
}
