//! Finds models on disk: `ROOT/NAME/model.toml` and `ROOT/NAME/VERSION/model.onnx`, or in its place
//! the file that the model's own library wrote (`model::files`).

mod error;

use std::fs;
use std::path::{Path, PathBuf};

pub use self::error::RepositoryError;
use super::files::files_in;
use super::lone::LoneFile;
use super::manifest::{Backend, MANIFEST_FILE, Manifest};
use super::versions::{self, FolderNote, VersionFolder};
use crate::facts::Role;

/// The name of the model's file in a version's directory.
pub const MODEL_FILE: &str = "model.onnx";

/// The name of the file of a version's golden predictions.
pub const GOLDEN_FILE: &str = "golden.csv";

/// The longest name of a model, in bytes.
pub const NAME_LENGTH_MAX: usize = 128;

/// How much of what is found in the place of a version is named.
pub const FOUND_MAX: usize = 8;

/// A directory of models, or one model's file by itself.
#[derive(Debug, Clone)]
pub struct Repository(Place, Vec<NotedField>);

/// A field of requests that an aggregate of scored requests takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedField {
    /// The entity that it is counted of.
    pub entity: String,
    /// The field.
    pub field: String,
}

/// Where a repository's models are.
#[derive(Debug, Clone)]
enum Place {
    /// Each in a directory of this one.
    Below(PathBuf),
    /// One, whose file is served by itself.
    File(LoneFile),
}

/// What is known of one model before a version of it is chosen.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    manifest: Manifest,
    /// The versions, oldest first.
    versions: Vec<VersionFolder>,
    /// What is to be said of folders that are no versions.
    notes: Vec<FolderNote>,
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
    /// The version: the number that its directory is called by.
    pub version: u64,
    /// The file that is loaded; of a remote model, its manifest.
    pub file: PathBuf,
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

    /// Where this version's golden file may be, the first that is there counts: beside its model,
    /// and for the stable version beside the manifest. Another version's scores are its own.
    pub fn golden_files(&self) -> Vec<PathBuf> {
        let of_version = self.file.with_file_name(GOLDEN_FILE);
        let of_model = self.path.join(GOLDEN_FILE);
        if self.role() == Role::Stable && of_model != of_version {
            vec![of_version, of_model]
        } else {
            vec![of_version]
        }
    }

    /// This version's golden file, where it has one.
    pub fn golden_file(&self) -> Option<PathBuf> {
        self.golden_files().into_iter().find(|path| path.is_file())
    }
}

