//! `model.toml`: what a model's file cannot say about itself.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

pub use super::answer::{ClassChoice, ScoreOutput};
use super::canary::Canary;
use super::explain::ExplainSettings;
use super::faulty_table::{self, FaultyTable};
use super::remote::{RemoteModel, RemoteSettings, RemoteUrl};
use super::shadow::Shadow;
use crate::expression::ExpressionError;
use crate::features::entities::{ENTITIES_MAX, Entity, EntityInput, USER, entities_of};
use crate::features::expressions::{self, ExpressionSpec, Rule};
use crate::features::inputs::{FeaturePolicies, InputColumn, NanMeaning, UnknownText};

/// The name of the manifest's file in a model's directory.
pub const MANIFEST_FILE: &str = "model.toml";

/// The most rules of a model.
const RULES_MAX: usize = 1_000;

/// What `model.toml` says; a model without one has `Manifest::default()`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manifest {
    /// One sentence for people.
    pub description: String,
    /// The version to serve; the newest one where it is not given.
    pub version: Option<u64>,
    /// A share of the users whom another version scores; never the newest by default.
    pub canary: Option<Canary>,
    /// A share of the users whom another version scores without answering; never the newest by
    /// default.
    pub shadow: Option<Shadow>,
    /// Free keys and values, shown as they are.
    pub metadata: BTreeMap<String, String>,
    /// What computes the model.
    pub backend: Backend,
    /// Where a remote model is.
    pub url: Option<RemoteUrl>,
    /// What the server of a remote model expects, and how long it may take.
    pub remote: RemoteSettings,
    /// Which number of the model's outputs is the score.
    pub output: ScoreOutput,
    /// What to do about features that are not there, not known or too old.
    pub policies: FeaturePolicies,
    /// What rows are looked up by beside the user, or in the user's place; empty: the user alone.
    pub entities: Vec<EntityInput>,
    /// Whether and how scores are explained.
    pub explain: Option<ExplainSettings>,
    /// The input's columns in the order of its tensor; `None`: the store's columns in order.
    pub columns: Option<Vec<InputColumn>>,
    /// What expressions and rules read and the model does not.
    pub inputs: Vec<InputColumn>,
    /// Decisions that are made whatever the score is.
    pub rules: Vec<Rule>,
    /// The fields of requests that aggregates take of its entities: the configuration says them, never
    /// the file.
    #[serde(skip)]
    pub noted: Vec<String>,
}

/// What computes a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// This shard, from the ONNX file beside the manifest.
    #[default]
    Onnx,
    /// Another server, at the manifest's `url`.
    Remote,
}

/// Why a manifest cannot be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The file is there and cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, a key that is not known, or a value of the wrong type.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The manifest.
        path: PathBuf,
        /// Where in the file, what was found and what was expected.
        source: Box<toml::de::Error>,
    },
    /// A table of a list has a key that is not known, or a value of the wrong type.
    #[error("{}: {key}, line {line}: {reason}", path.display())]
    Table {
        /// The manifest.
        path: PathBuf,
        /// The table's path from the file's root, with its name.
        key: String,
        /// The line of its head, from 1.
        line: usize,
        /// What was found and what was expected.
        reason: String,
    },
    /// An expression or a rule that cannot be used.
    #[error("{}: key `{key}`: {source}", path.display())]
    Expression {
        /// The manifest.
        path: PathBuf,
        /// The key, as a path from the file's root.
        key: String,
        /// Where in it, what was found and what was expected.
        source: ExpressionError,
    },
    /// A value of the right type that makes no sense.
    #[error("{}: key `{key}`: found {found}, expected {expected}", path.display())]
    Value {
        /// The manifest.
        path: PathBuf,
        /// The key, as a path from the file's root.
        key: String,
        /// What the file says.
        found: String,
        /// What it may say.
        expected: &'static str,
    },
}

