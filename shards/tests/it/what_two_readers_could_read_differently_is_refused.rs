//! A request whose framing two readers could understand differently is refused, and nothing behind
//! it is read as a request: that is what request smuggling lives on.

use crate::support::{Setup, post};

/// The second request that a smuggler hides in the first.
const HIDDEN: &str = "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: 23\r\n\r\n\
                      {\"user_id\": \"user-002\"}";

#[test]
fn ambiguous_heads() {
    let served = Setup::of("demo-logistic").serve();
    for fields in [
        "host: a\r\nhost: a\r\ncontent-length: 0\r\n",
        "content-length: 0\r\n",
        "host: a b\r\ncontent-length: 0\r\n",
        "host: a, b\r\ncontent-length: 0\r\n",
        "host: a/../b@c?d\r\ncontent-length: 0\r\n",
        "host: a:99999x\r\ncontent-length: 0\r\n",
        "host: caf\u{e9}\r\ncontent-length: 0\r\n",
        "host: a\r\ncontent-length: 0\r\ncontent-length: 0\r\n",
        "host: a\r\ncontent-length: 0\r\nContent-Length: 5\r\n",
        "host: a\r\ncontent-length: 0, 0\r\n",
        "host: a\r\ncontent-length: +0\r\n",
        "host: a\r\ncontent-length: -1\r\n",
        "host: a\r\ncontent-length: 0x0\r\n",
        "host: a\r\ncontent-length: 1e1\r\n",
        "host: a\r\ncontent-length:\r\n",
        "host: a\r\ncontent-length: 99999999999999999999x\r\n",
        "host: a\r\ncontent-length: 5\r\ncontent-length: 05\r\n",
        "host: a\r\ncontent-length: 5;x\r\n",
        "host: a\r\ncontent-length: 5 5\r\n",
        "host: a\r\ncontent-length: \u{0665}\r\n",
        "host: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n",
        "host: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "host: a\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
        "host: a\r\ntransfer-encoding: gzip\r\n",
        "host: a\r\ntransfer-encoding: identity\r\n",
        "host: a\r\ntransfer-encoding: identity\r\ncontent-length: 0\r\n",
        "host: a\r\ncontent-length: 0\r\ntransfer-encoding: gzip, chunked\r\n",
        "host: a\r\ntransfer-encoding: xchunked\r\n",
        "host: a\r\ntransfer-encoding: chunked;x\r\n",
        "host: a\r\ntransfer-encoding: \"chunked\"\r\n",
        "host: a\r\ntransfer-encoding: x=\", chunked\"\r\n",
        "host: a\r\ntransfer-encoding: \u{b}chunked\r\n",
        "host: a\r\ntransfer-encoding : chunked\r\n",
        "host: a\r\ntransfer-encoding\u{e9}: chunked\r\n",
        "host: a\r\ntransfer-encoding: chunked, gzip\r\n",
        "host: a\r\ntransfer-encoding: chunked, chunked\r\n",
        "host: a\r\ntransfer-encoding:\r\n",
        "host: a\r\ntransfer-encoding: ,\r\n",
        "host: a\r\ncontent-length : 0\r\n",
        "host: a\r\n content-length: 0\r\n",
        "host: a\r\nx: folded\r\n over two lines\r\ncontent-length: 0\r\n",
        "host: a\r\nx: folded\r\n\tover two lines\r\ncontent-length: 0\r\n",
        "host: a\r\nx: nul\0in a value\r\ncontent-length: 0\r\n",
        "host: a\r\nx\0: nul in a name\r\ncontent-length: 0\r\n",
        "host: a\r\nx: a bare\rcarriage return\r\ncontent-length: 0\r\n",
        "host: a\nx: a bare line feed\r\ncontent-length: 0\r\n",
        "host: a\r\nx: y\ncontent-length: 0\r\n",
        "host: a\r\nno colon\r\ncontent-length: 0\r\n",
        "host: a\r\n: no name\r\ncontent-length: 0\r\n",
    ] {
        let mut client = served.client();
        client.send_what_goes(format!("POST /predict HTTP/1.1\r\n{fields}\r\n{HIDDEN}"));
        let answer = client.receive();
        assert_eq!(answer.status, 400, "{fields:?}: {answer:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{fields:?}");
        client.expect_end();
    }
}

