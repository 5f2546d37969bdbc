//! What the output's transform is: what the library's `predict_proba`, or `predict` of a model
//! that is no classifier, does to the sums.

use crate::model::forest::{Curve, Objective};

/// The objective of a loss function.
pub(super) fn of(loss: &str, sums: usize) -> Objective {
    let sigmoid = Curve::Sigmoid { scale: 1.0 };
    match loss {
        "Logloss" | "CrossEntropy" | "Focal" if sums == 1 => Objective::binary(loss, sigmoid),
        "MultiClass" => Objective::softmax(loss),
        "MultiClassOneVsAll" => Objective::one_against_others(loss, sigmoid),
        // Labels of which a row may have several.
        "MultiLogloss" | "MultiCrossEntropy" => Objective::each(loss, sigmoid),
        "Poisson" | "Tweedie" => Objective::each(loss, Curve::Exponential),
        "RMSEWithUncertainty" if sums == 2 => Objective {
            curves: vec![Curve::Identity, Curve::ExponentialOfTwice],
            ..Objective::each(loss, Curve::Identity)
        },
        // Losses of regression and of ranking: the prediction is the sum.
        _ => Objective::each(loss, Curve::Identity),
    }
}
