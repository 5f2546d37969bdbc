//! A request to the admin port that is no usable one is refused with its status, and the answer is not
//! lost with what is left of the request.

use std::io::{Read, Write};

use crate::support::{Client, Launch};

#[test]
fn and_the_answer_arrives_however_much_they_send() {
    let gateway = Launch::demo().start();
    let reload = "POST /reload HTTP/1.1\r\nhost: localhost\r\n";
    let much = "a".repeat((1 << 20) + 1);
    for (request, status) in [
        (format!("{reload}content-length: {}\r\n\r\n{much}", much.len()), 413),
        (format!("{reload}content-length: 99999999999999999999\r\n\r\n{much}"), 413),
        (format!("{reload}x: {much}\r\n\r\n"), 431),
        (format!("{reload}{}\r\n", "x: y\r\n".repeat(100)), 431),
        (format!("{reload}content-length: +2\r\n\r\n{{}}"), 400),
        (format!("{reload}content-length: \r\n\r\n{{}}"), 400),
        (format!("{reload}content-length: 2\r\ncontent-length: 2\r\n\r\n{{}}"), 400),
        (format!("{reload}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"), 411),
        (format!("{reload}content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{{}}"), 415),
        (format!("{reload}host: localhost\r\n\r\n"), 400),
        (format!("{reload} folded: line\r\n\r\n"), 400),
        (format!("\u{16}\u{3}\u{1}{much}"), 400),
    ] {
        let mut client = Client::connect(gateway.admin);
        let shown = &request[..request.len().min(120)];
        client.stream().write_all(request.as_bytes()).expect(shown);
        let answer = client.receive();
        assert_eq!(answer.status, status, "{shown}");
        assert_eq!(answer.field("connection"), Some("close"), "{shown}");
        assert_eq!(client.stream().read(&mut [0; 1]).expect(shown), 0, "{shown}");
    }
    assert_eq!(gateway.stop().0.code(), Some(0));
}
