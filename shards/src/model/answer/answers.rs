//! What an answer of a model may have beside its score.

use std::collections::HashSet;

use thiserror::Error;

use super::condition::{Answered, Condition};
use super::reasons::Reasons;
use super::settings::{Adverse, Band, OutputProblem, PointScale, ScoreKind, ScoreOutput};
use crate::expression::ExpressionError;
use crate::features::expressions::Rule;
use crate::model::explain::ExplainSettings;

/// What a row is asked for beside its score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct Wants {
    /// The probability of each class.
    pub probabilities: bool,
    /// The label of the most probable class.
    pub label: bool,
    /// All columns of the output.
    pub outputs: bool,
    /// An explanation.
    pub explain: bool,
    /// The number of reasons in it, where the request says one.
    pub reasons: Option<u16>,
    /// The contribution of each column, and the margin of the average row.
    pub contributions: bool,
    /// No explanation, also where the model gives one unasked: the request's key may have none.
    pub withholds_reasons: bool,
}

impl Wants {
    /// Whether the kept values of the row are needed.
    pub(crate) fn values(self) -> bool {
        self.probabilities || self.label || self.outputs
    }

    /// What either asks for.
    fn or(self, other: Self) -> Self {
        Self {
            probabilities: self.probabilities || other.probabilities,
            label: self.label || other.label,
            outputs: self.outputs || other.outputs,
            explain: self.explain || other.explain,
            reasons: self.reasons.or(other.reasons),
            contributions: self.contributions || other.contributions,
            withholds_reasons: self.withholds_reasons || other.withholds_reasons,
        }
    }
}

const NO_CLASSES: &str = "`probabilities` and `label` are of classifiers: the model is none";
const ONE_COLUMN_ONLY: &str =
    "the model computes one column only: say `outputs = true` in [output] of its model.toml";
const NO_REASONS: &str =
    "the model's scores are not explained: [explain] in its model.toml says that they are";

/// What the answers of a model may have beside the score.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "none of them follows from the others")]
pub struct Answers {
    /// The labels of the classes, or their places; empty of what is no classifier or computes one
    /// class only.
    pub labels: Vec<String>,
    /// How many columns of the output are computed.
    pub width: usize,
    /// How many columns of the output are explained, each by itself; 0 where the score alone is.
    pub explained_outputs: usize,
    /// Whether the columns are classes, all of them computed or not.
    pub is_classifier: bool,
    /// Whether all columns are computed.
    is_whole: bool,
    /// What every row has.
    pub always: Wants,
    /// Whether rows that ask for nothing have but a score.
    pub are_bare: bool,
    adverse: Adverse,
    scale: Option<PointScale>,
    bands: Vec<Band>,
    /// The names of all decisions: the bands' in their order, and those that only rules make.
    decisions: Vec<String>,
    rules: Vec<AnsweredRule>,
    /// The names of the rules, each once.
    rule_names: Vec<String>,
    /// The shares of the training data's scores, of probabilities where they are known.
    pub score_shares: Vec<f64>,
    /// The reasons that rows may have, where scores are explained.
    pub reasons: Option<Reasons>,
    explains_always: bool,
    when: Option<Condition>,
}

/// A rule, as answers tell of it.
#[derive(Debug, Clone, PartialEq)]
struct AnsweredRule {
    /// The place of its decision among all.
    decision: usize,
    /// The place of its name among all.
    name: usize,
}

/// A key of `[output]` or `[explain]` that does not fit the model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AnswersError {
    /// A value that makes no sense.
    #[error("model.toml: key `{key}`: found {found}, expected {expected}")]
    Value {
        /// The key, as a path from the file's root.
        key: String,
        /// What the file says.
        found: String,
        /// What it may say.
        expected: &'static str,
    },
    /// A condition that is none.
    #[error("model.toml: key `explain.when`: {0}")]
    Condition(#[from] ExpressionError),
}

/// The columns of a model's output.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct OutputFacts<'m> {
    /// How many are computed.
    pub(in crate::model) width: usize,
    /// The labels, where they are known.
    pub(in crate::model) labels: &'m [String],
    pub(in crate::model) is_classifier: bool,
    /// Whether all columns of the output are computed.
    pub(in crate::model) is_whole: bool,
    /// Whether the calibrated score falls where the model's own rises.
    pub(in crate::model) falls: bool,
    /// How many columns are explained, each by itself.
    pub(in crate::model) explained: usize,
}

