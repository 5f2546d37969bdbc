//! Clients that use HTTP/2 to make work or to take memory get no further than a bound; others that
//! are served meanwhile do not notice.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::http2_client::{next_data, request};
use crate::support::{Client, Http2Client, Served, Setup, patience::PATIENCE, wait_until};

const USER: &str = "{\"user_id\": \"user-001\"}";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// What the shard may keep of one client, in bytes.
const KEPT_BYTES_MAX: u64 = 2_000_000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The head of `POST /predict`, without Huffman codes.
fn head() -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04, 8];
    block.extend_from_slice(b"/predict");
    block.extend_from_slice(&[0x01, 4]);
    block.extend_from_slice(b"test");
    block
}

/// Bytes that a hostile client sends behind its preface.
struct Hostile(TcpStream);

impl Hostile {
    fn connect(served: &Served) -> Self {
        let mut stream = TcpStream::connect(served.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        stream.set_write_timeout(Some(PATIENCE)).expect("an option");
        stream.write_all(PREFACE).expect("sent");
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).expect("sent");
        Self(stream)
    }

    /// Sends as long as it is read; false where the server has ended it.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Reads until the server ends it, and gives back the code of its last GOAWAY.
    fn ended(&mut self) -> Option<u32> {
        let mut read = Vec::new();
        let mut some = vec![0; 65_536];
        while let Ok(count @ 1..) = self.0.read(&mut some) {
            read.extend_from_slice(&some[..count]);
        }
        let (mut rest, mut code) = (&*read, None);
        while rest.len() >= 9 {
            let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
            let Some(payload) = rest.get(9..9 + length) else { break };
            if rest[3] == 7 {
                code = Some(u32::from_be_bytes(payload[4..8].try_into().expect("4")));
            }
            rest = &rest[9 + length..];
        }
        code
    }
}

/// Has `attack` done while another client, of either protocol, is served.
fn while_others_are_served(served: &Served, attack: impl FnOnce(&dyn Fn())) {
    let others = (Http2Client::connect(served.address), std::cell::RefCell::new(served.client()));
    let are_served = || {
        let status = others.0.ask(request("POST", "/predict", &[]), USER).status;
        assert_eq!(status, 200);
        assert_eq!(others.1.borrow_mut().predict(USER).status, 200);
        let kept = served.counters().buffered_bytes.get();
        assert!(kept < KEPT_BYTES_MAX, "{kept} bytes are kept");
    };
    are_served();
    attack(&are_served);
    are_served();
}

fn shard() -> Served {
    Setup::of("demo-logistic").serve()
}

#[test]
fn streams_that_are_reset_at_once() {
    let served = shard();
    while_others_are_served(&served, |are_served| {
        let mut hostile = Hostile::connect(&served);
        let mut is_open = true;
        for number in 0..20_000_u32 {
            let stream = 2 * number + 1;
            let mut bytes = frame(HEADERS, END_HEADERS, stream, &head());
            bytes.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
            is_open &= hostile.send(&bytes);
            if !is_open {
                break;
            }
            if number % 4_000 == 0 {
                are_served();
            }
        }
        drop(hostile);
    });
    wait_until("nothing waits", || served.lane().counters.queue_rows.get() == 0);
}

#[test]
fn heads_without_end() {
    let served = shard();
    while_others_are_served(&served, |are_served| {
        let mut hostile = Hostile::connect(&served);
        hostile.send(&frame(HEADERS, 0, 1, &head()));
        // A field of 16 KB each, that never comes to its end.
        let mut block = vec![0x00, 1, b'x', 0x7f];
        block.extend_from_slice(&[0xa1, 0x7e]);
        block.resize(16_000, b'a');
        for number in 0..10_000 {
            if !hostile.send(&frame(CONTINUATION, 0, 1, &block)) {
                break;
            }
            assert!(number < 9_000, "it is still read");
            if number % 50 == 0 {
                are_served();
            }
        }
    });
}

