//! Why a model's scores can't be explained.

use std::path::PathBuf;

use thiserror::Error;

use super::outline::OutlineError;
use crate::model::golden::GoldenError;
use crate::model::trees::NoOutline;

/// Why a model that `[explain]` is said of is refused;
/// [`ModelError`](crate::model::ModelError) names the file.
#[derive(Debug, Error)]
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
    /// The file of background rows is not where it is said to be.
    #[error(
        "[explain] background = \"{name}\": there is no such file in {}; write one whose header is the \
         columns of model.toml", folders.join(" or ")
    )]
    NoBackground {
        /// The file.
        name: String,
        /// Where it was looked for.
        folders: Vec<String>,
    },
    /// A background file that is not read.
    #[error("[explain] background: {0}")]
    Background(Box<GoldenError>),
    /// Another number of background rows than can be used.
    #[error(
        "{}: it has {found} rows, expected 1 to {limit} that stand for the average row", path.display()
    )]
    BackgroundRows {
        /// The file.
        path: PathBuf,
        /// How many rows it has.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The model fails on background rows.
    #[error("[explain] background: the model fails on its rows: {0}")]
    BackgroundRun(String),
    /// A path of too many columns.
    #[error(
        "its scores can't be explained: a path of tree {tree} tests more than {limit} distinct \
         columns; leave background out of [explain], where the file has the trees' covers"
    )]
    LongPath {
        /// The tree, from 0.
        tree: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The trees don't hold together.
    #[error("its scores can't be explained: {0}")]
    Outline(#[from] OutlineError),
}
