//! A loaded version of a model: one shard's own copy.

use std::sync::Arc;

use super::answer::{Answers, AnswersError, Calibrator, Kept, OutputFacts};
use super::error::{ModelError, ScoreError};
use super::explain::Explainer;
use super::file_columns::FileColumns;
use super::forest::{ModelColumn, NativeModel, Objective};
use super::loads::ReadModel;
use super::manifest::Manifest;
use super::onnx::trial::{self, Described};
use super::onnx::{FileLimits, OnnxModel};
use super::remote::RemoteModel;
use super::repository::ModelDirectory;
use super::signature::Signature;
use super::trees::KernelChoice;
use crate::facts::ModelDescription;
use crate::features::inputs::{InputColumn, IntegerRange};
use crate::features::{Categories, FeatureMatrix, Precision};

/// How a model is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions {
    /// What the file may ask for.
    pub limits: FileLimits,
    /// Which kernel scores tree ensembles; all of them give the same bits.
    pub kernel: KernelChoice,
    /// How many rows to warm up with, so that the first batch finds its buffers allocated; 0: none.
    pub warm_up_rows: usize,
}

/// A loaded version of a model: one shard's own copy, shared with no other thread.
#[derive(Debug)]
pub struct Model {
    name: String,
    version: u64,
    manifest: Manifest,
    source: Source,
    explainer: Option<Explainer>,
    /// What makes probabilities of the values, where they are none yet.
    calibrator: Option<Calibrator>,
    /// The kept values of the last batch, where the scores are not all of them.
    values: Vec<f64>,
}

/// What computes the scores.
#[derive(Debug)]
pub(super) enum Source {
    Onnx(OnnxModel),
    Native(Box<NativeModel>),
    Remote(RemoteModel),
}

impl Model {
    /// Loads a version that a repository found. Where several shards load it, [`Loads`](super::Loads)
    /// reads the file once.
    pub fn load(directory: &ModelDirectory, options: &LoadOptions) -> Result<Self, ModelError> {
        ReadModel::read(directory, options)?.into_model(options)
    }

    /// A model whose file was read, warmed up if `options` say so.
    pub(super) fn new(
        name: String,
        version: u64,
        manifest: Manifest,
        source: Source,
        options: &LoadOptions,
    ) -> Self {
        let mut model = Self {
            name,
            version,
            manifest,
            source,
            explainer: None,
            calibrator: None,
            values: Vec::new(),
        };
        if options.warm_up_rows > 0 && model.remote().is_none() {
            model.warm_up(options.warm_up_rows);
        }
        model
    }

    /// The same model, its scores calibrated and explained.
    pub(super) fn with(self, calibrator: Option<Calibrator>, explainer: Option<Explainer>) -> Self {
        Self { explainer, calibrator, ..self }
    }

    /// What explains its scores, where `model.toml` asks for it.
    pub fn explainer(&mut self) -> Option<&mut Explainer> {
        self.explainer.as_mut()
    }

