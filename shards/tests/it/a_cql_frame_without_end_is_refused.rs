//! What a CQL server announces beyond the limit is not read: the connection is closed with the
//! frame's head, and nobody makes room for what it says will come.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use shards::features::scylla::{CqlStore, ScyllaSettings, describe_table};

use crate::support::cql_server::{self, opcode, send};

/// More than the sockets between the two hold; of four gigabytes a test need not send all.
const SENT_BYTES: usize = 256 << 20;

fn settings(address: std::net::SocketAddr) -> ScyllaSettings {
    ScyllaSettings { contact_points: vec![address.to_string()], ..ScyllaSettings::default() }
}

#[test]
fn and_the_error_says_how_long_it_was_to_be() {
    for length in [(16 << 20) + 1, u32::MAX] {
        let (sender, sent) = channel();
        let address = cql_server::serve(move |frame, stream| {
            let piece = vec![0; 1 << 20];
            let mut bytes = 0;
            let _ = stream.write_all(&frame.head(opcode::SUPPORTED, length));
            while bytes < SENT_BYTES && send(stream, &piece) {
                bytes += piece.len();
            }
            let _ = sender.send(bytes);
            false
        });
        let settings = settings(address);
        let addresses = settings.resolve().unwrap();
        let line = describe_table(settings, addresses).unwrap_err().to_string();
        let said = format!("the node {address} announced a frame of {length} bytes");
        assert!(line.contains(&said) && line.contains("max_frame_bytes is 16777216"), "{line}");
        let bytes = sent.recv().expect("it was asked");
        assert!(bytes < SENT_BYTES, "{bytes} bytes were taken");
    }
}

#[test]
fn and_a_shards_store_says_so_too() {
    let address = cql_server::serve(|frame, stream| send(stream, &frame.head(0, u32::MAX)));
    let settings = settings(address);
    let addresses = settings.resolve().unwrap();
    let opened = shards::executor::make("shard")
        .expect("an executor")
        .run(async { CqlStore::open(Arc::new(settings), addresses).await.map(|_| ()) });
    let line = opened.unwrap_err().to_string();
    assert!(line.contains("announced a frame of 4294967295 bytes"), "{line}");
}

#[test]
fn and_one_within_the_limit_is_read() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let address = cql_server::serve(move |frame, stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        match frame.opcode {
            opcode::OPTIONS => {
                // A map with one list, whose one string is as long as can be, and what the driver
                // does not read behind it.
                let key = cql_server::string("SCYLLA_X");
                let value = cql_server::string(&"x".repeat(60_000));
                let map = [&[0, 1][..], &key, &[0, 1], &value, &vec![0; 15 << 20]].concat();
                send(stream, &frame.answer(opcode::SUPPORTED, &map))
            }
            _ => send(stream, &frame.error(cql_server::SERVER_ERROR, "that was read")),
        }
    });
    let settings = settings(address);
    let addresses = settings.resolve().unwrap();
    let line = describe_table(settings, addresses).unwrap_err().to_string();
    assert!(line.contains("that was read"), "{line}");
    assert!(asked.load(Ordering::SeqCst) >= 2);
}

#[test]
fn and_a_limit_that_keeps_answers_out_is_refused() {
    let settings = ScyllaSettings {
        contact_points: vec!["127.0.0.1:9".to_owned()],
        max_frame_bytes: 65_535,
        ..ScyllaSettings::default()
    };
    let line = settings.resolve().unwrap_err().to_string();
    assert!(line.contains("max_frame_bytes"), "{line}");
}
