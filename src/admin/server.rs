//! Accepts operators' connections: a thread each, up to a limit, and one request a connection.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::AdminState;
use super::reply::Reply;
use super::request::Request;
use super::{live, routes};

/// Connections that are served at once; probes and scrapes are a few.
const CONNECTIONS_MAX: usize = 32;
/// How many of them may be streams of events, which last.
const STREAMS_MAX: usize = 8;
/// How long a client may take no byte of its answer.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How often to look whether another process serves.
const TAKEN_OVER_LOOK: Duration = Duration::from_millis(50);
/// How long to wait for the last answers then, and how often to look.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
const ANSWERED_LOOK: Duration = Duration::from_millis(1);
/// How long to pause after an `accept` that failed, which may be for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a request is answered with.
pub(super) enum Outcome {
    /// A whole answer.
    Reply(Reply),
    /// A stream of the live page's events.
    Events,
}

/// Serves `listener` until the process ends, or another one serves in its place and what was asked
/// here has been answered.
pub(super) fn accept(listener: &TcpListener, state: &Arc<AdminState>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let streams = Arc::new(AtomicUsize::new(0));
    // So long does an `accept` wait, too. Without it the other process shares the port's questions
    // until this one ends.
    let _ = SockRef::from(listener).set_read_timeout(Some(TAKEN_OVER_LOOK));
    while !state.shutdown.is_taken_over() {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => {
                std::thread::park_timeout(ACCEPT_PAUSE);
                continue;
            }
        };
        let Some(place) = Place::take(&connections, CONNECTIONS_MAX) else { continue };
        let (state, streams) = (Arc::clone(state), Arc::clone(&streams));
        let thread = std::thread::Builder::new().name("admin-request".to_owned());
        // Without a thread to be had the connection is closed, and the next may fare better.
        let _ = thread.spawn(move || {
            serve(stream, &state, &streams);
            drop(place);
        });
    }
    let give_up = Instant::now() + ANSWER_PATIENCE;
    let asked = || connections.load(Ordering::Acquire) > streams.load(Ordering::Acquire);
    while asked() && Instant::now() < give_up {
        std::thread::park_timeout(ANSWERED_LOOK);
    }
}

fn serve(mut stream: TcpStream, state: &AdminState, streams: &Arc<AtomicUsize>) {
    let _ = stream.set_nodelay(true);
    if stream.set_write_timeout(Some(WRITE_PATIENCE)).is_err() {
        return;
    }
    let (outcome, head_only) = match Request::read(&mut stream) {
        Ok(request) => (routes::answer(&request, state), request.method == "HEAD"),
        Err(Some(status)) => (Outcome::Reply(Reply::error(status, "not a usable request")), false),
        Err(None) => return,
    };
    // A client that went away has no use for the rest of its answer.
    let _ = match outcome {
        Outcome::Reply(reply) => reply.write(&mut stream, head_only),
        Outcome::Events => match Place::take(streams, STREAMS_MAX) {
            Some(_place) => live::stream(&mut stream, state),
            None => Reply::error(503, "too many live pages are open").write(&mut stream, false),
        },
    };
    let _ = stream.shutdown(Shutdown::Write);
}

/// One of a limited number of places; given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(Arc::clone(taken));
        (taken.fetch_add(1, Ordering::AcqRel) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
