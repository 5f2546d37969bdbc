//! Tree ensembles: from the arrays of an ONNX node to scores.
//!
//! [`TreeAttributes`] is what a model file says; [`Ensemble::build`] checks it (`build`, `error`)
//! and brings it into the one form that all else is made from (`ensemble`). [`TreeKernel`] scores
//! batches with it: `walk` is the plain recursive walk that defines the result. `cells` converts
//! and scales the input, `finish` turns sums into scores (`exponential`), `real` names the two
//! precisions.
//!
//! What is *not* here: reading the file (nothing below this line knows of tract or protobuf),
//! labels and `ZipMap`, and which rows are scored together.

mod attributes;
mod build;
mod cells;
mod ensemble;
mod error;
mod exponential;
mod finish;
mod kernel;
mod real;
mod walk;

pub use attributes::{
    Aggregate, EnsembleKind, NodeMode, PostTransform, TreeAttributes, UnknownWord,
};
pub use cells::{Scaler, ScalerError};
pub use ensemble::{Ensemble, EnsembleLimits};
pub use error::EnsembleError;
pub(in crate::model) use exponential::{exponential, logistic};
pub use kernel::{KernelChoice, KernelError, Outputs, Scores, TreeKernel, UnknownKernel};
