//! A port with a certificate answers as a plain one does, by TLS 1.2 and 1.3; clients that it is not
//! to trust, or that do not trust it, get nothing; and a reload ends no connection.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind, version};
use shards::shard::Command;
use shards::tls::{TlsIdentity, TlsSettings};

use crate::support::tls::{
    Authority, BOTH, LONE, Stream, ask, config, connect, identity, settings,
};
use crate::support::{Client, Setup, post, wait_until};

#[test]
fn the_answers_are_those_of_a_plain_port() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    let plain = Setup::of("demo-logistic").serve();
    let served = Setup::of("demo-logistic").encrypted(identity(&pair, None)).serve();
    // Larger than what the socket takes at once.
    let many = format!("[{}]", vec![LONE; 1_000].join(", "));
    for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
        let mut stream = connect(served.address, &config(&authority, None, versions));
        for body in [LONE, &many, LONE] {
            let expected = plain.client().predict(body).body;
            assert_eq!(ask(&mut stream, &post(body)).expect("an answer"), expected);
        }
        assert_eq!(stream.conn.alpn_protocol(), None);
        // Many requests at once, whose answers are read late.
        let requests = post(&many).repeat(20);
        let expected = plain.client().predict(&many).body;
        stream.write_all(&requests).unwrap();
        for _ in 0..20 {
            assert_eq!(read_one(&mut stream).len(), expected.len());
        }
    }
    assert_eq!(served.counters().handshakes.get(), 2);
}

/// Reads one answer of pipelined ones, to its last byte and no further.
fn read_one(stream: &mut Stream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).expect("a body");
    String::from_utf8(body).unwrap()
}

#[test]
fn http2_is_spoken_with_clients_that_ask_for_it() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    for is_enabled in [true, false] {
        let served = Setup::of("demo-logistic")
            .encrypted(identity(&pair, None))
            .settings(|settings| settings.http2.enabled = is_enabled)
            .serve();
        let mut client = Arc::unwrap_or_clone(config(&authority, None, BOTH));
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut stream = connect(served.address, &Arc::new(client));
        // The preface, and settings without any.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("an answer");
        let spoken = stream.conn.alpn_protocol().expect("agreed on").to_vec();
        if is_enabled {
            // The first frame of a server is its settings.
            assert_eq!((&spoken[..], head[3]), (&b"h2"[..], 4));
        } else {
            assert_eq!((&spoken[..], &head), (&b"http/1.1"[..], b"HTTP/1.1 "));
        }
    }
}

#[test]
fn a_client_that_comes_back_resumes_its_session() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    let served = Setup::of("demo-logistic").encrypted(identity(&pair, None)).serve();
    let client = config(&authority, None, BOTH);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(served.address, &client);
        ask(&mut stream, &post(LONE)).expect("an answer");
        kinds.push(stream.conn.handshake_kind().expect("it is done"));
    }
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
}

#[test]
fn whoever_is_not_trusted_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let pair = authority.sign("gateway.test");
    let identity = identity(&pair, Some(&authority));
    let served = Setup::of("demo-logistic").encrypted(identity).serve();
    let own = authority.sign("client.test");
    let strange = other.sign("client.test");
    let asked = |config: Arc<ClientConfig>| ask(&mut connect(served.address, &config), &post(LONE));
    assert!(asked(config(&authority, Some(&own), BOTH)).is_ok());
    for (trusted, proof) in [(&authority, None), (&authority, Some(&strange)), (&other, Some(&own))]
    {
        assert!(asked(config(trusted, proof, BOTH)).is_err());
    }
    // Plain HTTP to the encrypted port.
    let mut plain = Client::connect(served.address);
    plain.send_what_goes(post(LONE));
    wait_until("the failures are counted", || served.counters().handshakes_failed[1].get() >= 3);
    assert!(asked(config(&authority, Some(&own), BOTH)).is_ok());
}

#[test]
fn a_handshake_that_does_not_end_is_given_up() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    let served = Setup::of("demo-logistic")
        .encrypted(identity(&pair, None))
        .settings(|settings| settings.http.head_timeout_ms = 100)
        .serve();
    let mut silent = Client::connect(served.address);
    let mut slow = Client::connect(served.address);
    slow.send([22, 3, 1]);
    wait_until("both are given up", || served.counters().handshakes_failed[0].get() == 2);
    silent.expect_end();
    slow.expect_end();
}

#[test]
fn a_client_that_proved_itself_once_has_to_do_so_again() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    let served = Setup::of("demo-logistic").encrypted(identity(&pair, Some(&authority))).serve();
    let own = authority.sign("client.test");
    for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
        let client = config(&authority, Some(&own), versions);
        for _ in 0..2 {
            let mut stream = connect(served.address, &client);
            ask(&mut stream, &post(LONE)).expect("an answer");
            assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[test]
fn silent_clients_make_room_for_others_and_do_not_hold_up_a_stop() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    let served = Setup::of("demo-logistic")
        .encrypted(identity(&pair, None))
        .settings(|settings| {
            settings.http.connections_max = 8;
            settings.http.head_timeout_ms = 60_000;
            settings.http.drain_idle_ms = 50;
            settings.http.drain_ms_max = 120_000;
        })
        .serve();
    let client = config(&authority, None, BOTH);
    let silent: Vec<Client> = (0..8).map(|_| Client::connect(served.address)).collect();
    wait_until("all are counted", || served.counters().connections_open.get() == 8);
    wait_until("another one is served", || {
        ask(&mut connect(served.address, &client), &post(LONE)).is_ok()
    });
    assert!(served.counters().connections_evicted.get() > 0);
    served.stop();
    drop(silent);
}

#[test]
fn a_reload_changes_the_certificate_and_ends_no_connection() {
    let (before, after) = (Authority::new(), Authority::new());
    let (first, second) = (before.sign("gateway.test"), after.sign("gateway.test"));
    let served = Setup::of("demo-logistic").encrypted(identity(&first, None)).serve();
    let mut old = connect(served.address, &config(&before, None, BOTH));
    ask(&mut old, &post(LONE)).expect("an answer");
    let number = served.shared.send(Command::Encrypt(Box::new(identity(&second, None))));
    wait_until("the certificate is changed", || served.shared.done() >= number);
    ask(&mut old, &post(LONE)).expect("an answer of the connection that was open");
    assert!(ask(&mut connect(served.address, &config(&before, None, BOTH)), &post(LONE)).is_err());
    let mut new = connect(served.address, &config(&after, None, BOTH));
    ask(&mut new, &post(LONE)).expect("an answer by the new certificate");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let (pair, other) = (authority.sign("gateway.test"), authority.sign("gateway.test"));
    let folder = tempfile::tempdir().unwrap();
    let whole = settings(folder.path(), &pair, None);
    assert!(TlsIdentity::read(&TlsSettings::default(), None).unwrap().is_none());
    let alone = TlsSettings { key_file: None, ..whole.clone() };
    let message = TlsIdentity::read(&alone, None).unwrap_err().to_string();
    assert_eq!(message, "[tls]: `certificate_file` needs `key_file` beside it");
    for (name, text, expected) in [
        ("server.pem", "no certificate", "there is no certificate in it"),
        ("server.key", "no key", "[tls] key_file: "),
        ("server.key", &other.key, "certificate and key cannot be used"),
    ] {
        settings(folder.path(), &pair, None);
        std::fs::write(folder.path().join(name), text).unwrap();
        let message = TlsIdentity::read(&whole, None).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let ended = authority.sign_with("gateway.test", |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let read = identity(&ended, None);
    let ended_at = read.expires().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(ended_at, 1_577_836_800);
}
