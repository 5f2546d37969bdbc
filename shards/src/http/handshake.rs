//! A connection that is not encrypted yet. It has a handle from the start, so that it is counted,
//! timed out, evicted and drained as one that has sent no request.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use super::connection::Connection;
use super::front::Front;
use super::open_connection::{Http2Connection, OpenConnection};
use crate::executor::runtime::TcpStream;
use crate::tls::{HANDSHAKE_BYTES, SESSION_BYTES, TlsServer, peer_names};

/// Why a connection is not encrypted, by the place of its word on `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandshakeFault {
    /// The client took too long, or others needed the place.
    TooSlow,
    /// The client speaks another protocol, is not trusted, or went away.
    Failed,
}

/// A connection that is not encrypted yet.
pub(super) struct Handshake {
    place: OpenConnection,
}

impl Handshake {
    /// Counts a connection that was accepted, of a client at `address` where that is counted.
    pub(super) fn new(front: Rc<Front>, socket: RawFd, address: Option<IpAddr>) -> Self {
        let mut place = OpenConnection::new(front);
        place.session_bytes = HANDSHAKE_BYTES;
        place.keeps(0);
        let OpenConnection { front, handle, .. } = &place;
        handle.socket.set(Some(socket));
        if let Some(address) = address {
            front.handles.count_address(handle, address);
        }
        let now_ms = front.coarse_ms.get();
        handle.idle_since_ms.set(now_ms);
        handle.deadline_ms.set(now_ms.saturating_add(front.limits().head_timeout_ms));
        Self { place }
    }

    /// Encrypts the connection, and serves it.
    pub(super) async fn serve(mut self, tls: TlsServer, stream: TcpStream) {
        let begun = {
            let mut begun = pin!(tls.accept(stream));
            poll_fn(|context| {
                self.place.handle.register(context.waker());
                match begun.as_mut().poll(context) {
                    Poll::Pending if self.is_over() => Poll::Ready(Err(HandshakeFault::TooSlow)),
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(begun) => {
                        Poll::Ready(begun.map_err(|_: io::Error| HandshakeFault::Failed))
                    }
                }
            })
            .await
        };
        let counters = self.place.front.counters();
        match begun {
            Err(fault) => counters.handshakes_failed[fault as usize].add(1),
            Ok(encrypted) => {
                counters.handshakes.add(1);
                let names = peer_names(&encrypted);
                if !names.all().is_empty() {
                    let _ = self.place.handle.certificate.set(names);
                }
                self.place.session_bytes = SESSION_BYTES;
                self.place.keeps(0);
                if TlsServer::has_chosen_http2(&encrypted) {
                    let serve = self.place.front.serve_http2;
                    let stream = Box::pin(encrypted);
                    serve(Http2Connection { place: self.place, stream, read: Vec::new() }).await;
                } else {
                    Connection::with_place(encrypted, self.place).serve().await;
                }
            }
        }
    }

    /// Whether its time is over, or it was told to end.
    fn is_over(&self) -> bool {
        let OpenConnection { front, handle, .. } = &self.place;
        let now_ms = front.coarse_ms.get();
        if front.context.draining.get() {
            let last_ms = now_ms.saturating_add(front.limits().drain_idle_ms);
            handle.deadline_ms.update(|due_ms| due_ms.min(last_ms));
        }
        handle.deadline_ms.get() <= now_ms
    }
}
