//! Accepts operators' connections: a thread each, up to a limit, and one request a connection.

use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
/// How long what is left of a refused request is read.
const LEFT_PATIENCE: Duration = Duration::from_secs(1);
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
    let (outcome, head_only) = match Request::read(&mut stream) {
        Ok(request) => (routes::answer(&request, state), request.method == "HEAD"),
        Err(Some(status)) => {
            let refusal = Reply::error(status, "not a usable request");
            if refusal.write(&mut stream, false).is_ok() && stream.shutdown(Shutdown::Write).is_ok()
            {
                read_what_is_left(&mut stream);
            }
            return;
        }
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

/// A socket that is closed with bytes that nobody has read resets its connection, and the client may
/// see that instead of its answer (RFC 9112 section 9.6).
fn read_what_is_left(stream: &mut TcpStream) {
    let give_up = Instant::now() + LEFT_PATIENCE;
    let mut buffer = [0; 16_384];
    loop {
        let left = give_up.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        if !stream.read(&mut buffer).is_ok_and(|count| count > 0) {
            return;
        }
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
