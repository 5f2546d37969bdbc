//! A new process takes over the listening sockets: whatever happens to either of the two meanwhile,
//! the sockets are somebody's who answers. The tests play one of the two themselves where they have
//! to choose the moment.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{Client, Launch, Over, wait_until};
use sendfd::{RecvWithFd, SendWithFd};

const BODY: &str = "{\"user_id\": \"user-001\"}";
/// What a new process says when it is ready, and what one hears whom another was quicker than.
const READY: &[u8] = b"R";
const TAKEN: &[u8] = b"T";

/// A gateway that offers its sockets at `path`, with a shard on each of the first `shards` cores.
fn launch(path: &Path, shards: usize) -> Launch {
    let cores = core_affinity::get_core_ids().expect("cores");
    let cores: Vec<_> = cores.iter().take(shards).map(|core| core.id.to_string()).collect();
    Launch::demo().with(|command| {
        command.arg("--takeover").arg(path).args(["--cores", &cores.join(","), "--log", "info"]);
    })
}

/// Asks the process at `path` for its sockets, as a new process does; the admin port's is the last.
fn ask(path: &Path) -> (UnixStream, Vec<TcpListener>) {
    let stream = UnixStream::connect(path).expect("it offers its sockets");
    let (mut count, mut descriptors) = ([0; 4], [-1 as RawFd; 8]);
    let (_, received) = stream.recv_with_fd(&mut count, &mut descriptors).unwrap();
    assert_eq!(u32::from_le_bytes(count) as usize, received);
    let owned = descriptors[..received].iter().map(|descriptor| {
        // SAFETY: the kernel has just made it for this message.
        TcpListener::from(unsafe { OwnedFd::from_raw_fd(*descriptor) })
    });
    (stream, owned.collect())
}

/// Sends the sockets to whoever asks next at `path`, as an old process does.
fn offer(asking: &UnixStream, sockets: &[&TcpListener]) {
    let descriptors: Vec<_> = sockets.iter().map(|socket| socket.as_raw_fd()).collect();
    let count = (sockets.len() as u32).to_le_bytes();
    asking.send_with_fd(&count, &descriptors).unwrap();
}

/// A serving port and an admin port.
fn ports() -> [TcpListener; 2] {
    [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
}

/// Starts a gateway and does not wait for it.
fn start(launch: Launch) -> (Child, tempfile::TempDir) {
    let (mut command, folder) = launch.into_command();
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    (quiet.spawn().unwrap(), folder)
}

/// Opens connection after connection, one request on each.
fn connect_again_and_again(address: SocketAddr, done: &AtomicBool, answered: &AtomicU64) {
    while !done.load(Ordering::Relaxed) {
        let answer = Client::connect(address).predict(BODY);
        assert_eq!(answer.status, 200, "{answer:?}");
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks on one connection, and on another when an answer says that it was the last.
fn ask_again_and_again(address: SocketAddr, done: &AtomicBool, answered: &AtomicU64) {
    let mut client = Client::connect(address);
    while !done.load(Ordering::Relaxed) {
        let answer = client.predict(BODY);
        assert_eq!(answer.status, 200, "{answer:?}");
        answered.fetch_add(1, Ordering::Relaxed);
        if answer.field("connection") == Some("close") {
            client = Client::connect(address);
        }
    }
}

fn wait_for_more(answered: &AtomicU64) {
    let enough = answered.load(Ordering::Relaxed) + 200;
    wait_until("there is load", || answered.load(Ordering::Relaxed) >= enough);
}

#[test]
fn under_load_and_with_another_number_of_shards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let mut gateway = launch(&path, 2).start();
    let address = gateway.address;
    let (done, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&done);
        for _ in 0..4 {
            scope.spawn(|| connect_again_and_again(address, &done, &answered));
            scope.spawn(|| ask_again_and_again(address, &done, &answered));
        }
        for shards in [1, 2, 1] {
            wait_for_more(&answered);
            let next = launch(&path, shards).start();
            let (status, said) = std::mem::replace(&mut gateway, next).wait();
            assert_eq!(status.code(), Some(0), "{said:#?}");
            wait_for_more(&answered);
        }
    });
}

