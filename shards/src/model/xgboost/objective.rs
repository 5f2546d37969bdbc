//! What the output's transform is, and on which scale the base score is.

use crate::model::forest::{Curve, Joint, Objective};

/// An objective that `XGBoost` has.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) objective: Objective,
    base: Base,
}

/// The major and the minor version of the library.
pub(super) type Version = (i64, i64);

/// The version from which the base score of `binary:logitraw` is a margin.
const LOGITRAW: Version = (1, 3);

/// The least step from one expectile to the next.
const STEP_MIN: f32 = 1e-6;

/// What brings a base score to the margin's scale.
#[derive(Debug, Clone, Copy)]
enum Base {
    Margin,
    Probability,
    Positive,
}

impl Known {
    /// The margins of base scores.
    pub(super) fn margins(&self, scores: &[f32]) -> Vec<f32> {
        let mut margins: Vec<_> = scores.iter().map(|score| self.margin(*score)).collect();
        if self.objective.joint == Joint::Rising {
            for at in 1..scores.len() {
                // The inverse of ln(1 + exp(x)) plus the least step.
                margins[at] = (scores[at] - scores[at - 1] - STEP_MIN).exp_m1().ln();
            }
        }
        margins
    }

    /// The margin of a base score, in the library's own 32 bits.
    fn margin(&self, score: f32) -> f32 {
        match self.base {
            Base::Margin => score,
            // The library keeps away from the ends, where the margin is infinite.
            Base::Probability if score <= 0.0 || score >= 1.0 => f32::NAN,
            Base::Probability => -(1.0 / score - 1.0).ln(),
            Base::Positive => score.ln(),
        }
    }
}

/// The objective of a model of `classes` classes; 0 or 1 where it has one sum.
pub(super) fn read(name: &str, classes: usize, version: Version) -> Known {
    let sigmoid = Curve::Sigmoid { scale: 1.0 };
    let known = |objective, base| Known { objective, base };
    let several = classes > 1;
    match name {
        "binary:logistic" => known(Objective::binary(name, sigmoid), Base::Probability),
        "reg:logistic" => known(Objective::each(name, sigmoid), Base::Probability),
        "binary:logitraw" => {
            // Its base score was a probability at first.
            let base = if version < LOGITRAW { Base::Probability } else { Base::Margin };
            known(Objective::each(name, Curve::Identity), base)
        }
        "reg:expectileerror" => {
            let objective =
                Objective { joint: Joint::Rising, ..Objective::each(name, Curve::Identity) };
            known(objective, Base::Margin)
        }
        "binary:hinge" => known(Objective::each(name, Curve::Step), Base::Margin),
        "multi:softprob" | "multi:softmax" if several => {
            known(Objective::softmax(name), Base::Margin)
        }
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
            known(Objective::each(name, Curve::Exponential), Base::Positive)
        }
        "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "reg:quantileerror"
        | "rank:pairwise"
        | "rank:ndcg"
        | "rank:map" => known(Objective::each(name, Curve::Identity), Base::Margin),
        unknown => known(Objective::unknown(unknown), Base::Margin),
    }
}
