//! The tables that are written: requests become changes of them, and logs are merged in time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use shards::features::aggregates::{Aggregate, scored_events};
use shards::features::embedded::{
    ChangeBatch, ChangeWriter, Committed, Durability, EmbeddedError, EmbeddedStore, EmbeddedWriter,
    Idempotency, TableName,
};
use shards::features::import::now_us;
use shards::features::schema::Schema;
use shards::features::written_rows::WrittenTable;
use shards::shard::{AdminReply, AdminReplyKind};

use super::counters::WriteCounters;
use super::entities::Entities;
use super::failed;
use super::requests::{Request, answer, batch_for, removals};
use super::settings::{AnsweredOnce, WriteSettings};

/// How often a request is made anew where the table's columns change meanwhile.
const TRIES: usize = 3;
/// How many removals with an `idempotency-key` are remembered by their count.
const REMOVALS_MAX: usize = 1 << 16;

/// The tables of a store.
#[derive(Debug)]
pub(super) struct Tables {
    store: EmbeddedStore,
    durability: AnsweredOnce,
    merge_bytes: u64,
    merge_s: u64,
    entities: Entities,
    counters: Arc<WriteCounters>,
    open: BTreeMap<Option<TableName>, Table>,
    /// How many rows requests with an `idempotency-key` have removed.
    removed: HashMap<Idempotency, u32>,
    /// Whether tables that were written by another process are open, for their keys.
    knows_all: bool,
}

/// A table that is written.
#[derive(Debug)]
struct Table {
    store: EmbeddedStore,
    writer: ChangeWriter,
    schema: Schema,
    aggregates: Vec<Aggregate>,
    /// How many parts its keys have, where a model says it.
    key_parts: Option<usize>,
    /// Since when it has changes that were not merged.
    changed: Option<Instant>,
    merging: Option<JoinHandle<Result<(), EmbeddedError>>>,
}

impl Tables {
    pub(super) fn new(
        store: EmbeddedStore,
        settings: &WriteSettings,
        entities: Entities,
        counters: Arc<WriteCounters>,
    ) -> Self {
        let WriteSettings { durability, merge_bytes, merge_s, .. } = *settings;
        let open = BTreeMap::new();
        Self {
            store,
            durability,
            merge_bytes,
            merge_s,
            entities,
            counters,
            open,
            removed: HashMap::new(),
            knows_all: false,
        }
    }

