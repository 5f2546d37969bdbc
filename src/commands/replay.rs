//! `shardgate replay`: scores the rows of a prediction log again, and says what has changed.

mod expressions;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use shards::escape::Escaped;
use shards::features::expressions::{ExpressionSpec, Expressions};
use shards::features::inputs::InputColumn;
use shards::features::join::categories_by_column;
use shards::features::{Categories, FeatureMatrix};
use shards::model::answer::Answers;
use shards::model::repository::Repository;
use shards::model::{LoadOptions, Model};

use self::expressions::{LoggedExpressions, recompute};
use crate::journal::line::{Cell, Line, LoggedReason};
use crate::output::say;

/// How many rows are scored together: as many as a shard may, in any case, as the same row has the
/// same score in any batch.
const BATCH_ROWS: usize = 256;
/// How many differences are shown of one version of a model; the rest are only counted.
const SHOWN_MAX: u64 = 20;

/// Scores the rows of a prediction log again with the versions that are on disk now.
///
/// Each score must be the same to the last bit, and so must the reasons of rows that were explained,
/// the columns that expressions compute, and what rules decide.
/// Rows that were not scored then, and models that another server computes, are counted and not
/// replayed. The exit status is 1 where anything differs, a model's file is another, or a line
/// cannot be read.
#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// Files of the log.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The model repository.
    #[arg(long, env = "SHARDGATE_MODELS", value_name = "DIR", default_value = "models")]
    models: PathBuf,
}

/// Replays the files and prints what came of it.
pub(crate) fn run(arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    let repository = Repository::new(&arguments.models);
    let mut replay = Replay { repository, subjects: BTreeMap::new(), unreadable: 0 };
    for path in &arguments.files {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        for (index, text) in BufReader::new(file).split(b'\n').enumerate() {
            let text = text.with_context(|| path.display().to_string())?;
            let place = Place { path, line: index + 1 };
            replay.take(&place, &text);
        }
        // What is shown names the file's path, which is lent: nothing stays for the next file.
        replay.finish_batches();
    }
    Ok(if replay.summarise() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a row was read.
struct Place<'a> {
    path: &'a Path,
    line: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", Escaped(self.path.display()), self.line)
    }
}

struct Replay {
    repository: Repository,
    subjects: BTreeMap<(String, u64), Subject>,
    unreadable: u64,
}

/// One version of one model.
struct Subject {
    /// `None` where it cannot be replayed.
    model: Option<Model>,
    /// Which decision and reasons its scores have.
    answers: Answers,
    /// How its texts are read; empty where it reads none.
    categories: Vec<Option<Arc<Categories>>>,
    /// Its expressions and rules; `None` where it has none.
    expressions: Option<Expressions>,
    /// Why it cannot be, if that is a finding.
    fault: Option<String>,
    file_hash: String,
    /// Rows to be scored.
    waiting: Vec<LoggedRow>,
    cells: Vec<f64>,
    same: u64,
    different: u64,
    unscored: u64,
    skipped: u64,
    /// Rows that were scored by a file with another hash.
    other_file: u64,
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

impl Replay {
    fn take(&mut self, place: &Place<'_>, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let line: Line<'_> = match serde_json::from_slice(text) {
            Ok(line) => line,
            Err(error) => {
                self.unreadable += 1;
                say!("{place}: not a line of a prediction log: {}", Escaped(error));
                return;
            }
        };
        let key = (line.model.clone().into_owned(), line.version);
        let repository = &self.repository;
        let subject = self
            .subjects
            .entry(key)
            .or_insert_with_key(|(name, version)| Subject::load(repository, name, *version));
        subject.take(place, &line);
    }

    fn finish_batches(&mut self) {
        self.subjects.values_mut().for_each(Subject::score);
    }

    /// Prints a line a model; whether nothing has changed.
    fn summarise(&self) -> bool {
        let mut is_same = self.unreadable == 0;
        for ((name, version), subject) in &self.subjects {
            let name = Escaped(name);
            if let Some(fault) = &subject.fault {
                say!("{name}/{version}: {}", Escaped(fault));
            }
            if subject.other_file > 0 {
                say!(
                    "{name}/{version}: the file is another (now {}) than {} rows were scored by",
                    subject.file_hash,
                    subject.other_file
                );
            }
            say!(
                "{name}/{version}: {} rows have the same score, {} another; {} had none, {} were \
                 not replayed",
                subject.same,
                subject.different,
                subject.unscored,
                subject.skipped
            );
            is_same &= subject.different + subject.other_file == 0 && subject.fault.is_none();
        }
        if self.unreadable > 0 {
            say!("{} lines could not be read", self.unreadable);
        }
        is_same
    }
}

impl Subject {
    fn load(repository: &Repository, name: &str, version: u64) -> Self {
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

    fn take(&mut self, place: &Place<'_>, line: &Line<'_>) {
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
    fn score(&mut self) {
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
