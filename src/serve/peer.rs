//! Who is at the other end of a Unix socket, as the kernel says it.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The process at the other end, when it connected or began to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its number; 0 where it is of another PID namespace.
    pub(super) process: libc::pid_t,
    /// Its user.
    pub(super) user: libc::uid_t,
}

impl Peer {
    /// Whether it is of this process's user, or of root.
    pub(super) fn is_trusted(self) -> bool {
        self.user == own_user() || self.user == 0
    }

    /// Whether it is stopped, as SIGSTOP does; `None` where the system does not say.
    pub(super) fn is_stopped(self) -> Option<bool> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process)).ok()?;
        // Its name is in parentheses, and may hold any.
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        Some(matches!(state, 'T' | 't'))
    }
}

/// The user that this process acts for.
pub(super) fn own_user() -> libc::uid_t {
    // SAFETY: it takes nothing, and always succeeds.
    unsafe { libc::geteuid() }
}

/// The process at the other end of `socket`, a Unix socket.
pub(super) fn of(socket: &impl AsFd) -> io::Result<Peer> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` is lent; the kernel writes at most `length`
    // bytes, the size of `found`, and every bit pattern is a `ucred`.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Peer { process: found.pid, user: found.uid })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn this_process_knows_itself() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = of(&one).unwrap();
        assert_eq!(peer.process, std::process::id() as libc::pid_t);
        assert!(peer.is_trusted());
        assert_eq!(peer.is_stopped(), Some(false));
    }

    #[test]
    fn another_user_is_not_trusted_and_root_is() {
        let of = |user| Peer { process: 1, user };
        assert!(of(0).is_trusted() && of(own_user()).is_trusted());
        assert!(!of(own_user() + 1).is_trusted());
    }
}
