//! Why a model was not found.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{MODEL_FILE, NAME_LENGTH_MAX};
use crate::model::manifest::ManifestError;

/// Why a model was not found.
#[derive(Debug, Error)]
pub enum RepositoryError {
    /// There is no folder of models.
    #[error("{}: no such folder{}: --models says where the models are", root.display(), below(root))]
    NoRepository {
        /// The folder that was to hold them.
        root: PathBuf,
    },
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
    #[error(
        "{}: no version: expected a file like {}; found: {}",
        path.display(),
        path.join("1").join(MODEL_FILE).display(),
        list(found)
    )]
    NoVersions {
        /// The model's directory.
        path: PathBuf,
        /// Names of what is there instead: the first eight.
        found: Vec<String>,
    },
    /// Each of the model's versions is tried out: none is left for everybody.
    #[error(
        "{}: no version for everybody: {} is its canary or its shadow; add another version",
        path.display(),
        list(tried_out)
    )]
    NoStable {
        /// The model's directory.
        path: PathBuf,
        /// The versions that there are, oldest first.
        tried_out: Vec<u64>,
    },
    /// The model does not have the version that was asked for.
    #[error("{}: no version {version} (asked for by {asked_by}); there is: {}", path.display(), list(available))]
    NoVersion {
        /// The model's directory.
        path: PathBuf,
        /// What was asked for.
        version: u64,
        /// `model.toml` or `the request`.
        asked_by: &'static str,
        /// The versions that there are, oldest first.
        available: Vec<u64>,
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

/// Where a relative path begins, for people; nothing for an absolute one.
fn below(path: &Path) -> String {
    match std::env::current_dir() {
        Ok(folder) if path.is_relative() => format!(" below {}", folder.display()),
        _ => String::new(),
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
