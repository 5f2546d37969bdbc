//! Points and weights of Gauss–Legendre quadrature on [0, 1].
//!
//! They are found by bisection with nothing but `+ − × ÷`, so that they have the same bits on
//! every machine.

/// The points of one rule. `n` points integrate polynomials of degree `2n − 1` exactly.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quadrature {
    /// In (0, 1), ascending.
    pub(super) points: Vec<f64>,
    /// Positive; their sum is 1.
    pub(super) weights: Vec<f64>,
}

impl Quadrature {
    /// The rule of `count` points.
    pub(super) fn of(count: usize) -> Self {
        let roots = legendre_roots(count);
        let weight = |root: &f64| {
            let (value, before) = legendre(count, *root);
            // P'(x) = n (x P(x) − P₋₁(x)) / (x² − 1); the weight on [−1, 1] is 2 / ((1 − x²) P'²).
            let slope = count as f64 * (root * value - before) / (root * root - 1.0);
            1.0 / ((1.0 - root * root) * slope * slope)
        };
        let weights = roots.iter().map(weight).collect();
        let points = roots.iter().map(|root| 0.5 * (1.0 + root)).collect();
        Self { points, weights }
    }
}

/// The Legendre polynomial of degree `degree` at `x`, and that of one degree less.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut value, mut before) = (1.0, 0.0);
    for k in 1..=degree {
        let k = k as f64;
        (value, before) = (((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k, value);
    }
    (value, before)
}

/// The roots of the Legendre polynomial of degree `count`, ascending. Between two roots of one
/// degree lies exactly one of the next.
fn legendre_roots(count: usize) -> Vec<f64> {
    let mut roots: Vec<f64> = Vec::new();
    for degree in 1..=count {
        let mut bounds = Vec::with_capacity(degree + 1);
        bounds.push(-1.0);
        bounds.extend_from_slice(&roots);
        bounds.push(1.0);
        roots = bounds.windows(2).map(|between| bisect(degree, between[0], between[1])).collect();
    }
    roots
}

/// The root of the Legendre polynomial of degree `degree` between `low` and `high`.
fn bisect(degree: usize, mut low: f64, mut high: f64) -> f64 {
    let rises = legendre(degree, high).0 > 0.0;
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if (legendre(degree, middle).0 > 0.0) == rises {
            high = middle;
        } else {
            low = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quadrature;

    #[test]
    fn powers_up_to_the_degree_are_integrated_exactly() {
        for count in 1..=24 {
            let rule = Quadrature::of(count);
            for power in 0..2 * count as i32 {
                let points = rule.points.iter().zip(&rule.weights);
                let sum: f64 = points.map(|(point, weight)| weight * point.powi(power)).sum();
                let exact = 1.0 / f64::from(power + 1);
                assert!((sum - exact).abs() < 4e-14, "{count} points, power {power}: {sum}");
            }
        }
    }

    #[test]
    fn two_points_are_those_of_the_tables() {
        let rule = Quadrature::of(2);
        let half_width = 0.5 / 3_f64.sqrt();
        assert!((rule.points[0] - (0.5 - half_width)).abs() < 1e-15);
        assert!((rule.points[1] - (0.5 + half_width)).abs() < 1e-15);
        assert!(rule.weights.iter().all(|weight| (weight - 0.5).abs() < 1e-15));
    }
}