#[test]
fn empty_continuations() {
    let served = shard();
    while_others_are_served(&served, |_| {
        let mut hostile = Hostile::connect(&served);
        hostile.send(&frame(HEADERS, 0, 1, &head()));
        let many = frame(CONTINUATION, 0, 1, &[]).repeat(1_000);
        let sent = (0..1_000).take_while(|_| hostile.send(&many)).count();
        assert!(sent < 1_000, "a million frames were read");
    });
}

#[test]
fn settings_and_pings_whose_answers_nobody_reads() {
    let served = shard();
    for bytes in [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]), frame(PING, 0, 0, &[0; 8])] {
        while_others_are_served(&served, |are_served| {
            let mut hostile = Hostile::connect(&served);
            hostile.0.set_nonblocking(true).expect("an option");
            let many = bytes.repeat(1_000);
            // Until the shard reads no more of it, or ends it.
            let (mut stuck, mut sent) = (0, 0);
            for _ in 0..20_000 {
                match hostile.0.write(&many[sent..]) {
                    Ok(count) => {
                        stuck = 0;
                        sent = (sent + count) % many.len();
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        are_served();
                        stuck += 1;
                        if stuck > 20 {
                            break;
                        }
                    }
                    Err(_) => break,
                }
            }
        });
    }
}

#[test]
fn windows_that_are_opened_byte_by_byte_or_never() {
    let served = shard();
    let body = format!("[{}]", vec![USER; 100].join(","));
    while_others_are_served(&served, |are_served| {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1);
        let hostile = Http2Client::connect_with(served.address, &builder);
        hostile.run(async {
            let mut streams = Vec::new();
            for _ in 0..100 {
                let request = request("POST", "/predict", &[]);
                streams.push(hostile.open(request, body.clone().into(), true).await);
            }
            let mut bodies = Vec::new();
            for stream in &mut streams[..50] {
                bodies.push((&mut stream.response).await.expect("a head").into_body());
            }
            are_served_from_elsewhere(&served);
            // One that reads on gets all of it.
            let mut data = Vec::new();
            while let Some(some) = next_data(&mut bodies[0]).await.expect("no reset") {
                data.extend_from_slice(&some);
            }
            let text = String::from_utf8(data).expect("UTF-8");
            assert_eq!(text.matches('{').count(), 100);
        });
        are_served();
    });
    wait_until("what was kept is given back", || served.counters().buffered_bytes.get() == 0);
}

#[test]
fn many_large_requests_at_once_are_computed_one_after_the_other() {
    let served = shard();
    while_others_are_served(&served, |are_served| {
        let body = format!("[{}]", vec![USER; 100].join(","));
        // Its windows are wide: all of it is computed, some later.
        let mut builder = h2::client::Builder::new();
        builder.initial_connection_window_size(4_000_000);
        let honest = Http2Client::connect_with(served.address, &builder);
        honest.run(async {
            let mut streams = Vec::new();
            for _ in 0..100 {
                let request = request("POST", "/predict", &[]);
                streams.push(honest.open(request, body.clone().into(), true).await);
            }
            for stream in &mut streams {
                let answer = (&mut stream.response).await.expect("a head");
                assert_eq!(answer.status(), 200);
            }
        });
        are_served();
    });
}

/// The same from a thread that has no runtime.
fn are_served_from_elsewhere(served: &Served) {
    let address = served.address;
    let status = std::thread::spawn(move || Client::connect(address).predict(USER).status);
    assert_eq!(status.join().expect("no panic"), 200);
}

#[test]
fn clients_that_never_open_a_window_are_cut_off() {
    let setup = Setup::of("demo-logistic").settings(|settings| {
        settings.http.write_timeout_ms = 200;
        settings.http.write_bytes_per_s_min = 1_000_000;
    });
    let served = setup.serve();
    let mut hostile = Hostile::connect(&served);
    hostile.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    hostile.send(&frame(HEADERS, END_HEADERS, 1, &head()));
    hostile.send(&frame(DATA, END_STREAM, 1, USER.as_bytes()));
    wait_until("it is cut off", || served.counters().connections_cut.get() > 0);
}

