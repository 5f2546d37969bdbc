//! Operators' connections: so many at once and, where that is full, which one makes room.
//!
//! Anybody who reaches the port may hold connections to it, and a liveness probe has to be answered
//! all the same: else strangers have the orchestrator restart the gateway. So a new connection is
//! never turned away for one whose client only has it wait.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Connections that are served at once; probes and scrapes are a few.
pub(super) const CONNECTIONS_MAX: usize = 32;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The client, to send its request.
    Arriving,
    /// The process, to answer.
    Working,
    /// The client, to take its answer.
    Writing,
    /// The client, to end what it still sends of a request that was refused.
    Leaving,
}

impl Stage {
    /// Which connections make room first; `None` for those that never do.
    const fn turn(self) -> Option<u8> {
        match self {
            Self::Arriving | Self::Leaving => Some(0),
            Self::Writing => Some(1),
            Self::Working => None,
        }
    }
}

/// The connections that are being served.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<Vec<Open>>,
}

#[derive(Debug)]
struct Open {
    stream: Arc<TcpStream>,
    since: Instant,
    stage: Stage,
}

impl Connections {
    /// Takes a place for a connection. Where there is none, the oldest that waits for its client to
    /// send a request is ended for it, or else the oldest that waits for its client to take an
    /// answer. `None` where the process works on all of them.
    pub(super) fn take(self: &Arc<Self>, stream: Arc<TcpStream>) -> Option<Place> {
        let mut open = self.lock();
        if open.len() >= CONNECTIONS_MAX {
            let victim = victim(open.iter().map(|open| (open.stage, open.since)))?;
            // Its thread sees the end of the stream. One that has ended already has no need to.
            let _ = open.swap_remove(victim).stream.shutdown(Shutdown::Both);
        }
        let stage = Stage::Arriving;
        open.push(Open { stream: Arc::clone(&stream), since: Instant::now(), stage });
        Some(Place { connections: Arc::clone(self), stream })
    }

    #[expect(clippy::disallowed_methods, reason = "threads of the admin port, not a shard's")]
    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection that is to make room for another, by what each waits for, and since
/// when it is there.
fn victim(open: impl Iterator<Item = (Stage, Instant)>) -> Option<usize> {
    let turns = open
        .enumerate()
        .filter_map(|(place, (stage, since))| stage.turn().map(|turn| ((turn, since), place)));
    turns.min().map(|(_, place)| place)
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    stream: Arc<TcpStream>,
}

impl Place {
    /// The connection.
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Says what the connection waits for now. One that had to make room is at its end, which its
    /// next read or write tells.
    pub(super) fn is(&self, stage: Stage) {
        let mut open = self.connections.lock();
        if let Some(own) = open.iter_mut().find(|open| Arc::ptr_eq(&open.stream, &self.stream)) {
            own.stage = stage;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().retain(|open| !Arc::ptr_eq(&open.stream, &self.stream));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Stage, victim};

    #[test]
    fn the_oldest_makes_room_whose_client_is_waited_for() {
        use Stage::{Arriving, Leaving, Working, Writing};
        let start = Instant::now();
        let found = |open: &[(Stage, u64)]| {
            victim(open.iter().map(|(stage, ms)| (*stage, start + Duration::from_millis(*ms))))
        };
        assert_eq!(found(&[(Arriving, 2), (Arriving, 1), (Arriving, 3)]), Some(1));
        assert_eq!(found(&[(Working, 1), (Writing, 2), (Arriving, 9), (Leaving, 8)]), Some(3));
        assert_eq!(found(&[(Working, 1), (Writing, 5), (Writing, 2)]), Some(2));
        assert_eq!(found(&[(Working, 1), (Working, 2)]), None);
    }
}