impl Answers {
    /// What `[output]`, `[explain]` and `[[rules]]` say of a model whose columns have these names.
    pub(in crate::model) fn new(
        output: &ScoreOutput,
        explain: Option<&ExplainSettings>,
        facts: OutputFacts<'_>,
        columns: &[String],
        rules: &[Rule],
    ) -> Result<Self, AnswersError> {
        let problem = |(key, found, expected)| AnswersError::Value { key, found, expected };
        let labels = labels(output, facts).map_err(problem)?;
        output.check_kind(facts).map_err(problem)?;
        for (key, is_wanted) in
            [("output.probabilities", output.probabilities), ("output.label", output.label)]
        {
            if is_wanted && labels.is_empty() {
                return Err(problem((key.to_owned(), "true".to_owned(), "a classifier")));
            }
        }
        if !output.shares.is_empty() && !facts.is_classifier {
            let found = "shares of scores".to_owned();
            return Err(problem(("output.shares".to_owned(), found, "a classifier")));
        }
        let reasons = explain.map(|explain| Reasons::new(explain, output.adverse, columns));
        let when = explain.and_then(|explain| explain.when.as_deref());
        let (names, answered_rules, decisions) = answered_rules(output, rules);
        let when = when.map(|text| Condition::compile(text, output, rules, &names)).transpose()?;
        if explain.is_some() && facts.falls {
            let found = "beside a calibration that falls".to_owned();
            let expected = "a score that rises with the model's own";
            return Err(problem(("explain".to_owned(), found, expected)));
        }
        if when.is_some() && explain.is_some_and(|explain| explain.always) {
            let found = "beside `always = true`".to_owned();
            return Err(problem(("explain.when".to_owned(), found, "one of the two")));
        }
        let always = Wants {
            probabilities: output.probabilities,
            label: output.label,
            outputs: output.outputs,
            ..Wants::default()
        };
        let explains_always = explain.is_some_and(|explain| explain.always);
        let has_more = output.scale.is_some() || !decisions.is_empty();
        Ok(Self {
            are_bare: !has_more && !always.values() && !explains_always && when.is_none(),
            always,
            width: facts.width,
            explained_outputs: if explain.is_some() { facts.explained } else { 0 },
            is_classifier: facts.is_classifier,
            is_whole: facts.is_whole,
            labels,
            adverse: output.adverse,
            scale: output.scale,
            bands: output.bands.clone(),
            decisions,
            rules: answered_rules,
            rule_names: names,
            score_shares: output.shares.clone(),
            reasons: reasons.transpose().map_err(problem)?,
            explains_always,
            when,
        })
    }

    /// Why a row can't have what it asks for.
    pub fn refuse(&self, wants: Wants) -> Option<&'static str> {
        let of_classes = wants.probabilities || wants.label;
        // A classifier of one column, a margin for instance, has no numbers of each class.
        if of_classes && self.labels.is_empty() {
            Some(NO_CLASSES)
        } else if (of_classes || wants.outputs) && !self.is_whole {
            Some(ONE_COLUMN_ONLY)
        } else if (wants.explain || wants.contributions) && self.reasons.is_none() {
            Some(NO_REASONS)
        } else {
            None
        }
    }

    /// What a row has that asks for `wants`.
    pub fn wanted(&self, wants: Wants) -> Wants {
        wants.or(self.always)
    }

    /// How many reasons a row has of this score, that this rule decided; `None` where it is not
    /// explained.
    pub fn reasons_of(&self, wants: Wants, score: f64, rule: Option<u16>) -> Option<usize> {
        let reasons = self.reasons.as_ref().filter(|_| !wants.withholds_reasons)?;
        if wants.explain || self.explains_always {
            return Some(wants.reasons.map_or(reasons.count, usize::from));
        }
        if let Some(when) = &self.when
            && when.holds(Answered {
                score,
                decision: self.decision_name_of(score, rule),
                points: self.points(score).flatten(),
                rule: rule.and_then(|rule| self.rule_name(rule)),
            })
        {
            return Some(reasons.count);
        }
        // All contributions, of which no reason is chosen.
        wants.contributions.then_some(0)
    }

    /// Whether rows may be explained that do not ask for it.
    pub fn explains_unasked(&self) -> bool {
        self.explains_always || self.when.is_some()
    }

    /// The place of the decision for a score; `None` where there are no bands.
    pub fn decision(&self, score: f64) -> Option<usize> {
        self.bands.iter().position(|band| band.below.is_none_or(|below| score < below))
    }

    /// The decision for a score, by its name.
    pub fn decision_name(&self, score: f64) -> Option<&str> {
        self.decision(score).map(|place| self.bands[place].decision.as_str())
    }

    /// The place of the decision for a row: that of the rule which decided it, else its score's.
    pub fn decision_of(&self, score: f64, rule: Option<u16>) -> Option<usize> {
        match rule.and_then(|rule| self.rules.get(usize::from(rule))) {
            Some(rule) => Some(rule.decision),
            None => self.decision(score),
        }
    }

    /// The same by its name.
    pub fn decision_name_of(&self, score: f64, rule: Option<u16>) -> Option<&str> {
        self.decision_of(score, rule).map(|place| self.decisions[place].as_str())
    }

    /// The name of a rule: its reason, or its place in `model.toml`.
    pub fn rule_name(&self, rule: u16) -> Option<&str> {
        self.rule_place(rule).map(|name| self.rule_names[name].as_str())
    }

    /// The place of a rule's name in [`Self::rule_names`]: rules of one reason share it.
    pub fn rule_place(&self, rule: u16) -> Option<usize> {
        self.rules.get(usize::from(rule)).map(|rule| rule.name)
    }

    /// The names of the rules, each once.
    pub fn rule_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rule_names.iter().map(String::as_str)
    }

    /// The names of the decisions: the bands' in their order, and those that only rules make.
    pub fn decisions(&self) -> impl ExactSizeIterator<Item = &str> {
        self.decisions.iter().map(String::as_str)
    }

    /// The points of a score; `None` where there is no scale.
    pub fn points(&self, score: f64) -> Option<Option<f64>> {
        let of = |scale: PointScale| scale.points_of(score, self.adverse);
        self.scale.map(|scale| if score.is_nan() { None } else { of(scale) })
    }

    /// Whether points are whole numbers.
    pub fn has_whole_points(&self) -> bool {
        self.scale.is_some_and(|scale| scale.round)
    }
}

