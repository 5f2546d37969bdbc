//! Clients of an encrypted port that renegotiate, close one half, show what has ended, or are slow,
//! harm nobody but themselves; and a reload under load ends no connection and fails no handshake.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use rustls::{ClientConfig, ClientConnection, ConnectionTrafficSecrets, ExtractedSecrets, version};
use shards::shard::Command;

use crate::support::tls::{Authority, BOTH, LONE, ask, config, connect, identity};
use crate::support::{Over, Setup, post, wait_until};

/// The kind of a record that says why.
const ALERT: u8 = 21;

/// Encrypts handshake messages as the client of a connection of TLS 1.2.
struct Encryptor {
    key: LessSafeKey,
    iv: [u8; 4],
    sequence: u64,
}

impl Encryptor {
    fn new(secrets: ExtractedSecrets) -> Self {
        let (sequence, secrets) = secrets.tx;
        let (algorithm, key, iv): (&'static Algorithm, _, _) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            _ => panic!("another cipher than AES-GCM"),
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).unwrap());
        Self { key, iv: iv.as_ref()[..4].try_into().unwrap(), sequence }
    }

    /// A record of RFC 5288 that holds a handshake message.
    fn record(&mut self, message: &[u8]) -> Vec<u8> {
        const HANDSHAKE: u8 = 22;
        let sequence = self.sequence.to_be_bytes();
        self.sequence += 1;
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.iv);
        nonce[4..].copy_from_slice(&sequence);
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        let known = [&sequence[..], &[HANDSHAKE, 3, 3], &length].concat();
        let mut sealed = message.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(known), &mut sealed).unwrap();
        let length = u16::try_from(sealed.len() + 8).unwrap().to_be_bytes();
        [&[HANDSHAKE, 3, 3][..], &length, &sequence, &sealed].concat()
    }
}

/// The smallest greeting that a client begins a handshake with.
fn hello() -> Vec<u8> {
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0]].concat();
    [&[1, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

#[test]
fn a_client_that_renegotiates_is_not_heard() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    let served = Setup::of("demo-logistic").encrypted(identity(&pair, None)).serve();
    let mut client = ClientConfig::clone(&config(&authority, None, &[&version::TLS12]));
    client.enable_secret_extraction = true;
    let mut stream = connect(served.address, &Arc::new(client));
    ask(&mut stream, &post(LONE)).expect("an answer");
    let (connection, mut socket): (ClientConnection, TcpStream) = stream.into_parts();
    let secrets = connection.dangerous_extract_secrets().expect("secrets");
    let mut encryptor = Encryptor::new(secrets);
    // Once may be a mistake; a client that goes on is cut off.
    for _ in 0..4 {
        let _ = socket.write_all(&encryptor.record(&hello()));
    }
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    let kinds = |rest: &[u8]| {
        let (mut kinds, mut at) = (Vec::new(), 0);
        while let Some(head) = rest.get(at..at + 5) {
            kinds.push(head[0]);
            at += 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
        }
        kinds
    };
    assert!(kinds(&rest).iter().all(|kind| *kind == ALERT), "{:?}", kinds(&rest));
    wait_until("it is cut off", || served.counters().connections_open.get() == 0);
    assert_eq!(served.counters().handshakes.get(), 1);
    let mut other = connect(served.address, &config(&authority, None, BOTH));
    ask(&mut other, &post(LONE)).expect("an answer for another one");
}

#[test]
fn a_half_that_is_closed_is_treated_as_on_a_plain_port() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    for is_answered in [true, false] {
        let served = Setup::of("demo-logistic")
            .encrypted(identity(&pair, None))
            .settings(|settings| settings.http.answer_half_closed = is_answered)
            .serve();
        let mut stream = connect(served.address, &config(&authority, None, BOTH));
        ask(&mut stream, &post(LONE)).expect("an answer");
        stream.write_all(&post(LONE)).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        let read = stream.read_to_string(&mut rest);
        if is_answered {
            assert!(rest.starts_with("HTTP/1.1 200") && rest.contains("score"), "{read:?} {rest}");
        }
        wait_until("it is over", || served.counters().connections_open.get() == 0);
        // An end that TLS does not vouch for ends the connection, too.
        let mut torn = connect(served.address, &config(&authority, None, BOTH));
        ask(&mut torn, &post(LONE)).expect("an answer");
        torn.sock.shutdown(Shutdown::Write).unwrap();
        wait_until("it is over", || served.counters().connections_open.get() == 0);
    }
}

