//! Writes rows of the feature store, on one thread for all who ask: operators and clients of any shard.
//!
//! [`requests`] reads a request and answers it, [`tables`] has the tables of an embedded store that are
//! written, [`cluster`] those of a cluster, [`entities`] says which table an entity has, [`settings`] what
//! the configuration says, and [`counters`] what was done. What comes while the disk is waited for is written by the next wait.
//!
//! What is *not* here: the log (`shards::features::embedded`).

mod cluster;
pub(crate) mod counters;
pub(crate) mod entities;
mod requests;
pub(crate) mod settings;
mod tables;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};
use shards::escape::escaped;
use shards::features::StoreSource;
use shards::http::routes::percent_decoded;
use shards::shard::{AdminReply, AdminReplyKind, FeatureCall, ShardShared, WriteRequest};

use self::cluster::ClusterTables;
use self::counters::WriteCounters;
use self::entities::Entities;
use self::settings::WriteSettings;
use self::tables::Tables;
use crate::journal::user_keys::UserKeys;
use crate::quiet;

/// How often shards' writes are looked for, and how often while there are some.
const LOOK: Duration = Duration::from_millis(10);
const BUSY_LOOK: Duration = Duration::from_millis(1);
/// How long it goes on to look often.
const BUSY: Duration = Duration::from_secs(1);
/// How often it is looked at whether logs are to be merged.
const MERGE_LOOK: Duration = Duration::from_secs(1);
/// How many bytes of requests are written at once.
const BYTES_AT_ONCE: usize = 32 << 20;
/// How long an event of a scored request is, about.
const NOTE_BYTES: u64 = 32;
/// How long an operator's request waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request to write.
#[derive(Debug)]
struct Job {
    call: FeatureCall<String>,
    body: Vec<u8>,
    json_bytes: Option<usize>,
    idempotency_key: Option<Vec<u8>>,
    answer: Answer,
}

/// Where an answer goes.
#[derive(Debug)]
enum Answer {
    /// To a thread that waits.
    Thread(SyncSender<AdminReply>),
    /// To a shard, by its index, with the request's number.
    Shard(usize, u64),
}

/// The way to the thread that writes.
#[derive(Debug, Default)]
pub(crate) struct WriteDesk {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<WriteCounters>,
}

impl WriteDesk {
    /// Starts the thread. Shards' writes are looked for where `settings` says so, and their scored
    /// requests where an aggregate counts them.
    pub(crate) fn start(
        source: &StoreSource,
        settings: WriteSettings,
        entities: Entities,
        user_keys: Option<UserKeys>,
        shards: Vec<Arc<ShardShared>>,
        cores: Vec<usize>,
    ) -> anyhow::Result<Self> {
        let counters = Arc::<WriteCounters>::default();
        let counting = Arc::clone(&counters);
        let backend = match source {
            StoreSource::Embedded(store) | StoreSource::Simulated { store, .. } => {
                let mut tables = Tables::new(store.clone(), &settings, entities, counting);
                tables.open_counted()?;
                Backend::Embedded(tables)
            }
            StoreSource::Cql { settings, addresses } => {
                let (settings, addresses) = (Arc::clone(settings), addresses.clone());
                Backend::Cluster(ClusterTables::new(settings, addresses, entities, counting))
            }
            StoreSource::RequestsAlone => {
                anyhow::ensure!(
                    !settings.on_serving_port,
                    "features.writes.on_serving_port: there is no feature store to write to"
                );
                return Ok(Self::default());
            }
        };
        let (jobs, receiver) = channel();
        let writer = Writer::new(backend, settings, user_keys, shards, Arc::clone(&counters));
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            quiet::keep_out_of_the_way(&cores);
            writer.work(&receiver);
        });
        let thread = thread.context("the thread that writes features could not be started")?;
        let (jobs, thread) = (Mutex::new(Some(jobs)), Mutex::new(Some(thread)));
        Ok(Self { jobs, thread, counters })
    }

    /// What was written.
    pub(crate) fn counters(&self) -> &WriteCounters {
        &self.counters
    }

    /// Does a request of an operator, and waits for its answer.
    pub(crate) fn ask(
        &self,
        call: FeatureCall<&str>,
        body: Vec<u8>,
        json_bytes: Option<usize>,
        idempotency_key: Option<Vec<u8>>,
    ) -> AdminReply {
        let Some(jobs) = lock(&self.jobs).clone() else {
            let message = "there is no feature store to write to: requests give every column";
            return failed(AdminReplyKind::Failed, message);
        };
        let (sender, reply) = sync_channel(1);
        let answer = Answer::Thread(sender);
        let job = Job { call: call.into_owned(), body, json_bytes, idempotency_key, answer };
        let sent = jobs.send(job).is_ok();
        let reply = sent.then(|| reply.recv_timeout(PATIENCE).ok()).flatten();
        reply.unwrap_or_else(|| {
            failed(AdminReplyKind::Unavailable, "the thread that writes features does not answer")
        })
    }

    /// Has all that came written, and ends the thread.
    pub(crate) fn finish(&self) {
        lock(&self.jobs).take();
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // A panic was reported where it happened.
            let _ = thread.join();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "threads of the process wait, never a shard")]
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is written to.
#[derive(Debug)]
enum Backend {
    Embedded(Tables),
    Cluster(ClusterTables),
}

