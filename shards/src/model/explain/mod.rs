//! Why a model gave its score: exact Shapley values of each input column.
//!
//! An [`Explainer`] explains rows as the model reads them; an `explainable` is what it is made of.
//! [`TreeExplainer`] explains the margin of a tree ensemble, of which an [`Outline`] says what
//! explanations need. `program` turns each tree into steps, `quadrature`
//! gives the points at which they are taken, and `block` takes them for eight rows at a time (`alone`
//! for one), in
//! the registers of `wide`, `avx2` or `avx512`.
//!
//! **The method.** Let each column be known with probability t, and let F(t) be the expected
//! value of the tree: where a tested column is known the row decides, else the share z of training
//! rows that went each way. The Shapley value of a column is the integral over t from 0 to 1 of
//! the derivative of F by that column's own probability (Owen 1972, "Multilinear extensions of
//! games"). F is linear in each of them, so the integrand is a polynomial and Gauss–Legendre
//! quadrature is exact with half as many points as a path has columns. At a point, a branch takes
//! its `yes` child with weight f = o·t + z·(1 − t), o being 1 where the row passes. Going up, each
//! node's value is U = U(no) + f·(U(yes) − U(no)); going down, its weight is the product of the
//! choices that lead to it; and a branch adds weight · f′ · (U(yes) − U(no)) to its column.
//!
//! The cost grows with the number of branches and not with the number or length of paths, no
//! table grows with depth, and all weights are between 0 and 1: nothing cancels at any depth.
//!
//! What is *not* here: which reasons are told, in which words (`answer`), and how columns of the
//! model come from columns of the request.

#![expect(
    clippy::inline_always,
    reason = "what is inlined into a block is compiled with that block's instructions"
)]

mod alone;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(in crate::model) mod background;
mod block;
mod error;
mod explainable;
mod explainer;
mod function;
mod interventional;
mod linear;
mod outline;
mod program;
mod quadrature;
mod settings;
mod trees;
mod wide;

pub use error::ExplainError;
pub(in crate::model) use explainable::Explainable;
pub use explainer::Explainer;
pub(in crate::model) use function::Function;
pub(in crate::model) use linear::LinearOutline;
pub use outline::{Node, Origins, Outline, OutlineError, SplitTest, TreeOutline};
pub use settings::{ExplainSettings, NamedReason};
pub use trees::TreeExplainer;