#[test]
fn what_has_ended_is_not_trusted() {
    let authority = Authority::new();
    let past = |params: &mut rcgen::CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    let (pair, own) = (authority.sign("gateway.test"), authority.sign("client.test"));
    let served = Setup::of("demo-logistic").encrypted(identity(&pair, Some(&authority))).serve();
    let asked =
        |own| ask(&mut connect(served.address, &config(&authority, own, BOTH)), &post(LONE));
    assert!(asked(Some(&own)).is_ok());
    let ended = authority.sign_with("client.test", past);
    assert!(asked(Some(&ended)).is_err());
    wait_until("it is counted", || served.counters().handshakes_failed[1].get() == 1);
    // A server's that has ended is served with all the same, and its clients do not trust it.
    let ended = authority.sign_with("gateway.test", past);
    let served = Setup::of("demo-logistic").encrypted(identity(&ended, None)).serve();
    let mut stream = connect(served.address, &config(&authority, None, BOTH));
    let error = ask(&mut stream, &post(LONE)).expect_err("refused").to_string();
    assert!(error.contains("expired"), "{error}");
}

#[test]
fn a_handshake_byte_by_byte_holds_up_nobody_and_not_itself_for_ever() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    let served = Setup::of("demo-logistic")
        .encrypted(identity(&pair, None))
        .settings(|settings| settings.http.head_timeout_ms = 200)
        .serve();
    let client = config(&authority, None, BOTH);
    let mut slow = TcpStream::connect(served.address).unwrap();
    // The head of a record of 16,000 bytes, of which one comes after the other.
    slow.write_all(&[22, 3, 1, 0x3e, 0x80, 1, 0, 0x3e, 0x7c, 3, 3]).unwrap();
    let mut answers = 0;
    while slow.write_all(&[7]).is_ok() && served.counters().handshakes_failed[0].get() == 0 {
        ask(&mut connect(served.address, &client), &post(LONE)).expect("an answer");
        answers += 1;
    }
    assert!(answers > 0);
    wait_until("it is given up", || served.counters().handshakes_failed[0].get() == 1);
}

#[test]
fn a_reload_under_load_is_not_felt() {
    const RELOADS: usize = 20;
    let authority = Authority::new();
    let pairs = [authority.sign("gateway.test"), authority.sign("gateway.test")];
    let served = Setup::of("demo-logistic").encrypted(identity(&pairs[0], None)).serve();
    let client = config(&authority, None, BOTH);
    let (is_over, kept, new) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let goes_on = || !is_over.load(Ordering::Acquire);
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        let mut load = Vec::new();
        load.push(scope.spawn(|| {
            let mut stream = connect(served.address, &client);
            while goes_on() {
                ask(&mut stream, &post(LONE)).expect("an answer on a connection that is kept");
                kept.fetch_add(1, Ordering::Relaxed);
            }
        }));
        load.push(scope.spawn(|| {
            while goes_on() {
                let mut stream = connect(served.address, &client);
                ask(&mut stream, &post(LONE)).expect("an answer on a new connection");
                new.fetch_add(1, Ordering::Relaxed);
            }
        }));
        for reload in 1..=RELOADS {
            let (before, asked) = (new.load(Ordering::Relaxed), kept.load(Ordering::Relaxed));
            let renewed = identity(&pairs[reload % 2], None);
            let number = served.shared.send(Command::Encrypt(Box::new(renewed)));
            wait_until("both kinds are served by it", || {
                served.shared.done() >= number
                    && (load.iter().any(ScopedJoinHandle::is_finished)
                        || new.load(Ordering::Relaxed) > before + 1
                            && kept.load(Ordering::Relaxed) > asked + 1)
            });
        }
        is_over.store(true, Ordering::Release);
        for thread in load {
            thread.join().expect("all were answered");
        }
    });
    assert_eq!(served.counters().handshakes_failed[1].get(), 0);
}
