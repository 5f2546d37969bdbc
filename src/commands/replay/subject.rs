//! One version of one model, the rows of the log that it scored, and what it says of them now.

use std::sync::Arc;

use shards::escape::Escaped;
use shards::features::expressions::{ExpressionSpec, Expressions};
use shards::features::inputs::InputColumn;
use shards::features::join::categories_by_column;
use shards::features::{Categories, FeatureMatrix};
use shards::model::answer::Answers;
use shards::model::repository::Repository;
use shards::model::{LoadOptions, Model};

use super::Place;
use super::expressions::{LoggedExpressions, recompute};
use crate::journal::line::{Cell, Line, LoggedReason};
use crate::output::say;

/// How many rows are scored together: as many as a shard may, in any case, as the same row has the
/// same score in any batch.
const BATCH_ROWS: usize = 256;
/// How many differences are shown of one version of a model; the rest are only counted.
const SHOWN_MAX: u64 = 20;

/// One version of one model.
pub(super) struct Subject {
    /// `None` where it cannot be replayed.
    model: Option<Model>,
    /// Which decision and reasons its scores have.
    answers: Answers,
    /// How its texts are read; empty where it reads none.
    categories: Vec<Option<Arc<Categories>>>,
    /// Its expressions and rules; `None` where it has none.
    expressions: Option<Expressions>,
    /// Why it cannot be, if that is a finding.
    pub(super) fault: Option<String>,
    pub(super) file_hash: String,
    /// Rows to be scored.
    waiting: Vec<LoggedRow>,
    cells: Vec<f64>,
    pub(super) same: u64,
    pub(super) different: u64,
    pub(super) unscored: u64,
    pub(super) skipped: u64,
    /// Rows that were scored by a file with another hash.
    pub(super) other_file: u64,
}

/// A row to be scored: where it was read, and what came of it then.
struct LoggedRow {
    place: String,
    score: Option<f64>,
    decision: Option<String>,
    /// The code of each reason, and how far it pushed.
    reasons: Option<Vec<(String, f64)>>,
    /// How many there might have been.
    reasons_max: usize,
    /// What its expressions and rules read.
    expressions: Option<LoggedExpressions>,
}

impl Subject {
    pub(super) fn load(repository: &Repository, name: &str, version: u64) -> Self {
        let loaded = repository
            .find(name, Some(version))
            .map_err(|error| error.to_string())
            .and_then(|directory| {
                Model::load(&directory, &LoadOptions::default()).map_err(|error| error.to_string())
            })
            .and_then(|model| {
                let columns = model.manifest().columns.as_deref();
                let known = categories_by_column(columns, model.categories());
                let known = known.map_err(|error| error.to_string())?;
                let spec = ExpressionSpec {
                    integers: model.integers(),
                    ..model.manifest().expression_spec()
                };
                let expressions = Expressions::bind(columns.unwrap_or_default(), &spec, &known);
                let expressions = expressions.map_err(|error| error.to_string())?;
                let answers = model.answers(&column_names(&model));
                Ok((answers.map_err(|error| error.to_string())?, known, expressions, model))
            });
        let (answers, model, categories, expressions, fault) = match loaded {
            Ok((answers, categories, expressions, model)) => {
                (answers, Some(model), categories, expressions, None)
            }
            Err(error) => (Answers::default(), None, Vec::new(), None, Some(error)),
        };
        let file_hash = model.as_ref().map_or(0, |model| model.describe().file_hash);
        Self {
            // Another server computes it: what it answers today says nothing of this machine.
            model: model.filter(|model| model.remote().is_none()),
            answers,
            categories,
            expressions,
            fault,
            file_hash: format!("{file_hash:016x}"),
            waiting: Vec::new(),
            cells: Vec::new(),
            same: 0,
            different: 0,
            unscored: 0,
            skipped: 0,
            other_file: 0,
        }
    }

