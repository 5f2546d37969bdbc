//! The operators that are ours: each maps rows to rows, one file each.
//!
//! An operator is parsed from its node once and then runs in either of two places: a
//! [`Program`](super::program::Program), where a model is nothing but such operators, or a plan of
//! tract's, through the one adapter in `super::tract`. The same code gives the same bits in both.
//!
//! What is *not* here: operators that tract runs well, and the tree kernels (`model::trees`).

mod arithmetic;
mod batch_norm;
mod binarizer;
mod cast;
mod concat;
mod context;
mod curve;
mod dense;
mod distance;
mod element;
mod extractor;
mod flow;
mod imputer;
mod label;
mod label_encoder;
mod lanes;
mod linear;
mod linear_lookup;
mod lookup;
mod members;
mod normalizer;
mod number;
mod one_hot;
mod pairwise;
mod pieces;
mod reduce;
mod scaler;
mod svm;
mod svm_classifier;
mod transform;
mod tree_chains;
mod trees;
mod trees_fold;
mod trees_v5;
mod typed;

use std::fmt::Debug;
use std::ops::Range;

pub(super) use self::context::NodeContext;
pub(super) use self::element::{Cells, CellsMut, Element, cast_to_i32, cast_to_i64, exact_i64};
pub(super) use self::flow::{After, Flow, FoundMargin, Margin};
pub(super) use self::pieces::{Origin, Picked, Piece};
use super::error::OnnxError;
use crate::model::trees::KernelChoice;

/// What the rows of a value are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowShape {
    pub(super) columns: usize,
    pub(super) element: Element,
}

/// The rows that an operator reads, row-major.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) cells: Cells<'a>,
    pub(super) columns: usize,
}

/// An operator that makes each row of its output from the same row of its inputs alone, as its
/// node describes it.
pub(super) trait RowOperator: Debug + Send + Sync {
    /// What comes out for these inputs, or why they cannot be read.
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String>;

    /// Makes what computes it for inputs of these shapes, which [`Self::shape`] agreed to.
    fn kernel(
        &self,
        inputs: &[RowShape],
        choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String>;

    /// Whether it reads integers as they are; they are made doubles for it otherwise.
    fn reads_integers(&self) -> bool {
        false
    }

    /// Whether its output has the type of its input, whichever that is.
    fn keeps_type(&self) -> bool {
        false
    }

    /// How many cells it makes of each cell, where these are an axis of their own in ONNX: its
    /// output is rows × columns × cells there.
    fn cells_of_each(&self) -> Option<usize> {
        None
    }

    /// How the columns of its output depend on those of its inputs.
    fn flow(&self) -> Flow {
        Flow::Mixed
    }

    /// What it makes of margins that it reads, where these are rows of `columns`.
    fn after(&self, _columns: usize) -> After {
        After::Unknown
    }

    /// The trees or the linear function that column `column` of its output is made of, before any
    /// curve; none where it is neither.
    fn margin(&self, _inputs: &[RowShape], _column: usize) -> Option<FoundMargin> {
        None
    }

    /// Whether its output is its inputs side by side, bit for bit.
    fn joins(&self, _inputs: &[RowShape]) -> bool {
        false
    }

    /// Whether its output is its input, bit for bit.
    fn is_copy(&self, _input: RowShape) -> bool {
        false
    }

    /// Its offsets and scales, if it is a scaler.
    fn as_scaler(&self) -> Option<(&[f32], &[f32])> {
        None
    }

    /// Takes over the work of `before`, whose output alone it reads and whose inputs have these
    /// shapes, if the bits of its own output stay what they are. Its input is then that of
    /// `before`.
    fn absorb(&mut self, _before: &dyn RowOperator, _shapes: &[RowShape]) -> bool {
        false
    }

    /// What each column of its output is made of, if that is no more than what the columns of its
    /// inputs, of these shapes, are made of.
    fn pieces(
        &self,
        _inputs: &[Vec<Piece<Origin>>],
        _shapes: &[RowShape],
    ) -> Option<Vec<Piece<Origin>>> {
        None
    }

    /// Reads what the columns of its only input are made of in place of these, if the bits of its
    /// output stay what they are: by the place of a cell in what it reads then, in the same type.
    fn read_through(&mut self, _pieces: &[Piece<usize>]) -> bool {
        false
    }

    /// Leaves out what only other columns than `column` need: the output has one column then.
    fn narrow(&mut self, _column: usize) -> bool {
        false
    }
}

/// Copies a kernel for another shard; every kernel that can be cloned does.
pub(super) trait CopyKernel {
    /// One of the same tables, with buffers of its own.
    fn copy(&self) -> Box<dyn RowKernel>;
}

impl<K: RowKernel + Clone + 'static> CopyKernel for K {
    fn copy(&self) -> Box<dyn RowKernel> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn RowKernel> {
    fn clone(&self) -> Self {
        (**self).copy()
    }
}

/// Computes an operator; one shard's own, with the buffers it needs.
pub(super) trait RowKernel: CopyKernel + Debug + Send + Sync {
    /// A word for people.
    fn name(&self) -> String;

