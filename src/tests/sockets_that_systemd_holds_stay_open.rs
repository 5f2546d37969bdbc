//! Sockets that were passed by `LISTEN_FDS` are held by whoever passed them, too: a stop lets go of
//! them and closes them to nobody, and the next process answers whoever came in between.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::support::{Client, Launch, post};
use socket2::{Domain, Socket, Type};

const BODY: &str = "{\"user_id\": \"user-001\"}";

/// So many sockets on one address, as systemd makes them with `ReusePort=yes`.
fn sockets(count: usize) -> Vec<TcpListener> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    for _ in 0..count {
        let address = match sockets.first() {
            Some(first) => first.local_addr().unwrap(),
            None => "127.0.0.1:0".parse().unwrap(),
        };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(128).unwrap();
        // SAFETY: a plain system call; the descriptor that it makes is nobody else's. It is one that
        // a started process has too, at a number that none of those has to which it is copied.
        let passed = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD, 100) };
        assert!(passed >= 100);
        // SAFETY: as above.
        sockets.push(unsafe { OwnedFd::from_raw_fd(passed) }.into());
    }
    sockets
}

/// A gateway with a shard on each of two cores, or on the one that there is, that is passed
/// `sockets`.
fn launch(sockets: &[TcpListener]) -> Launch {
    let cores = core_affinity::get_core_ids().expect("cores");
    let cores: Vec<_> = cores.iter().take(2).map(|core| core.id.to_string()).collect();
    let numbered = (3..).zip(sockets);
    let passed: Vec<_> =
        numbered.map(|(number, socket)| format!("{number}<&{}", socket.as_raw_fd())).collect();
    let (passed, count) = (passed.join(" "), sockets.len());
    Launch::demo()
        .with(|command| _ = command.args(["--cores", &cores.join(","), "--log", "info"]))
        .through_a_shell(&format!("LISTEN_PID=$$ LISTEN_FDS={count} exec \"$0\" \"$@\" {passed}"))
}

#[test]
fn from_one_process_to_the_next() {
    // As many as shards, fewer, and more.
    for count in [2, 1, 3] {
        let sockets = sockets(count);
        let address = sockets[0].local_addr().unwrap();
        for _ in 0..2 {
            let gateway = launch(&sockets).start();
            assert_eq!(gateway.address, address);
            for _ in 0..8 {
                assert_eq!(gateway.client().predict(BODY).status, 200);
            }
            assert_eq!(gateway.stop().0.code(), Some(0));
        }
        let mut waiting: Vec<_> = (0..8).map(|_| Client::connect(address)).collect();
        for client in &mut waiting {
            client.send(post(BODY));
        }
        let _gateway = launch(&sockets).start();
        for mut client in waiting {
            assert_eq!(client.receive().status, 200);
        }
    }
}
