//! What is done with a row's sums before they are scores: `post_transform`.

use super::{NodeContext, OnnxError};
use crate::model::trees::{exponential, logistic};

/// The attribute `post_transform`, as far as exporters of linear models write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
}

impl Transform {
    pub(super) fn parse(context: NodeContext<'_>) -> Result<Self, OnnxError> {
        match context.string("post_transform")?.unwrap_or("NONE") {
            "NONE" => Ok(Self::None),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX" => Ok(Self::Softmax),
            other => Err(context
                .refuse(format!("post_transform `{other}`: expected NONE, LOGISTIC or SOFTMAX"))),
        }
    }

    /// Transforms the scores of one row.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => {
                for score in scores {
                    *score = logistic(*score);
                }
            }
            Self::Softmax => softmax(scores),
        }
    }
}

/// Makes `exp(score) / Σ exp(score)` of each score.
pub(super) fn softmax(scores: &mut [f64]) {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = exponential(*score - greatest);
        total += *score;
    }
    for score in scores {
        *score /= total;
    }
}
