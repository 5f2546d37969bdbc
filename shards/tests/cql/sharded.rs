//! A relay that makes a node look like one of `ScyllaDB`'s, cut into shards: it adds what a sharded
//! node says of itself, takes the shard of a connection from the port it comes from, as
//! `ScyllaDB` does, and notes by which connection each key was asked for.
//!
//! The frames are those of the CQL binary protocol v4, section 2; the options and the choice of a
//! shard by port are `ScyllaDB`'s docs/dev/protocol-extensions.md.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::cql::frames::{
    HEADER_BYTES, OPCODE_EXECUTE, OPCODE_PREPARE, OPCODE_QUERY, OPCODE_SUPPORTED, frame_length,
    put_string, set_length,
};

/// How many shards the node says it has.
pub(crate) const SHARDS: u16 = 3;
/// How many of a token's highest bits do not choose the shard.
pub(crate) const IGNORED_BITS: u32 = 12;

/// What the relay saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Connections by shard.
    pub(crate) connections: BTreeMap<u16, usize>,
    /// The shard of the connection by which a key was asked for, each time.
    pub(crate) asked: Vec<(String, u16)>,
}

impl Seen {
    /// Reads or changes it.
    #[expect(clippy::disallowed_methods, reason = "it is the test's, and held for a moment")]
    pub(crate) fn with<T>(seen: &Mutex<Self>, look: impl FnOnce(&mut Self) -> T) -> T {
        look(&mut seen.lock().unwrap())
    }
}

/// Relays connections to `node` from now on; returns where it listens and what it sees.
pub(crate) fn relay(node: SocketAddr) -> (SocketAddr, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        while let Ok((client, from)) = listener.accept() {
            let shard = from.port() % SHARDS;
            Seen::with(&noted, |seen| *seen.connections.entry(shard).or_default() += 1);
            let server = TcpStream::connect(node).unwrap();
            let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let noted = Arc::clone(&noted);
            std::thread::spawn(move || {
                pass(client, to_server, |frame| match frame[4] {
                    OPCODE_EXECUTE => {
                        let keys = keys_in(&frame[HEADER_BYTES..]).map(|key| (key, shard));
                        Seen::with(&noted, |seen| seen.asked.extend(keys));
                    }
                    OPCODE_QUERY | OPCODE_PREPARE => remove_time_limit(frame),
                    _ => {}
                });
            });
            std::thread::spawn(move || {
                pass(server, to_client, |frame| {
                    if frame[4] == OPCODE_SUPPORTED {
                        add_options(frame, shard, address.port());
                    }
                });
            });
        }
    });
    (address, seen)
}

/// Passes frames on, each after `change`, until either side ends.
fn pass(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&mut Vec<u8>)) {
    let mut frame = Vec::new();
    loop {
        frame.resize(HEADER_BYTES, 0);
        if from.read_exact(&mut frame).is_err() {
            break;
        }
        frame.resize(frame_length(&frame).unwrap(), 0);
        if from.read_exact(&mut frame[HEADER_BYTES..]).is_err() {
            break;
        }
        change(&mut frame);
        if to.write_all(&frame).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// The keys in a statement's values: `user-` and digits.
fn keys_in(body: &[u8]) -> impl Iterator<Item = String> {
    let starts = (0..body.len()).filter(|at| body[*at..].starts_with(b"user-"));
    starts.map(|at| {
        let digits = body[at + 5..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        String::from_utf8_lossy(&body[at..at + 5 + digits]).into_owned()
    })
}

/// Takes the time limit out of a statement, which `ScyllaDB` knows and the node behind does not.
fn remove_time_limit(frame: &mut Vec<u8>) {
    let text = HEADER_BYTES + 4;
    let length = u32::from_be_bytes(frame[HEADER_BYTES..text].try_into().unwrap());
    let end = text + usize::try_from(length).unwrap();
    let limit = b" USING TIMEOUT ";
    if let Some(at) = frame[text..end].windows(limit.len()).position(|found| found == limit) {
        frame.drain(text + at..end);
        let length = u32::try_from(at).unwrap();
        frame[HEADER_BYTES..text].copy_from_slice(&length.to_be_bytes());
        set_length(frame);
    }
}

/// Adds what a sharded node says to a SUPPORTED frame's string multimap.
fn add_options(frame: &mut Vec<u8>, shard: u16, port: u16) {
    let options = [
        ("SCYLLA_SHARD", shard.to_string()),
        ("SCYLLA_NR_SHARDS", SHARDS.to_string()),
        ("SCYLLA_SHARDING_IGNORE_MSB", IGNORED_BITS.to_string()),
        ("SCYLLA_SHARDING_ALGORITHM", "biased-token-round-robin".to_owned()),
        ("SCYLLA_PARTITIONER", "org.apache.cassandra.dht.Murmur3Partitioner".to_owned()),
        ("SCYLLA_SHARD_AWARE_PORT", port.to_string()),
    ];
    let count = u16::from_be_bytes([frame[9], frame[10]]) + u16::try_from(options.len()).unwrap();
    frame[9..11].copy_from_slice(&count.to_be_bytes());
    for (name, value) in &options {
        put_string(frame, name);
        frame.extend(1_u16.to_be_bytes());
        put_string(frame, value);
    }
    set_length(frame);
}
