//! All that crosses between a shard's thread and the process: counters, histograms, commands, stop.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{AdminReply, RepositoryRequest, WriteRequest};
use crate::batch::PreparedModel;
use crate::crossing::Crossing;
use crate::features::inputs::InputColumn;
use crate::features::schema::Schema;
use crate::journal::JournalSlot;
use crate::keys::KeyFile;
use crate::spans::SpanSlot;
use crate::telemetry::ShardTelemetry;
use crate::tls::TlsIdentity;

/// The part of a shard that the process reads, and by which it commands the shard.
#[derive(Debug, Default)]
pub struct ShardShared {
    /// Counters and histograms.
    pub telemetry: Arc<ShardTelemetry>,
    /// Where it leaves what it wrote down.
    pub journal: JournalSlot,
    /// Where it leaves the spans of requests.
    pub spans: SpanSlot,
    mailbox: Mailbox,
    /// The shard's requests to the process.
    requests: Crossing<Vec<RepositoryRequest>>,
    /// Those that write features, and the replies to them by their numbers.
    writes: Crossing<Vec<WriteRequest>>,
    written: Crossing<Vec<(u64, AdminReply)>>,
    /// What it noted of rows that it scored, and how much of that was lost.
    scored: Crossing<Scored>,
    /// The columns that the shard's store has.
    schema: Crossing<Option<Schema>>,
    /// How often it has opened tables that it was told to.
    tables_read: AtomicU64,
    /// The columns of its first model.
    columns: Crossing<Vec<InputColumn>>,
}

/// What a shard noted of rows that it scored.
#[derive(Debug, Default)]
struct Scored {
    notes: Vec<u8>,
    lost_bytes: u64,
}

/// The most that waits for the process, in bytes.
const SCORED_BYTES_MAX: usize = 8 << 20;

/// A command to a shard that serves.
#[derive(Debug)]
pub enum Command {
    /// Serve this model from now on; one of the same name drains and goes.
    Install(Box<PreparedModel>),
    /// Serve the model of this name no more.
    Remove(String),
    /// Open these tables of the store, for models to come: [`ShardShared::tables_read`] counts one
    /// more when that is done, and [`ShardShared::schema`] has them then.
    ReadTables(Vec<String>),
    /// Let requests in by these keys from now on.
    TakeKeys(KeyFile),
    /// Encrypt connections by this from now on; those that are open stay as they are.
    Encrypt(Box<TlsIdentity>),
    /// Rows of these keys were written: forget what is known of them.
    Forget {
        /// The table; the store's own for none.
        table: Option<String>,
        /// The keys.
        keys: Vec<Vec<u8>>,
    },
    /// The reply to a request that the shard handed over.
    Reply {
        /// [`RepositoryRequest::number`].
        number: u64,
        /// The reply.
        reply: AdminReply,
    },
}

/// Commands on their way to a shard. The shard looks at one number each tick, and takes the lock
/// only when that has changed.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Mailbox {
    sent: AtomicU64,
    done: AtomicU64,
    commands: Crossing<Vec<Command>>,
}

