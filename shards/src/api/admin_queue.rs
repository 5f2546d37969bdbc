//! The admin queue: requests that a shard cannot answer alone, as they change every shard. The
//! process answers them, and the shard goes on with others meanwhile.
//!
//! A tick hands a queued request over, and the admin reply comes back as a command.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use super::{CallContext, RepositoryCall};

/// Requests of one shard that may wait for the process at once.
const WAITING_MAX: usize = 16;

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
}

/// The place of a reply that has not come yet.
pub(crate) type AwaitedAdminReply = Rc<OnceCell<AdminReply>>;

/// The requests of one shard that wait for the process.
#[derive(Debug, Default)]
pub(crate) struct AdminQueue {
    last_number: Cell<u64>,
    waiting: RefCell<Vec<Waiting>>,
    pub(crate) outgoing: RefCell<Vec<RepositoryRequest>>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    client: u32,
    reply: AwaitedAdminReply,
}

impl AdminQueue {
    /// Queues a request; `None` when too many wait already.
    pub(super) fn push(
        &self,
        call: RepositoryCall<&str>,
        context: &CallContext<'_>,
    ) -> Option<AwaitedAdminReply> {
        let CallContext { client, credentials, body, .. } = context;
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        self.outgoing.borrow_mut().push(RepositoryRequest {
            number,
            call: call.into_owned(),
            body: body.unwrap_or_default().to_owned(),
            host: credentials.host.map(text).unwrap_or_default(),
            origin: credentials.origin.map(text),
            authorization: credentials.authorization.map(text),
        });
        let reply = AwaitedAdminReply::default();
        waiting.push(Waiting { number, client: *client, reply: Rc::clone(&reply) });
        Some(reply)
    }

    /// Takes the reply to a request; returns the client that waits for it.
    pub(crate) fn answered(&self, number: u64, reply: AdminReply) -> Option<u32> {
        let mut waiting = self.waiting.borrow_mut();
        let at = waiting.iter().position(|known| known.number == number)?;
        let known = waiting.swap_remove(at);
        // Each number is answered once: the slot is empty.
        let _ = known.reply.set(reply);
        Some(known.client)
    }
}

fn text(value: &[u8]) -> String {
    std::str::from_utf8(value).unwrap_or_default().to_owned()
}
