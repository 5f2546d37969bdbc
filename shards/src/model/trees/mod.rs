//! Tree ensembles: from the arrays of an ONNX node to scores.
//!
//! [`TreeAttributes`] is what a model file says; [`Ensemble::build`] checks it (`build`, `error`)
//! and brings it (`normal_form`) into the one form that all else is made from (`ensemble`).
//! [`TreeKernel`] scores batches with it. `walk` is the plain walk that defines the result. The
//! fast kernels share a layout (`plan`, `deep`): `single` takes a small batch row by row, `block`
//! up to 64 rows at once, with the instructions of `portable`, `avx2` or `avx512` (`vector` is what
//! the last two share, `transpose` and `gather` belong to the last). `cells` converts and scales
//! the input, `finish` turns sums into scores (`exponential`), `real` names the two precisions.
//!
//! What is *not* here: reading the file (nothing below this line knows of tract or protobuf),
//! labels and `ZipMap`, and which rows are scored together.

#![expect(
    clippy::inline_always,
    reason = "what is inlined into a kernel is compiled with that kernel's instructions"
)]

mod attributes;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod build;
mod cells;
mod check;
mod deep;
mod ensemble;
mod error;
mod exponential;
mod finish;
#[cfg(target_arch = "x86_64")]
mod gather;
mod kernel;
mod normal_form;
mod outline;
mod outputs;
mod plan;
mod plant;
mod portable;
mod real;
mod single;
#[cfg(target_arch = "x86_64")]
mod transpose;
#[cfg(target_arch = "x86_64")]
mod vector;
mod walk;
mod words;

pub use attributes::{
    Aggregate, EnsembleKind, NodeMode, PostTransform, TreeAttributes, UnknownWord,
};
pub use cells::{Scaler, ScalerError};
pub use ensemble::{Ensemble, EnsembleLimits};
pub use error::EnsembleError;
pub(in crate::model) use exponential::{exponential, logistic};
pub use kernel::{KernelChoice, KernelError, Outputs, Scores, TreeKernel, UnknownKernel};
pub use outline::NoOutline;
pub use outputs::OutputColumns;
