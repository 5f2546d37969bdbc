//! Computes the expressions and rules of a logged row again, from what they read then.

use shards::expression::Value;
use shards::features::Precision;
use shards::features::expressions::{ComputedCell, Expressions};
use shards::model::answer::Answers;

use crate::journal::line::Line;
use crate::journal::values::LoggedValue;

/// What a line says of a row's expressions.
pub(super) struct LoggedExpressions {
    values: Vec<(String, LoggedValue<'static>)>,
    arrived_us: i64,
    are_columns_given: bool,
    rule: Option<String>,
}

impl LoggedExpressions {
    /// Those of a line; `None` where it has none.
    pub(super) fn of(line: &Line<'_>) -> Option<Self> {
        let values = &line.inputs.as_ref()?.0;
        let value = |(name, value): &(std::borrow::Cow<'_, str>, LoggedValue<'_>)| {
            (name.clone().into_owned(), value.clone().into_owned())
        };
        Some(Self {
            values: values.iter().map(value).collect(),
            arrived_us: line.arrived_us.unwrap_or_default(),
            are_columns_given: line.columns_given,
            rule: line.rule.as_deref().map(str::to_owned),
        })
    }
}

/// What came of a row's expressions now.
pub(super) struct Recomputed {
    /// The rule that decides it, by its place in `model.toml`.
    pub(super) rule: Option<u16>,
    /// What is another than it was, for people.
    pub(super) difference: Option<String>,
}

/// Computes a row again. `cell` says what the model read of a column then, `None` where it was not
/// asked; `score` is what it gives now.
pub(super) fn recompute(
    expressions: &mut Expressions,
    logged: &LoggedExpressions,
    answers: &Answers,
    precision: Precision,
    cell: impl Fn(usize) -> Option<f64>,
    score: Option<f64>,
) -> Recomputed {
    if let Err(difference) = put(expressions, logged) {
        return Recomputed { rule: None, difference: Some(difference) };
    }
    expressions.compute();
    let mut difference = None;
    if !logged.are_columns_given {
        difference = changed_cell(expressions, precision, cell);
    }
    if let Some(score) = score.filter(|_| expressions.rule(0).is_none()) {
        expressions.decide(&[score], |score| {
            (answers.decision_name(score), answers.points(score).flatten())
        });
    }
    let rule = expressions.rule(0);
    let now = rule.and_then(|rule| answers.rule_name(rule));
    if now != logged.rule.as_deref() {
        let [then, now] = [logged.rule.as_deref(), now].map(|it| it.unwrap_or("none"));
        difference = difference.or(Some(format!("the rule was {then}, and is {now}")));
    }
    Recomputed { rule, difference }
}

/// Gives the expressions what they read then.
fn put(expressions: &mut Expressions, logged: &LoggedExpressions) -> Result<(), String> {
    expressions.begin(1, logged.arrived_us);
    let reads: Vec<_> =
        expressions.reads().map(|read| (read.name.to_owned(), read.value_type)).collect();
    for (place, (name, value_type)) in reads.iter().enumerate() {
        let known = logged.values.iter().find(|(known, _)| known == name);
        let Some((_, value)) = known else {
            return Err(format!("`{name}` is read now, and was not then"));
        };
        let typed: Option<Value<'_>> = value.typed(*value_type);
        let typed = typed.ok_or_else(|| {
            let then = serde_json::to_string(value).unwrap_or_default();
            format!("`{name}` was {then}, which is no {value_type}")
        })?;
        expressions.put(0, place, typed);
    }
    Ok(())
}

/// The first computed column that is another than the model read then.
fn changed_cell(
    expressions: &Expressions,
    precision: Precision,
    cell: impl Fn(usize) -> Option<f64>,
) -> Option<String> {
    for (place, column) in expressions.columns().enumerate() {
        let Some(then) = cell(column) else { continue };
        let now = match expressions.cell(place, 0) {
            ComputedCell::Number(now) if precision == Precision::F32 => f64::from(now as f32),
            ComputedCell::Number(now) => now,
            ComputedCell::Refused => {
                return Some(format!("computed cell {} was {then}, and is refused", column + 1));
            }
        };
        if now.to_bits() != then.to_bits() && !(now.is_nan() && then.is_nan()) {
            return Some(format!("computed cell {} was {then}, and is {now}", column + 1));
        }
    }
    None
}