/// The thread's own state.
struct Writer {
    settings: WriteSettings,
    /// The keys of users in the prediction log, which a removal destroys.
    user_keys: Option<UserKeys>,
    shards: Vec<Arc<ShardShared>>,
    backend: Backend,
    counters: Arc<WriteCounters>,
    busy_until: Instant,
    merge_looked: Instant,
    notes: Vec<u8>,
    /// Whether shards' scored requests are counted.
    counts_scored: bool,
}

impl Writer {
    fn new(
        backend: Backend,
        settings: WriteSettings,
        user_keys: Option<UserKeys>,
        shards: Vec<Arc<ShardShared>>,
        counters: Arc<WriteCounters>,
    ) -> Self {
        let now = Instant::now();
        let counts_scored = matches!(&backend, Backend::Embedded(tables) if tables.counts_scored());
        Self {
            settings,
            user_keys,
            shards,
            backend,
            counters,
            busy_until: now,
            merge_looked: now,
            notes: Vec::new(),
            counts_scored,
        }
    }

    fn work(mut self, jobs: &Receiver<Job>) {
        loop {
            let look = match Instant::now() < self.busy_until {
                _ if !self.settings.on_serving_port && !self.counts_scored => MERGE_LOOK,
                true => BUSY_LOOK,
                false => LOOK,
            };
            let (mut batch, mut is_last) = (Vec::new(), false);
            match jobs.recv_timeout(look) {
                Ok(job) => batch.push(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => is_last = true,
            }
            let mut bytes = 0;
            while bytes < BYTES_AT_ONCE
                && let Ok(job) = jobs.try_recv()
            {
                bytes += job.body.len();
                batch.push(job);
            }
            if self.settings.on_serving_port {
                for (index, shard) in self.shards.iter().enumerate() {
                    batch.extend(shard.take_writes().into_iter().map(|it| of_shard(index, it)));
                }
            }
            if !batch.is_empty() {
                self.busy_until = Instant::now() + BUSY;
                self.write(batch);
            }
            if self.counts_scored {
                self.count_scored();
            }
            let Backend::Embedded(tables) = &mut self.backend else {
                if is_last {
                    return;
                }
                continue;
            };
            if self.merge_looked.elapsed() >= MERGE_LOOK {
                self.merge_looked = Instant::now();
                tables.merge_where_due();
            }
            if is_last {
                let Backend::Embedded(tables) = self.backend else { return };
                return tables.finish();
            }
        }
    }

    fn write(&mut self, batch: Vec<Job>) {
        let requests: Vec<_> = batch
            .iter()
            .map(|job| requests::Request {
                call: &job.call,
                body: &job.body,
                json_bytes: job.json_bytes,
                idempotency_key: job.idempotency_key.as_deref(),
            })
            .collect();
        let replies = match &mut self.backend {
            Backend::Embedded(tables) => tables.write(&requests),
            Backend::Cluster(tables) => tables.write(&requests, &self.shards),
        };
        let mut by_shard: Vec<Vec<_>> = self.shards.iter().map(|_| Vec::new()).collect();
        for (job, mut reply) in batch.into_iter().zip(replies) {
            if let Err(error) = self.forget_user(&job.call, &reply) {
                reply = failed(AdminReplyKind::Unavailable, &format!("{error:#}: remove it again"));
            }
            match job.answer {
                // Whoever has gone does not hear it.
                Answer::Thread(sender) => drop(sender.try_send(reply)),
                Answer::Shard(index, number) => by_shard[index].push((number, reply)),
            }
        }
        for (shard, replies) in self.shards.iter().zip(by_shard) {
            if !replies.is_empty() {
                shard.reply_to_writes(replies);
            }
        }
    }
}

impl Writer {
    /// Destroys the key by which the log names a user whose row was removed.
    fn forget_user(&self, call: &FeatureCall<String>, reply: &AdminReply) -> anyhow::Result<()> {
        let (Some(keys), true) = (&self.user_keys, call.is_removal) else { return Ok(()) };
        let key = call.key.as_deref().and_then(percent_decoded);
        if let (Some(key), AdminReplyKind::Done) = (key, reply.kind) {
            keys.destroy(&key)?;
        }
        Ok(())
    }

    /// Counts the requests that shards scored since the last look.
    fn count_scored(&mut self) {
        let Backend::Embedded(tables) = &mut self.backend else { return };
        for shard in &self.shards {
            self.notes.clear();
            let lost_bytes = shard.take_scored(&mut self.notes);
            if lost_bytes > 0 {
                self.counters.lost_events.add(lost_bytes / NOTE_BYTES);
                tracing::error!(
                    lost_bytes,
                    "scored requests are not counted: the disk is too slow"
                );
            }
            if !self.notes.is_empty() {
                tables.count_scored(&self.notes);
            }
        }
    }
}

fn of_shard(index: usize, request: WriteRequest) -> Job {
    let WriteRequest { number, call, body, json_bytes, idempotency_key } = request;
    Job { call, body, json_bytes, idempotency_key, answer: Answer::Shard(index, number) }
}

/// A reply with this document.
fn reply(kind: AdminReplyKind, document: &Value) -> AdminReply {
    AdminReply { kind, body: document.to_string().into_bytes() }
}

/// A reply that says why nothing was written.
fn failed(kind: AdminReplyKind, message: &str) -> AdminReply {
    reply(kind, &json!({ "error": escaped(message) }))
}