impl Manifest {
    /// Reads `directory/model.toml`; a directory without one gives the default manifest.
    pub fn read(directory: &Path) -> Result<Self, ManifestError> {
        let path = directory.join(MANIFEST_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ManifestError::Read { path, source }),
        }
    }

    /// Parses a manifest's text; `path` is what errors name.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|source| {
            let path = path.to_owned();
            // What is said of a key has its own line, what is said of a table that of the first.
            let before = source.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(0, |before| before.matches('\n').count() + 1);
            match faulty_table::find(text).filter(|table| line <= table.line) {
                Some(FaultyTable { key, line, reason }) => {
                    ManifestError::Table { path, key, line, reason }
                }
                None => ManifestError::Toml { path, source: Box::new(source) },
            }
        })?;
        manifest.check().map_err(|problem| ManifestError::Value {
            path: path.to_owned(),
            key: problem.key,
            found: problem.found,
            expected: problem.expected,
        })?;
        if let Err(source) = manifest.compile_expressions() {
            let key = manifest.key_of(&source.name);
            return Err(ManifestError::Expression { path: path.to_owned(), key, source });
        }
        Ok(manifest)
    }

    /// Compiles the expressions and rules, as far as that needs nothing else. Without `[[columns]]`
    /// the names are the store's.
    fn compile_expressions(&self) -> Result<(), ExpressionError> {
        let Some(columns) = &self.columns else { return Ok(()) };
        expressions::check(columns, &self.expression_spec())
    }

    /// What stands beside its columns for expressions.
    pub fn expression_spec(&self) -> ExpressionSpec<'_> {
        ExpressionSpec {
            inputs: &self.inputs,
            rules: &self.rules,
            has_bands: !self.output.bands.is_empty(),
            has_scale: self.output.scale.is_some(),
            ..ExpressionSpec::default()
        }
    }

    /// The key of an expression by its name.
    fn key_of(&self, name: &str) -> String {
        let mut columns = self.columns.iter().flatten();
        match columns.position(|column| column.name == name) {
            Some(place) => format!("columns[{place}].expr"),
            None => name.to_owned(),
        }
    }

    /// The model at `url`, where that is what computes it.
    pub fn remote_model(&self) -> Option<RemoteModel> {
        let url = self.url.clone().filter(|_| self.backend == Backend::Remote)?;
        let columns = self.columns.as_ref()?.len();
        let (settings, output) = (self.remote.clone(), self.output.clone());
        Some(RemoteModel { url, settings, columns, output })
    }

    /// What rows are looked up by, the entity that they are told by first.
    pub fn entities(&self) -> Vec<Entity> {
        let columns = self.columns.iter().flatten().chain(&self.inputs);
        entities_of(&self.entities, columns, &self.policies)
    }

    /// The tables of the store that it names, beside the store's own.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.entities.iter().filter_map(|entity| entity.table.as_deref())
    }

    fn check_entities(&self) -> Result<(), Problem> {
        for (place, entity) in self.entities.iter().enumerate() {
            entity.check(&self.entities).map_err(|(key, found, expected)| Problem {
                key: format!("entities[{place}].{key} (entity `{}`)", entity.name),
                found,
                expected,
            })?;
        }
        let count = self.entities().len();
        if count > ENTITIES_MAX {
            return Err(Problem::new("entities", count, "16 at most, the user included"));
        }
        if self.columns.is_none() && !self.entities.is_empty() {
            let expected = "`[[columns]]` beside them, each with its `entity`";
            return Err(Problem::new("entities", self.entities.len(), expected));
        }
        let is_known =
            |name: &String| name == USER || self.entities.iter().any(|it| it.name == *name);
        for (place, column) in self.columns.iter().flatten().chain(&self.inputs).enumerate() {
            if let Some(entity) = column.entity.as_ref().filter(|entity| !is_known(entity)) {
                let problem = Problem::new("entity", entity, "one of `[[entities]]`, or `user`");
                return Err(problem.inside(place, &column.name));
            }
        }
        Ok(())
    }

    fn check_backend(&self) -> Result<(), Problem> {
        if self.backend == Backend::Onnx {
            return match &self.url {
                None => Ok(()),
                Some(url) => Err(Problem::new("url", url, "`backend = \"remote\"` beside it")),
            };
        }
        if self.url.is_none() {
            return Err(Problem::new("url", "none", "the URL of the remote model"));
        }
        if self.columns.is_none() {
            return Err(Problem::new("columns", "none", "each of the columns that are sent"));
        }
        if let Some(ClassChoice::Label(label)) = &self.output.class {
            let expected = "the index of the class: a remote model's labels are not known here";
            return Err(Problem::new("output.class", label, expected));
        }
        for (key, found) in [
            ("remote.timeout_ms", self.remote.timeout_ms),
            ("remote.max_connections", self.remote.connections_max as u64),
        ] {
            if found == 0 {
                return Err(Problem::new(key, found, "a whole number above 0"));
            }
        }
        Ok(())
    }

    /// The versions beside the stable one.
    fn check_rollout(&self) -> Result<(), Problem> {
        let canary = self.canary.map(|canary| ("canary", canary.version, canary.percent));
        let shadow = self.shadow.map(|shadow| ("shadow", shadow.version, shadow.percent));
        for (table, version, percent) in canary.into_iter().chain(shadow) {
            if !(0.0..=100.0).contains(&percent) {
                return Err(Problem::new(&format!("{table}.percent"), percent, "0 to 100"));
            }
            if self.version == Some(version) {
                let expected = "another version than the one that the others get";
                return Err(Problem::new(&format!("{table}.version"), version, expected));
            }
        }
        match (self.canary, self.shadow) {
            (Some(canary), Some(shadow)) if canary.version == shadow.version => {
                let expected = "another version than the canary's, which answers";
                Err(Problem::new("shadow.version", shadow.version, expected))
            }
            _ => Ok(()),
        }
    }

    /// What stands beside the columns for expressions and rules.
    fn check_expressions(&self) -> Result<(), Problem> {
        for (place, rule) in self.rules.iter().enumerate() {
            if rule.decision.is_empty() {
                let key = format!("rules[{place}].decision");
                return Err(Problem::new(&key, "\"\"", "the decision where `when` holds"));
            }
        }
        if self.rules.len() > RULES_MAX {
            return Err(Problem::new("rules", self.rules.len(), "1,000 at most"));
        }
        for (key, count) in [("inputs", self.inputs.len()), ("rules", self.rules.len())] {
            if self.columns.is_none() && count > 0 {
                let expected = "`[[columns]]` beside them, each with its name";
                return Err(Problem::new(key, count, expected));
            }
        }
        let mut names: HashSet<&str> =
            self.columns.iter().flatten().map(|column| column.name.as_str()).collect();
        for (place, input) in self.inputs.iter().enumerate() {
            let problem = |key: &str, found: &str, expected| {
                let key = format!("inputs[{place}].{key} (input `{}`)", input.name);
                Err(Problem::new(&key, found, expected))
            };
            if !names.insert(&input.name) {
                return problem("name", &input.name, "a name that no column or input has");
            }
            let of_model = [
                ("expr", input.expr.is_some()),
                ("required", input.required),
                ("nan", input.nan != NanMeaning::Default),
                ("quantiles", !input.quantiles.is_empty()),
                ("shares", !input.text.shares.is_empty()),
                ("categories", input.text.categories.is_some()),
                ("unknown", input.text.unknown != UnknownText::Model),
            ];
            if let Some((key, _)) = of_model.iter().find(|(_, is_there)| *is_there) {
                return problem(key, "a value", "none: the model does not read it");
            }
            if let Err(inner) = check_column(input) {
                return problem(&inner.key, &inner.found, inner.expected);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Problem> {
        if self.version == Some(0) {
            return Err(Problem::new("version", 0, "a version from 1"));
        }
        self.check_rollout()?;
        self.check_backend()?;
        self.check_entities()?;
        self.output.check().map_err(|(key, found, expected)| Problem { key, found, expected })?;
        self.check_expressions()?;
        let Some(columns) = &self.columns else { return Ok(()) };
        if columns.is_empty() {
            return Err(Problem::new("columns", "[]", "at least one column, or no `columns` key"));
        }
        let mut names = HashSet::with_capacity(columns.len());
        for (place, column) in columns.iter().enumerate() {
            check_column(column).map_err(|problem| problem.inside(place, &column.name))?;
            if !names.insert(column.name.as_str()) {
                let problem = Problem::new("name", &column.name, "a name that no other column has");
                return Err(problem.inside(place, &column.name));
            }
        }
        Ok(())
    }
}

struct Problem {
    key: String,
    found: String,
    expected: &'static str,
}

impl Problem {
    fn new(key: &str, found: impl fmt::Display, expected: &'static str) -> Self {
        Self { key: key.to_owned(), found: found.to_string(), expected }
    }

    fn inside(self, place: usize, column: &str) -> Self {
        Self { key: format!("columns[{place}].{} (column `{column}`)", self.key), ..self }
    }
}

fn check_column(column: &InputColumn) -> Result<(), Problem> {
    if column.name.is_empty() {
        return Err(Problem::new("name", "\"\"", "a name"));
    }
    if let Some((low, high)) = column.range {
        if low.is_nan() || high.is_nan() || low > high {
            let found = format!("[{low}, {high}]");
            return Err(Problem::new("range", found, "[lowest, highest], in this order"));
        }
        if column.default < low || column.default > high {
            return Err(Problem::new("default", column.default, "a value inside `range`"));
        }
    }
    if column.default.is_nan() && column.nan != NanMeaning::Missing {
        return Err(Problem::new("default", "nan", "a number, unless `nan = \"missing\"`"));
    }
    if column.default.is_infinite() {
        return Err(Problem::new("default", column.default, "a finite number or nan"));
    }
    let ascending = column.quantiles.windows(2).all(|pair| pair[0] <= pair[1]);
    if !ascending || column.quantiles.iter().any(|quantile| !quantile.is_finite()) {
        let found = format!("{:?}", column.quantiles);
        return Err(Problem::new("quantiles", found, "finite numbers in ascending order"));
    }
    Ok(())
}
