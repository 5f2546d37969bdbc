//! What the output's transform is: the header's `objective` with its parameters.

use super::Section;
use crate::model::forest::{Curve, NativeError, Objective};

/// The objective of a model of `sums` sums.
pub(super) fn parse(header: &Section<'_>, sums: usize) -> Result<Objective, NativeError> {
    if !header.has("objective") {
        // Trained with an objective of the user's own: the library's prediction is the sum.
        return Ok(Objective::each("custom", Curve::Identity));
    }
    let text = header.text("objective")?;
    let mut words = text.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let words: Vec<_> = words.collect();
    let parameter = |key: &str| {
        words
            .iter()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix(':'))
            .map(str::parse::<f64>)
    };
    let scale = match parameter("sigmoid") {
        None => 1.0,
        Some(Ok(scale)) if scale.is_finite() && scale > 0.0 => scale,
        Some(_) => return Err(header.wrong("objective", text, "a sigmoid parameter above 0")),
    };
    let sigmoid = Curve::Sigmoid { scale };
    let of_target = if words.contains(&"sqrt") { Curve::SignedSquare } else { Curve::Identity };
    let one_sum = |objective: Objective| {
        if sums == 1 {
            Ok(objective)
        } else {
            Err(header.wrong("objective", text, &format!("one for {sums} sums")))
        }
    };
    match name {
        "binary" => one_sum(Objective::binary(name, sigmoid)),
        "multiclass" | "softmax" => Ok(Objective::softmax(name)),
        "multiclassova" | "multiclass_ova" | "ova" | "ovr" => {
            Ok(Objective::one_against_others(name, sigmoid))
        }
        "regression"
        | "regression_l2"
        | "l2"
        | "mean_squared_error"
        | "mse"
        | "l2_root"
        | "root_mean_squared_error"
        | "rmse"
        | "regression_l1"
        | "l1"
        | "mean_absolute_error"
        | "mae"
        | "huber"
        | "fair"
        | "quantile"
        | "mape"
        | "mean_absolute_percentage_error" => Ok(Objective::each(name, of_target)),
        "poisson" | "gamma" | "tweedie" => Ok(Objective::each(name, Curve::Exponential)),
        "cross_entropy" | "xentropy" => Ok(Objective::each(name, Curve::Sigmoid { scale: 1.0 })),
        "cross_entropy_lambda" | "xentlambda" => Ok(Objective::each(name, Curve::SoftPlus)),
        "lambdarank" | "rank_xendcg" | "xendcg" | "xe_ndcg" | "xe_ndcg_mart" | "xendcg_mart"
        | "custom" | "none" | "null" | "na" | "" => Ok(Objective::each(name, Curve::Identity)),
        unknown => Ok(Objective::unknown(unknown)),
    }
}