    /// Whether it fails, and has to, on a row with a cell that it has no answer for: which cells
    /// those are is not known from outside.
    fn knows_some_rows_only(&self) -> bool {
        false
    }

    /// Computes `rows` rows; inputs and output have the shapes that the operator agreed to.
    fn run(&mut self, rows: usize, inputs: &[Rows<'_>], output: CellsMut<'_>)
    -> Result<(), String>;
}

/// What is said of cells that do not have the type that was agreed to.
fn wrong_type() -> String {
    "cells of another type than was agreed to".to_owned()
}

type Parser = fn(NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError>;

/// Operators of the domain `ai.onnx.ml`: they take the place of tract's own.
pub(super) const MACHINE_LEARNING: &[(&str, Parser)] = &[
    ("Binarizer", binarizer::parse),
    ("CDist", distance::parse),
    ("FeatureVectorizer", concat::parse),
    ("Imputer", imputer::parse),
    ("LabelEncoder", label_encoder::parse),
    ("LinearClassifier", linear::parse_classifier),
    ("LinearClassifierLabel", label::parse_linear),
    ("LinearRegressor", linear::parse_regressor),
    ("Normalizer", normalizer::parse),
    ("OneHotEncoder", one_hot::parse),
    ("SVMClassifier", svm_classifier::parse),
    ("SVMRegressor", svm::parse_regressor),
    ("Scaler", scaler::parse),
    ("TreeEnsemble", trees_v5::parse),
    ("TreeEnsembleClassifier", trees::parse_classifier),
    ("TreeEnsembleClassifierLabel", label::parse_trees),
    ("TreeEnsembleRegressor", trees::parse_regressor),
];

/// Operators that are run here in a program; in a plan tract runs them.
const GENERAL: &[(&str, Parser)] = &[
    ("Abs", curve::parse),
    ("Add", arithmetic::parse),
    ("ArrayFeatureExtractor", extractor::parse),
    ("BatchNormalization", batch_norm::parse),
    ("Cast", cast::parse),
    ("Clip", curve::parse),
    ("Concat", concat::parse),
    ("Div", arithmetic::parse),
    ("Exp", curve::parse),
    ("Gather", extractor::parse_gather),
    ("Gemm", dense::parse),
    ("Identity", cast::parse),
    ("LpNormalization", reduce::parse),
    ("MatMul", dense::parse),
    ("Mul", arithmetic::parse),
    ("Neg", curve::parse),
    ("ReduceProd", reduce::parse),
    ("ReduceSum", reduce::parse),
    ("Relu", curve::parse),
    ("Reshape", cast::parse),
    ("Sigmoid", curve::parse),
    ("Slice", extractor::parse_slice),
    ("Softmax", reduce::parse),
    ("Sqrt", curve::parse),
    ("Sub", arithmetic::parse),
    ("Sum", arithmetic::parse),
    ("Tanh", curve::parse),
];

/// The parser of an operator that we run.
pub(super) fn parser(operator: &str) -> Option<Parser> {
    let known = MACHINE_LEARNING.iter().chain(GENERAL).find(|(name, _)| *name == operator);
    known.map(|(_, parser)| *parser)
}

/// Whether an operator is ours alone: what we refuse of it, nobody runs.
pub(super) fn is_ours_alone(operator: &str) -> bool {
    MACHINE_LEARNING.iter().any(|(name, _)| *name == operator)
}

/// The shape of an operator's only input, which holds floats.
fn only_floats(inputs: &[RowShape]) -> Result<RowShape, String> {
    let input = only(inputs)?;
    input.element.precision()?;
    Ok(input)
}

/// An operator that makes doubles of integers, or anything else of `to`.
pub(super) fn conversion(to: Element) -> Box<dyn RowOperator> {
    Box::new(cast::Cast::new(Some(to)))
}

/// An operator that picks these columns.
pub(super) fn columns(places: Range<usize>) -> Box<dyn RowOperator> {
    Box::new(extractor::Extractor::new(places))
}

/// An operator that picks these columns of a matrix, each cell as a tensor of `element` holds it.
pub(super) fn typed_columns(places: Range<usize>, element: Element) -> Box<dyn RowOperator> {
    Box::new(typed::TypedColumns::new(places, element))
}

/// The shape of an operator's only input.
fn only(inputs: &[RowShape]) -> Result<RowShape, String> {
    match inputs {
        [input] => Ok(*input),
        _ => Err(format!("{} inputs that are no constants, expected 1", inputs.len())),
    }
}
