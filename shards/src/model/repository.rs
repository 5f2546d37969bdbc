//! Finds models on disk: `ROOT/NAME/model.toml` and `ROOT/NAME/VERSION/model.onnx`, or in its place
//! the file that the model's own library wrote (`model::files`).

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::files::files_in;
use super::manifest::{Backend, MANIFEST_FILE, Manifest, ManifestError};

/// The name of the model's file in a version's directory.
pub const MODEL_FILE: &str = "model.onnx";

/// The longest name of a model, in bytes.
pub const NAME_LENGTH_MAX: usize = 128;

/// A directory of models.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
}

/// One version of one model, found but not loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDirectory {
    /// The model's name: its directory's.
    pub name: String,
    /// The directory of the model: it holds the manifest and the versions.
    pub path: PathBuf,
    /// What `model.toml` says.
    pub manifest: Manifest,
    /// The version: its directory's name.
    pub version: u32,
    /// The file that is loaded; of a remote model, its manifest.
    pub file: PathBuf,
}

/// What a version is served for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It answers, unless the canary does.
    #[default]
    Stable,
    /// It answers a share of the users.
    Canary,
    /// It answers nobody: its scores are compared with those that are answered.
    Shadow,
}

impl Role {
    /// Its name, for people and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
            Self::Shadow => "shadow",
        }
    }
}

impl ModelDirectory {
    /// What its manifest says that this version is for.
    pub fn role(&self) -> Role {
        let version = Some(self.version);
        if self.manifest.canary.map(|canary| canary.version) == version {
            Role::Canary
        } else if self.manifest.shadow.map(|shadow| shadow.version) == version {
            Role::Shadow
        } else {
            Role::Stable
        }
    }
}

