//! Why a library's own file is refused.

use thiserror::Error;

use crate::model::FileError;
use crate::model::trees::{EnsembleError, KernelError};

/// Why a model file of `LightGBM`, `XGBoost` or `CatBoost` is refused;
/// [`ModelError`](crate::model::ModelError) names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NativeError {
    /// The file is not read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line of a text file does not hold what it should.
    #[error("line {line}, `{key}`: found {found}, expected {expected}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What the line should say.
        key: String,
        /// What it says.
        found: String,
        /// What it may say.
        expected: String,
    },
    /// A value of a JSON, UBJSON or `CatBoost` file is not what it should be.
    #[error("`{key}`: found {found}, expected {expected}")]
    Value {
        /// Where the value is, from the file's root.
        key: String,
        /// What is there.
        found: String,
        /// What may be there.
        expected: String,
    },
    /// The bytes are not in the format that the file's name promises.
    #[error("byte {offset}: {reason}")]
    Syntax {
        /// Where reading stopped.
        offset: usize,
        /// What was found and expected there.
        reason: String,
    },
    /// More of something than is allowed.
    #[error("{found} {what}, at most {limit} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A part of the library that is not served.
    #[error("{what}: {advice}")]
    Unsupported {
        /// What the file asks for.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The trees do not hold together.
    #[error(transparent)]
    Trees(#[from] EnsembleError),
    /// No kernel can be made.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The score cannot be chosen among the outputs.
    #[error("{reason}")]
    Output {
        /// Why, and what `model.toml` can say.
        reason: String,
    },
    /// `model.toml` names other columns than the file.
    #[error("{reason}")]
    Columns {
        /// Where they differ, and what to do.
        reason: String,
    },
}

impl NativeError {
    /// An error about the value at `key`; `found` is cut where it is long.
    pub(in crate::model) fn value(
        key: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Value { key: key.into(), found: short(&found.into()), expected: expected.into() }
    }

    /// An error about line `line`.
    pub(in crate::model) fn line(
        line: usize,
        key: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let (key, found) = (short(&key.into()), short(&found.into()));
        Self::Line { line, key, found, expected: expected.into() }
    }

    /// An error about something that is not served.
    pub(in crate::model) fn unsupported(
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Unsupported { what: short(&what.into()), advice: advice.into() }
    }

    /// An error about more of `what` than is allowed.
    pub(in crate::model) fn too_many(what: &'static str, found: usize, limit: usize) -> Self {
        Self::TooMany { what, found, limit }
    }
}

/// A text from a file, in one short line.
fn short(text: &str) -> String {
    const LENGTH_MAX: usize = 120;
    if text.len() <= LENGTH_MAX {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(LENGTH_MAX).collect();
    cut.push('…');
    cut
}
