//! `[admin.tls]`: operators are served as on a plain port; what does not speak TLS, or is not trusted,
//! gets nothing and holds nobody up; SIGHUP reads the certificate again.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::tls::{Authority, BOTH, Pair, Stream, config, connect};
use crate::support::{Client, Gateway, Launch, wait_until};

/// Serves with this certificate on the admin port, its files in `folder`.
fn start(folder: &std::path::Path, pair: &Pair, clients: Option<&Authority>) -> Gateway {
    write(folder, pair);
    let at = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (at("admin.pem"), at("admin.key"));
    let text = format!("[admin.tls]\ncertificate_file = \"{certificate}\"\nkey_file = \"{key}\"\n");
    let mut trusted = String::new();
    if let Some(authority) = clients {
        std::fs::write(folder.join("clients.pem"), authority.pem()).unwrap();
        trusted = format!("client_ca_file = \"{}\"\n", at("clients.pem"));
    }
    Launch::demo().config(&(text + &trusted)).start()
}

fn write(folder: &std::path::Path, pair: &Pair) {
    std::fs::write(folder.join("admin.pem"), &pair.certificate).unwrap();
    std::fs::write(folder.join("admin.key"), &pair.key).unwrap();
}

/// All that is answered to a request, until the connection ends.
fn get(mut stream: Stream, path: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn and_serves_operators_as_a_plain_one_does() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let gateway = start(folder.path(), &authority.sign("gateway.test"), None);
    let client = config(&authority, None, BOTH);
    for (path, expected) in [
        ("/readyz", "HTTP/1.1 200 "),
        ("/config", "HTTP/1.1 200 "),
        ("/metrics", "shardgate_admin_certificate_expiry_timestamp_seconds "),
        // Longer than one record.
        ("/", "</html>"),
        ("/nothing", "HTTP/1.1 404 "),
    ] {
        let answer = get(connect(gateway.admin, &client), path).expect("an answer, and its end");
        assert!(answer.contains(expected), "{path}: {answer}");
    }
    // Plain HTTP to it.
    let mut plain = TcpStream::connect(gateway.admin).unwrap();
    plain.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // The serving port is as it was.
    assert_eq!(gateway.client().predict("{\"user_id\": \"user-001\"}").status, 200);
}

#[test]
fn and_silent_clients_hold_up_nobody() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let gateway = start(folder.path(), &authority.sign("gateway.test"), None);
    let silent: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(gateway.admin).unwrap();
            let _ = stream.write_all(&[22, 3, 1, 2]);
            stream
        })
        .collect();
    let client = config(&authority, None, BOTH);
    let answer = get(connect(gateway.admin, &client), "/livez").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Each is given up, also where it goes on byte by byte.
    for mut stream in silent {
        while stream.write_all(&[0]).is_ok() {
            let mut some = [0; 64];
            if matches!(stream.read(&mut some), Ok(0) | Err(_)) {
                break;
            }
        }
    }
}

#[test]
fn and_ask_operators_for_certificates() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let gateway = start(folder.path(), &authority.sign("gateway.test"), Some(&authority));
    let own = authority.sign("operator.test");
    let strange = Authority::new().sign("operator.test");
    let asked = |own| get(connect(gateway.admin, &config(&authority, own, BOTH)), "/livez");
    assert!(asked(Some(&own)).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")));
    assert!(asked(None).is_err() && asked(Some(&strange)).is_err());
}

#[test]
fn by_a_certificate_that_is_read_again() {
    let (folder, before, after) =
        (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    let gateway = start(folder.path(), &before.sign("gateway.test"), None);
    let asked = |trusted| get(connect(gateway.admin, &config(trusted, None, BOTH)), "/livez");
    assert!(asked(&before).is_ok() && asked(&after).is_err());
    std::fs::write(folder.path().join("admin.pem"), "nothing").unwrap();
    gateway.signal(libc::SIGHUP);
    gateway.wait_for_line("the admin port's certificate was not read again");
    assert!(asked(&before).is_ok());
    write(folder.path(), &after.sign("gateway.test"));
    gateway.signal(libc::SIGHUP);
    wait_until("it is read again", || asked(&after).is_ok());
    assert!(asked(&before).is_err());
    let _ = Client::connect(gateway.admin);
}

#[test]
fn or_the_start_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("admin.key");
    let text = format!("[admin.tls]\nkey_file = \"{}\"\n", key.display());
    let (mut command, _kept) = Launch::demo().config(&text).into_command();
    let ended = crate::support::run(&mut command);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let expected = "the admin port cannot be encrypted: [admin.tls]";
    assert!(ended.stderr.contains(expected), "{ended:?}");
    assert!(ended.stderr.contains("`key_file` needs `certificate_file`"), "{ended:?}");
}
