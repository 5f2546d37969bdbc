//! The tables of a cluster that are written, by prepared statements.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shards::features::embedded::{ChangeBatch, Committed, Idempotency};
use shards::features::import::now_us;
use shards::features::schema::Schema;
use shards::features::scylla::{CqlWriter, ScyllaSettings};
use shards::features::written_rows::WrittenTable;
use shards::shard::{AdminReply, AdminReplyKind, Command, ShardShared};

use super::counters::WriteCounters;
use super::entities::Entities;
use super::failed;
use super::requests::{Request, answer, batch_for};
use super::settings::AnsweredOnce;

/// For how long, and how many, requests with an `Idempotency-Key` are remembered by this process.
const REMEMBERED: Duration = Duration::from_mins(15);
const REMEMBERED_MAX: usize = 1 << 16;
/// How long shards may take to forget what they knew of rows that were written.
const FORGET_PATIENCE: Duration = Duration::from_secs(1);
const FORGET_LOOK: Duration = Duration::from_millis(1);

/// The tables of a cluster.
#[derive(Debug)]
pub(super) struct ClusterTables {
    settings: Arc<ScyllaSettings>,
    addresses: Vec<SocketAddr>,
    entities: Entities,
    counters: Arc<WriteCounters>,
    open: BTreeMap<Option<String>, CqlWriter>,
    remembered: Remembered,
}

impl ClusterTables {
    pub(super) fn new(
        settings: Arc<ScyllaSettings>,
        addresses: Vec<SocketAddr>,
        entities: Entities,
        counters: Arc<WriteCounters>,
    ) -> Self {
        let (open, remembered) = (BTreeMap::new(), Remembered::default());
        Self { settings, addresses, entities, counters, open, remembered }
    }

