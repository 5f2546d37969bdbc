//! Scored requests as events: what a lane notes of each for aggregates that count them.
//!
//! A note is the number of the aggregate (2), the length of the key (2), the time (8), what the aggregate
//! takes of the event (8), and the key; numbers are little-endian. A shard gathers them in a buffer, and
//! the thread that writes takes it.

use super::declaration::{Aggregate, AggregateFunction};
use super::event::is_countable;
use crate::features::embedded::{ChangeBatch, value_hash};
use crate::features::entities::{RequestKeys, USER};
use crate::features::join::RequestField;
use crate::features::number_range::NumberRange;
use crate::features::schema::Schema;

const HEAD_BYTES: usize = 20;

/// What a lane notes of a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScoredPlan {
    notes: Vec<NotePlan>,
}

#[derive(Debug, Clone)]
struct NotePlan {
    aggregate: u16,
    /// The entity, by its place among the model's; the row's own key for 0.
    entity: usize,
    operand: Operand,
    /// The range of its number.
    range: NumberRange,
}

impl NotePlan {
    /// The number that the model took of a cell, as far as it can be counted; `None` where it took
    /// none, or its default.
    fn taken(&self, cell: f64) -> Option<f64> {
        self.range.taken(cell).filter(|taken| is_countable(*taken))
    }
}

/// What an aggregate takes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    One,
    /// The number of a field.
    Number(usize),
    /// Which number a field has.
    NumberHash(usize),
    /// Which key a field has.
    KeyHash(usize),
}

/// A row as far as its events go.
pub(crate) trait ScoredRow {
    /// Writes the key of an entity behind `to`.
    fn push_key(&self, entity: usize, to: &mut Vec<u8>);
    /// The text of a field that is a key, by its place among the model's.
    fn key_field(&self, field: usize) -> &[u8];
    /// The cell of a field.
    fn cell(&self, field: usize) -> f64;
}

impl ScoredPlan {
    /// For a model with these keys and fields; an aggregate whose entity or field it has not is left.
    pub(crate) fn new(
        aggregates: &[Aggregate],
        keys: &RequestKeys,
        fields: &[RequestField],
        has_store: bool,
    ) -> Self {
        let note = |(number, aggregate): (usize, &Aggregate)| {
            let entity = if keys.entities.is_empty() {
                (has_store && aggregate.entity == USER).then_some(0)?
            } else {
                keys.entities.iter().position(|it| it.name == aggregate.entity)?
            };
            let operand = Self::operand(aggregate, keys, fields)?;
            let aggregate = u16::try_from(number).ok()?;
            let field = match operand {
                Operand::Number(field) | Operand::NumberHash(field) => fields.get(field),
                Operand::One | Operand::KeyHash(_) => None,
            };
            let range = field.map(|field| field.range).unwrap_or_default();
            Some(NotePlan { aggregate, entity, operand, range })
        };
        let counted = aggregates.iter().enumerate().filter(|(_, it)| it.on_predict);
        Self { notes: counted.filter_map(note).collect() }
    }

    fn operand(
        aggregate: &Aggregate,
        keys: &RequestKeys,
        fields: &[RequestField],
    ) -> Option<Operand> {
        let Some(value) = &aggregate.value else { return Some(Operand::One) };
        let is_distinct = aggregate.function == AggregateFunction::Distinct;
        if let Some(field) = keys.position(value) {
            return is_distinct.then_some(Operand::KeyHash(field));
        }
        let is_number = |field: &RequestField| field.name == *value && !field.is_text();
        let field = fields.iter().position(is_number)?;
        Some(if is_distinct { Operand::NumberHash(field) } else { Operand::Number(field) })
    }

    /// Whether nothing is noted.
    pub(crate) fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Notes a row that was scored at this time.
    pub(crate) fn note(&self, row: &impl ScoredRow, at_us: i64, notes: &mut Vec<u8>) {
        for plan in &self.notes {
            let NotePlan { aggregate, entity, operand, .. } = plan;
            let cell = |field| plan.taken(row.cell(field));
            let operand = match *operand {
                Operand::One => Some(1),
                Operand::Number(field) => cell(field).map(f64::to_bits),
                Operand::NumberHash(field) => {
                    cell(field).map(|cell| value_hash(cell.to_string().as_bytes()))
                }
                Operand::KeyHash(field) => {
                    Some(row.key_field(field)).filter(|key| !key.is_empty()).map(value_hash)
                }
            };
            let Some(operand) = operand else { continue };
            let start = notes.len();
            notes.extend_from_slice(&aggregate.to_le_bytes());
            notes.extend_from_slice(&[0; 2]);
            notes.extend_from_slice(&at_us.to_le_bytes());
            notes.extend_from_slice(&operand.to_le_bytes());
            row.push_key(*entity, notes);
            let key_bytes = notes.len() - start - HEAD_BYTES;
            match u16::try_from(key_bytes) {
                Ok(length) if length > 0 => {
                    notes[start + 2..start + 4].copy_from_slice(&length.to_le_bytes());
                }
                _ => notes.truncate(start),
            }
        }
    }
}

/// What a scored request was to one aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoredEvent<'a> {
    /// The aggregate, by its place among the configured ones.
    pub aggregate: usize,
    /// The key of its entity.
    pub key: &'a [u8],
    /// When, in µs since 1970.
    pub at_us: i64,
    /// What the aggregate takes of it.
    pub operand: u64,
}

impl ScoredEvent<'_> {
    /// Adds the event to `batch`, of a table with these columns that has the aggregate's; false where it
    /// has not.
    pub fn put(&self, schema: &Schema, aggregate: &Aggregate, batch: &mut ChangeBatch) -> bool {
        let Some(head) = schema.position(&aggregate.name).map(|at| at + 1) else { return false };
        batch.count(self.key, self.at_us, &[(head, self.operand)]);
        true
    }
}

/// Goes over what shards noted.
pub fn scored_events(notes: &[u8]) -> impl Iterator<Item = ScoredEvent<'_>> {
    let mut left = notes;
    std::iter::from_fn(move || {
        let head: &[u8; HEAD_BYTES] = left.first_chunk()?;
        let key_bytes = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let mut word = [0; 8];
        let mut take = |at: usize| {
            word.copy_from_slice(&head[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (at_us, operand) = (take(4).cast_signed(), take(12));
        let aggregate = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let (key, rest) = left[HEAD_BYTES..].split_at_checked(key_bytes)?;
        left = rest;
        Some(ScoredEvent { aggregate, key, at_us, operand })
    })
}
