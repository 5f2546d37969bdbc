//! Has a model's file read and decoded once, however many shards load it.
//!
//! Decoding a file takes several times its size for a moment: done by each shard by itself, that
//! many times over. Nothing is shared once a model is loaded: each shard has its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::Calibrator;
use super::error::ModelError;
use super::explain::{ExplainError, Explainable, Explainer, background};
use super::files::{self, FileFormat};
use super::forest::NativeModel;
use super::golden_rows::RowFormat;
use super::manifest::Manifest;
use super::onnx::Blueprint;
use super::remote::RemoteModel;
use super::repository::ModelDirectory;
use super::scorer::{LoadOptions, Model, Source};
use crate::features::FeatureMatrix;

/// A version that was read, and that models are made of.
#[derive(Debug)]
pub(super) struct ReadModel {
    name: String,
    version: u64,
    manifest: Manifest,
    source: ReadSource,
    explainer: Option<Explainer>,
    calibrator: Option<Calibrator>,
}

#[derive(Debug)]
enum ReadSource {
    Onnx { path: PathBuf, blueprint: Box<Blueprint> },
    Native(Box<NativeModel>),
    Remote(Box<RemoteModel>),
}

/// What explanations are made of, or why there are none; nothing where `model.toml` asks for none.
type Explained = Option<Result<Explainable, ExplainError>>;

impl ReadSource {
    /// Reads the model's own file.
    fn read(
        path: PathBuf,
        manifest: &Manifest,
        options: &LoadOptions,
    ) -> Result<(Self, Explained), ModelError> {
        if FileFormat::of(&path) == FileFormat::Onnx {
            let columns = manifest.columns.as_deref();
            let explains = manifest.explain.is_some();
            return match Blueprint::read(&path, &manifest.output, columns, options, explains) {
                Ok(mut blueprint) => {
                    let explained = blueprint.explained.take();
                    Ok((Self::Onnx { path, blueprint: Box::new(blueprint) }, explained))
                }
                Err(source) => Err(ModelError::Onnx { path, source }),
            };
        }
        match files::load(&path, manifest, options) {
            Ok(read) => Ok((Self::Native(Box::new(read.model)), read.explainable)),
            Err(source) => Err(ModelError::Native { path, source: Box::new(source) }),
        }
    }

    /// The rows that stand for the average one, where `model.toml` names some.
    fn background(
        &self,
        directory: &ModelDirectory,
    ) -> Result<Option<FeatureMatrix>, ExplainError> {
        let settings = directory.manifest.explain.as_ref();
        let Some(name) = settings.and_then(|settings| settings.background.as_deref()) else {
            return Ok(None);
        };
        let described = directory.manifest.columns.as_deref();
        let (named, columns, precision, categories) = match self {
            Self::Onnx { blueprint, .. } => {
                let facts = blueprint.facts();
                (described, facts.columns, facts.precision, &facts.categories)
            }
            Self::Native(native) => {
                let named = described.or(native.input_columns.as_deref());
                (named, native.columns.len(), native.precision, &native.categories)
            }
            Self::Remote(_) => return Err(ExplainError::Remote),
        };
        let format = RowFormat { named, described: described.unwrap_or_default(), columns };
        background::read(directory, name, &format, precision, categories).map(Some)
    }

    /// What calibrates its scores, where `model.toml` says that they are.
    fn calibrator(&self, directory: &ModelDirectory) -> Result<Option<Calibrator>, ModelError> {
        let output = &directory.manifest.output;
        let Some(method) = output.calibration else { return Ok(None) };
        let (kept, labels) = match self {
            Self::Onnx { blueprint, .. } => (blueprint.facts().kept, &blueprint.facts().labels),
            Self::Native(_) if output.members.is_some() => return Err(ModelError::NativeMembers),
            Self::Native(native) => (native.kept, &native.labels),
            Self::Remote(_) => return Err(ModelError::RemoteCalibration),
        };
        let is_of_file = output.labels.is_empty() && output.members.is_none();
        let labels = if is_of_file { labels } else { &output.labels };
        let folder = directory.file.parent().unwrap_or(&directory.path);
        let columns = (kept.values(), kept.score());
        Ok(Some(Calibrator::read(folder, method, output, columns, labels)?))
    }
}