    /// Writes what all requests ask for, those about one table at once, and answers each.
    pub(super) fn write(&mut self, requests: &[Request<'_>]) -> Vec<AdminReply> {
        let mut replies: Vec<Option<AdminReply>> = requests.iter().map(|_| None).collect();
        let mut by_table: BTreeMap<Option<TableName>, Vec<usize>> = BTreeMap::new();
        for (at, request) in requests.iter().enumerate() {
            match self.table_of(&request.call.entity) {
                Ok(name) => by_table.entry(name).or_default().push(at),
                Err(refused) => replies[at] = Some(refused),
            }
        }
        for (name, mut waiting) in by_table {
            for _ in 0..TRIES {
                waiting = self.write_table(name.as_ref(), &waiting, requests, &mut replies);
                if waiting.is_empty() {
                    break;
                }
            }
        }
        let unchanged =
            || failed(AdminReplyKind::Unavailable, "the table's columns change: try again");
        replies.into_iter().map(|reply| reply.unwrap_or_else(unchanged)).collect()
    }

    /// Writes the requests at these places, all of them about one table; returns those that were made
    /// for columns which the table has no longer.
    fn write_table(
        &mut self,
        name: Option<&TableName>,
        places: &[usize],
        requests: &[Request<'_>],
        replies: &mut [Option<AdminReply>],
    ) -> Vec<usize> {
        let (durability, counters) = (self.durability, Arc::clone(&self.counters));
        let has_keys = places.iter().any(|at| requests[*at].idempotency_key.is_some());
        if has_keys {
            self.open_begun();
        }
        let table = match self.table(name) {
            Ok(table) => table,
            Err(error) => {
                let kind = if error.is_absent() {
                    AdminReplyKind::NotFound
                } else {
                    AdminReplyKind::Unavailable
                };
                for &at in places {
                    replies[at] = Some(failed(kind, &error.to_string()));
                }
                return Vec::new();
            }
        };
        let mut made: Vec<_> = Vec::with_capacity(places.len());
        let now_us = now_us();
        made.extend(places.iter().map(|at| (*at, batch_of(table, requests[*at], now_us))));
        let (mut batches, mut asked) = (Vec::new(), Vec::new());
        for (at, batch) in made {
            match batch {
                Ok(batch) if self.is_of_other_table(name, &batch) => {
                    counters.refused.add(1);
                    replies[at] = answer(Committed::OtherRequest, 0, false, durability);
                }
                Ok(batch) => {
                    batches.push(batch);
                    asked.push(at);
                }
                Err(message) => {
                    counters.refused.add(1);
                    replies[at] = Some(failed(AdminReplyKind::Failed, &message));
                }
            }
        }
        if batches.is_empty() {
            return Vec::new();
        }
        let Some(table) = self.open.get_mut(&name.cloned()) else { return Vec::new() };
        let gone = removals(&table.store, &table.schema, &batches, &asked, requests);
        let start = Instant::now();
        let committed = match table.writer.commit(&batches, durability.durability()) {
            Ok(committed) => committed,
            Err(error) => {
                counters.failed.add(asked.len() as u64);
                tracing::error!(%error, "features were not written");
                for &at in &asked {
                    let reply = failed(AdminReplyKind::Unavailable, &error.to_string());
                    replies[at] = Some(reply);
                }
                return Vec::new();
            }
        };
        counters.committed(start.elapsed());
        table.changed.get_or_insert_with(Instant::now);
        let mut again = Vec::new();
        for (((at, batch), committed), gone) in
            asked.into_iter().zip(&batches).zip(committed).zip(gone)
        {
            let is_removal = requests[at].call.is_removal;
            counters.count(committed, batch.rows(), batch.bytes());
            let known = batch.idempotency().and_then(|it| self.removed.get(&it).copied());
            let rows = match (is_removal, committed) {
                (false, _) => batch.rows(),
                (true, Committed::Repeated) => known.unwrap_or(batch.rows()),
                (true, _) => gone,
            };
            if let (true, Committed::Written, Some(it)) =
                (is_removal, committed, batch.idempotency())
            {
                if self.removed.len() >= REMOVALS_MAX {
                    self.removed.clear();
                }
                self.removed.insert(it, rows);
            }
            match answer(committed, rows, is_removal, durability) {
                Some(answer) => replies[at] = Some(answer),
                None => again.push(at),
            }
        }
        if !again.is_empty()
            && let Some(table) = self.open.get_mut(&name.cloned())
            && let Ok(schema) = table.writer.schema()
        {
            table.schema = schema;
        }
        again
    }

    /// Opens the tables that were written before this process began, once: they know the keys of
    /// requests that may come again.
    fn open_begun(&mut self) {
        if std::mem::replace(&mut self.knows_all, true) {
            return;
        }
        let names = self.store.tables().unwrap_or_default();
        for name in std::iter::once(None).chain(names.into_iter().map(Some)) {
            let store = match &name {
                Some(name) => self.store.table(name),
                None => self.store.clone(),
            };
            if ChangeWriter::is_begun(&store) {
                // A table that cannot be opened refuses its own writes.
                let _ = self.table(name.as_ref());
            }
        }
    }

    /// Whether a request about another table than this had the key of a batch.
    fn is_of_other_table(&self, name: Option<&TableName>, batch: &ChangeBatch) -> bool {
        let Some(idempotency) = batch.idempotency() else { return false };
        let others = self.open.iter().filter(|(other, _)| other.as_ref() != name);
        others.into_iter().any(|(_, table)| table.writer.has_key_of(&idempotency))
    }

    /// Opens each table whose scored requests are counted, so that one which may not be written is said
    /// at the start.
    ///
    /// # Errors
    /// A table cannot be written.
    pub(super) fn open_counted(&mut self) -> anyhow::Result<()> {
        let counted = self.entities.aggregates().iter().filter(|it| it.on_predict);
        for aggregate in counted.cloned().collect::<Vec<_>>() {
            let table = self.entities.table_of(&aggregate.entity).map(str::to_owned);
            let name = table.as_deref().map(str::parse::<TableName>).transpose()?;
            if let Err(error) = self.table(name.as_ref()) {
                anyhow::bail!(
                    "the aggregate `{}` cannot count scored requests, as its table is not written: \
                     {error}; give this user the right to write the store's folder, or take \
                     `on_predict` away",
                    aggregate.name
                );
            }
        }
        Ok(())
    }

    /// The table of an entity.
    fn table_of(&self, entity: &str) -> Result<Option<TableName>, AdminReply> {
        let table = self.entities.table_of(entity).map(str::parse::<TableName>).transpose();
        table.map_err(|error| failed(AdminReplyKind::NotFound, &error.to_string()))
    }

    fn table(&mut self, name: Option<&TableName>) -> Result<&mut Table, EmbeddedError> {
        let key = name.cloned();
        if !self.open.contains_key(&key) {
            let store = match name {
                Some(name) => self.store.table(name),
                None => self.store.clone(),
            };
            let writer = ChangeWriter::open(&store)?;
            let schema = writer.schema()?;
            let aggregates = self.entities.aggregates_of(name.map(TableName::as_str));
            let key_parts = self.entities.key_parts(name.map(TableName::as_str));
            let table = Table {
                store,
                writer,
                schema,
                aggregates,
                key_parts,
                changed: None,
                merging: None,
            };
            self.open.insert(key.clone(), table);
        }
        self.open
            .get_mut(&key)
            .ok_or_else(|| EmbeddedError::NoStore { path: self.store.path().to_owned() })
    }

    /// Whether an aggregate counts scored requests.
    pub(super) fn counts_scored(&self) -> bool {
        self.entities.aggregates().iter().any(|it| it.on_predict)
    }

    /// Counts scored requests, as a shard noted them. Nobody waits for the disk.
    pub(super) fn count_scored(&mut self, notes: &[u8]) {
        let aggregates = self.entities.aggregates().to_vec();
        let mut batches: BTreeMap<Option<TableName>, ChangeBatch> = BTreeMap::new();
        let mut lost = 0;
        for event in scored_events(notes) {
            let Some(aggregate) = aggregates.get(event.aggregate) else { continue };
            let counted = self.table_of(&aggregate.entity).ok().and_then(|name| {
                let table = self.table(name.as_ref()).ok()?;
                let batch = batches.entry(name).or_insert_with(|| ChangeBatch::new(&table.schema));
                event.put(&table.schema, aggregate, batch).then_some(())
            });
            lost += u64::from(counted.is_none());
        }
        let counters = Arc::clone(&self.counters);
        for (name, batch) in batches {
            let Ok(table) = self.table(name.as_ref()) else { continue };
            let (rows, start) = (u64::from(batch.rows()), Instant::now());
            let written = table.writer.commit(&[batch], Durability::System);
            table.changed.get_or_insert_with(Instant::now);
            match written.as_deref() {
                Ok([Committed::Written]) => {
                    counters.committed(start.elapsed());
                    counters.scored_events.add(rows);
                }
                other => {
                    tracing::error!(?other, rows, "scored requests were not counted");
                    lost += rows;
                    // The table may have other columns by now.
                    if let Ok(schema) = table.writer.schema() {
                        table.schema = schema;
                    }
                }
            }
        }
        counters.lost_events.add(lost);
    }

    /// Begins to merge logs that are long or old, each on a thread of its own.
    pub(super) fn merge_where_due(&mut self) {
        self.counters.log_bytes.set(self.open.values().map(|table| table.writer.log_bytes()).sum());
        for (name, table) in &mut self.open {
            let name = name.as_ref().map(tracing::field::display);
            if let Some(merging) = table.merging.take_if(|merging| merging.is_finished()) {
                match merging.join() {
                    Ok(Ok(())) => {
                        self.counters.merges.add(1);
                        tracing::info!(table = name, "changes merged");
                    }
                    Ok(Err(error)) => {
                        tracing::error!(%error, "changes are not merged: they stay in the log");
                    }
                    Err(_) => tracing::error!("merging changes panicked: they stay in the log"),
                }
            }
            let Some(changed) = table.changed else { continue };
            let is_due = changed.elapsed().as_secs() >= self.merge_s
                || table.writer.log_bytes() >= self.merge_bytes;
            if !is_due || table.merging.is_some() {
                continue;
            }
            let store = table.store.clone();
            let merge = move || {
                // Nothing is imported: what is there becomes one file.
                let Some(schema) = store.schema()? else { return Ok(()) };
                EmbeddedWriter::begin(&store, &schema, false)?.commit()
            };
            table.changed = None;
            let thread = std::thread::Builder::new().name("merge".to_owned()).spawn(merge);
            table.merging = thread.ok();
        }
    }

    /// Waits for merges that are under way.
    pub(super) fn finish(self) {
        for merging in self.open.into_values().filter_map(|table| table.merging) {
            // What was not merged is in the log.
            let _ = merging.join();
        }
    }
}

/// The changes that a request asks for, or what is wrong with it.
fn batch_of(table: &Table, request: Request<'_>, now_us: i64) -> Result<ChangeBatch, String> {
    let Table { schema, aggregates, key_parts, .. } = table;
    batch_for(WrittenTable { schema, aggregates, key_parts: *key_parts, now_us }, request)
}
