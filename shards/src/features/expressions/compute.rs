//! Computes the expressions of a batch, and writes what they give into its matrix.

use super::captured::Computing;
use super::plan::{AfterInput, ComputedColumn, ExpressionPlan};
use super::request_texts::RequestTexts;
use super::slot::{Slot, SlotSource};
use crate::expression::{BLOCK_ROWS, Type, Value};
use crate::failure::Refusal;
use crate::features::inputs::NanMeaning;
use crate::features::joined::Joined;

/// What the request of a row gives its expressions.
#[derive(Debug, Clone, Copy)]
pub struct RequestValues<'a> {
    /// The cells, in the order of the plan's request fields.
    pub cells: &'a [f64],
    /// The texts of those fields.
    pub texts: &'a RequestTexts,
    /// Whether the cells are all of the model's columns: expressions are not computed then.
    pub are_columns: bool,
    /// When it arrived, in µs since 1970.
    pub arrived_us: i64,
}

/// What the model reads of a value that was computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ReadCell {
    /// The cell; without one the row is not scored.
    pub(super) cell: Result<f64, Refusal>,
    /// It is a text that the model does not know.
    pub(super) is_unknown: bool,
    /// The column's default took its place.
    pub(super) is_defaulted: bool,
}

impl ExpressionPlan {
    /// Computes the columns of all rows, and holds the rules before the model against them. `request`
    /// says what the request of a row gives.
    pub(in crate::features) fn compute<'r>(
        &self,
        joined: &mut Joined,
        request: impl Fn(usize) -> RequestValues<'r>,
    ) {
        let Some(mut computing) = joined.expressions.take() else { return };
        let rows = joined.outcomes.len();
        for first in (0..rows).step_by(BLOCK_ROWS) {
            let count = BLOCK_ROWS.min(rows - first);
            for row in first..first + count {
                let request = request(row);
                computing.arrived_us[row] = request.arrived_us;
                computing.are_given[row] = request.are_columns;
                self.capture(joined, &mut computing, row, request);
            }
            self.run_block(&mut computing, first, count);
            for row in first..first + count {
                if !request(row).are_columns {
                    self.write_columns(joined, &computing, row - first, row);
                }
            }
        }
        joined.unknown_cells.sort_unstable();
        joined.expressions = Some(computing);
    }

    /// Computes the rows of a block from what was kept of them, and holds the rules before the model
    /// against them.
    pub(super) fn run_block(&self, computing: &mut Computing, first: usize, count: usize) {
        computing.before.begin(&self.before, count);
        for place in 0..count {
            computing.before.set_clock(&self.before, place, computing.arrived_us[first + place]);
            for (input, slot) in self.before_slots.iter().enumerate() {
                let value = computing.captured.get(first + place, *slot);
                computing.before.set(&self.before, input, place, value);
            }
        }
        self.before.run(&mut computing.before);
        let first_rule = self.columns.len();
        for place in 0..count {
            let holds =
                |rule: &usize| computing.before.is_true(&self.before, first_rule + rule, place);
            let rule = (0..self.rules_before.len()).find(holds);
            computing.decided[first + place] = rule.map(|rule| self.rules_before[rule]);
            computing.decided_rows += usize::from(rule.is_some());
        }
    }

    /// Holds the rules behind the model against the scores of those rows that have one and were not
    /// decided before; `outcome` says the decision and the points of a score.
    pub(crate) fn decide<'a>(
        &self,
        computing: &mut Computing,
        scores: &[f64],
        outcome: impl Fn(f64) -> (Option<&'a str>, Option<f64>),
    ) {
        let rows = if self.has_rules_after() { scores.len() } else { 0 };
        for first in (0..rows).step_by(BLOCK_ROWS) {
            let count = BLOCK_ROWS.min(rows - first);
            let Computing { after, captured, arrived_us, .. } = computing;
            after.begin(&self.after, count);
            for place in 0..count {
                let score = scores[first + place];
                let (decision, points) = outcome(score);
                after.set_clock(&self.after, place, arrived_us[first + place]);
                for (at, input) in self.after_inputs.iter().enumerate() {
                    let value = match input {
                        AfterInput::Slot(slot) => captured.get(first + place, *slot),
                        AfterInput::Score => Value::Double(score),
                        AfterInput::Decision => decision.map_or(Value::Null, Value::Text),
                        AfterInput::Points => points.map_or(Value::Null, Value::Double),
                    };
                    after.set(&self.after, at, place, value);
                }
            }
            self.after.run(after);
            for place in (0..count).filter(|place| scores[first + place].is_finite()) {
                let holds = |rule: &usize| computing.after.is_true(&self.after, *rule, place);
                let rule = (0..self.rules_after.len()).find(holds);
                let rule = rule.map(|rule| self.rules_after[rule]);
                let decided = &mut computing.decided[first + place];
                *decided = decided.or(rule);
            }
        }
    }

    /// Keeps what the request of a row gives.
    fn capture(
        &self,
        joined: &Joined,
        computing: &mut Computing,
        row: usize,
        request: RequestValues<'_>,
    ) {
        for (place, slot) in self.slots.iter().enumerate() {
            let value = if request.are_columns {
                // Columns of text are codes then.
                match slot.column.filter(|_| slot.value_type != Type::Text) {
                    Some(column) => slot.number(joined.matrix.get(row, column)),
                    None => Value::Null,
                }
            } else {
                let SlotSource::Request { index } = slot.source else { continue };
                given(slot, index, request)
            };
            computing.captured.put(row, place, value);
        }
    }

    fn write_columns(&self, joined: &mut Joined, computing: &Computing, place: usize, row: usize) {
        for (output, column) in self.columns.iter().enumerate() {
            let read = column.read(computing.before.get(&self.before, output, place));
            if read.is_unknown {
                joined.unknown_cells.push((row as u32, column.column as u32));
            }
            if read.is_defaulted {
                joined.outcomes[row].fields_defaulted += 1;
                joined.outcomes[row].on_defaults += 1;
                joined.defaulted_by_column[column.column] += 1;
            }
            match read.cell {
                Ok(cell) => joined.matrix.set(row, column.column, cell),
                Err(refusal) => _ = joined.outcomes[row].refusal.get_or_insert(refusal),
            }
        }
    }
}

