//! From a row's sums to its scores: base values, the two-class forms, the post transform.
//!
//! Where the ONNX text is vague this follows ONNX Runtime: a two-class model whose weights all
//! belong to one class has the scores `[-s, s]`, or `[1 - s, s]` if no weight is negative. It
//! departs from it where ONNX Runtime loses information that the model has: two base values are
//! added to the score they belong to, and LOGISTIC holds for a single target too.
//!
//! LOGISTIC of two classes: ONNX Runtime leaves it out where all weights belong to one class, none
//! of them is negative and there are fewer than two base values. The libraries always apply it, so
//! it is always applied here. One converter builds on the omission; its files are recognised where
//! they are parsed (`onnx::ops::trees`).

use super::attributes::{Aggregate, EnsembleKind, PostTransform, TreeAttributes};
use super::error::EnsembleError;
use super::exponential::{exponential, logistic};
use super::real::Real;
use crate::model::forest::Curve;

/// How one output comes out of the sums, before the post transform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Column {
    /// The sum it is made of, if any leaf adds to it.
    pub(super) sum: Option<u32>,
    pub(super) base: f64,
    /// `Some(c)`: the output is `c - (sum + base)`.
    pub(super) mirror: Option<f64>,
    /// What is done to it before the post transform.
    pub(super) curve: Curve,
}

impl Column {
    /// −1 where the output falls as its sum grows, as the probability of the other one of two
    /// classes does; else 1.
    pub(super) fn sign(&self) -> f64 {
        let is_complement = matches!(self.curve, Curve::SigmoidComplement { .. });
        if self.mirror.is_some() == is_complement { 1.0 } else { -1.0 }
    }
}

/// All that happens to a row after its leaves were added up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finish {
    pub(super) columns: Vec<Column>,
    pub(super) transform: PostTransform,
    pub(super) aggregate: Aggregate,
    /// What an average divides by.
    pub(super) trees: f64,
    /// The one column whose score is wanted; all of them if none.
    pub(super) wanted: Option<usize>,
}

impl Finish {
    /// `sum_of` maps an output to its sum; `trees` is the number of trees.
    pub(super) fn new(
        attributes: &TreeAttributes,
        sum_of: &[Option<u32>],
        trees: usize,
    ) -> Result<Self, EnsembleError> {
        let (columns, transform) = match attributes.kind {
            EnsembleKind::Classifier { labels: 2 } => two_classes(attributes, sum_of)?,
            EnsembleKind::Classifier { .. } | EnsembleKind::Regressor { .. } => {
                (each_its_base(attributes, sum_of)?, attributes.post_transform)
            }
        };
        let aggregate = match attributes.kind {
            EnsembleKind::Classifier { .. } => Aggregate::Sum,
            EnsembleKind::Regressor { .. } => attributes.aggregate,
        };
        Ok(Self { columns, transform, aggregate, trees: trees as f64, wanted: None })
    }

    /// Whether leaves are compared, not added.
    pub(super) fn is_extreme(&self) -> bool {
        matches!(self.aggregate, Aggregate::Min | Aggregate::Max)
    }

    /// How many scores a row gets.
    pub(super) fn outputs(&self) -> usize {
        if self.wanted.is_some() { 1 } else { self.columns.len() }
    }

    /// The same, for output `output` alone. Columns that its score does not depend on are left
    /// out.
    pub(super) fn only(&self, output: usize) -> Self {
        match self.transform {
            PostTransform::Softmax | PostTransform::SoftmaxZero | PostTransform::Rising
                if self.columns.len() > 1 =>
            {
                Self { wanted: Some(output), ..self.clone() }
            }
            _ => Self { columns: vec![self.columns[output]], ..self.clone() },
        }
    }

