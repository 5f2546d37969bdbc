//! Binds the expressions and rules of a model, once, before anything is read.

use std::collections::HashMap;
use std::sync::Arc;

use super::Rule;
use super::slot::{Slot, SlotSource, type_of};
use crate::expression::{self, Definition, ExpressionError, Fault, Name, Program, Type};
use crate::features::Categories;
use crate::features::inputs::{InputColumn, IntegerRange, NanMeaning, Source, UnknownText};

/// What `model.toml` says beside its columns, and what is known of the model's tensors.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExpressionSpec<'a> {
    /// What expressions and rules read and the model does not.
    pub inputs: &'a [InputColumn],
    /// The rules, in order.
    pub rules: &'a [Rule],
    /// Whether scores have decisions of their own.
    pub has_bands: bool,
    /// Whether scores have points.
    pub has_scale: bool,
    /// The categories of each column of the model, as far as its own file has them.
    pub categories: &'a [Option<Arc<Categories>>],
    /// The integers that each column of the model takes; empty where none is of integers.
    pub integers: &'a [Option<IntegerRange>],
}

/// How a text that was computed becomes a code.
#[derive(Debug, Clone)]
pub(super) struct ComputedText {
    pub(super) categories: Arc<Categories>,
    pub(super) unknown: UnknownText,
    pub(super) default: Option<f64>,
}

/// A column of the model that an expression computes.
#[derive(Debug, Clone)]
pub(super) struct ComputedColumn {
    pub(super) column: usize,
    pub(super) default: f64,
    pub(super) nan: NanMeaning,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) integers: Option<IntegerRange>,
    pub(super) text: Option<ComputedText>,
}

/// What a rule behind the model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterInput {
    Slot(usize),
    Score,
    Decision,
    Points,
}

/// The expressions and rules of a model, bound.
#[derive(Debug, Clone)]
pub struct ExpressionPlan {
    /// Columns, then the rules before the model.
    pub(super) before: Program,
    /// The rules behind the model.
    pub(super) after: Program,
    pub(super) slots: Vec<Slot>,
    /// The slot of each input of `before`.
    pub(super) before_slots: Vec<usize>,
    pub(super) after_inputs: Vec<AfterInput>,
    pub(super) columns: Vec<ComputedColumn>,
    /// The places in `model.toml` of the rules of `before`, and of those of `after`.
    pub(super) rules_before: Vec<u16>,
    pub(super) rules_after: Vec<u16>,
}

/// The names of what the model gives, their types, and what they are.
const OUTCOMES: [(&str, Type, AfterInput); 3] = [
    ("score", Type::Double, AfterInput::Score),
    ("decision", Type::Text, AfterInput::Decision),
    ("points", Type::Double, AfterInput::Points),
];

impl ExpressionPlan {
    /// Binds them; `None` where there are none. `columns` are the model's, `slot_source` says where
    /// the value of a column or input comes from that is read, with its place among the slots.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used, or what `slot_source` says.
    pub(in crate::features) fn bind<E: From<ExpressionError>>(
        columns: &[InputColumn],
        spec: &ExpressionSpec<'_>,
        mut slot_source: impl FnMut(&InputColumn, usize) -> Result<SlotSource, E>,
    ) -> Result<Option<Self>, E> {
        let computed: Vec<(usize, &InputColumn)> =
            columns.iter().enumerate().filter(|(_, it)| it.expr.is_some()).collect();
        if computed.is_empty() && spec.rules.is_empty() {
            return Ok(None);
        }
        let programs = Programs::compile(columns, spec, &computed)?;
        let places: HashMap<&str, usize> =
            columns.iter().enumerate().map(|(place, it)| (it.name.as_str(), place)).collect();
        let readable = || columns.iter().chain(spec.inputs);
        let (mut slots, mut by_name) = (Vec::new(), HashMap::new());
        let inputs = programs.before.inputs().iter().chain(programs.after.inputs());
        for name in inputs.map(|port| port.name.as_str()) {
            let Some(column) = readable().find(|it| it.name == name) else { continue };
            if !by_name.contains_key(name) {
                let source = slot_source(column, slots.len())?;
                by_name.insert(name, slots.len());
                slots.push(Slot::new(column, places.get(name).copied(), source));
            }
        }
        let slot = |name: &str| by_name.get(name).copied();
        let after_input = |name: &str| {
            let outcome = OUTCOMES.iter().find(|(outcome, ..)| *outcome == name);
            slot(name).map(AfterInput::Slot).or(outcome.map(|(.., input)| *input))
        };
        let before = programs.before.inputs().iter();
        let before_slots = before.filter_map(|port| slot(&port.name)).collect();
        let after = programs.after.inputs().iter();
        let after_inputs = after.filter_map(|port| after_input(&port.name)).collect();
        let column =
            |(place, column): &(usize, &InputColumn)| computed_column(*place, column, spec);
        Ok(Some(Self {
            columns: computed.iter().map(column).collect(),
            slots,
            before_slots,
            after_inputs,
            before: programs.before,
            after: programs.after,
            rules_before: programs.rules_before,
            rules_after: programs.rules_after,
        }))
    }

    /// The categories of a column that an expression computes as text.
    pub(in crate::features) fn categories_at(&self, column: usize) -> Option<&Arc<Categories>> {
        let computed = self.columns.iter().find(|it| it.column == column)?;
        computed.text.as_ref().map(|text| &text.categories)
    }