    pub(super) fn take(&mut self, place: &Place<'_>, line: &Line<'_>) {
        if line.cells.is_empty() && line.rule.is_none() {
            self.unscored += 1;
            return;
        }
        let Some(model) = &self.model else {
            self.skipped += 1;
            return;
        };
        if line.cells.is_empty() {
            // A rule decided it before the model.
            return self.decide(place, line);
        }
        self.other_file += u64::from(line.file_hash != self.file_hash);
        if line.cells.len() != model.columns() {
            self.different += 1;
            say!("{place}: {} features, and the model reads {}", line.cells.len(), model.columns());
            return;
        }
        let columns = model.manifest().columns.as_deref().unwrap_or_default();
        let first = self.cells.len();
        for (at, cell) in line.cells.iter().enumerate() {
            let known = self.categories.get(at).and_then(Option::as_deref);
            let number = match known {
                None => cell.number(),
                Some(known) => code(cell, known, columns.get(at)),
            };
            let Some(number) = number else {
                self.cells.truncate(first);
                self.different += 1;
                let (column, what) = (at + 1, if known.is_some() { "texts" } else { "numbers" });
                let cell = serde_json::to_string(cell).unwrap_or_default();
                say!(
                    "{place}: cell {column} is {}, which has no number in a column of {what}",
                    Escaped(cell)
                );
                return;
            };
            self.cells.push(number);
        }
        let reasons = line.reasons.as_ref().map(|reasons| {
            let reason = |reason: &LoggedReason<'_>| (reason.code.to_string(), reason.contribution);
            reasons.iter().map(reason).collect()
        });
        self.waiting.push(LoggedRow {
            place: place.to_string(),
            score: line.score,
            decision: line.decision.as_deref().map(str::to_owned),
            reasons,
            reasons_max: line.max_reasons.unwrap_or(0) as usize,
            expressions: LoggedExpressions::of(line),
        });
        if self.waiting.len() >= BATCH_ROWS {
            self.score();
        }
    }

    /// Holds the rules against a row that has no score, and compares.
    fn decide(&mut self, place: &Place<'_>, line: &Line<'_>) {
        let (Some(model), Some(logged)) = (&self.model, LoggedExpressions::of(line)) else {
            self.skipped += 1;
            return;
        };
        let Some(expressions) = &mut self.expressions else {
            self.differs(&place.to_string(), "a rule decided it, and there are no rules any more");
            return;
        };
        let precision = model.precision();
        let now = recompute(expressions, &logged, &self.answers, precision, |_| None, None);
        let decision = self.answers.decision_name_of(f64::NAN, now.rule);
        let then = line.decision.as_deref();
        let other = (decision != then).then(|| {
            let [then, now] = [then, decision].map(|it| it.unwrap_or("none"));
            format!("the decision was {then}, and is {now}")
        });
        match now.difference.or(other) {
            Some(difference) => self.differs(&place.to_string(), &difference),
            None => self.same += 1,
        }
    }

    /// Counts a row that is not as it was, and shows the first of them.
    fn differs(&mut self, place: &str, difference: &str) {
        self.different += 1;
        if self.different <= SHOWN_MAX {
            say!("{place}: {}", Escaped(difference));
        } else if self.different == SHOWN_MAX + 1 {
            say!("more differences, counted at the end");
        }
    }