/// The names of the rules, the rules, and the names of all decisions.
fn answered_rules(
    output: &ScoreOutput,
    rules: &[Rule],
) -> (Vec<String>, Vec<AnsweredRule>, Vec<String>) {
    fn place_of(names: &mut Vec<String>, name: String) -> usize {
        names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        })
    }
    let mut decisions = output.bands.iter().map(|band| band.decision.clone()).collect();
    let mut names = Vec::new();
    let answered = |(place, rule): (usize, &Rule)| AnsweredRule {
        decision: place_of(&mut decisions, rule.decision.clone()),
        name: place_of(&mut names, rule.name(place)),
    };
    let answered = rules.iter().enumerate().map(answered).collect();
    (names, answered, decisions)
}

impl ScoreOutput {
    /// Checks what is made of the score against what the score is.
    fn check_kind(&self, facts: OutputFacts<'_>) -> Result<(), OutputProblem> {
        let problem = |key: &str, found: String, expected| Err((key.to_owned(), found, expected));
        match self.scale.map(|scale| scale.of) {
            Some(ScoreKind::Probability) if !facts.is_classifier => {
                let expected = "\"log-odds\", or a score that is a probability";
                return problem("output.scale.of", "\"probability\"".to_owned(), expected);
            }
            Some(ScoreKind::LogOdds) if facts.is_classifier => {
                let expected = "\"probability\": that is what the score is";
                return problem("output.scale.of", "\"log-odds\"".to_owned(), expected);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The labels of the classes that are computed: those of `model.toml`, else the file's, else their
/// places.
fn labels(output: &ScoreOutput, facts: OutputFacts<'_>) -> Result<Vec<String>, OutputProblem> {
    if output.labels.is_empty() {
        return Ok(match facts.width {
            _ if !facts.is_classifier => Vec::new(),
            0 | 1 => Vec::new(),
            width if facts.labels.len() == width => facts.labels.to_vec(),
            width => (0..width).map(|class| class.to_string()).collect(),
        });
    }
    let problem = |found, expected| Err(("output.labels".to_owned(), found, expected));
    if !facts.is_classifier || facts.width < 2 {
        return problem(output.labels.join(", "), "none: the output is not one of classes");
    }
    if output.labels.len() != facts.width {
        let found = format!("{} labels", output.labels.len());
        return problem(found, "one for each class of the output");
    }
    let names: HashSet<&str> = output.labels.iter().map(String::as_str).collect();
    if names.len() != output.labels.len() {
        return problem(output.labels.join(", "), "labels that differ from each other");
    }
    // Other names are other names; the file's own in another order are a mistake.
    let are_the_files = facts.labels.iter().all(|label| names.contains(label.as_str()));
    if !facts.labels.is_empty() && are_the_files && facts.labels != output.labels {
        return problem(output.labels.join(", "), "the file's labels in the file's order");
    }
    Ok(output.labels.clone())
}