impl ReadModel {
    /// Reads a version that a repository found.
    pub(super) fn read(
        directory: &ModelDirectory,
        options: &LoadOptions,
    ) -> Result<Self, ModelError> {
        let path = directory.file.clone();
        let manifest = directory.manifest.clone();
        let (source, explained) = match manifest.remote_model() {
            Some(remote) => {
                let explained = manifest.explain.is_some();
                (
                    ReadSource::Remote(Box::new(remote)),
                    explained.then_some(Err(ExplainError::Remote)),
                )
            }
            None => ReadSource::read(path.clone(), &manifest, options)?,
        };
        let explainer = explained.map(|explained| {
            let background = source.background(directory)?;
            explained?.ready(background.as_ref(), options.kernel)
        });
        let explainer = match explainer.transpose() {
            Err(_) if manifest.explain.as_ref().is_some_and(|it| it.where_possible) => None,
            explainer => explainer.map_err(|source| ModelError::Explain { path, source })?,
        };
        let calibrator = source.calibrator(directory)?;
        let (name, version) = (directory.name.clone(), directory.version);
        Ok(Self { name, version, manifest, source, explainer, calibrator })
    }

    /// A model of a shard's own.
    fn model(&self, options: &LoadOptions) -> Result<Model, ModelError> {
        let source = match &self.source {
            ReadSource::Onnx { path, blueprint } => blueprint
                .model()
                .map(Source::Onnx)
                .map_err(|source| ModelError::Onnx { path: path.clone(), source })?,
            ReadSource::Native(native) => Source::Native(Box::new(native.of_another_shard())),
            ReadSource::Remote(remote) => Source::Remote(RemoteModel::clone(remote)),
        };
        let explainer = self.explainer.as_ref().map(Explainer::of_another_shard);
        let Self { name, version, manifest, calibrator, .. } = self;
        let model = Model::new(name.clone(), *version, manifest.clone(), source, options);
        Ok(model.with(calibrator.clone(), explainer))
    }

    /// The last model that is made of it.
    pub(super) fn into_model(self, options: &LoadOptions) -> Result<Model, ModelError> {
        let source = match self.source {
            ReadSource::Onnx { path, blueprint } => blueprint
                .into_model()
                .map(Source::Onnx)
                .map_err(|source| ModelError::Onnx { path, source })?,
            ReadSource::Native(native) => Source::Native(native),
            ReadSource::Remote(remote) => Source::Remote(*remote),
        };
        let model = Model::new(self.name, self.version, self.manifest, source, options);
        Ok(model.with(self.calibrator, self.explainer))
    }
}

/// What several shards load together.
#[derive(Debug, Default)]
pub struct Loads {
    shards: usize,
    /// Held while a file is read: the others wait for it, and no two are decoded at a time.
    kept: Mutex<Vec<Kept>>,
}

/// A version that some shards have still to take.
#[derive(Debug)]
struct Kept {
    file: PathBuf,
    version: u64,
    read: Arc<ReadModel>,
    left: usize,
}

impl Loads {
    /// So many shards will each load the same models; fewer leave what they did not take until this
    /// is dropped.
    pub fn for_shards(shards: usize) -> Self {
        Self { shards, kept: Mutex::default() }
    }

    /// A shard's own copy of a version that a repository found; reads the file for the first of
    /// them. Waits while another thread reads one.
    pub fn load(
        &self,
        directory: &ModelDirectory,
        options: &LoadOptions,
    ) -> Result<Model, ModelError> {
        let read = self.take(directory, options)?;
        // The last who has it need not copy.
        match Arc::try_unwrap(read) {
            Ok(read) => read.into_model(options),
            Err(read) => read.model(options),
        }
    }

    fn take(
        &self,
        directory: &ModelDirectory,
        options: &LoadOptions,
    ) -> Result<Arc<ReadModel>, ModelError> {
        let mut kept = self.lock();
        let is_it =
            |known: &Kept| known.file == directory.file && known.version == directory.version;
        if let Some(place) = kept.iter().position(is_it) {
            kept[place].left -= 1;
            return Ok(match kept[place].left {
                0 => kept.swap_remove(place).read,
                _ => Arc::clone(&kept[place].read),
            });
        }
        let read = Arc::new(ReadModel::read(directory, options)?);
        let left = self.shards.saturating_sub(1);
        if left > 0 {
            let (file, version) = (directory.file.clone(), directory.version);
            kept.push(Kept { file, version, read: Arc::clone(&read), left });
        }
        Ok(read)
    }

    /// How many versions are kept for shards that have not taken theirs.
    pub fn kept(&self) -> usize {
        self.lock().len()
    }

    #[expect(clippy::disallowed_methods, reason = "shards meet where models are loaded")]
    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
