//! Writes rows of the feature store, on one thread for all who ask: operators and clients of any shard.
//!
//! [`tables`] has the tables that are written, and [`settings`] what the configuration says. What comes
//! while the disk is waited for is written by the next wait.
//!
//! What is *not* here: the log (`shards::features::embedded`).

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
use shards::features::embedded::EmbeddedStore;
use shards::shard::{AdminReply, AdminReplyKind, FeatureCall, ShardShared, WriteRequest};

use self::settings::WriteSettings;
use self::tables::Tables;
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
/// How long an operator's request waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request to write.
#[derive(Debug)]
struct Job {
    call: FeatureCall<String>,
    body: Vec<u8>,
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
}

impl WriteDesk {
    /// Starts the thread. Shards' writes are looked for where `settings` says so.
    pub(crate) fn start(
        source: &StoreSource,
        settings: WriteSettings,
        shards: Vec<Arc<ShardShared>>,
        cores: Vec<usize>,
    ) -> anyhow::Result<Self> {
        let store = match source {
            StoreSource::Embedded(store) => Some(store.clone()),
            StoreSource::Cql { .. } | StoreSource::RequestsAlone => None,
        };
        let Some(store) = store else {
            anyhow::ensure!(
                !settings.on_serving_port,
                "features.writes.on_serving_port: only rows of an embedded store are written; write to a \
                 cluster by CQL"
            );
            return Ok(Self::default());
        };
        let (jobs, receiver) = channel();
        let writer = Writer::new(store, settings, shards);
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            quiet::keep_out_of_the_way(&cores);
            writer.work(&receiver);
        });
        let thread = thread.context("the thread that writes features could not be started")?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    /// Does a request of an operator, and waits for its answer.
    pub(crate) fn ask(
        &self,
        call: FeatureCall<&str>,
        body: Vec<u8>,
        idempotency_key: Option<Vec<u8>>,
    ) -> AdminReply {
        let Some(jobs) = lock(&self.jobs).clone() else {
            let message = "there is no embedded store: rows of a cluster are written by CQL";
            return failed(AdminReplyKind::Failed, message);
        };
        let (sender, reply) = sync_channel(1);
        let answer = Answer::Thread(sender);
        let job = Job { call: call.into_owned(), body, idempotency_key, answer };
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

/// The thread's own state.
struct Writer {
    settings: WriteSettings,
    shards: Vec<Arc<ShardShared>>,
    tables: Tables,
    busy_until: Instant,
    merge_looked: Instant,
}

impl Writer {
    fn new(store: EmbeddedStore, settings: WriteSettings, shards: Vec<Arc<ShardShared>>) -> Self {
        let (tables, now) = (Tables::new(store, &settings), Instant::now());
        Self { settings, shards, tables, busy_until: now, merge_looked: now }
    }

    fn work(mut self, jobs: &Receiver<Job>) {
        loop {
            let look = match Instant::now() < self.busy_until {
                _ if !self.settings.on_serving_port => MERGE_LOOK,
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
            if self.merge_looked.elapsed() >= MERGE_LOOK {
                self.merge_looked = Instant::now();
                self.tables.merge_where_due();
            }
            if is_last {
                return self.tables.finish();
            }
        }
    }

    fn write(&mut self, batch: Vec<Job>) {
        let requests: Vec<_> = batch
            .iter()
            .map(|job| tables::Request {
                call: &job.call,
                body: &job.body,
                idempotency_key: job.idempotency_key.as_deref(),
            })
            .collect();
        let replies = self.tables.write(&requests);
        let mut by_shard: Vec<Vec<_>> = self.shards.iter().map(|_| Vec::new()).collect();
        for (job, reply) in batch.into_iter().zip(replies) {
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

fn of_shard(index: usize, request: WriteRequest) -> Job {
    let WriteRequest { number, call, body, idempotency_key } = request;
    Job { call, body, idempotency_key, answer: Answer::Shard(index, number) }
}

/// A reply with this document.
fn reply(kind: AdminReplyKind, document: &Value) -> AdminReply {
    AdminReply { kind, body: document.to_string().into_bytes() }
}

/// A reply that says why nothing was written.
fn failed(kind: AdminReplyKind, message: &str) -> AdminReply {
    reply(kind, &json!({ "error": escaped(message) }))
}
