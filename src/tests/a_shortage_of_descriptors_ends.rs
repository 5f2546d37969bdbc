//! Out of file descriptors, the gateway goes on serving the connections that it has, and takes the
//! waiting ones as soon as it can.

use std::os::unix::process::CommandExt;

use crate::support::Launch;

const BODY: &str = "{\"user_id\": \"user-001\"}";

#[test]
fn connections_wait_for_one_to_be_free() {
    let gateway = Launch::demo().with(|command| {
        let few = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
        // SAFETY: the child calls setrlimit between fork and exec: it is async-signal-safe.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
    });
    let gateway = gateway.start();
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