#[test]
fn heads_that_grow_when_they_are_unpacked() {
    let served = shard();
    while_others_are_served(&served, |_| {
        let mut hostile = Hostile::connect(&served);
        // A field of 4,000 bytes into the table, and then by its place again and again.
        let mut block = head();
        block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
        block.resize(block.len() + 4_000, b'a');
        block.resize(16_000, 0xbe);
        let mut is_open = true;
        for number in 0..200_u32 {
            let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &block);
            is_open &= hostile.send(&bytes);
        }
        let _ = is_open;
    });
}

#[test]
fn frames_that_are_none() {
    let served = shard();
    let cases: [(&str, Vec<u8>); 7] = [
        ("data of no stream", frame(DATA, 0, 0, b"x")),
        ("a head by an even number", frame(HEADERS, END_HEADERS, 2, &head())),
        ("a frame that is too long", frame(DATA, 0, 1, &vec![0; 20_000])),
        ("settings of five bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("an unfinished field", frame(HEADERS, END_HEADERS, 1, &[0x40, 0x7f])),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &head())),
        ("a window of nothing", frame(8, 0, 0, &[0; 4])),
    ];
    while_others_are_served(&served, |_| {
        for (what, bytes) in cases {
            let mut hostile = Hostile::connect(&served);
            hostile.send(&bytes);
            let code = hostile.ended();
            assert!(code.is_some_and(|code| code != 0), "{what}: {code:?}");
        }
    });
    wait_until("all are closed", || served.counters().connections_open.get() == 0);
}

#[test]
fn requests_that_never_end_take_bounded_memory() {
    let limit_bytes = 1_000_000;
    let setup = Setup::of("demo-logistic")
        .settings(|settings| settings.http.buffered_bytes_max = limit_bytes);
    let served = setup.serve();
    let kept = &served.counters().buffered_bytes;
    let clients: Vec<_> = (0..8).map(|_| Http2Client::connect(served.address)).collect();
    let mut streams = Vec::new();
    for client in &clients {
        client.run(async {
            for _ in 0..20 {
                let request = request("POST", "/predict", &[]);
                streams.push(client.open(request, vec![b' '; 16_000].into(), false).await);
            }
            tokio::task::yield_now().await;
        });
        assert_eq!(served.client().predict(USER).status, 200);
        assert!(kept.get() <= 2 * limit_bytes as u64, "{}", kept.get());
    }
    drop(streams);
    drop(clients);
    wait_until("what was kept is given back", || kept.get() == 0);
}

/// Frames of a client that asks well, changed here and there, as many times as `FUZZ_ROUNDS` says.
#[test]
fn frames_that_were_changed_at_random() {
    let served = shard();
    let rounds = std::env::var("FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: usize = rounds.unwrap_or(200);
    let mut random = crate::forest::Random::new(1);
    let mut frames = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]);
    for stream in [1, 3, 5] {
        frames.extend(frame(HEADERS, END_HEADERS, stream, &head()));
        frames.extend(frame(DATA, END_STREAM, stream, USER.as_bytes()));
        frames.extend(frame(PING, 0, 0, &[0; 8]));
        frames.extend(frame(8, 0, 0, &[0, 0, 1, 0]));
        frames.extend(frame(2, 0, stream, &[0, 0, 0, 0, 16]));
    }
    frames.extend(frame(RST_STREAM, 0, 5, &[0, 0, 0, 8]));
    while_others_are_served(&served, |are_served| {
        for round in 0..rounds {
            let mut changed = frames.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(changed.len());
                changed[at] = match random.below(3) {
                    0 => changed[at] ^ (1 << random.below(8)),
                    1 => [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                    _ => frames[random.below(frames.len())],
                };
            }
            let mut client = Hostile::connect(&served);
            client.send(&changed);
            client.0.shutdown(std::net::Shutdown::Write).expect("an option");
            client.ended();
            if round % 50 == 0 {
                are_served();
            }
        }
    });
    wait_until("all are closed", || served.counters().connections_open.get() == 0);
    assert_eq!(served.counters().buffered_bytes.get(), 0);
}
