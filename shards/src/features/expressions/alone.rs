//! The expressions of a model by themselves: over rows whose values are given one by one, as a
//! training set and the prediction log have them. They have the bits that serving gives.

use std::sync::Arc;

use super::captured::Computing;
use super::plan::{ExpressionPlan, ExpressionSpec};
use super::slot::SlotSource;
use crate::expression::{BLOCK_ROWS, ExpressionError, Type, Value};
use crate::features::column::{CellValue, ColumnType};
use crate::features::inputs::{InputColumn, Source};
use crate::features::join::RequestField;
use crate::features::{Categories, Precision};

/// Something that expressions or rules read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadName<'a> {
    /// Its name.
    pub name: &'a str,
    /// The type of its values.
    pub value_type: Type,
    /// The type of its column or input.
    pub column_type: ColumnType,
    /// Whether requests give it; the store has it otherwise.
    pub is_given: bool,
}

/// What the model reads of a value that was computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ComputedCell {
    /// A number, or a text's code.
    Number(f64),
    /// A row with such a value is not scored.
    Refused,
}

/// Expressions and rules of a model, over blocks of at most [`BLOCK_ROWS`] rows.
#[derive(Debug, Clone)]
pub struct Expressions {
    plan: ExpressionPlan,
    computing: Computing,
    /// By place: the field of the request; `None` where the store has it.
    given: Vec<Option<RequestField>>,
    rows: usize,
}

/// An error of a bind that finds every column.
enum BindError {
    Expression(ExpressionError),
}

impl From<ExpressionError> for BindError {
    fn from(error: ExpressionError) -> Self {
        Self::Expression(error)
    }
}

impl Expressions {
    /// Binds those of a model; `None` where it has none. `categories` are those of its columns.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used.
    pub fn bind(
        columns: &[InputColumn],
        spec: &ExpressionSpec<'_>,
        categories: &[Option<Arc<Categories>>],
    ) -> Result<Option<Self>, ExpressionError> {
        let spec = ExpressionSpec { categories, ..*spec };
        let bound = ExpressionPlan::bind::<BindError>(columns, &spec, |_, _| Ok(SlotSource::Store));
        let Some(plan) = bound.map_err(|BindError::Expression(error)| error)? else {
            return Ok(None);
        };
        let field = |name: &str| {
            let mut readable = columns.iter().chain(spec.inputs);
            let column = readable.find(|it| it.name == name && it.source == Source::Request)?;
            Some(RequestField::of(column, usize::MAX, Precision::F64))
        };
        let given = plan.slots.iter().map(|slot| field(&slot.name)).collect();
        let computing = Computing::new(&plan);
        Ok(Some(Self { plan, computing, given, rows: 0 }))
    }

    /// What is read of a row, by its places.
    pub fn reads(&self) -> impl ExactSizeIterator<Item = ReadName<'_>> {
        self.plan.slots.iter().zip(&self.given).map(|(slot, given)| ReadName {
            name: &slot.name,
            value_type: slot.value_type,
            column_type: slot.column_type,
            is_given: given.is_some(),
        })
    }

    /// Whether the clock is read.
    pub fn reads_clock(&self) -> bool {
        self.plan.before.reads_clock() || self.plan.after.reads_clock()
    }

    /// Begins a block of `rows` rows, of which nothing is known. Their requests arrived at `now_us`,
    /// in µs since 1970.
    ///
    /// # Panics
    /// When there are more than [`BLOCK_ROWS`].
    pub fn begin(&mut self, rows: usize, now_us: i64) {
        assert!(rows <= BLOCK_ROWS, "a block has {BLOCK_ROWS} rows, not {rows}");
        self.rows = rows;
        self.computing.reset(rows, now_us);
        for row in 0..rows {
            for (place, slot) in self.plan.slots.iter().enumerate() {
                self.computing.captured.put(row, place, slot.default());
            }
        }
    }

    /// Sets when the request of a row arrived.
    pub fn arrive(&mut self, row: usize, us: i64) {
        self.computing.arrived_us[row] = us;
    }

    /// Sets what is read of a row at a place, as it was read once.
    pub fn put(&mut self, row: usize, place: usize, value: Value<'_>) {
        self.computing.captured.put(row, place, value);
    }

    /// Sets it as the store's cell says, by the range and default of its column.
    pub fn put_stored(&mut self, row: usize, place: usize, cell: CellValue<'_>) {
        let text;
        let slot = &self.plan.slots[place];
        let value = match cell {
            CellValue::Text(found) => Value::Text(found),
            CellValue::Uuid(bits) => {
                text = crate::features::column::uuid_text(bits);
                match str::from_utf8(&text) {
                    Ok(text) => Value::Text(text),
                    Err(_) => Value::Null,
                }
            }
            cell => slot.stored(cell),
        };
        self.computing.captured.put(row, place, value);
    }

    /// Sets it as a request's number says; NaN stands for none.
    ///
    /// # Errors
    /// What its type is, where that does not have the number: a request with it is refused.
    pub fn put_number(&mut self, row: usize, place: usize, number: f64) -> Result<(), String> {
        if let Some(field) = &self.given[place] {
            field.check(number).map_err(|fault| field.say(fault))?;
        }
        let value = self.plan.slots[place].number(number);
        self.computing.captured.put(row, place, value);
        Ok(())
    }

    /// Computes the columns of all rows, and holds the rules before the model against them.
    pub fn compute(&mut self) {
        self.plan.run_block(&mut self.computing, 0, self.rows);
    }

    /// Holds the rules behind the model against the scores of the rows; `outcome` says the decision
    /// and the points of a score.
    pub fn decide<'a>(
        &mut self,
        scores: &[f64],
        outcome: impl Fn(f64) -> (Option<&'a str>, Option<f64>),
    ) {
        self.plan.decide(&mut self.computing, scores, outcome);
    }

    /// The places of the model's columns that are computed.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = usize> {
        self.plan.columns.iter().map(|column| column.column)
    }

    /// What the expression of the column at a place of [`Self::columns`] gives for a row.
    pub fn value(&self, place: usize, row: usize) -> Value<'_> {
        self.computing.before.get(&self.plan.before, place, row)
    }

    /// What the model reads of that.
    pub fn cell(&self, place: usize, row: usize) -> ComputedCell {
        match self.plan.columns[place].read(self.value(place, row)).cell {
            Ok(cell) => ComputedCell::Number(cell),
            Err(_) => ComputedCell::Refused,
        }
    }

    /// The rule that decided a row, by its place in `model.toml`.
    pub fn rule(&self, row: usize) -> Option<u16> {
        self.computing.rule(row)
    }
}