    /// Scores plausible rows, so that the first batch of as many finds its buffers allocated. They
    /// were tried before: what fails on them now may do so, as it is no fault of the model's.
    fn warm_up(&mut self, rows: usize) {
        let described = self.manifest.columns.as_deref().unwrap_or_default();
        let known = Described {
            columns: described,
            integers: self.integers(),
            categories: self.categories(),
        };
        let plausible = trial::rows(self.columns(), self.precision(), &known);
        let mut features = FeatureMatrix::new(self.columns(), self.precision());
        let places: Vec<usize> = (0..rows).map(|row| row % trial::PLAUSIBLE_ROWS).collect();
        features.copy_rows(&plausible, &places);
        let _ = self.score(&features, &mut Vec::new());
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that was loaded.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What `model.toml` says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many columns a row has.
    pub fn columns(&self) -> usize {
        match &self.source {
            Source::Onnx(onnx) => onnx.facts.columns,
            Source::Native(native) => native.columns.len(),
            Source::Remote(remote) => remote.columns,
        }
    }

    /// The type of the matrix that is read.
    pub fn precision(&self) -> Precision {
        match &self.source {
            Source::Onnx(onnx) => onnx.facts.precision,
            Source::Native(native) => native.precision,
            Source::Remote(remote) => remote.precision(),
        }
    }

    /// For each column, which integers its tensor holds, if those are integers; empty where no
    /// tensor is one of integers.
    pub fn integers(&self) -> &[Option<IntegerRange>] {
        match &self.source {
            Source::Onnx(onnx) => &onnx.facts.integers,
            Source::Native(_) | Source::Remote(_) => &[],
        }
    }

    /// For each column, the texts that it knows; empty where no column is of text.
    pub fn categories(&self) -> &[Option<Arc<Categories>>] {
        match &self.source {
            Source::Onnx(onnx) => &onnx.facts.categories,
            Source::Native(native) => &native.categories,
            Source::Remote(_) => &[],
        }
    }

    /// The type of the scores before they are widened: `F32` scores have 24 significant bits.
    pub fn score_precision(&self) -> Precision {
        match &self.source {
            _ if self.calibrator.is_some() => Precision::F64,
            Source::Onnx(onnx) => onnx.facts.score_precision,
            Source::Native(native) => native.score_precision,
            // Known only when it answers; a double holds either.
            Source::Remote(_) => Precision::F64,
        }
    }

    /// Where the model is computed, if not here: then [`Model::score`] always fails.
    pub fn remote(&self) -> Option<&RemoteModel> {
        match &self.source {
            Source::Onnx(_) | Source::Native(_) => None,
            Source::Remote(remote) => Some(remote),
        }
    }

    /// Replaces `scores` by the score of each row, in order.
    ///
    /// A score that is not finite is left as it is: it is an error of its row alone. After an
    /// error `scores` is empty, and the next batch is scored as if nothing had happened.
    pub fn score(
        &mut self,
        features: &FeatureMatrix,
        scores: &mut Vec<f64>,
    ) -> Result<(), ScoreError> {
        scores.clear();
        let cells_precision = features.precision();
        if features.columns() != self.columns() || cells_precision != self.precision() {
            return Err(ScoreError::Shape {
                columns: self.columns(),
                precision: self.precision(),
                found_columns: features.columns(),
                found_precision: cells_precision,
            });
        }
        if features.rows() == 0 {
            return Ok(());
        }
        let kept = self.kept();
        let are_scores = kept.values() == 1 && self.calibrator.is_none();
        let values = if are_scores { &mut *scores } else { &mut self.values };
        values.clear();
        let computed = match &mut self.source {
            Source::Onnx(onnx) => onnx.compute(features, values),
            Source::Native(native) => native.compute(features, values),
            Source::Remote(remote) => Err(format!("it is computed at {}", remote.url)),
        };
        if let Err(reason) = computed {
            values.clear();
            return Err(ScoreError::Run { reason });
        }
        if are_scores {
            return Ok(());
        }
        let rows = self.values.chunks_exact(kept.values());
        match &self.calibrator {
            Some(calibrator) => scores.extend(rows.map(|row| calibrator.score(row))),
            None => scores.extend(rows.map(|row| row[kept.score()])),
        }
        Ok(())
    }

    /// Replaces `outputs` by the computed columns of the output for row `row` of the last batch that
    /// was scored: calibrated, where the score is. None where the score is all there is.
    pub fn outputs_of(&self, row: usize, outputs: &mut Vec<f64>) {
        outputs.clear();
        let width = self.kept().values();
        let Some(values) = self.values.get(row * width..(row + 1) * width) else { return };
        match &self.calibrator {
            Some(calibrator) => calibrator.append(values, outputs),
            None => outputs.extend_from_slice(values),
        }
    }

    /// What its answers may have beside the score; `columns` are its columns' names, in order.
    pub fn answers(&self, columns: &[String]) -> Result<Answers, AnswersError> {
        let width = match &self.calibrator {
            Some(calibrator) => calibrator.classes(),
            None => self.kept().values(),
        };
        let is_classifier = self.calibrator.is_some()
            || match &self.source {
                Source::Onnx(onnx) => onnx.facts.is_classifier,
                Source::Native(native) => native.gives_probabilities(),
                Source::Remote(_) => false,
            };
        let facts = OutputFacts {
            width,
            labels: self.labels(),
            is_classifier,
            is_whole: match &self.source {
                Source::Onnx(onnx) => onnx.facts.kept.values() == onnx.facts.output_width,
                Source::Native(native) => native.kept.values() == native.output_width,
                Source::Remote(_) => true,
            },
            falls: self.calibrator.as_ref().is_some_and(Calibrator::falls),
            explained: self.explainer.as_ref().map_or(0, Explainer::output_count),
        };
        let explain = self.manifest.explain.as_ref().filter(|_| self.explainer.is_some());
        Answers::new(&self.manifest.output, explain, facts, columns, &self.manifest.rules)
    }

    /// What is kept of the output.
    fn kept(&self) -> Kept {
        match &self.source {
            Source::Onnx(onnx) => onnx.facts.kept,
            Source::Native(native) => native.kept,
            Source::Remote(_) => Kept::Only(0),
        }
    }

    /// The columns that the model's own file describes, in order; none of an ONNX file.
    pub fn model_columns(&self) -> &[ModelColumn] {
        match &self.source {
            Source::Native(native) => &native.columns,
            Source::Onnx(_) | Source::Remote(_) => &[],
        }
    }

    /// The labels of the model's classes, as its own file has them; empty where there are none.
    pub fn labels(&self) -> &[String] {
        match &self.source {
            Source::Native(native) => &native.labels,
            Source::Onnx(onnx) => &onnx.facts.labels,
            Source::Remote(_) => &[],
        }
    }

    /// What the model was trained for, where its own file says so.
    pub fn objective(&self) -> Option<&Objective> {
        match &self.source {
            Source::Native(native) => Some(&native.objective),
            Source::Onnx(_) | Source::Remote(_) => None,
        }
    }

    /// The columns as the model's own file names them, and whether it does: names are made up where
    /// it has none, as of a tensor of several columns. None of a remote model.
    pub fn file_columns(&self) -> FileColumns {
        match &self.source {
            Source::Native(native) => FileColumns {
                names: native.columns.iter().map(|column| column.name.clone()).collect(),
                are_named: native.input_columns.is_some(),
            },
            Source::Onnx(onnx) => {
                FileColumns::of_inputs(&onnx.facts.input_names, &onnx.facts.input_widths)
            }
            Source::Remote(_) => FileColumns::default(),
        }
    }

    /// Has requests give its columns, which its own file describes: no `model.toml` names them, and no
    /// store has them. `is_strict`: a request may leave none of them out, whatever the library takes.
    pub fn ask_requests(&mut self, is_strict: bool) {
        let mut columns = self.request_columns();
        for column in &mut columns {
            column.required |= is_strict;
        }
        self.manifest.columns = Some(columns);
    }

    /// The columns that the model reads: those of `model.toml`, else those of its own file, if
    /// that names them as the training data did. What is not known is then missing.
    pub fn input_columns(&self) -> Option<&[InputColumn]> {
        let named = self.manifest.columns.as_deref();
        match &self.source {
            Source::Native(native) => named.or(native.input_columns.as_deref()),
            Source::Onnx(_) | Source::Remote(_) => named,
        }
    }

    /// What the model reads and gives; `columns` are its columns' names, in order.
    pub fn signature(&self, columns: &[String]) -> Signature {
        Signature {
            description: self.manifest.description.clone(),
            matrix: match &self.source {
                Source::Onnx(onnx) if onnx.facts.input_names.len() == 1 => {
                    onnx.facts.input_names[0].clone()
                }
                Source::Onnx(_) | Source::Native(_) => Signature::MATRIX.to_owned(),
                Source::Remote(remote) => remote.settings.input.clone(),
            },
            columns: columns.to_vec(),
            texts: Vec::new(),
            fields: Vec::new(),
            precision: self.precision(),
            integers: self.integers().to_vec(),
        }
    }

    /// What the model is made of.
    pub fn describe(&self) -> ModelDescription {
        match &self.source {
            Source::Onnx(onnx) => {
                let (kernel, nodes) = onnx.kernel();
                ModelDescription {
                    kernel,
                    nodes,
                    inputs: onnx.facts.input_names.clone(),
                    output: onnx.facts.output_name.clone(),
                    score: onnx.facts.score.clone(),
                    is_class_by_place: onnx.facts.is_by_place,
                    asked_instead: String::new(),
                    file_hash: onnx.facts.file_hash,
                }
            }
            Source::Native(native) => ModelDescription {
                kernel: native.kernel().to_owned(),
                nodes: 1,
                inputs: vec![Signature::MATRIX.to_owned()],
                output: native.output_name.to_owned(),
                score: native.score.clone(),
                is_class_by_place: native.is_by_place,
                asked_instead: String::new(),
                file_hash: native.file_hash,
            },
            Source::Remote(remote) => ModelDescription {
                kernel: remote.url.to_string(),
                nodes: 0,
                inputs: vec![remote.settings.input.clone()],
                output: remote.output.tensor.clone().unwrap_or_default(),
                score: remote.score(),
                is_class_by_place: false,
                asked_instead: String::new(),
                file_hash: 0,
            },
        }
    }
}
