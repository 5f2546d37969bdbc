//! The socket of a takeover is for one user's processes alone, in both directions; it replaces nothing
//! but a socket; and a process that does not answer is named, with what to do about it.

use std::os::fd::RawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::{Ended, Launch, run, seccomp};
use sendfd::RecvWithFd;

const BODY: &str = "{\"user_id\": \"user-001\"}";
const NOBODY: libc::uid_t = 65_534;

fn launch(path: &Path) -> Launch {
    Launch::demo().with(|command| _ = command.arg("--takeover").arg(path).args(["--log", "info"]))
}

/// A start that fails.
fn refused(path: &Path) -> Ended {
    let (mut command, _folder) = launch(path).into_command();
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    ended
}

/// Whether this process may act for other users.
fn is_root() -> bool {
    // SAFETY: it takes nothing, and always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// Does something for another user, on a thread of its own.
fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: it takes numbers alone. Without the C library around it, it changes the user
            // of the calling thread and of no other.
            let outcome = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
            assert_eq!(outcome, 0);
            act()
        });
        thread.join().unwrap()
    })
}

#[test]
fn a_file_at_the_path_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    std::fs::write(&path, "mine").unwrap();
    let ended = refused(&path);
    assert!(ended.stderr.contains("found a file, expected a socket"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn the_socket_is_private_without_a_change_of_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let gateway = launch(&path)
        .with(|command| {
            // What changes a path's mode: between its being made and that, others could connect.
            let calls = [
                libc::SYS_fchmodat,
                libc::SYS_fchmodat2,
                #[cfg(target_arch = "x86_64")]
                libc::SYS_chmod,
            ];
            let denied: Vec<_> = calls.iter().map(|call| (*call, libc::EPERM)).collect();
            seccomp::deny(command, &denied);
            // SAFETY: the child calls umask between fork and exec: it is async-signal-safe.
            unsafe {
                command.pre_exec(|| {
                    libc::umask(0);
                    Ok(())
                });
            }
        })
        .start();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    assert_eq!(gateway.stop().0.code(), Some(0));
}

#[test]
fn another_user_is_sent_nothing() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let gateway = launch(&path).start();
    // As if somebody had opened the path to everybody.
    for path in [folder.path(), &path] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let (read, received) = as_nobody(|| {
        let stream = UnixStream::connect(&path).unwrap();
        let (mut count, mut descriptors) = ([0; 4], [-1 as RawFd; 8]);
        stream.recv_with_fd(&mut count, &mut descriptors).unwrap()
    });
    assert_eq!((read, received), (0, 0));
    let line = gateway.wait_for_line("a takeover by another user is refused");
    assert!(line.contains("user=65534") && line.contains("expected=0"), "{line}");
    assert_eq!(gateway.client().predict(BODY).status, 200);
}

#[test]
fn another_users_sockets_are_not_taken() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("takeover");
    let _listener = as_nobody(|| UnixListener::bind(&path).unwrap());
    let ended = refused(&path);
    let said = format!("of user {NOBODY} listens there, expected one of user 0 or of root");
    assert!(ended.stderr.contains(&said), "{ended:?}");
}

#[test]
fn a_process_that_is_stopped_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let gateway = launch(&path).start();
    gateway.signal(libc::SIGSTOP);
    let ended = refused(&path);
    gateway.signal(libc::SIGCONT);
    let process = gateway.id();
    for said in [
        format!("process {process} does not send its sockets"),
        "it is stopped".to_owned(),
        format!("`kill -CONT {process}`"),
        format!("`kill -9 {process}`"),
    ] {
        assert!(ended.stderr.contains(&said), "no `{said}`: {ended:?}");
    }
    assert_eq!(gateway.client().predict(BODY).status, 200, "it goes on where it was stopped");
}

#[test]
fn a_process_that_takes_no_connection_does_not_hold_the_next_one_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover");
    let listener = UnixListener::bind(&path).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        if socket.connect(&socket2::SockAddr::unix(&path).unwrap()).is_err() {
            break;
        }
        waiting.push(socket);
    }
    let ended = refused(&path);
    assert!(ended.stderr.contains("nobody takes the connection"), "{ended:?}");
    drop((listener, waiting));
}
