//! From a row's sums to its scores: base values, the two-class forms, the post transform.
//!
//! Where the ONNX text is vague this follows ONNX Runtime: a two-class model whose weights all
//! belong to one class has the scores `[-s, s]`, or `[1 - s, s]` if no weight is negative. It
//! departs from it where ONNX Runtime loses information that the model has: two base values are
//! added to the score they belong to, and LOGISTIC holds for a single target too.

use super::attributes::{Aggregate, EnsembleKind, PostTransform, TreeAttributes};
use super::error::EnsembleError;
use super::exponential::{exponential, logistic};
use super::real::Real;

/// How one output comes out of the sums, before the post transform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Column {
    /// The sum it is made of, if any leaf adds to it.
    pub(super) sum: Option<u32>,
    base: f64,
    /// `Some(c)`: the output is `c - (sum + base)`.
    mirror: Option<f64>,
}

/// All that happens to a row after its leaves were added up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finish {
    pub(super) columns: Vec<Column>,
    transform: PostTransform,
    pub(super) aggregate: Aggregate,
    trees: f64,
    /// The one column whose score is wanted; all of them if none.
    wanted: Option<usize>,
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

    /// How many scores a row gets.
    pub(super) fn outputs(&self) -> usize {
        if self.wanted.is_some() { 1 } else { self.columns.len() }
    }

    /// The same, for output `output` alone. Columns that its score does not depend on are left
    /// out.
    pub(super) fn only(&self, output: usize) -> Self {
        match self.transform {
            PostTransform::Softmax | PostTransform::SoftmaxZero if self.columns.len() > 1 => {
                Self { wanted: Some(output), ..self.clone() }
            }
            _ => Self { columns: vec![self.columns[output]], ..self.clone() },
        }
    }

    /// The scores of one row. `values` is scratch memory for one value a column.
    pub(super) fn row<T: Real>(
        &self,
        sums: impl Fn(usize) -> T,
        values: &mut [T],
        scores: &mut [T],
    ) {
        for (column, value) in self.columns.iter().zip(values.iter_mut()) {
            *value = self.untransformed(column, &sums);
        }
        match self.transform {
            PostTransform::None => {}
            PostTransform::Logistic => {
                for value in values.iter_mut() {
                    *value = T::from_f64(logistic(value.to_f64()));
                }
            }
            PostTransform::Probit => {
                for value in values.iter_mut() {
                    *value = T::from_f64(probit(value.to_f64()));
                }
            }
            PostTransform::Softmax | PostTransform::SoftmaxZero if self.columns.len() == 1 => {}
            PostTransform::Softmax => softmax(values),
            PostTransform::SoftmaxZero => softmax_zero(values),
        }
        match self.wanted {
            Some(wanted) => scores[0] = values[wanted],
            None => scores.copy_from_slice(values),
        }
    }

    fn untransformed<T: Real>(&self, column: &Column, sums: &impl Fn(usize) -> T) -> T {
        let base = T::from_f64(column.base);
        let sum = column.sum.map_or(T::default(), |sum| sums(sum as usize));
        let value = match self.aggregate {
            Aggregate::Average => sum / T::from_f64(self.trees) + base,
            // No leaf of this row had a weight for the output.
            Aggregate::Min | Aggregate::Max if sum.to_f64().is_nan() => T::default(),
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => sum + base,
        };
        match column.mirror {
            Some(center) => T::from_f64(center) - value,
            None => value,
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
    let column = |(output, &sum)| Column { sum, base: base_of(output), mirror: None };
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
    let column = |sum, base, mirror| Column { sum, base, mirror };
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

fn softmax<T: Real>(scores: &mut [T]) {
    let greatest = greatest(scores);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        let power = exponential(score.to_f64() - greatest);
        total += power;
        *score = T::from_f64(power);
    }
    for score in scores {
        *score = T::from_f64(score.to_f64() / total);
    }
}

fn softmax_zero<T: Real>(scores: &mut [T]) {
    let greatest = greatest(scores);
    let of_zero = exponential(-greatest);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        let value = score.to_f64();
        if value.abs() > 1e-7 {
            let power = exponential(value - greatest);
            total += power;
            *score = T::from_f64(power);
        } else {
            *score = T::from_f64(value * of_zero);
        }
    }
    // All scores are zero: they stay so.
    if total > 0.0 {
        for score in scores {
            *score = T::from_f64(score.to_f64() / total);
        }
    }
}

fn greatest<T: Real>(scores: &[T]) -> f64 {
    scores.iter().fold(f64::MIN, |greatest, score| greatest.max(score.to_f64()))
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