    /// The scores of `count` of `N` rows, row by row. `sums` are theirs, sum by sum; `values` is
    /// scratch memory for one value a column.
    #[inline(always)]
    pub(super) fn rows<T: Real, const N: usize>(
        &self,
        sums: impl Fn(usize) -> [T; N],
        values: &mut [[T; N]],
        count: usize,
        scores: &mut [T],
    ) {
        for (column, values) in self.columns.iter().zip(values.iter_mut()) {
            *values = column.sum.map_or([T::default(); N], |sum| sums(sum as usize));
            self.add_base(column, values);
            bend(column.curve, values);
        }
        match self.transform {
            PostTransform::None => {}
            PostTransform::Logistic => each(values, logistic),
            PostTransform::Probit => each(values, probit),
            PostTransform::Softmax | PostTransform::SoftmaxZero if self.columns.len() == 1 => {}
            PostTransform::Rising => rise(values),
            PostTransform::Softmax => softmax(values, |_| true),
            PostTransform::SoftmaxZero => softmax(values, |value| value.abs() > 1e-7),
        }
        let values = match self.wanted {
            Some(wanted) => &values[wanted..=wanted],
            None => values,
        };
        if let [values] = values {
            scores.copy_from_slice(&values[..count]);
            return;
        }
        for (row, scores) in scores.chunks_exact_mut(values.len()).take(count).enumerate() {
            for (score, values) in scores.iter_mut().zip(values) {
                *score = values[row];
            }
        }
    }

    /// From sums to what the post transform sees.
    #[inline(always)]
    fn add_base<T: Real, const N: usize>(&self, column: &Column, values: &mut [T; N]) {
        let base = T::from_f64(column.base);
        match self.aggregate {
            Aggregate::Sum => {
                for value in values.iter_mut() {
                    *value = *value + base;
                }
            }
            Aggregate::Average => {
                let trees = T::from_f64(self.trees);
                for value in values.iter_mut() {
                    *value = *value / trees + base;
                }
            }
            // NaN: no leaf of this row had a weight for the output.
            Aggregate::Min | Aggregate::Max => {
                for value in values.iter_mut() {
                    *value = if value.is_nan() { T::default() } else { *value + base };
                }
            }
        }
        if let Some(center) = column.mirror {
            let center = T::from_f64(center);
            for value in values {
                *value = center - *value;
            }
        }
    }
}

fn each_its_base(
    attributes: &TreeAttributes,
    sum_of: &[Option<u32>],
) -> Result<Vec<Column>, EnsembleError> {
    let bases = &attributes.base_values;
    if !bases.is_empty() && bases.len() != sum_of.len() {
        return Err(EnsembleError::BaseValues {
            found: bases.len(),
            expected: format!("none or {}, one for each class or target", sum_of.len()),
        });
    }
    let base_of = |output: usize| bases.get(output).copied().unwrap_or(0.0);
    let column = |(output, &sum)| Column {
        sum,
        base: base_of(output),
        mirror: None,
        curve: Curve::Identity,
    };
    Ok(sum_of.iter().enumerate().map(column).collect())
}

fn two_classes(
    attributes: &TreeAttributes,
    sum_of: &[Option<u32>],
) -> Result<(Vec<Column>, PostTransform), EnsembleError> {
    let transform = attributes.post_transform;
    let bases = &attributes.base_values;
    if bases.len() > 2 {
        return Err(EnsembleError::BaseValues {
            found: bases.len(),
            expected: "none, one or two, as the model has two classes".to_owned(),
        });
    }
    let first = bases.first().copied().unwrap_or(0.0);
    let last = bases.last().copied().unwrap_or(0.0);
    let column = |sum, base, mirror| Column { sum, base, mirror, curve: Curve::Identity };
    match (sum_of[0], sum_of[1]) {
        // One class's weights, filed under the first: the score is the second class's.
        (Some(sum), None) => {
            let positive = attributes.leaf_weights.iter().all(|weight| *weight >= 0.0);
            let center = match transform {
                PostTransform::Probit => return Err(EnsembleError::BinaryProbit),
                PostTransform::Logistic => 0.0,
                _ if positive && bases.len() < 2 => 1.0,
                _ => 0.0,
            };
            let transform = match transform {
                PostTransform::Softmax | PostTransform::SoftmaxZero if bases.len() < 2 => {
                    PostTransform::None
                }
                other => other,
            };
            let columns =
                vec![column(Some(sum), last, Some(center)), column(Some(sum), last, None)];
            Ok((columns, transform))
        }
        (None, second) => {
            Ok((vec![column(None, 0.0, None), column(second, last, None)], transform))
        }
        (first_sum, second) => {
            let second_base = if bases.len() == 2 { last } else { 0.0 };
            Ok((vec![column(first_sum, first, None), column(second, second_base, None)], transform))
        }
    }
}