    /// Writes what all requests ask for, and answers each once the shards know that it was written.
    pub(super) fn write(
        &mut self,
        requests: &[Request<'_>],
        shards: &[Arc<ShardShared>],
    ) -> Vec<AdminReply> {
        let mut replies: Vec<Option<AdminReply>> = requests.iter().map(|_| None).collect();
        let mut by_table: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for (at, request) in requests.iter().enumerate() {
            let table = self.entities.table_of(&request.call.entity);
            by_table.entry(table.map(str::to_owned)).or_default().push(at);
        }
        for (table, places) in by_table {
            self.write_table(table.as_deref(), &places, requests, shards, &mut replies);
        }
        let none = || failed(AdminReplyKind::Unavailable, "nothing was written");
        replies.into_iter().map(|reply| reply.unwrap_or_else(none)).collect()
    }

    fn write_table(
        &mut self,
        table: Option<&str>,
        places: &[usize],
        requests: &[Request<'_>],
        shards: &[Arc<ShardShared>],
        replies: &mut [Option<AdminReply>],
    ) {
        let counters = Arc::clone(&self.counters);
        let schema = match self.writer(table) {
            Ok(writer) => writer.schema().clone(),
            Err(message) => {
                counters.failed.add(places.len() as u64);
                for &at in places {
                    replies[at] = Some(failed(AdminReplyKind::Unavailable, &message));
                }
                return;
            }
        };
        let (mut batches, mut asked) = (Vec::new(), Vec::new());
        for &at in places {
            match self.batch_of(table, &schema, requests[at]) {
                Ok(batch) => {
                    batches.push(batch);
                    asked.push(at);
                }
                Err(reply) => replies[at] = reply,
            }
        }
        if batches.is_empty() {
            return;
        }
        let start = Instant::now();
        let outcomes = match self.writer(table) {
            Ok(writer) => writer.write(&batches),
            Err(message) => batches.iter().map(|_| Err(message.clone())).collect(),
        };
        counters.committed(start.elapsed());
        forget(table, &schema, &batches, shards);
        let mut has_failed = false;
        for ((at, batch), outcome) in asked.into_iter().zip(&batches).zip(outcomes) {
            replies[at] = match outcome {
                Ok(()) => {
                    self.remembered.remember(batch.idempotency());
                    counters.count(Committed::Written, batch.rows(), batch.bytes());
                    answer_of(Committed::Written, batch, requests[at])
                }
                Err(reason) => {
                    has_failed = true;
                    counters.failed.add(1);
                    tracing::error!(reason, "features were not written");
                    Some(failed(AdminReplyKind::Unavailable, &reason))
                }
            };
        }
        if has_failed {
            // The table may have other columns by now: the next write looks.
            self.open.remove(&table.map(str::to_owned));
        }
    }

    /// What a request asks for, or what it is answered at once.
    fn batch_of(
        &self,
        table: Option<&str>,
        schema: &Schema,
        request: Request<'_>,
    ) -> Result<ChangeBatch, Option<AdminReply>> {
        let key_parts = self.entities.key_parts(table);
        let table = WrittenTable { schema, aggregates: &[], key_parts, now_us: now_us() };
        let batch = batch_for(table, request).map_err(|message| {
            self.counters.refused.add(1);
            Some(failed(AdminReplyKind::Failed, &message))
        })?;
        match self.remembered.outcome(batch.idempotency()) {
            Some(committed) => {
                self.counters.count(committed, 0, 0);
                Err(answer_of(committed, &batch, request))
            }
            None => Ok(batch),
        }
    }

    fn writer(&mut self, table: Option<&str>) -> Result<&mut CqlWriter, String> {
        let key = table.map(str::to_owned);
        if !self.open.contains_key(&key) {
            let mut settings = ScyllaSettings::clone(&self.settings);
            if let Some(table) = table {
                settings = settings.of_table(table);
            }
            let opened = CqlWriter::open(settings, self.addresses.clone());
            self.open.insert(key.clone(), opened.map_err(|error| error.to_string())?);
        }
        self.open.get_mut(&key).ok_or_else(|| "the table is not open".to_owned())
    }
}

fn answer_of(
    committed: Committed,
    batch: &ChangeBatch,
    request: Request<'_>,
) -> Option<AdminReply> {
    answer(committed, batch.rows(), request.call.is_removal, AnsweredOnce::Disk)
}

/// Requests that were written by this process.
#[derive(Debug, Default)]
struct Remembered {
    known: HashSet<Idempotency>,
    by_time: VecDeque<(Instant, Idempotency)>,
}

impl Remembered {
    /// What is to be said of a request that came before, or of one with the key of another.
    fn outcome(&self, it: Option<Idempotency>) -> Option<Committed> {
        let it = it?;
        if self.known.contains(&it) {
            return Some(Committed::Repeated);
        }
        let is_other = self.by_time.iter().any(|(_, known)| known.has_key_of(&it));
        is_other.then_some(Committed::OtherRequest)
    }

    fn remember(&mut self, it: Option<Idempotency>) {
        let Some(it) = it else { return };
        self.known.insert(it);
        self.by_time.push_back((Instant::now(), it));
        while let Some((at, oldest)) = self.by_time.front().copied()
            && (at.elapsed() > REMEMBERED || self.by_time.len() > REMEMBERED_MAX)
        {
            self.known.remove(&oldest);
            self.by_time.pop_front();
        }
    }
}

/// Has all shards forget what they know of the rows, so that their next batches read them.
fn forget(
    table: Option<&str>,
    schema: &Schema,
    batches: &[ChangeBatch],
    shards: &[Arc<ShardShared>],
) {
    let keys: Vec<Vec<u8>> = batches.iter().flat_map(|batch| batch.keys(schema)).collect();
    let table = table.map(str::to_owned);
    let send = |shard: &Arc<ShardShared>| {
        shard.send(Command::Forget { table: table.clone(), keys: keys.clone() })
    };
    let sent: Vec<_> = shards.iter().map(send).collect();
    let give_up = Instant::now() + FORGET_PATIENCE;
    for (shard, number) in shards.iter().zip(sent) {
        while shard.done() < number && Instant::now() < give_up {
            std::thread::park_timeout(FORGET_LOOK);
        }
    }
}
