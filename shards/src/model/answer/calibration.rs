//! Makes calibrated probabilities of a model's values, in 64 bits, as scikit-learn's
//! `CalibratedClassifierCV` does.

/// One curve of a calibration.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CalibrationCurve {
    /// `1 / (1 + exp(a · f + b))`.
    Sigmoid { a: f64, b: f64 },
    /// Lines from knot to knot: values, ascending, each with its probability.
    Isotonic(Vec<(f64, f64)>),
}

impl CalibrationCurve {
    /// The probability of a value. Of knots at the same value the last counts; beyond the first and
    /// the last knot the curve is flat, as `numpy.interp` has it.
    fn probability(&self, value: f64) -> f64 {
        match self {
            Self::Sigmoid { a, b } => 1.0 / (1.0 + (a * value + b).exp()),
            Self::Isotonic(knots) => interpolate(knots, value),
        }
    }
}

fn interpolate(knots: &[(f64, f64)], value: f64) -> f64 {
    let (Some(first), Some(last)) = (knots.first(), knots.last()) else { return f64::NAN };
    if value.is_nan() {
        return f64::NAN;
    }
    let above = knots.partition_point(|(x, _)| *x <= value);
    let Some(below) = above.checked_sub(1) else { return first.1 };
    let (x, y) = knots[below];
    let Some((next_x, next_y)) = knots.get(above).copied() else { return last.1 };
    if x >= value { y } else { (next_y - y) / (next_x - x) * (value - x) + y }
}

/// Calibrates the values of rows.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model) struct Calibrator {
    /// Member by member a curve for each class, or one where there are two.
    pub(super) curves: Vec<CalibrationCurve>,
    pub(super) values: CalibratedValues,
    /// Which class's probability is the score.
    pub(super) score: usize,
}

/// Which of a row's values are calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CalibratedValues {
    /// The score's alone, at this place; of two classes the other has the rest.
    Score(usize),
    /// One a member: of the second of two classes.
    SecondOfTwo,
    /// One a class and member.
    Classes(usize),
}

impl Calibrator {
    /// Whether a probability falls where the value that it is made of rises.
    pub(in crate::model) fn falls(&self) -> bool {
        self.curves.iter().any(|curve| match curve {
            CalibrationCurve::Sigmoid { a, .. } => *a > 0.0,
            CalibrationCurve::Isotonic(knots) => knots.windows(2).any(|pair| pair[1].1 < pair[0].1),
        })
    }

    /// How many classes there are.
    pub(in crate::model) fn classes(&self) -> usize {
        match self.values {
            CalibratedValues::Score(_) | CalibratedValues::SecondOfTwo => 2,
            CalibratedValues::Classes(classes) => classes,
        }
    }

    /// The score of a row with these values.
    pub(in crate::model) fn score(&self, values: &[f64]) -> f64 {
        match self.values {
            CalibratedValues::Score(place) => self.curves[0].probability(values[place]),
            CalibratedValues::SecondOfTwo => of_two(self.second(values), self.score),
            CalibratedValues::Classes(_) => self.class(values, self.score),
        }
    }

    /// Appends the probability of each class.
    pub(in crate::model) fn append(&self, values: &[f64], probabilities: &mut Vec<f64>) {
        match self.values {
            CalibratedValues::Score(place) => {
                let score = self.curves[0].probability(values[place]);
                let second = if self.score == 1 { score } else { 1.0 - score };
                let first = if self.score == 1 { 1.0 - score } else { score };
                probabilities.extend([first, second]);
            }
            CalibratedValues::SecondOfTwo => {
                let second = self.second(values);
                probabilities.extend([of_two(second, 0), second]);
            }
            CalibratedValues::Classes(classes) => {
                probabilities.extend((0..classes).map(|class| self.class(values, class)));
            }
        }
    }

    /// The mean of what the members say of the second of two classes.
    fn second(&self, values: &[f64]) -> f64 {
        let each = self.curves.iter().zip(values);
        each.map(|(curve, value)| curve.probability(*value)).sum::<f64>() / self.curves.len() as f64
    }

    /// The mean of what the members say of a class, each having its probabilities sum up to 1.
    fn class(&self, values: &[f64], class: usize) -> f64 {
        let classes = self.classes();
        let members = self.curves.chunks_exact(classes).zip(values.chunks_exact(classes));
        let of_member = |(curves, values): (&[CalibrationCurve], &[f64])| {
            let probability = |class: usize| curves[class].probability(values[class]);
            let sum: f64 = (0..classes).map(probability).sum();
            // A member that gives no class a chance says nothing.
            if sum == 0.0 { 1.0 / classes as f64 } else { probability(class) / sum }
        };
        members.map(of_member).sum::<f64>() / (self.curves.len() / classes) as f64
    }
}

/// The probability of one of two classes, by that of the second.
fn of_two(second: f64, class: usize) -> f64 {
    if class == 1 { second } else { 1.0 - second }
}

#[cfg(test)]
mod tests {
    use super::{CalibratedValues, CalibrationCurve, Calibrator};

    #[test]
    fn a_curve_is_flat_outside_and_takes_the_last_of_equal_knots() {
        let curve =
            CalibrationCurve::Isotonic(vec![(0.0, 0.1), (1.0, 0.2), (1.0, 0.6), (3.0, 0.8)]);
        let found = [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 9.0].map(|value| curve.probability(value));
        for (found, expected) in found.iter().zip([0.1, 0.1, 0.15, 0.6, 0.7, 0.8, 0.8]) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
        assert!(curve.probability(f64::NAN).is_nan());
    }

    #[test]
    fn classes_of_a_member_sum_up_to_one() {
        let line = |slope: f64| CalibrationCurve::Isotonic(vec![(0.0, 0.0), (1.0, slope)]);
        let calibrator = Calibrator {
            curves: [0.5, 1.0, 0.2, 0.5, 1.0, 0.2].map(line).to_vec(),
            values: CalibratedValues::Classes(3),
            score: 1,
        };
        let values = [0.2, 0.4, 0.6, 0.0, 0.0, 0.0];
        let mut found = Vec::new();
        calibrator.append(&values, &mut found);
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-15, "{found:?}");
        // The second member says nothing: each class has a third.
        let expected = f64::midpoint(0.4 / 0.62, 1.0 / 3.0);
        assert!((found[1] - expected).abs() < 1e-15);
        assert_eq!(found[1].to_bits(), calibrator.score(&values).to_bits());
    }
}