impl Repository {
    /// The repository below `root`; nothing is read yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(Place::Below(root.into()), Vec::new())
    }

    /// The repository of one model, whose file is served by itself.
    pub fn of_file(file: LoneFile) -> Self {
        Self(Place::File(file), Vec::new())
    }

    /// The same, whose models with these entities ask requests for these fields too.
    #[must_use]
    pub fn noting(self, noted: Vec<NotedField>) -> Self {
        Self(self.0, noted)
    }

    /// The names of all models: the directories with a well-formed name and at least one version.
    pub fn names(&self) -> Result<Vec<String>, RepositoryError> {
        let mut names = self.directories()?;
        if let Place::Below(root) = &self.0 {
            let mut served = Vec::with_capacity(names.len());
            for name in &names {
                served.push(is_model(&root.join(name))?);
            }
            let mut served = served.into_iter();
            names.retain(|_| served.next() == Some(true));
        }
        Ok(names)
    }

    /// The directories that could be models by their names, whether they have a version or not.
    pub fn directories(&self) -> Result<Vec<String>, RepositoryError> {
        let listed = match &self.0 {
            Place::Below(root) => directory_names(root),
            Place::File(file) => Ok(vec![file.name().to_owned()]),
        };
        let mut names = match listed {
            // What the names stand in is not there: another fault than a folder that is closed.
            Err(RepositoryError::List { path, source })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                return Err(RepositoryError::NoRepository { root: path });
            }
            listed => listed?,
        };
        names.retain(|name| is_name(name));
        names.sort_unstable();
        Ok(names)
    }

    /// The versions of a model, oldest first.
    pub fn versions(&self, name: &str) -> Result<Vec<u64>, RepositoryError> {
        Ok(self.entry(name)?.versions.into_iter().map(|known| known.version).collect())
    }

    /// What is to be said of the folders of a model that are ignored, or whose number is not spelt
    /// as the version is; empty for a model that cannot be found.
    pub fn folder_notes(&self, name: &str) -> Vec<FolderNote> {
        self.entry(name).map_or_else(|_| Vec::new(), |entry| entry.notes)
    }

    /// A model in the `version` asked for, else the one that its manifest pins, else the newest
    /// that is neither its canary nor its shadow.
    pub fn find(
        &self,
        name: &str,
        version: Option<u64>,
    ) -> Result<ModelDirectory, RepositoryError> {
        let Entry { path, mut manifest, versions: folders, .. } = self.entry(name)?;
        let entities = manifest.entities();
        let is_own = |it: &&NotedField| entities.iter().any(|own| own.name == it.entity);
        manifest.noted = self.1.iter().filter(is_own).map(|it| it.field.clone()).collect();
        if folders.is_empty() {
            return Err(RepositoryError::NoVersions { found: what_is_in(&path)?, path });
        }
        let available: Vec<u64> = folders.iter().map(|known| known.version).collect();
        // What is tried out may be the newest version and yet is not the one that is served.
        let tried_out = [
            manifest.canary.map(|canary| canary.version),
            manifest.shadow.map(|shadow| shadow.version),
        ];
        let is_stable = |version: &&u64| !tried_out.contains(&Some(**version));
        let Some(&newest) = available.iter().rfind(is_stable) else {
            return Err(RepositoryError::NoStable { path, tried_out: available });
        };
        let (wanted, asked_by) = match (version, manifest.version) {
            (Some(version), _) => (version, "the request"),
            (None, Some(version)) => (version, "model.toml"),
            (None, None) => (newest, "nobody"),
        };
        let Some(found) = folders.iter().find(|known| known.version == wanted) else {
            return Err(RepositoryError::NoVersion { path, version: wanted, asked_by, available });
        };
        let file = match (&self.0, manifest.backend) {
            (Place::File(lone), _) => lone.path().to_owned(),
            (_, Backend::Onnx) => only_file(&path.join(&found.folder))?,
            (_, Backend::Remote) => path.join(MANIFEST_FILE),
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

    /// What is known of a model.
    fn entry(&self, name: &str) -> Result<Entry, RepositoryError> {
        match &self.0 {
            Place::Below(root) => {
                let path = self.directory(root, name)?;
                let manifest = Manifest::read(&path)?;
                let (versions, notes) = versions_of(&path, &manifest)?;
                Ok(Entry { path, manifest, versions, notes })
            }
            Place::File(lone) if lone.name() == name => {
                let ModelDirectory { path, manifest, version, .. } =
                    lone.directory(LoneFile::manifest());
                let versions = vec![VersionFolder { version, folder: String::new() }];
                Ok(Entry { path, manifest, versions, notes: Vec::new() })
            }
            Place::File(lone) => Err(RepositoryError::NoModel {
                root: lone.path().to_owned(),
                name: name.to_owned(),
                available: vec![lone.name().to_owned()],
            }),
        }
    }

    fn directory(&self, root: &Path, name: &str) -> Result<PathBuf, RepositoryError> {
        // A name is a path's component and part of a URL: what could climb out is refused first.
        if !is_name(name) {
            return Err(RepositoryError::Name { name: name.to_owned() });
        }
        let path = root.join(name);
        if path.is_dir() {
            return Ok(path);
        }
        let available = self.names()?;
        Err(RepositoryError::NoModel { root: root.to_owned(), name: name.to_owned(), available })
    }
}

/// Whether a directory has a version of a model.
fn is_model(path: &Path) -> Result<bool, RepositoryError> {
    let is_remote = || Manifest::read(path).is_ok_and(|read| read.backend == Backend::Remote);
    Ok(!versions::sort_out(path, directory_names(path)?).0.is_empty() || is_remote())
}

/// Whether a text can be a model's name: safe as a path's component, in a URL and in a metric.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_LENGTH_MAX
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The versions of a model, and what is to be said of its other folders. A remote one has the version
/// that its manifest gives it, or 1: what its server calls it is part of the URL.
fn versions_of(
    path: &Path,
    manifest: &Manifest,
) -> Result<(Vec<VersionFolder>, Vec<FolderNote>), RepositoryError> {
    match manifest.backend {
        Backend::Onnx => Ok(versions::sort_out(path, directory_names(path)?)),
        Backend::Remote => {
            let version = manifest.version.unwrap_or(1);
            Ok((vec![VersionFolder { version, folder: version.to_string() }], Vec::new()))
        }
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

/// What a model's directory without a version holds, for people: why a folder is none, and the
/// names of what else there is.
fn what_is_in(path: &Path) -> Result<Vec<String>, RepositoryError> {
    let failed = |source| RepositoryError::List { path: path.to_owned(), source };
    let notes = versions::sort_out(path, directory_names(path)?).1;
    let mut found: Vec<String> = notes.iter().map(FolderNote::to_string).collect();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let is_said = notes.iter().any(|note| note.folder == name);
        if !is_said && name != MANIFEST_FILE {
            found.push(format!("`{name}`"));
        }
    }
    found.sort_unstable();
    if found.len() > FOUND_MAX {
        found.truncate(FOUND_MAX);
        found.push("more".to_owned());
    }
    Ok(found)
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
