//! Accepts operators' connections: a thread each, up to a limit, and one request a connection.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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
/// How long to pause after an `accept` that failed, which may be for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a request is answered with.
pub(super) enum Outcome {
    /// A whole answer.
    Reply(Reply),
    /// A stream of the live page's events.
    Events,
}

/// Serves `listener` until the process ends, or another one serves in its place: then one more
/// connection may come here. `asked` is how many are being answered.
///
/// It waits in `accept` and nowhere else, which keeps a descriptor for the next connection: the
/// process can be asked how it is when it has no other left.
pub(super) fn accept(listener: &TcpListener, state: &Arc<AdminState>, asked: &Arc<AtomicUsize>) {
    let streams = Arc::new(AtomicUsize::new(0));
    while !state.shutdown.is_taken_over() {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::park_timeout(ACCEPT_PAUSE);
            continue;
        };
        let Some(place) = Place::take(asked, CONNECTIONS_MAX) else { continue };
        let (state, streams) = (Arc::clone(state), Arc::clone(&streams));
        let thread = std::thread::Builder::new().name("admin-request".to_owned());
        // Without a thread to be had the connection is closed, and the next may fare better.
        let _ = thread.spawn(move || {
            serve(stream, &state, &streams);
            drop(place);
        });
    }
}

fn serve(mut stream: TcpStream, state: &AdminState, streams: &Arc<AtomicUsize>) {
    let _ = stream.set_nodelay(true);
    if stream.set_write_timeout(Some(WRITE_PATIENCE)).is_err() {
        return;
    }
    let request = Request::read(&mut stream);
    let (outcome, head_only) = match &request {
        Ok(request) => (routes::answer(request, state), request.method == "HEAD"),
        Err(Some(status)) => (Outcome::Reply(Reply::error(*status, "not a usable request")), false),
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
    if request.is_err() {
        Request::read_what_is_left(&mut stream);
    }
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
