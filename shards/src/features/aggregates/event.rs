//! What happened: of which an aggregate takes one field, or that it happened.

use super::declaration::{Aggregate, AggregateFunction};
use crate::calendar::{AHEAD_S_MAX, too_far_ahead_s};
use crate::features::embedded::{ChangeBatch, value_hash};
use crate::features::schema::Schema;

/// A field of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EventValue<'a> {
    /// A number.
    Number(f64),
    /// A text.
    Text(&'a str),
    /// It is said that the event has none.
    Null,
    /// An array or an object.
    Other,
}

/// The largest number that is added up: as many events as there may be keep a sum finite.
const NUMBER_MAX: f64 = 1e290;

/// Whether a number can be added to a sum.
pub(super) fn is_countable(number: f64) -> bool {
    number.abs() <= NUMBER_MAX
}

/// Something that happened to a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<'a> {
    /// When, in µs since 1970.
    pub at_us: i64,
    /// Its fields, by name.
    pub fields: &'a [(&'a str, EventValue<'a>)],
}

/// Why an event is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The table counts none.
    #[error("the table has no aggregates: `[[aggregates]]` of the configuration declares them")]
    NotCounted,
    /// A sum or a maximum of no number.
    #[error(
        "event: `{field}`: found {found}, expected a number of at most 1e290 for the aggregate \
         `{aggregate}`"
    )]
    NotANumber {
        /// The field.
        field: String,
        /// What it is.
        found: String,
        /// The aggregate.
        aggregate: String,
    },
    /// It does not say what an aggregate takes.
    #[error(
        "event: the field `{field}` is not there, which the aggregate `{aggregate}` takes: give null \
         where the event has none"
    )]
    NoField {
        /// The field.
        field: String,
        /// The aggregate.
        aggregate: String,
    },
    /// A field that no aggregate takes.
    #[error("event: no aggregate of the table takes the field `{field}`; they take: {taken}")]
    UnknownField {
        /// The field.
        field: String,
        /// The fields that are taken.
        taken: String,
    },
    /// It would push out what the windows hold.
    #[error(
        "event: its time is {ahead_s} s ahead of this machine's clock, at most {AHEAD_S_MAX} s \
         are taken"
    )]
    Ahead {
        /// How far ahead, in s.
        ahead_s: i64,
    },
}

impl Event<'_> {
    /// Adds the event to `batch`, for each of the table's aggregates that it has the field of.
    ///
    /// # Errors
    /// It cannot be counted.
    pub fn put(
        &self,
        schema: &Schema,
        aggregates: &[Aggregate],
        key: &[u8],
        now_us: i64,
        batch: &mut ChangeBatch,
    ) -> Result<(), EventError> {
        if let Some(ahead_s) = too_far_ahead_s(self.at_us, now_us) {
            return Err(EventError::Ahead { ahead_s });
        }
        let is_known = |name: &str| aggregates.iter().any(|it| it.value.as_deref() == Some(name));
        let unknown = self.fields.iter().find(|(name, _)| !is_known(name));
        if let Some((name, _)) = unknown.filter(|_| !aggregates.is_empty()) {
            let taken = aggregates.iter().filter_map(|it| it.value.as_deref());
            let taken = taken.collect::<Vec<_>>().join(", ");
            let taken = if taken.is_empty() { "none".to_owned() } else { taken };
            return Err(EventError::UnknownField { field: (*name).to_owned(), taken });
        }
        let mut operands = Vec::with_capacity(aggregates.len());
        let mut is_counted = false;
        for aggregate in aggregates {
            // The column behind the one that is shown.
            let Some(head) = schema.position(&aggregate.name).map(|at| at + 1) else { continue };
            is_counted = true;
            if let Some(operand) = self.operand(aggregate)? {
                operands.push((head, operand));
            }
        }
        if !is_counted {
            return Err(EventError::NotCounted);
        }
        batch.count(key, self.at_us, &operands);
        Ok(())
    }

    fn operand(&self, aggregate: &Aggregate) -> Result<Option<u64>, EventError> {
        let Some(name) = &aggregate.value else { return Ok(Some(1)) };
        let found = self.fields.iter().find(|(field, _)| field == name);
        let Some((field, value)) = found else {
            let (field, aggregate) = (name.clone(), aggregate.name.clone());
            return Err(EventError::NoField { field, aggregate });
        };
        Ok(Some(match (aggregate.function, value) {
            (_, EventValue::Null) => return Ok(None),
            (AggregateFunction::Count, _) => 1,
            (AggregateFunction::Distinct, EventValue::Text(text)) => value_hash(text.as_bytes()),
            (AggregateFunction::Distinct, EventValue::Number(number)) => {
                // As the text of the same digits.
                value_hash(number.to_string().as_bytes())
            }
            (_, EventValue::Number(number)) if is_countable(*number) => number.to_bits(),
            (_, value) => {
                return Err(EventError::NotANumber {
                    field: (*field).to_owned(),
                    found: format!("{value:?}").chars().take(60).collect(),
                    aggregate: aggregate.name.clone(),
                });
            }
        }))
    }
}
