//! Why a model's scores can't be explained.

use thiserror::Error;

use super::outline::OutlineError;
use crate::model::trees::NoOutline;

/// Why a model that `[explain]` is said of is refused;
/// [`ModelError`](crate::model::ModelError) names the file.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The file does not say how training rows were shared out.
    #[error(
        "its scores can't be explained: the file doesn't say how many training rows took each \
         branch of its trees; name rows that stand for the average one with [explain] background \
         = \"background.csv\", or write the file again with models/export.py"
    )]
    NoCovers,
    /// A linear model, whose contributions are against the means of its columns.
    #[error(
        "its scores can't be explained: a linear model's contributions are against the means of \
         its columns; name rows to take these of with [explain] background = \"background.csv\""
    )]
    NoMeans,
    /// The trees' values are no sum.
    #[error(
        "its scores can't be explained: {0}, and exact contributions are those of sums of leaves; \
         leave [explain] out of model.toml"
    )]
    Trees(#[from] NoOutline),
    /// A column that trees read was made of several columns of the model.
    #[error(
        "its scores can't be explained: {what} is made of the columns {}, and its contribution \
         can't be divided among them; leave [explain] out of model.toml or train without it",
        columns.join(", ")
    )]
    Mixed {
        /// What reads them.
        what: String,
        /// Their names.
        columns: Vec<String>,
    },
    /// Neither trees nor a linear function.
    #[error(
        "its scores can't be explained: {what} is neither a tree ensemble nor a linear function, \
         and only their contributions are exact; leave [explain] out of model.toml"
    )]
    Opaque {
        /// What makes the score.
        what: String,
    },
    /// The model is computed elsewhere.
    #[error(
        "its scores can't be explained: a remote model's inside isn't known here; leave [explain] \
         out of model.toml"
    )]
    Remote,
    /// The trees don't hold together.
    #[error("its scores can't be explained: {0}")]
    Outline(#[from] OutlineError),
}