/// Why a model was not found.
#[derive(Debug, Error)]
pub enum RepositoryError {
    /// The repository or one of its directories cannot be listed.
    #[error("{}: cannot be listed: {source}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A name that cannot be a model's.
    #[error(
        "`{name}` cannot be a model's name: expected 1 to {NAME_LENGTH_MAX} of \
         A-Z a-z 0-9 . _ -, and a letter or digit first"
    )]
    Name {
        /// What was asked for.
        name: String,
    },
    /// The repository has no such model.
    #[error("{}: no model `{name}`; there is: {}", root.display(), list(available))]
    NoModel {
        /// The repository.
        root: PathBuf,
        /// What was asked for.
        name: String,
        /// The models that there are.
        available: Vec<String>,
    },
    /// The model has no version at all.
    #[error("{}: no version: expected a file like {}", path.display(), path.join("1").join(MODEL_FILE).display())]
    NoVersions {
        /// The model's directory.
        path: PathBuf,
    },
    /// The model does not have the version that was asked for.
    #[error("{}: no version {version} (asked for by {asked_by}); there is: {}", path.display(), list(available))]
    NoVersion {
        /// The model's directory.
        path: PathBuf,
        /// What was asked for.
        version: u32,
        /// `model.toml` or `the request`.
        asked_by: &'static str,
        /// The versions that there are, oldest first.
        available: Vec<u32>,
    },
    /// A version has more than one file that could be the model.
    #[error("{}: holds {}: a version is one file, remove the others", path.display(), files.join(" and "))]
    SeveralFiles {
        /// The version's directory.
        path: PathBuf,
        /// The names of the files.
        files: Vec<String>,
    },
    /// `model.toml` cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl Repository {
    /// The repository below `root`; nothing is read yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory that was given.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The names of all models: the directories with a well-formed name and at least one version.
    pub fn names(&self) -> Result<Vec<String>, RepositoryError> {
        let mut names = Vec::new();
        for name in directory_names(&self.root)? {
            let path = self.root.join(&name);
            let is_remote =
                || Manifest::read(&path).is_ok_and(|read| read.backend == Backend::Remote);
            if is_name(&name) && (!versions_below(&path)?.is_empty() || is_remote()) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The versions of a model, oldest first.
    pub fn versions(&self, name: &str) -> Result<Vec<u32>, RepositoryError> {
        let path = self.directory(name)?;
        versions_of(&path, &Manifest::read(&path)?)
    }

    /// A model in the `version` asked for, else the one that its manifest pins, else the newest
    /// that is neither its canary nor its shadow.
    pub fn find(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<ModelDirectory, RepositoryError> {
        let path = self.directory(name)?;
        let manifest = Manifest::read(&path)?;
        let available = versions_of(&path, &manifest)?;
        // What is tried out may be the newest version and yet is not the one that is served.
        let tried_out = [
            manifest.canary.map(|canary| canary.version),
            manifest.shadow.map(|shadow| shadow.version),
        ];
        let is_stable = |version: &&u32| !tried_out.contains(&Some(**version));
        let Some(&newest) = available.iter().rfind(is_stable) else {
            return Err(RepositoryError::NoVersions { path });
        };
        let (wanted, asked_by) = match (version, manifest.version) {
            (Some(version), _) => (version, "the request"),
            (None, Some(version)) => (version, "model.toml"),
            (None, None) => (newest, "nobody"),
        };
        if !available.contains(&wanted) {
            return Err(RepositoryError::NoVersion { path, version: wanted, asked_by, available });
        }
        let file = match manifest.backend {
            Backend::Onnx => only_file(&path.join(wanted.to_string()))?,
            Backend::Remote => path.join(MANIFEST_FILE),
        };
        Ok(ModelDirectory { name: name.to_owned(), path, manifest, version: wanted, file })
    }

    /// What is served of a model: the version that [`Self::find`] gives, then its canary and its
    /// shadow, if its manifest has them.
    pub fn find_served(&self, name: &str) -> Result<Vec<ModelDirectory>, RepositoryError> {
        let stable = self.find(name, None)?;
        let canary = stable.manifest.canary.map(|canary| canary.version);
        let shadow = stable.manifest.shadow.map(|shadow| shadow.version);
        let mut served = vec![stable];
        for version in canary.into_iter().chain(shadow) {
            served.push(self.find(name, Some(version))?);
        }
        Ok(served)
    }

    fn directory(&self, name: &str) -> Result<PathBuf, RepositoryError> {
        // A name is a path's component and part of a URL: what could climb out is refused first.
        if !is_name(name) {
            return Err(RepositoryError::Name { name: name.to_owned() });
        }
        let path = self.root.join(name);
        if path.is_dir() {
            return Ok(path);
        }
        let available = self.names()?;
        Err(RepositoryError::NoModel { root: self.root.clone(), name: name.to_owned(), available })
    }
}

/// Whether a text can be a model's name: safe as a path's component, in a URL and in a metric.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_LENGTH_MAX
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The versions of a model. A remote one has the version that its manifest gives it, or 1: what
/// its server calls it is part of the URL.
fn versions_of(path: &Path, manifest: &Manifest) -> Result<Vec<u32>, RepositoryError> {
    match manifest.backend {
        Backend::Onnx => versions_below(path),
        Backend::Remote => Ok(vec![manifest.version.unwrap_or(1)]),
    }
}

/// The model's file in a version's directory: there is exactly one.
fn only_file(directory: &Path) -> Result<PathBuf, RepositoryError> {
    let mut files = files_in(directory);
    if files.len() > 1 {
        let name = |file: &PathBuf| Some(file.file_name()?.to_string_lossy().into_owned());
        let files = files.iter().filter_map(name).collect();
        return Err(RepositoryError::SeveralFiles { path: directory.to_owned(), files });
    }
    // None if it went since the versions were listed; then loading says so.
    Ok(files.pop().unwrap_or_else(|| directory.join(MODEL_FILE)))
}

fn versions_below(path: &Path) -> Result<Vec<u32>, RepositoryError> {
    let mut versions = Vec::new();
    for name in directory_names(path)? {
        // "01" and "+1" are no versions: each version has one spelling.
        let version = name.parse::<u32>().ok().filter(|v| *v > 0 && v.to_string() == name);
        if let Some(version) = version
            && !files_in(&path.join(&name)).is_empty()
        {
            versions.push(version);
        }
    }
    versions.sort_unstable();
    Ok(versions)
}

fn directory_names(path: &Path) -> Result<Vec<String>, RepositoryError> {
    let failed = |source| RepositoryError::List { path: path.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}
