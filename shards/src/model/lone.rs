//! A model's file that is served by itself: no repository, no `model.toml`.

use std::path::{Path, PathBuf};

use super::explain::ExplainSettings;
use super::manifest::Manifest;
use super::repository::{ModelDirectory, RepositoryError, is_name};

/// The version of a model that is served from its file alone.
pub(super) const VERSION: u64 = 1;

/// A file that is served by itself. Its columns are those that the file has, which requests give:
/// [`Model::ask_requests`](super::Model::ask_requests).
#[derive(Debug, Clone)]
pub struct LoneFile {
    path: PathBuf,
    name: String,
}

impl LoneFile {
    /// The file at `path` as the model `name`, or by its stem where none is given.
    ///
    /// # Errors
    /// A name that cannot be a model's.
    pub fn new(path: &Path, name: Option<&str>) -> Result<Self, RepositoryError> {
        let name = name.map_or_else(|| stem(path), str::to_owned);
        if !is_name(&name) {
            return Err(RepositoryError::Name { name });
        }
        Ok(Self { path: path.to_owned(), name })
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What there is to be said of it without a `model.toml`.
    pub(super) fn manifest() -> Manifest {
        let explain = ExplainSettings { where_possible: true, ..ExplainSettings::default() };
        Manifest { explain: Some(explain), ..Manifest::default() }
    }

    /// The file as a version of a model of which `manifest` is known.
    pub fn directory(&self, manifest: Manifest) -> ModelDirectory {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        ModelDirectory {
            name: self.name.clone(),
            path: folder.to_owned(),
            manifest,
            version: VERSION,
            file: self.path.clone(),
        }
    }
}

/// A file's name without its endings: `.cbm.json` is one.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name
        .strip_suffix(".cbm.json")
        .unwrap_or_else(|| name.rsplit_once('.').map_or(&*name, |(stem, _)| stem));
    name.to_owned()
}
