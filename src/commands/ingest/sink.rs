//! Writes lines to a table, of either kind of store.

use anyhow::Context;
use shards::features::address::StoreAddress;
use shards::features::aggregates::Aggregate;
use shards::features::embedded::{
    ChangeBatch, ChangeWriter, Committed, Durability, EmbeddedStore, Idempotency, TableName,
};
use shards::features::import::now_us;
use shards::features::schema::Schema;
use shards::features::scylla::CqlWriter;
use shards::features::written_rows::{LineForm, WrittenTable, put_line};

use crate::config::Config;
use crate::serve::writes::entities::Entities;
use crate::serve::writes::settings::AnsweredOnce;

/// How often lines are read anew where the table's columns change meanwhile.
const TRIES: usize = 3;

/// How lines are read.
#[derive(Debug)]
pub(super) struct LineReader {
    pub(super) form: LineForm,
    /// The member by which a line is known.
    pub(super) id: Option<String>,
}

/// A table that is written.
#[derive(Debug)]
pub(super) struct Sink {
    reader: LineReader,
    aggregates: Vec<Aggregate>,
    key_parts: Option<usize>,
    schema: Schema,
    durability: Durability,
    to: Place,
}

#[derive(Debug)]
enum Place {
    Embedded(Box<ChangeWriter>),
    Cluster(Box<CqlWriter>),
}

/// What became of a line: whether it was written now, or before; or why not.
pub(super) type LineOutcome = Result<bool, String>;

impl Sink {
    /// Opens the table of an entity.
    pub(super) fn open(
        config: &Config,
        entities: &Entities,
        entity: &str,
        reader: LineReader,
        durability: AnsweredOnce,
    ) -> anyhow::Result<Self> {
        let table = entities.table_of(entity);
        let aggregates = entities.aggregates_of(table);
        let (to, schema) = match &config.store {
            StoreAddress::Embedded(folder) => {
                let name = table.map(str::parse::<TableName>).transpose()?;
                if !aggregates.is_empty() {
                    entities.prepare(&EmbeddedStore::open_or_create(folder)?)?;
                }
                let store = EmbeddedStore::open_table(folder, name.as_ref())?;
                let writer = ChangeWriter::open(&store).context("opening the log of changes")?;
                let schema = writer.schema()?;
                (Place::Embedded(Box::new(writer)), schema)
            }
            StoreAddress::Scylla { .. } => {
                let mut settings = config.scylla.clone();
                let addresses = settings.resolve()?;
                if let Some(table) = table {
                    settings = settings.of_table(table);
                }
                let writer = CqlWriter::open(settings, addresses)?;
                let schema = writer.schema().clone();
                (Place::Cluster(Box::new(writer)), schema)
            }
        };
        let key_parts = entities.key_parts(table);
        Ok(Self { reader, aggregates, key_parts, schema, durability: durability.durability(), to })
    }

    /// Writes lines, and says what became of each. An empty line is written by writing nothing.
    pub(super) fn write<'l>(
        &mut self,
        lines: impl Iterator<Item = &'l [u8]>,
    ) -> anyhow::Result<Vec<LineOutcome>> {
        let lines: Vec<_> = lines.collect();
        let mut outcomes: Vec<LineOutcome> = lines.iter().map(|_| Ok(true)).collect();
        let is_empty = |line: &[u8]| line.trim_ascii().is_empty();
        let mut left: Vec<usize> = (0..lines.len()).filter(|at| !is_empty(lines[*at])).collect();
        for _ in 0..TRIES {
            if left.is_empty() {
                break;
            }
            left = self.write_some(&lines, &left, &mut outcomes)?;
        }
        for at in left {
            outcomes[at] = Err("the table's columns change: try again".to_owned());
        }
        Ok(outcomes)
    }

    /// Writes the lines at these places; returns those that are to be read anew.
    fn write_some(
        &mut self,
        lines: &[&[u8]],
        places: &[usize],
        outcomes: &mut [LineOutcome],
    ) -> anyhow::Result<Vec<usize>> {
        let (mut batches, mut asked) = (Vec::with_capacity(places.len()), Vec::new());
        let now_us = now_us();
        for &at in places {
            match self.batch_of(lines[at], now_us) {
                Ok(batch) => {
                    batches.push(batch);
                    asked.push(at);
                }
                Err(reason) => outcomes[at] = Err(reason),
            }
        }
        let writer = match &mut self.to {
            Place::Embedded(writer) => writer,
            Place::Cluster(writer) => {
                for (at, outcome) in asked.into_iter().zip(writer.write(&batches)) {
                    outcomes[at] = outcome.map(|()| true);
                }
                return Ok(Vec::new());
            }
        };
        let committed = writer.commit(&batches, self.durability)?;
        let mut again = Vec::new();
        for (at, committed) in asked.into_iter().zip(committed) {
            outcomes[at] = match committed {
                Committed::Written => Ok(true),
                Committed::Repeated => Ok(false),
                Committed::OtherRequest => Err("another line had the same id".to_owned()),
                Committed::TooLarge => Err("the line is too long".to_owned()),
                Committed::OtherColumns => {
                    again.push(at);
                    continue;
                }
            };
        }
        if !again.is_empty() {
            self.schema = writer.schema()?;
        }
        Ok(again)
    }

    fn batch_of(&self, line: &[u8], now_us: i64) -> Result<ChangeBatch, String> {
        let Self { reader, aggregates, key_parts, schema, .. } = self;
        let mut batch = ChangeBatch::new(schema);
        let table = WrittenTable { schema, aggregates, key_parts: *key_parts, now_us };
        let LineReader { form, id } = reader;
        let put = put_line(table, form, 1, line, &mut batch);
        put.map_err(|error| {
            let text = error.to_string();
            // The caller knows which line it is.
            text.strip_prefix("line 1: ").map_or(text.clone(), str::to_owned)
        })?;
        let Some(id) = id else { return Ok(batch) };
        let object: serde_json::Value =
            serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let value = object.get(id).filter(|value| !value.is_null());
        let value = value.ok_or_else(|| format!("there is no member `{id}`"))?.to_string();
        Ok(batch.once(Some(Idempotency::of(value.as_bytes(), line))))
    }
}
