//! Queues of requests that a shard cannot answer alone: about models, as these change every shard, and
//! about rows of the feature store, as one thread writes them. The process answers, and the shard goes on
//! with others meanwhile.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::{CallContext, RepositoryCall};
use crate::batch::Notify;

/// A request about the model repository that came to a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRequest {
    /// The number that its reply comes back with.
    pub number: u64,
    /// The call.
    pub call: RepositoryCall<String>,
    /// Its body.
    pub body: Vec<u8>,
    /// `Host`, empty where it is missing or not UTF-8.
    pub host: String,
    /// `Origin`; empty where it is not UTF-8, or there twice.
    pub origin: Option<String>,
    /// `Authorization`; empty where it is not UTF-8, or there twice.
    pub authorization: Option<String>,
}

/// The process's reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminReply {
    /// Whether the request was done.
    pub kind: AdminReplyKind,
    /// The document, JSON.
    pub body: Vec<u8>,
}

/// Whether the process has done a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminReplyKind {
    /// It was done.
    Done,
    /// It cannot be done, whatever the cause.
    Failed,
    /// Its sender has to authenticate.
    Unauthenticated,
    /// It is not for its sender.
    Forbidden,
    /// There is nothing that it could be about.
    NotFound,
    /// It contradicts another one.
    Conflict,
    /// It cannot be done now, and may be later.
    Unavailable,
}

/// The place of a reply that has not come yet.
pub(crate) type AwaitedAdminReply = Rc<OnceCell<AdminReply>>;

/// The requests of one kind of one shard that wait for the process.
#[derive(Debug)]
pub(crate) struct ProcessQueue<R> {
    waiting_max: usize,
    last_number: Cell<u64>,
    waiting: RefCell<VecDeque<Waiting>>,
    pub(crate) outgoing: RefCell<Vec<R>>,
    /// Opened when there is a request to hand over.
    pub(crate) filled: Notify,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    client: u32,
    reply: AwaitedAdminReply,
}

impl<R> ProcessQueue<R> {
    /// A queue in which so many requests may wait at a time.
    pub(super) fn new(waiting_max: usize) -> Self {
        Self {
            waiting_max,
            last_number: Cell::new(0),
            waiting: RefCell::default(),
            outgoing: RefCell::default(),
            filled: Notify::default(),
        }
    }

    /// Whether a request waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Queues a request that has the number which `make` is given; `None` when too many wait already.
    pub(super) fn push(
        &self,
        client: u32,
        make: impl FnOnce(u64) -> R,
    ) -> Option<AwaitedAdminReply> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.waiting_max {
            return None;
        }
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        self.outgoing.borrow_mut().push(make(number));
        let reply = AwaitedAdminReply::default();
        waiting.push_back(Waiting { number, client, reply: Rc::clone(&reply) });
        self.filled.notify();
        Some(reply)
    }

    /// Takes the reply to a request; returns the client that waits for it.
    pub(crate) fn answered(&self, number: u64, reply: AdminReply) -> Option<u32> {
        let mut waiting = self.waiting.borrow_mut();
        // Most are answered in their order.
        let at = waiting.iter().position(|known| known.number == number)?;
        let known = waiting.remove(at)?;
        // Each number is answered once: the slot is empty.
        let _ = known.reply.set(reply);
        Some(known.client)
    }
}

impl RepositoryRequest {
    /// A request of this call.
    pub(super) fn of(number: u64, call: RepositoryCall<&str>, context: &CallContext<'_>) -> Self {
        let CallContext { credentials, body, .. } = context;
        Self {
            number,
            call: call.into_owned(),
            body: body.unwrap_or_default().to_owned(),
            host: credentials.host.map(text).unwrap_or_default(),
            origin: credentials.origin.map(text),
            authorization: credentials.authorization.map(text),
        }
    }
}
fn text(value: &[u8]) -> String {
    std::str::from_utf8(value).unwrap_or_default().to_owned()
}