#[test]
fn and_operators_hear_from_one_that_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let first = launch(&path, 1).start();
    let admin = first.admin;
    let done = AtomicBool::new(false);
    let second = std::thread::scope(|scope| {
        let _over = Over(&done);
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let request = "GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
                let answer = Client::connect(admin).ask(request);
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        });
        let second = launch(&path, 1).start();
        assert_eq!(first.wait().0.code(), Some(0));
        second
    });
    assert_eq!(second.admin, admin);
}

#[test]
fn when_the_old_process_is_stopped_before_the_new_one_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let gateway = launch(&path, 1).start();
    let address = gateway.address;
    let (mut stream, sockets) = ask(&path);
    assert_eq!(gateway.stop().0.code(), Some(0));
    assert!(!path.exists(), "nobody is to ask a process that has gone");
    // The sockets are as they were: the kernel begins connections, and they can be accepted.
    let mut client = TcpStream::connect(address).expect("a connection");
    client.write_all(b"?").unwrap();
    let mut asked = [0; 1];
    sockets[0].set_nonblocking(false).unwrap();
    sockets[0].accept().unwrap().0.read_exact(&mut asked).unwrap();
    let _ = stream.write_all(READY);
    assert_eq!(stream.read(&mut asked).unwrap_or(0), 0, "nobody else has them");
}

#[test]
fn when_the_old_process_has_gone_before_the_new_one_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let old = UnixListener::bind(&path).unwrap();
    let sockets = ports();
    let address = sockets[0].local_addr().unwrap();
    // It waits for an answer from its connection on, whoever will give it.
    let waiting = Client::connect(address);
    let gateway = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (asking, _) = old.accept().unwrap();
            offer(&asking, &[&sockets[0], &sockets[1]]);
        });
        launch(&path, 1).start()
    });
    drop(sockets);
    assert_eq!(gateway.address, address);
    for mut client in [waiting, gateway.client()] {
        assert_eq!(client.predict(BODY).status, 200);
    }
}

#[test]
fn when_the_new_process_is_stopped_before_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let old = UnixListener::bind(&path).unwrap();
    let sockets = ports();
    let (mut new, _folder) = start(launch(&path, 1));
    let (mut asking, _) = old.accept().unwrap();
    signal(&new, libc::SIGTERM);
    offer(&asking, &[&sockets[0], &sockets[1]]);
    let mut said = Vec::new();
    asking.read_to_end(&mut said).unwrap();
    assert_eq!(said, b"", "it must not have the old process stop");
    assert_eq!(new.wait().unwrap().code(), Some(0));
}

#[test]
fn while_somebody_has_the_sockets_who_never_gets_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let first = launch(&path, 1).start();
    let (mut holder, _sockets) = ask(&path);
    let second = launch(&path, 1).start();
    assert_eq!(first.wait().0.code(), Some(0));
    assert_eq!(second.client().predict(BODY).status, 200);
    let mut said = Vec::new();
    holder.read_to_end(&mut said).unwrap();
    assert_eq!(said, TAKEN);
}

#[test]
fn by_one_alone_of_two_who_are_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let old = UnixListener::bind(&path).unwrap();
    let sockets = ports();
    let (new, _folder) = start(launch(&path, 1));
    let (mut asking, _) = old.accept().unwrap();
    offer(&asking, &[&sockets[0], &sockets[1]]);
    asking.write_all(TAKEN).unwrap();
    drop(asking);
    let output = new.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(path.exists(), "the path is the other's");
}

fn signal(child: &Child, signal: libc::c_int) {
    let id = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: a plain system call; the child has not been waited for, so the id is its own.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
}
