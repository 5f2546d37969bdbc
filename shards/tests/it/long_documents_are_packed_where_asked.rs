//! A long document is packed for a client that takes gzip, a single score never is, and a body may
//! come packed.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::{Client, Setup, post_to};

const GZIP: &str = "accept-encoding: gzip, deflate\r\n";

fn rows(count: usize) -> String {
    let row = "{\"user_id\": \"user-001\"}";
    format!("[{}]", vec![row; count].join(", "))
}

/// An answer's head, and its body as it came.
fn ask(client: &mut Client, request: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    client.send(request);
    client.receive_bytes()
}

#[test]
fn arrays_and_descriptions_are() {
    let served = Setup::of("demo-logistic").settings(|all| all.http.compressed_bytes_min = 1_000);
    let served = served.serve();
    let mut client = served.client();
    let (head, plain) = ask(&mut client, post_to("/predict", "", &rows(100)));
    assert!(head.contains("\r\nvary: accept-encoding\r\n") && !head.contains("content-encoding"));
    for accepted in [GZIP, "accept-encoding: br;q=1, *;q=0.1\r\n"] {
        let (head, packed) = ask(&mut client, post_to("/predict", accepted, &rows(100)));
        assert!(head.contains("\r\ncontent-encoding: gzip\r\nvary: accept-encoding\r\n"), "{head}");
        assert!(packed.len() < plain.len() / 4, "{} of {}", packed.len(), plain.len());
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, plain);
    }
    let (head, _) =
        ask(&mut client, format!("GET /openapi.json HTTP/1.1\r\nhost: a\r\n{GZIP}\r\n"));
    assert!(head.contains("content-encoding: gzip"), "{head}");
    for (fields, count) in [("accept-encoding: gzip;q=0\r\n", 100), (GZIP, 2)] {
        let (head, _) = ask(&mut client, post_to("/predict", fields, &rows(count)));
        assert!(!head.contains("content-encoding"), "{head}");
    }
}

#[test]
fn a_single_score_never_is() {
    let served = Setup::of("demo-logistic").settings(|all| all.http.compressed_bytes_min = 1);
    let served = served.serve();
    let user = "u".repeat(500);
    let (head, _) = ask(
        &mut served.client(),
        post_to("/predict", GZIP, &format!("{{\"user_id\": \"{user}\"}}")),
    );
    assert!(!head.contains("content-encoding") && !head.contains("vary"), "{head}");
}

#[test]
fn bodies_may_come_packed_within_their_limit() {
    let served = Setup::of("demo-logistic").settings(|all| all.http.body_bytes_max = 10_000);
    let served = served.serve();
    let mut client = served.client();
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).expect("packed");
        encoder.finish().expect("packed")
    };
    let zlib = |text: &str| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("packed");
        encoder.finish().expect("packed")
    };
    let (_, plain) = ask(&mut client, post_to("/predict", "", &rows(5)));
    for (coding, body) in [("gzip", gzip(&rows(5))), ("deflate", zlib(&rows(5)))] {
        let fields = format!("content-encoding: {coding}\r\n");
        let (head, found) = ask(&mut client, bytes_to(&fields, &body));
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(found, plain, "{coding}");
    }
    let bomb = gzip(&" ".repeat(1_000_000));
    let cut = gzip(&rows(5));
    for (coding, body, status) in [
        ("gzip", bomb.as_slice(), 413),
        ("gzip", &cut[..cut.len() - 2], 400),
        ("gzip", b"[]", 400),
        ("br", b"[]", 415),
        ("gzip, gzip", cut.as_slice(), 415),
    ] {
        let fields = format!("content-encoding: {coding}\r\n");
        let (head, _) = ask(&mut client, bytes_to(&fields, body));
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{coding}: {head}");
    }
}

fn bytes_to(fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{fields}\r\n");
    [head.as_bytes(), body].concat()
}