/// Bends one output's values; computed in 64 bits whatever the precision.
#[inline(always)]
fn bend<T: Real, const N: usize>(curve: Curve, values: &mut [T; N]) {
    let values = std::slice::from_mut(values);
    match curve {
        Curve::Identity => {}
        Curve::Sigmoid { scale } => sigmoid(scale, values),
        Curve::SigmoidComplement { scale } => {
            sigmoid(scale, values);
            for value in values.as_flattened_mut() {
                *value = T::from_f64(1.0) - *value;
            }
        }
        Curve::Exponential => each(values, exponential),
        Curve::ExponentialOfTwice => each(values, |x| exponential(2.0 * x)),
        Curve::SignedSquare => each(values, |x| x * x.abs()),
        Curve::SoftPlus => each(values, |x| exponential(x).ln_1p()),
        Curve::Step => each(values, |x| f64::from(u8::from(x > 0.0))),
    }
}

/// `1 / (1 + exp(-scale * x))`, rounded at each step as the libraries do.
#[inline(always)]
fn sigmoid<T: Real, const N: usize>(scale: f64, values: &mut [[T; N]]) {
    let one = T::from_f64(1.0);
    for value in values.as_flattened_mut() {
        let power = exponential((-scale * value.to_f64()).min(T::EXPONENT_MAX));
        *value = one / (one + T::from_f64(power));
    }
}

#[inline(always)]
fn each<T: Real, const N: usize>(values: &mut [[T; N]], transform: impl Fn(f64) -> f64) {
    for value in values.as_flattened_mut() {
        *value = T::from_f64(transform(value.to_f64()));
    }
}

/// Each row's values, from the second on, as what they add to the value before them.
#[inline(always)]
fn rise<T: Real, const N: usize>(values: &mut [[T; N]]) {
    for at in 1..values.len() {
        let before = values[at - 1];
        for (value, before) in values[at].iter_mut().zip(before) {
            let x = value.to_f64();
            // Without overflow where x is large.
            let step = exponential(-x.abs()).ln_1p() + x.max(0.0) + 1e-6;
            *value = before + T::from_f64(step);
        }
    }
}

/// Softmax over the values that `counts` is true of; the others are scaled like `exp(0)`.
#[inline(always)]
fn softmax<T: Real, const N: usize>(values: &mut [[T; N]], counts: impl Fn(f64) -> bool) {
    for row in 0..N {
        let greatest = values.iter().fold(f64::MIN, |most, values| most.max(values[row].to_f64()));
        let mut total = 0.0;
        for values in values.iter_mut() {
            let value = values[row].to_f64();
            let power = if counts(value) {
                let power = exponential(value - greatest);
                total += power;
                power
            } else {
                value * exponential(-greatest)
            };
            values[row] = T::from_f64(power);
        }
        // Where no value counts, all are zero and stay so.
        if total > 0.0 {
            for values in values.iter_mut() {
                values[row] = T::from_f64(values[row].to_f64() / total);
            }
        }
    }
}

/// `√2 · erf⁻¹(2p - 1)` by Winitzki's approximation, the one that ONNX Runtime uses.
fn probit(probability: f64) -> f64 {
    const A: f64 = 0.147;
    let x = 2.0 * probability - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let half = 2.0 / (std::f64::consts::PI * A) + 0.5 * log;
    let root = ((half * half - log / A).sqrt() - half).sqrt();
    std::f64::consts::SQRT_2 * if x < 0.0 { -root } else { root }
}
