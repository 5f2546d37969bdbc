//! Why a model is not loaded, or a batch not scored.

use std::path::PathBuf;

use thiserror::Error;

use super::answer::CalibrationError;
use super::explain::ExplainError;
use super::forest::NativeError;
use super::onnx::OnnxError;
use crate::features::Precision;

/// Why a model is not loaded.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Its ONNX file is refused.
    #[error("{}: {source}", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OnnxError,
    },
    /// Its file of `LightGBM`, `XGBoost` or `CatBoost` is refused.
    #[error("{}: {source}", path.display())]
    Native {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<NativeError>,
    },
    /// `model.toml` wants its scores explained, and they can't be.
    #[error("{}: {source}", path.display())]
    Explain {
        /// The model's file.
        path: PathBuf,
        /// Why, and what to do.
        source: ExplainError,
    },
    /// Its calibration is refused.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A file of its own library has no members whose curves are joined.
    #[error("model.toml: key `output.members`: found beside a native file, expected an ONNX file")]
    NativeMembers,
    /// Another server computes it, whose answers are taken as they are.
    #[error(
        "model.toml: key `output.calibration`: found beside `backend = \"remote\"`, expected a \
             model that is computed here"
    )]
    RemoteCalibration,
}

impl ModelError {
    /// Whether it is only not said which number of the output is the score.
    pub fn is_of_output(&self) -> bool {
        match self {
            Self::Onnx { source, .. } => matches!(source, OnnxError::Output { .. }),
            Self::Native { source, .. } => matches!(**source, NativeError::Output { .. }),
            Self::Explain { .. }
            | Self::Calibration(_)
            | Self::NativeMembers
            | Self::RemoteCalibration => false,
        }
    }
}

/// Why a batch was not scored; the model is as good as before.
#[derive(Debug, Error)]
pub enum ScoreError {
    /// The matrix is not one that the model reads.
    #[error(
        "a matrix of {found_columns} columns of {found_precision:?}, expected {columns} of \
         {precision:?}"
    )]
    Shape {
        /// Columns that the model reads.
        columns: usize,
        /// Their type.
        precision: Precision,
        /// Columns of the matrix.
        found_columns: usize,
        /// Their type.
        found_precision: Precision,
    },
    /// The model failed on these rows.
    #[error("the model failed: {reason}")]
    Run {
        /// What failed.
        reason: String,
    },
}
