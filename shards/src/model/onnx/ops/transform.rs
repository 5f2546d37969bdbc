//! What is done with a row's sums before they are scores: `post_transform`.

use super::{NodeContext, OnnxError};

/// The attribute `post_transform`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl Transform {
    pub(super) fn parse(context: NodeContext<'_>) -> Result<Self, OnnxError> {
        Ok(match context.string("post_transform")?.unwrap_or("NONE") {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            other => return Err(context.refuse(format!("post_transform `{other}` is unknown"))),
        })
    }

    /// Transforms the scores of one row.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Softmax => softmax(scores, |_| true),
            Self::SoftmaxZero => softmax(scores, |score| score.abs() > 1e-7),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// `1 / (1 + exp(-x))`, without overflow at either end.
pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(scores: &mut [f64], counts: impl Fn(f64) -> bool) {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = if counts(*score) { (*score - greatest).exp() } else { 0.0 };
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The inverse of the normal distribution's cumulative function, by the same approximation of the
/// inverse error function (Winitzki) that ONNX Runtime uses.
fn probit(score: f64) -> f64 {
    let x = 2.0 * score - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * log;
    let root = (-v + (v * v - log / 0.147).sqrt()).sqrt();
    std::f64::consts::SQRT_2 * root.copysign(x)
}
