//! Out of file descriptors, the gateway goes on serving the connections that it has, takes the
//! waiting ones as soon as it can, and answers its operators all the while.

use std::os::unix::process::CommandExt;

use crate::support::{Client, Launch, wait_until};

const BODY: &str = "{\"user_id\": \"user-001\"}";

/// How many descriptors the gateway may have, and how many of them connections leave to others.
const LIMIT: u64 = 64;
const RESERVE: usize = 8;

/// A gateway that may have so few descriptors.
fn launch() -> Launch {
    Launch::demo().with(|command| {
        let few = libc::rlimit { rlim_cur: LIMIT, rlim_max: LIMIT };
        // SAFETY: the child calls setrlimit between fork and exec: it is async-signal-safe.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
    })
}

#[test]
fn connections_wait_for_one_to_be_free() {
    let gateway = launch().start();
    // More than it has descriptors for; the rest wait in the kernel's queue.
    let mut clients: Vec<_> = (0..100).map(|_| gateway.client()).collect();
    assert_eq!(clients[0].predict(BODY).status, 200);
    for client in &mut clients {
        client.send(crate::support::post(BODY));
    }
    for _ in 0..20 {
        assert_eq!(clients[0].receive().status, 200);
        clients[0].send(crate::support::post(BODY));
    }
    // Each that goes makes room for one that waits.
    for mut client in clients {
        assert_eq!(client.receive().status, 200);
    }
    assert_eq!(gateway.client().predict(BODY).status, 200);
    assert_eq!(gateway.stop().0.code(), Some(0));
}

#[test]
fn probes_are_answered_meanwhile() {
    let gateway = launch().start();
    let held: Vec<_> = (0..200).map(|_| gateway.client()).collect();
    for path in ["/livez", "/readyz", "/metrics"].into_iter().cycle().take(30) {
        let mut probe = Client::connect(gateway.admin);
        let answer = probe.ask(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        // Those of the last probes may not be closed yet.
        wait_until("some descriptors are left", || {
            let open = std::fs::read_dir(format!("/proc/{}/fd", gateway.id())).unwrap().count();
            open <= LIMIT as usize - RESERVE / 2
        });
    }
    drop(held);
    assert_eq!(gateway.client().predict(BODY).status, 200);
}

#[test]
fn silent_connections_make_room_for_those_that_wait() {
    let patient = "[http]\nidle_timeout_ms = 3600000\nhead_timeout_ms = 200\n";
    let gateway = launch().config(patient).start();
    let held: Vec<_> = (0..200).map(|_| gateway.client()).collect();
    // It waits behind all of them.
    let mut last = gateway.client();
    assert_eq!(last.predict(BODY).status, 200);
    drop(held);
    wait_until("they are gone", || {
        let mut probe = Client::connect(gateway.admin);
        let text = probe.ask("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").body;
        text.lines().any(|line| line == "shardgate_connections{shard=\"0\"} 1")
    });
}
