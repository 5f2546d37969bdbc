//! Which of a model's folders are its versions, and which are not and why.

use std::fmt;
use std::path::Path;

use super::files::{MODEL_FILES, files_in};

/// A folder that is a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VersionFolder {
    pub(super) version: u64,
    /// The folder's name, which may have zeros in front of the number.
    pub(super) folder: String,
}

/// What is to be said of a folder that is not taken as it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderNote {
    /// The folder's name.
    pub folder: String,
    /// What about it.
    pub finding: FolderFinding,
}

/// What is the matter with a folder beside the versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderFinding {
    /// It holds a model and its name is no number.
    NotANumber,
    /// Its number is 0.
    Zero,
    /// Its number is more than a version can be.
    TooGreat,
    /// Its name is a number and it holds no model.
    NoModel,
    /// It is a version, and its name has zeros in front of the number.
    LeadingZeros {
        /// The number.
        version: u64,
    },
    /// Another folder is the same version.
    Same {
        /// The folder that is taken.
        taken: String,
    },
}

impl FolderNote {
    /// Whether nothing of the folder is served.
    pub fn is_ignored(&self) -> bool {
        !matches!(self.finding, FolderFinding::LeadingZeros { .. })
    }
}

impl fmt::Display for FolderNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = &self.folder;
        match &self.finding {
            FolderFinding::NotANumber => write!(
                formatter,
                "folder `{folder}` is ignored: its name is not a number, as `1` or `20260131` is"
            ),
            FolderFinding::Zero => {
                write!(formatter, "folder `{folder}` is ignored: versions are counted from 1")
            }
            FolderFinding::TooGreat => write!(
                formatter,
                "folder `{folder}` is ignored: the greatest version is {}",
                u64::MAX
            ),
            FolderFinding::NoModel => {
                let names = MODEL_FILES.map(|(name, _)| name).join(", ");
                write!(formatter, "folder `{folder}` is ignored: it has none of {names}")
            }
            FolderFinding::LeadingZeros { version } => {
                write!(formatter, "folder `{folder}` is version {version}")
            }
            FolderFinding::Same { taken } => write!(
                formatter,
                "folder `{folder}` is ignored: folder `{taken}` is the same version"
            ),
        }
    }
}

/// The versions among these folders of `path`, oldest first, and what is to be said of the others.
/// Of a folder that is hidden, or is neither a number nor holds a model, nothing is said.
pub(super) fn sort_out(
    path: &Path,
    mut folders: Vec<String>,
) -> (Vec<VersionFolder>, Vec<FolderNote>) {
    // The shortest spelling of a number comes first, and is the one that is taken.
    folders.sort_unstable_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    let (mut versions, mut notes) = (Vec::<VersionFolder>::new(), Vec::new());
    for folder in folders {
        let has_model = !files_in(&path.join(&folder)).is_empty();
        let is_number = folder.bytes().all(|byte| byte.is_ascii_digit());
        let finding = match folder.parse::<u64>() {
            _ if folder.starts_with('.') || !(is_number || has_model) => continue,
            _ if !is_number => FolderFinding::NotANumber,
            _ if !has_model => FolderFinding::NoModel,
            Err(_) => FolderFinding::TooGreat,
            Ok(0) => FolderFinding::Zero,
            Ok(version) => {
                if let Some(known) = versions.iter().find(|known| known.version == version) {
                    FolderFinding::Same { taken: known.folder.clone() }
                } else {
                    let has_zeros = folder.starts_with('0');
                    versions.push(VersionFolder { version, folder: folder.clone() });
                    if !has_zeros {
                        continue;
                    }
                    FolderFinding::LeadingZeros { version }
                }
            }
        };
        notes.push(FolderNote { folder, finding });
    }
    versions.sort_unstable_by_key(|known| known.version);
    (versions, notes)
}
