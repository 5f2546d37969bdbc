//! Requests that a shard cannot answer alone: they change what every shard serves, so the process
//! answers them, and the shard goes on with others meanwhile.
//!
//! A request lies on the shard's desk until a tick hands it over, and its answer comes back as a
//! command.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use super::{CallContext, RepositoryCall};

/// Requests of one shard that may wait for the process at once.
const WAITING_MAX: usize = 16;

/// A request about the model repository that came to a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRequest {
    /// What its answer is sent back with.
    pub number: u64,
    /// What it asks.
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

/// What the process answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessReply {
    /// What came of the request.
    pub kind: ReplyKind,
    /// The document, JSON.
    pub body: Vec<u8>,
}

/// What came of a request that the process answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// It was done.
    Done,
    /// It cannot be done, whoever is to blame.
    Failed,
    /// Its sender has to say who it is.
    Unauthenticated,
    /// It is not for its sender.
    Forbidden,
}

/// Where an answer of the process will be.
pub(crate) type AwaitedReply = Rc<OnceCell<ProcessReply>>;

/// The requests of one shard that wait for the process.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    last_number: Cell<u64>,
    waiting: RefCell<Vec<Waiting>>,
    pub(crate) outgoing: RefCell<Vec<RepositoryRequest>>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    client: u32,
    reply: AwaitedReply,
}

impl Desk {
    /// Puts a request there; `None` when too many wait already.
    pub(super) fn put(
        &self,
        call: RepositoryCall<&str>,
        context: &CallContext<'_>,
    ) -> Option<AwaitedReply> {
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
        let reply = AwaitedReply::default();
        waiting.push(Waiting { number, client: *client, reply: Rc::clone(&reply) });
        Some(reply)
    }

    /// Takes the answer to a request; returns the client that waits for it.
    pub(crate) fn answered(&self, number: u64, reply: ProcessReply) -> Option<u32> {
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