impl ShardShared {
    /// Tells the shard something; returns the number that [`ShardShared::done`] reaches with it.
    pub fn send(&self, command: Command) -> u64 {
        let mut commands = self.mailbox.commands.lock();
        commands.push(command);
        self.mailbox.sent.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The columns that the shard's store had when the shard looked last; `None` before it was
    /// opened, and where no plan can be bound to them.
    pub fn schema(&self) -> Option<Schema> {
        self.schema.lock().clone()
    }

    /// Says which columns the store has. For the shard, once for each change.
    pub(super) fn set_schema(&self, schema: Option<Rc<Schema>>) {
        let schema = schema.map(|schema| Schema::clone(&schema));
        *self.schema.lock() = schema;
    }

    /// How often the shard has opened tables that it was told to.
    pub fn tables_read(&self) -> u64 {
        self.tables_read.load(Ordering::Acquire)
    }

    /// Says that tables were opened. For the shard.
    pub(super) fn count_tables_read(&self) {
        self.tables_read.fetch_add(1, Ordering::AcqRel);
    }

    /// The columns of the model that the shard served first, by `model.toml` or as requests are asked
    /// for them; empty where they are the store's, and before it was opened.
    pub fn columns(&self) -> Vec<InputColumn> {
        self.columns.lock().clone()
    }

    /// Says which columns its first model has.
    pub(super) fn set_columns(&self, columns: &[InputColumn]) {
        *self.columns.lock() = columns.to_vec();
    }

    /// How many commands the shard has carried out.
    pub fn done(&self) -> u64 {
        self.mailbox.done.load(Ordering::Acquire)
    }

    /// The requests that the shard has handed over since the last call.
    pub fn take_requests(&self) -> Vec<RepositoryRequest> {
        std::mem::take(&mut *self.requests.lock())
    }

    /// Hands requests over to the process. For the shard.
    pub(super) fn hand_in(&self, outgoing: &mut Vec<RepositoryRequest>) {
        // Where the process is just taking some, the next tick is early enough.
        if !outgoing.is_empty()
            && let Some(mut requests) = self.requests.try_lock()
        {
            requests.append(outgoing);
        }
    }

    /// The writes that the shard has handed over since the last call.
    pub fn take_writes(&self) -> Vec<WriteRequest> {
        std::mem::take(&mut *self.writes.lock())
    }

    /// Replies to writes, each by its number.
    pub fn reply_to_writes(&self, mut replies: Vec<(u64, AdminReply)>) {
        self.written.lock().append(&mut replies);
    }

    /// Hands writes over to the process, and takes the replies that have come. For the shard.
    pub(super) fn exchange_writes(
        &self,
        outgoing: &mut Vec<WriteRequest>,
        mut take: impl FnMut(u64, AdminReply),
    ) {
        // Where the process has them just now, the next exchange is early enough.
        if !outgoing.is_empty()
            && let Some(mut writes) = self.writes.try_lock()
        {
            writes.append(outgoing);
        }
        let replies = self.written.try_lock().map(|mut replies| std::mem::take(&mut *replies));
        replies.into_iter().flatten().for_each(|(number, reply)| take(number, reply));
    }

    /// What the shard noted of rows that it scored since the last call ([`scored_events`] reads it), taken
    /// in exchange for `notes`, which are empty; and how many bytes were lost as nobody took them.
    ///
    /// [`scored_events`]: crate::features::aggregates::scored_events
    pub fn take_scored(&self, notes: &mut Vec<u8>) -> u64 {
        let mut scored = self.scored.lock();
        std::mem::swap(&mut scored.notes, notes);
        std::mem::take(&mut scored.lost_bytes)
    }

    /// Hands over what was noted. For the shard.
    pub(super) fn hand_over_scored(&self, notes: &mut Vec<u8>) {
        // Where the process is just taking some, the next tick is early enough.
        if notes.is_empty() {
            return;
        }
        let Some(mut scored) = self.scored.try_lock() else { return };
        if scored.notes.is_empty() {
            std::mem::swap(&mut scored.notes, notes);
        } else if scored.notes.len() + notes.len() <= SCORED_BYTES_MAX {
            scored.notes.extend_from_slice(notes);
        } else {
            scored.lost_bytes += notes.len() as u64;
        }
        notes.clear();
    }

    /// Carries out what was sent since the last call. For the shard.
    pub(super) fn receive(&self, mut carry_out: impl FnMut(Command)) {
        let done = self.mailbox.done.load(Ordering::Relaxed);
        if self.mailbox.sent.load(Ordering::Acquire) == done {
            return;
        }
        // Where the process is just sending, the next tick is early enough.
        let Some(mut commands) = self.mailbox.commands.try_lock() else { return };
        let received = std::mem::take(&mut *commands);
        drop(commands);
        let count = received.len() as u64;
        received.into_iter().for_each(&mut carry_out);
        self.mailbox.done.store(done + count, Ordering::Release);
    }
}

/// The process's word that every shard is to stop.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(Arc<Words>);

#[derive(Debug, Default)]
struct Words {
    begun: AtomicBool,
    taken_over: AtomicBool,
    leaves_listeners: AtomicBool,
}

impl Shutdown {
    /// Tells every shard to stop. Nothing will listen on its address any more, if not for
    /// [`Shutdown::leave_listeners`].
    pub fn begin(&self) {
        self.0.begun.store(true, Ordering::Release);
    }

    /// Tells every shard to stop because another process accepts from the same sockets by now.
    pub fn begin_taken_over(&self) {
        self.0.taken_over.store(true, Ordering::Relaxed);
        self.leave_listeners();
        self.begin();
    }

    /// Has a stop only let go of the listeners, as another process holds them too: one that takes
    /// over, or the one that made them. Call it before the stop.
    pub fn leave_listeners(&self) {
        self.0.leaves_listeners.store(true, Ordering::Relaxed);
    }

    /// Whether the word was given.
    pub fn is_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Whether another process serves in this one's place.
    pub fn is_taken_over(&self) -> bool {
        self.0.taken_over.load(Ordering::Relaxed)
    }

    /// Whether a stop only lets go of the listeners.
    pub fn leaves_listeners(&self) -> bool {
        self.0.leaves_listeners.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mailbox, ShardShared};

    #[test]
    fn shards_never_share_a_cache_line() {
        assert_eq!((size_of::<Mailbox>() % 128, align_of::<Mailbox>() % 128), (0, 0));
        assert_eq!((size_of::<ShardShared>() % 128, align_of::<ShardShared>() % 128), (0, 0));
    }
}