    /// Whether the text of this request field is read.
    pub(in crate::features) fn reads_text(&self, field: usize) -> bool {
        let is_read = |slot: &Slot| {
            slot.source == SlotSource::Request { index: field } && slot.value_type == Type::Text
        };
        self.slots.iter().any(is_read)
    }

    /// Whether rules are held against what the model gave.
    pub(crate) fn has_rules_after(&self) -> bool {
        !self.rules_after.is_empty()
    }
}

fn computed_column(
    place: usize,
    column: &InputColumn,
    spec: &ExpressionSpec<'_>,
) -> ComputedColumn {
    let (low, high) = column.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    let categories = spec.categories.get(place).cloned().flatten();
    let text = categories.map(|categories| ComputedText {
        default: column.text.default_code(&categories),
        unknown: column.text.unknown,
        categories,
    });
    ComputedColumn {
        column: place,
        default: column.default,
        nan: column.nan,
        low,
        high,
        integers: spec.integers.get(place).copied().flatten(),
        text,
    }
}

/// Checks the expressions and rules of a model, as far as that needs neither store nor model.
///
/// # Errors
/// What is wrong with the first that cannot be used.
pub(crate) fn check(
    columns: &[InputColumn],
    spec: &ExpressionSpec<'_>,
) -> Result<(), ExpressionError> {
    let computed: Vec<(usize, &InputColumn)> =
        columns.iter().enumerate().filter(|(_, it)| it.expr.is_some()).collect();
    Programs::compile(columns, spec, &computed).map(|_| ())
}

/// The two programs, and which rules are in which.
struct Programs {
    before: Program,
    after: Program,
    rules_before: Vec<u16>,
    rules_after: Vec<u16>,
}

impl Programs {
    fn compile(
        columns: &[InputColumn],
        spec: &ExpressionSpec<'_>,
        computed: &[(usize, &InputColumn)],
    ) -> Result<Self, ExpressionError> {
        let stored = columns.iter().filter(|it| it.source != Source::Expression);
        let name = |column: &InputColumn| Name {
            name: column.name.clone(),
            value_type: type_of(column.column_type),
        };
        let names: Vec<Name> = stored.chain(spec.inputs).map(name).collect();
        let is_taken =
            |name: &str| columns.iter().chain(spec.inputs).any(|column| column.name == name);
        let has = |name: &str| match name {
            "decision" => spec.has_bands,
            "points" => spec.has_scale,
            _ => true,
        };
        let outcomes: Vec<Name> = OUTCOMES
            .iter()
            .filter(|(name, ..)| has(name) && !is_taken(name))
            .map(|(name, value_type, _)| Name { name: (*name).to_owned(), value_type: *value_type })
            .collect();
        let titles: Vec<String> =
            (0..spec.rules.len()).map(|place| format!("rules[{place}].when")).collect();
        let (mut rules_before, mut rules_after) = (Vec::new(), Vec::new());
        for (place, (rule, title)) in spec.rules.iter().zip(&titles).enumerate() {
            let definition = Definition { name: title, text: &rule.when, is_output: true };
            let read = expression::names(definition)?;
            let is_after = read.iter().any(|name| outcomes.iter().any(|it| it.name == *name));
            let rules = if is_after { &mut rules_after } else { &mut rules_before };
            rules.push(place as u16);
        }
        let definitions = |rules: &[u16], is_output: bool| -> Vec<Definition<'_>> {
            let column = |place: usize| {
                let column: &InputColumn = computed[place].1;
                let text = column.expr.as_deref().unwrap_or_default();
                Definition { name: &column.name, text, is_output }
            };
            let rule = |place: &u16| {
                let place = usize::from(*place);
                let (name, text) = (titles[place].as_str(), spec.rules[place].when.as_str());
                Definition { name, text, is_output: true }
            };
            (0..computed.len()).map(column).chain(rules.iter().map(rule)).collect()
        };
        let before_definitions = definitions(&rules_before, true);
        let before = Program::compile(&names, &before_definitions)?;
        for ((_, column), port) in computed.iter().zip(before.outputs()) {
            check_type(column, port.value_type)?;
        }
        let after = if rules_after.is_empty() {
            Program::default()
        } else {
            let names: Vec<Name> = names.iter().chain(&outcomes).cloned().collect();
            Program::compile(&names, &definitions(&rules_after, false))?
        };
        let conditions = before.outputs().iter().skip(computed.len()).zip(&rules_before);
        let conditions = conditions.chain(after.outputs().iter().zip(&rules_after));
        for (port, place) in conditions {
            if port.value_type != Type::Bool {
                let text = spec.rules[usize::from(*place)].when.clone();
                return Err(wrong_result(&port.name, text, port.value_type, "true or false"));
            }
        }
        Ok(Self { before, after, rules_before, rules_after })
    }
}

/// Whether an expression gives what its column takes.
fn check_type(column: &InputColumn, found: Type) -> Result<(), ExpressionError> {
    let expected = match (column.column_type.is_text(), found) {
        (true, Type::Text) | (false, Type::Bool | Type::Int | Type::Double) => return Ok(()),
        (true, _) => "text, as the column is",
        (false, Type::Timestamp) => "a number, as hours_since(…) or int(…)",
        (false, _) => "a number, or `type = \"text\"` beside it",
    };
    let text = column.expr.clone().unwrap_or_default();
    Err(wrong_result(&column.name, text, found, expected))
}

fn wrong_result(name: &str, text: String, found: Type, expected: &'static str) -> ExpressionError {
    let fault = Fault::Result { found: found.to_string(), expected };
    ExpressionError { name: name.to_owned(), text, at: 0, fault }
}
