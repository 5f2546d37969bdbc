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

/// What became of a value on its way into the matrix.
enum Written {
    Cell(f64),
    Unknown(Option<f64>),
    Null,
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
            computing.before.begin(&self.before, count);
            for place in 0..count {
                let row = first + place;
                let request = request(row);
                computing.arrived_us[row] = request.arrived_us;
                self.capture(joined, &mut computing, row, request);
                computing.before.set_clock(&self.before, place, request.arrived_us);
                for (input, slot) in self.before_slots.iter().enumerate() {
                    let value = computing.captured.get(row, *slot);
                    computing.before.set(&self.before, input, place, value);
                }
            }
            self.before.run(&mut computing.before);
            for place in 0..count {
                if !request(first + place).are_columns {
                    self.write_columns(joined, &computing, place, first + place);
                }
                let first_rule = self.columns.len();
                let holds =
                    |rule: &usize| computing.before.is_true(&self.before, first_rule + rule, place);
                let rule = (0..self.rules_before.len()).find(holds);
                computing.decided[first + place] = rule.map(|rule| self.rules_before[rule]);
                computing.decided_rows += usize::from(rule.is_some());
            }
        }
        joined.unknown_cells.sort_unstable();
        joined.expressions = Some(computing);
    }

    /// Holds the rules behind the model against the scores of those rows that have one and were not
    /// decided before; `outcome` says the decision and the points of a score.
    pub(crate) fn decide<'a>(
        &self,
        joined: &mut Joined,
        scores: &[f64],
        outcome: impl Fn(f64) -> (Option<&'a str>, Option<f64>),
    ) {
        let Some(mut computing) = joined.expressions.take() else { return };
        let rows = if self.has_rules_after() { scores.len() } else { 0 };
        for first in (0..rows).step_by(BLOCK_ROWS) {
            let count = BLOCK_ROWS.min(rows - first);
            let Computing { after, captured, arrived_us, .. } = &mut *computing;
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
        joined.expressions = Some(computing);
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
            let value = computing.before.get(&self.before, output, place);
            let at = column.column as u32;
            let cell = match column.written(value) {
                Written::Cell(cell) => Ok(cell),
                Written::Unknown(code) => {
                    joined.unknown_cells.push((row as u32, at));
                    code.ok_or(Refusal::RequestUnknownText { column: at })
                }
                Written::Null => {
                    if column.nan == NanMeaning::Default {
                        joined.outcomes[row].fields_defaulted += 1;
                        joined.defaulted_by_column[column.column] += 1;
                    }
                    column.of_null().ok_or(Refusal::ExpressionNull { column: at })
                }
            };
            let is_integer = |cell: &f64| column.integers.is_none_or(|range| range.holds(*cell));
            let cell = match cell {
                Ok(cell) if !is_integer(&cell) => Err(Refusal::RequestNotInteger { column: at }),
                cell => cell,
            };
            match cell {
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
    fn written(&self, value: Value<'_>) -> Written {
        match (&self.text, value) {
            (Some(text), Value::Text(found)) => match text.categories.code(found.as_bytes()) {
                Some(code) => Written::Cell(code),
                None => Written::Unknown(text.unknown.code(&text.categories)),
            },
            (None, value) => match value.number() {
                Some(number) if self.low <= number && number <= self.high => Written::Cell(number),
                _ => Written::Null,
            },
            (Some(_), _) => Written::Null,
        }
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
