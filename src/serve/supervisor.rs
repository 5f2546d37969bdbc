//! Tells a supervisor that the gateway serves, is alive and stops, by the datagrams of `sd_notify`(3).
//!
//! Systemd names its socket by `NOTIFY_SOCKET`, and by `WATCHDOG_USEC` how long it waits for a sign
//! of life. Without `NOTIFY_SOCKET` nothing is said. A process all of whose shards run says that it is
//! alive; one with a shard that stands still does not, so that it is ended and begun anew.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// How long a datagram may wait for its place in the supervisor's queue.
const SEND_MAX: Duration = Duration::from_millis(200);

/// Who started the process and waits for word of it; nobody, where none is named.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    listener: Option<Listener>,
    /// What to say how often.
    signs: Option<Signs>,
    is_told_of_failure: Cell<bool>,
}

#[derive(Debug)]
struct Listener {
    socket: UnixDatagram,
    address: SocketAddr,
}

/// When the next sign of life is due.
#[derive(Debug)]
struct Signs {
    /// How long the supervisor waits.
    patience: Duration,
    last: Cell<Instant>,
}

impl Supervisor {
    /// The one that the environment names.
    pub(super) fn of_environment() -> Self {
        let Some(named) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let listener = match Listener::at(&named) {
            Ok(listener) => listener,
            Err(error) => {
                let place = named.to_string_lossy();
                tracing::warn!(%error, %place, "NOTIFY_SOCKET: the supervisor hears nothing");
                return Self::default();
            }
        };
        let text = |name| std::env::var(name).ok();
        let (limit_us, process) = (text("WATCHDOG_USEC"), text("WATCHDOG_PID"));
        let patience = patience(limit_us.as_deref(), process.as_deref(), std::process::id());
        let signs = patience.map(|patience| Signs { patience, last: Instant::now().into() });
        Self { listener: Some(listener), signs, is_told_of_failure: Cell::default() }
    }

    /// Requests are answered from now on; `status` is shown to operators.
    pub(super) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// Nothing is accepted any more.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=accepted requests are answered");
    }

    /// To be called often: says that the process is alive whenever that is due, unless a shard has stood
    /// still for `still`, too long.
    pub(super) fn alive(&self, still: Duration) {
        let Some(signs) = &self.signs else { return };
        if signs.are_due(signs.last.get().elapsed(), still) {
            signs.last.set(Instant::now());
            self.say("WATCHDOG=1");
        }
    }

    /// The gateway serves all the same where nobody hears.
    fn say(&self, words: &str) {
        let Some(Listener { socket, address }) = &self.listener else { return };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), address)
            && !self.is_told_of_failure.replace(true)
        {
            tracing::warn!(%error, words, "NOTIFY_SOCKET: the supervisor did not hear");
        }
    }
}

impl Listener {
    /// At a path, or at a name of the abstract name space, which begins with `@`.
    fn at(named: &OsStr) -> io::Result<Self> {
        let address = match named.as_bytes().split_first() {
            Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
            Some((b'/', _)) => SocketAddr::from_pathname(named)?,
            _ => return Err(io::Error::other("expected a path that begins with / or @")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_MAX))?;
        Ok(Self { socket, address })
    }
}

impl Signs {
    /// Four signs in the time that the supervisor waits; none while a shard has stood still for half of
    /// it, which is not a moment's delay any more.
    fn are_due(&self, since_last: Duration, still: Duration) -> bool {
        since_last >= self.patience / 4 && still < self.patience / 2
    }
}

/// How long the supervisor waits for a sign of life of the process `own`: not at all where it says
/// nothing of it, or means another process.
fn patience(limit_us: Option<&str>, process: Option<&str>, own: u32) -> Option<Duration> {
    if process.is_some_and(|process| process.parse() != Ok(own)) {
        return None;
    }
    let limit = Duration::from_micros(limit_us?.parse().ok()?);
    (!limit.is_zero()).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(limit: &str, process: Option<&str>) -> Option<Duration> {
        patience(Some(limit), process, 7)
    }

    #[test]
    fn signs_are_for_the_process_that_is_meant() {
        assert_eq!(asked("4000000", Some("7")), Some(Duration::from_secs(4)));
        assert_eq!(asked("4000000", None), Some(Duration::from_secs(4)));
        assert_eq!(asked("4000000", Some("8")), None);
        assert_eq!(asked("0", None), None);
        assert_eq!(asked("soon", None), None);
        assert_eq!(patience(None, Some("7"), 7), None);
    }

    #[test]
    fn a_shard_that_stands_still_leaves_the_process_without_signs() {
        let signs = Signs { patience: Duration::from_secs(4), last: Instant::now().into() };
        let second = Duration::from_secs(1);
        assert!(signs.are_due(second, Duration::ZERO));
        assert!(!signs.are_due(second / 2, Duration::ZERO));
        assert!(signs.are_due(second, second));
        assert!(!signs.are_due(second, 2 * second));
    }

    #[test]
    fn a_supervisor_is_at_a_path_or_an_abstract_name() {
        assert!(Listener::at(OsStr::new("/run/systemd/notify")).is_ok());
        assert!(Listener::at(OsStr::new("@shardgate")).is_ok());
        for place in ["", "notify", "vsock:2:1234"] {
            let refused = Listener::at(OsStr::new(place)).expect_err(place).to_string();
            assert!(refused.starts_with("expected a path"), "{refused}");
        }
    }
}
