//! A supervisor that names a socket (`NOTIFY_SOCKET`) hears when the gateway serves, that it is alive,
//! and when it stops, in this order.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::support::patience::PATIENCE;
use crate::support::{Gateway, Launch};

const BODY: &str = "{\"user_id\": \"user-001\"}";

/// What a supervisor hears next.
fn heard(socket: &UnixDatagram) -> String {
    let mut words = [0; 4_096];
    let length = socket.recv(&mut words).expect("a word in time");
    String::from_utf8(words[..length].to_vec()).unwrap()
}

/// A gateway that is to tell `place` how it is, four times a second.
fn supervised(place: &str) -> Launch {
    Launch::demo().with(|command| {
        command.env("NOTIFY_SOCKET", place).env("WATCHDOG_USEC", "1000000");
    })
}

/// Hears one from its start to its stop.
fn hear(socket: &UnixDatagram, gateway: Gateway) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let first = heard(socket);
    let status = format!("STATUS=serves demo-logistic on http://{}", gateway.address);
    assert_eq!(first, format!("READY=1\n{status}"));
    for _ in 0..3 {
        assert_eq!(heard(socket), "WATCHDOG=1");
    }
    assert_eq!(gateway.client().predict(BODY).status, 200);
    assert_eq!(gateway.stop().0.code(), Some(0));
    let last = loop {
        match heard(socket) {
            words if words == "WATCHDOG=1" => {}
            words => break words,
        }
    };
    assert!(last.starts_with("STOPPING=1\n"), "{last}");
}

#[test]
fn at_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    hear(&socket, supervised(path.to_str().unwrap()).start());
}

#[test]
fn at_an_abstract_name() {
    let name = format!("shardgate-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    hear(&socket, supervised(&format!("@{name}")).start());
}

#[test]
fn one_that_is_not_there_is_done_without() {
    let gateway = supervised("/nowhere/notify").start();
    gateway.wait_for_line("the supervisor did not hear");
    assert_eq!(gateway.client().predict(BODY).status, 200);
    assert_eq!(gateway.stop().0.code(), Some(0));
}
