//! How an operator's columns depend on those that it reads: what explanations follow.

use super::RowShape;
use crate::model::explain::{ExplainError, LinearOutline, Outline};

/// How each column of an output depends on the columns of the inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model::onnx) enum Flow {
    /// On the same column of each input; one of a single column counts for all.
    Along,
    /// On these columns of the first input.
    Picked(Vec<usize>),
    /// Each column of the first input becomes as many as this, side by side.
    Each(usize),
    /// The inputs lie side by side.
    Joined,
    /// On all of them.
    Mixed,
}

impl Flow {
    /// The inputs and their columns that output column `column` depends on.
    pub(in crate::model::onnx) fn sources(
        &self,
        column: usize,
        inputs: &[RowShape],
    ) -> Vec<(usize, usize)> {
        let widths = || inputs.iter().map(|input| input.columns).enumerate();
        match self {
            Self::Along => widths()
                .map(|(input, width)| (input, if width == 1 { 0 } else { column }))
                .collect(),
            Self::Picked(places) => {
                places.get(column).map(|place| (0, *place)).into_iter().collect()
            }
            Self::Each(cells) => vec![(0, column / (*cells).max(1))],
            Self::Joined => {
                let mut start = 0;
                for (input, width) in widths() {
                    if column < start + width {
                        return vec![(input, column - start)];
                    }
                    start += width;
                }
                Vec::new()
            }
            Self::Mixed => {
                widths().flat_map(|(input, width)| (0..width).map(move |at| (input, at))).collect()
            }
        }
    }
}

/// What an operator makes of a margin that it reads.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model::onnx) enum After {
    /// The same number, by its flow.
    Same,
    /// In the same column what grows with it, as a probability does.
    Bent,
    /// `factor × margin + term` of each column, or of all.
    Line {
        /// The factors.
        factors: Vec<f64>,
        /// The terms.
        terms: Vec<f64>,
    },
    /// Nothing that keeps its meaning.
    Unknown,
}

/// What makes one column of an operator's output, as explanations read it.
#[derive(Debug, Clone)]
pub(in crate::model::onnx) enum Margin {
    /// Trees; whether a curve bends their sum on its way out.
    Trees {
        /// The trees.
        outline: Outline,
        /// Whether a curve follows.
        is_bent: bool,
    },
    /// A linear function.
    Linear {
        /// The function.
        outline: LinearOutline,
        /// Whether a curve follows.
        is_bent: bool,
    },
}

/// A margin, or why it has no contributions.
pub(in crate::model::onnx) type FoundMargin = Result<Margin, ExplainError>;