    /// Scores the rows that wait, and compares.
    pub(super) fn score(&mut self) {
        let Some(model) = &mut self.model else { return };
        let mut matrix = FeatureMatrix::new(model.columns(), model.precision());
        matrix.reset(self.waiting.len());
        for (index, cell) in self.cells.drain(..).enumerate() {
            matrix.set(index / model.columns(), index % model.columns(), cell);
        }
        let mut scores = Vec::new();
        let failed = model.score(&matrix, &mut scores).err().map(|error| error.to_string());
        let explained = self.waiting.iter().any(|row| row.reasons.is_some());
        let mut contributions = Vec::new();
        let unexplained = match model.explainer() {
            Some(explainer) if explained => explainer.explain(&matrix, &mut contributions).err(),
            _ => None,
        };
        let precision = model.precision();
        for (place, row) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            let now = scores.get(place).copied().filter(|score| score.is_finite());
            let shown = |score: Option<f64>| score.map_or("none".to_owned(), |s| s.to_string());
            let recomputed = match (&mut self.expressions, &row.expressions) {
                (Some(expressions), Some(logged)) => {
                    let cell = |column| Some(matrix.get(place, column));
                    Some(recompute(expressions, logged, &self.answers, precision, cell, now))
                }
                _ => None,
            };
            let rule = recomputed.as_ref().and_then(|it| it.rule);
            let changed = recomputed.and_then(|it| it.difference);
            let of_reasons = unexplained.as_ref().filter(|_| row.reasons.is_some());
            let difference = if let Some(failed) = failed.as_ref().or(of_reasons) {
                Some(format!("the score was {}, and is {failed}", shown(row.score)))
            } else if now.map(f64::to_bits) != row.score.map(f64::to_bits) {
                Some(format!("the score was {}, and is {}", shown(row.score), shown(now)))
            } else if changed.is_some() {
                changed
            } else {
                let columns = matrix.columns();
                let own = contributions.get(place * columns..(place + 1) * columns);
                other_answer(&self.answers, &row, now.map(|now| (now, rule)), own)
            };
            let Some(difference) = difference else {
                self.same += 1;
                continue;
            };
            self.differs(&row.place, &difference);
        }
    }
}

/// What is another decision or reason than it was, of a row that has the same score.
fn other_answer(
    answers: &Answers,
    row: &LoggedRow,
    answered: Option<(f64, Option<u16>)>,
    contributions: Option<&[f64]>,
) -> Option<String> {
    let decision = answered.and_then(|(score, rule)| answers.decision_name_of(score, rule));
    if decision != row.decision.as_deref() {
        let [then, now] = [row.decision.as_deref(), decision].map(|it| it.unwrap_or("none"));
        return Some(format!("the decision was {then}, and is {now}"));
    }
    let then = row.reasons.as_ref()?;
    let (Some(reasons), Some(contributions)) = (&answers.reasons, contributions) else {
        return Some("it had reasons, and scores are not explained any more".to_owned());
    };
    let mut chosen = Vec::new();
    reasons.choose(contributions, row.reasons_max, |_| f64::NAN, &mut chosen);
    let now = chosen.iter().map(|reason| {
        (reasons.groups[reason.group as usize].code.as_str(), reason.contribution.to_bits())
    });
    let same = then.iter().map(|(code, found)| (code.as_str(), found.to_bits())).eq(now.clone());
    (!same).then(|| {
        let [then, now]: [Vec<&str>; 2] = [
            then.iter().map(|(code, _)| code.as_str()).collect(),
            now.map(|(code, _)| code).collect(),
        ];
        if then == now {
            format!("the reasons {} pushed by other amounts", then.join(", "))
        } else {
            format!("the reasons were {}, and are {}", then.join(", "), now.join(", "))
        }
    })
}

/// The names of a model's columns, as far as it can be told without the store.
fn column_names(model: &Model) -> Vec<String> {
    if let Some(columns) = model.input_columns() {
        return columns.iter().map(|column| column.name.clone()).collect();
    }
    let named = model.file_columns().names;
    if named.len() == model.columns() {
        return named;
    }
    (0..model.columns()).map(|column| column.to_string()).collect()
}

/// What a cell of a column of text is to the model as it is now; `None` where it has no answer.
fn code(cell: &Cell<'_>, known: &Categories, column: Option<&InputColumn>) -> Option<f64> {
    let unknown = || column.map(|it| it.text.unknown).unwrap_or_default().code(known);
    match cell {
        Cell::Number(missing) if missing.is_nan() => known.missing(),
        Cell::Number(code) => Some(*code),
        Cell::Text(text) => known.code(text.as_bytes()).or_else(unknown),
        Cell::Unknown { .. } => unknown(),
    }
}
