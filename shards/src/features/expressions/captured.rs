//! What is kept of the rows of a batch for their expressions, and the frames that compute them.

use std::sync::Arc;

use super::plan::ExpressionPlan;
use crate::expression::{Frame, Value};

/// A value that is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Kept {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Timestamp(i64),
    Text {
        start: u32,
        end: u32,
    },
}

/// The values of a batch's rows, slot by slot.
#[derive(Debug, Clone, Default)]
pub(in crate::features) struct Captured {
    slots: usize,
    /// What each slot is called.
    names: Arc<[String]>,
    values: Vec<Kept>,
    texts: Vec<u8>,
}

impl Captured {
    fn reset(&mut self, rows: usize) {
        self.values.clear();
        self.values.resize(rows * self.slots, Kept::Null);
        self.texts.clear();
    }

    /// Keeps a value.
    pub(in crate::features) fn put(&mut self, row: usize, slot: usize, value: Value<'_>) {
        self.values[row * self.slots + slot] = match value {
            Value::Null => Kept::Null,
            Value::Bool(truth) => Kept::Bool(truth),
            Value::Int(number) => Kept::Int(number),
            Value::Double(number) => Kept::Double(number),
            Value::Timestamp(us) => Kept::Timestamp(us),
            Value::Text(text) => {
                let start = self.texts.len();
                self.texts.extend_from_slice(text.as_bytes());
                self.text_from(start)
            }
        };
    }

    /// Keeps a text that `copy` appends; what it says is passed on, and nothing is kept where it says
    /// false.
    pub(in crate::features) fn put_copied(
        &mut self,
        row: usize,
        slot: usize,
        copy: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> bool {
        let start = self.texts.len();
        let is_there = copy(&mut self.texts) && str::from_utf8(&self.texts[start..]).is_ok();
        self.values[row * self.slots + slot] =
            if is_there { self.text_from(start) } else { Kept::Null };
        is_there
    }

    /// The text from `start` on; null in a batch that has 4 GiB of them.
    fn text_from(&self, start: usize) -> Kept {
        match (u32::try_from(start), u32::try_from(self.texts.len())) {
            (Ok(start), Ok(end)) => Kept::Text { start, end },
            _ => Kept::Null,
        }
    }

    /// What was kept.
    pub(in crate::features) fn get(&self, row: usize, slot: usize) -> Value<'_> {
        match self.values[row * self.slots + slot] {
            Kept::Null => Value::Null,
            Kept::Bool(truth) => Value::Bool(truth),
            Kept::Int(number) => Value::Int(number),
            Kept::Double(number) => Value::Double(number),
            Kept::Timestamp(us) => Value::Timestamp(us),
            Kept::Text { start, end } => {
                let bytes = &self.texts[start as usize..end as usize];
                Value::Text(str::from_utf8(bytes).unwrap_or_default())
            }
        }
    }
}

/// The buffers in which the expressions of a batch are computed. Reused from batch to batch.
#[derive(Debug, Clone)]
pub(crate) struct Computing {
    pub(in crate::features) captured: Captured,
    pub(super) before: Frame,
    pub(super) after: Frame,
    /// By row: when its request arrived, in µs since 1970.
    pub(super) arrived_us: Vec<i64>,
    /// By row: whether its request gave the columns, so that none was computed.
    pub(super) are_given: Vec<bool>,
    /// By row: the first rule that holds.
    pub(super) decided: Vec<Option<u16>>,
    pub(super) decided_rows: usize,
}

impl Computing {
    /// Buffers for what `plan` computes.
    pub(in crate::features) fn new(plan: &ExpressionPlan) -> Self {
        Self {
            captured: Captured {
                slots: plan.slots.len(),
                names: plan.slots.iter().map(|slot| slot.name.clone()).collect(),
                ..Captured::default()
            },
            before: Frame::new(&plan.before),
            after: Frame::new(&plan.after),
            arrived_us: Vec::new(),
            are_given: Vec::new(),
            decided: Vec::new(),
            decided_rows: 0,
        }
    }

    /// Makes room for so many rows, of which nothing is known.
    pub(in crate::features) fn reset(&mut self, rows: usize, now_us: i64) {
        self.captured.reset(rows);
        self.arrived_us.clear();
        self.arrived_us.resize(rows, now_us);
        self.are_given.clear();
        self.are_given.resize(rows, false);
        self.decided.clear();
        self.decided.resize(rows, None);
        self.decided_rows = 0;
    }

    /// What expressions and rules read of a row, by name.
    pub(crate) fn values(&self, row: usize) -> impl ExactSizeIterator<Item = (&str, Value<'_>)> {
        let names = self.captured.names.iter().enumerate();
        names.map(move |(place, name)| (name.as_str(), self.captured.get(row, place)))
    }

    /// When the request of a row arrived, by the clock of its expressions, in µs since 1970.
    pub(crate) fn arrived_us(&self, row: usize) -> i64 {
        self.arrived_us[row]
    }

    /// Whether the request of a row gave all of the model's columns, so that none was computed.
    pub(crate) fn are_given(&self, row: usize) -> bool {
        self.are_given[row]
    }

    /// The rule that decided a row, by its place in `model.toml`.
    pub(crate) fn rule(&self, row: usize) -> Option<u16> {
        self.decided.get(row).copied().flatten()
    }

    /// Whether rules have decided some rows before the model.
    pub(crate) fn has_decided(&self) -> bool {
        self.decided_rows > 0
    }
}
