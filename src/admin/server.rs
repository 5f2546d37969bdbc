//! Accepts operators' connections: a thread each, up to a limit, and one request a connection.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::AdminState;
use super::connections::{Connections, Place, Stage};
use super::reply::Reply;
use super::request::Request;
use super::stream::Stream;
use super::{live, routes};

/// How many connections may be streams of events, which last: a part of all.
const STREAMS_MAX: usize = 8;
/// How long a client may take no byte of its answer.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How long to pause after an `accept` that failed, which may be for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The response to a request.
pub(super) enum Outcome {
    /// A whole answer.
    Reply(Reply),
    /// A stream of the live page's events.
    Events,
}

/// Serves `listener` until the process ends, or another one serves in its place: then one more
/// connection may come here. `asked` is how many threads answer.
///
/// It waits in `accept` and nowhere else, which keeps a descriptor for the next connection. Probes
/// are answered even when the process has no other descriptor left.
pub(super) fn accept(listener: &TcpListener, state: &Arc<AdminState>, asked: &Arc<AtomicUsize>) {
    let connections = Arc::new(Connections::default());
    let streams = Arc::new(AtomicUsize::new(0));
    while !state.shutdown.is_taken_over() {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::park_timeout(ACCEPT_PAUSE);
            continue;
        };
        let Some(place) = connections.take(Arc::new(stream)) else { continue };
        let counted = Counted::new(asked);
        let (state, streams) = (Arc::clone(state), Arc::clone(&streams));
        let thread = std::thread::Builder::new().name("admin-request".to_owned());
        // Without a thread to be had the connection is closed, and the next may fare better.
        let _ = thread.spawn(move || {
            serve(&place, &state, &streams);
            drop((place, counted));
        });
    }
}

fn serve(place: &Place, state: &AdminState, streams: &Arc<AtomicUsize>) {
    let socket = place.stream();
    let _ = socket.set_nodelay(true);
    if socket.set_write_timeout(Some(WRITE_PATIENCE)).is_err() {
        return;
    }
    let encryption = state.tls.as_ref().map(|tls| tls.config());
    let Ok(mut stream) = Stream::new(socket, encryption) else { return };
    let stream = &mut stream;
    let request = Request::read(stream);
    place.is(Stage::Working);
    let (outcome, head_only) = match &request {
        Ok(request) => (routes::answer(request, state), request.method == "HEAD"),
        Err(Some(status)) => (Outcome::Reply(Reply::error(*status, "not a usable request")), false),
        Err(None) => return,
    };
    // A client that went away has no use for the rest of its answer.
    let _ = match outcome {
        Outcome::Reply(reply) => {
            let accepted = request.as_ref().ok().and_then(|it| it.field("accept-encoding"));
            let reply = reply.packed_for(accepted);
            place.is(Stage::Writing);
            reply.write(stream, head_only)
        }
        Outcome::Events => {
            let counted = Counted::new(streams);
            if counted.others < STREAMS_MAX {
                live::stream(stream, state)
            } else {
                place.is(Stage::Writing);
                Reply::error(503, "too many live pages are open").write(stream, false)
            }
        }
    };
    stream.end();
    if request.is_err() {
        place.is(Stage::Leaving);
        Request::read_rest(stream);
    }
}

/// One of those that are counted, until it is dropped.
struct Counted {
    count: Arc<AtomicUsize>,
    /// How many there were before it.
    others: usize,
}

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        Self { others: count.fetch_add(1, Ordering::AcqRel), count: Arc::clone(count) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}