/// The value of a field of a request.
fn given<'a>(slot: &'a Slot, index: usize, request: RequestValues<'a>) -> Value<'a> {
    if slot.value_type == Type::Text {
        return request.texts.get(index).map_or_else(|| slot.default(), Value::Text);
    }
    slot.number(request.cells.get(index).copied().unwrap_or(f64::NAN))
}

impl ComputedColumn {
    /// What the model reads of a value.
    pub(super) fn read(&self, value: Value<'_>) -> ReadCell {
        let column = self.column as u32;
        let known = match (&self.text, value) {
            (Some(text), Value::Text(found)) => {
                let code = text.categories.code(found.as_bytes());
                if code.is_none() {
                    let code = text.unknown.code(&text.categories);
                    let cell = code.ok_or(Refusal::RequestUnknownText { column });
                    return ReadCell { cell, is_unknown: true, is_defaulted: false };
                }
                code
            }
            (Some(_), _) => None,
            (None, value) => {
                value.number().filter(|number| self.low <= *number && *number <= self.high)
            }
        };
        let is_defaulted = known.is_none() && self.nan == NanMeaning::Default;
        let cell = known.or_else(|| self.of_null());
        let cell = match cell.ok_or(Refusal::ExpressionNull { column }) {
            Ok(cell) if self.integers.is_some_and(|range| !range.holds(cell)) => {
                Err(Refusal::RequestNotInteger { column })
            }
            cell => cell,
        };
        ReadCell { cell, is_unknown: false, is_defaulted }
    }

    /// What the model reads in the place of null; `None` where the row has no score then.
    fn of_null(&self) -> Option<f64> {
        match (self.nan, &self.text) {
            (NanMeaning::Default, None) => Some(self.default),
            (NanMeaning::Default, Some(text)) => text.default,
            (NanMeaning::Missing, None) => Some(f64::NAN),
            (NanMeaning::Missing, Some(text)) => text.categories.missing(),
            (NanMeaning::Reject, _) => None,
        }
    }
}