#[test]
fn ambiguous_lines() {
    let served = Setup::of("demo-logistic").serve();
    for start in [
        "POST /predict HTTP/1.1\nhost: a\ncontent-length: 0\n\n",
        "POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\n",
        "POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 0\n\r\n",
        "\nPOST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        "POST /pre\0dict HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST\t/predict HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /predict\r\nhost: a\r\n\r\n",
        "POST /predict HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut client = served.client();
        client.send_what_goes(format!("{start}{HIDDEN}"));
        let answer = client.receive();
        assert_eq!(answer.status, 400, "{start:?}: {answer:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{start:?}");
        client.expect_end();
    }
}

#[test]
fn ambiguous_targets() {
    let served = Setup::of("demo-logistic").serve();
    for target in [
        "http:///predict",
        "http://:80/predict",
        "http://user:password@h/predict",
        "http://[::zz]:x/predict",
        "http://h#/predict",
        "/predict#x",
    ] {
        let mut client = served.client();
        client.send_what_goes(format!("POST {target} HTTP/1.1\r\nhost: a\r\n\r\n{HIDDEN}"));
        let answer = client.receive();
        assert_eq!(answer.status, 400, "{target:?}: {answer:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{target:?}");
        client.expect_end();
    }
    // A query may hold anything, also what looks like a path.
    let answer = served.client().ask("POST http://h?x=/predict HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[test]
fn ambiguous_chunks() {
    let served = Setup::of("demo-logistic").serve();
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        ";x\r\n0\r\n\r\n",
        "5g\r\nhello\r\n0\r\n\r\n",
        "5 5 junk\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5;x=\ry\r\nhello\r\n0\r\n\r\n",
        "0\r\ntrailer: x\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
        "0\r\ntrailer: x\r\n folded: y\r\n\r\n",
        "0\r\ntrailer: \0\r\n\r\n",
    ] {
        let mut client = served.client();
        client.send_what_goes(format!(
            "POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{HIDDEN}"
        ));
        let answer = client.receive();
        assert_eq!(answer.status, 400, "{chunks:?}: {answer:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{chunks:?}");
        client.expect_end();
    }
}

#[test]
fn what_is_odd_and_clear_is_read() {
    let served = Setup::of("demo-logistic").serve();
    let body = "{\"user_id\": \"user-002\"}";
    for head in [
        "\r\nPOST /predict HTTP/1.1\r\nHOST:a\r\nCONTENT-LENGTH:   23  \r\n",
        "\r\n\r\nPOST /predict HTTP/1.1\r\nhost:\r\ncontent-length: 0023\r\n",
        "POST http://example.org/predict HTTP/1.1\r\nhost: a\r\ncontent-length: 23\r\n",
        "POST HTTPS://example.org:443/predict/demo-logistic?q=1 HTTP/1.1\r\nhost: a\r\ncontent-length: 23\r\n",
        "POST /predict HTTP/1.2\r\nhost: a\r\ncontent-length: 23\r\n",
        "POST /predict?a=b&c HTTP/1.1\r\nhost: a\r\ncontent-length: 23\r\n",
        "POST /predict HTTP/1.1\r\nhost: a\r\nx: caf\u{e9}\r\ncontent-length: 23\r\n",
    ] {
        let mut client = served.client();
        let answer = client.ask(format!("{head}\r\n{body}"));
        assert_eq!(answer.status, 200, "{head:?}: {answer:?}");
        assert!(answer.body.contains("user-002"));
        assert_eq!(client.ask(post(body)).status, 200, "{head:?}");
    }
    for (codings, chunks) in [
        ("Chunked", format!("17\r\n{body}\r\n0\r\n\r\n")),
        ("chunked", format!("000000017 ;x=\"y;z\"\r\n{body}\r\n0;z\r\nx-t: 1\r\n\r\n")),
        (" , chunked,", format!("17\r\n{body}\r\n0\r\n\r\n")),
    ] {
        let mut client = served.client();
        let head = format!("POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {codings}");
        let answer = client.ask(format!("{head}\r\n\r\n{chunks}"));
        assert_eq!(answer.status, 200, "{codings} {chunks:?}: {answer:?}");
        assert!(answer.body.contains("user-002"));
        assert_eq!(client.ask(post(body)).status, 200, "{codings} {chunks:?}");
    }
}
