//! Sums over two rows of numbers, four columns apart: in an order that depends on nothing but how many
//! columns there are, and that a CPU adds four at a time.

/// The dot product.
pub(super) fn dot<T: Copy + Into<f64>>(row: &[T], weights: &[f64]) -> f64 {
    sum(row, weights, |cell, weight| cell * weight)
}

/// The sum of the squares of the differences.
pub(super) fn squared_distance(one: &[f64], other: &[f64]) -> f64 {
    sum(one, other, |a, b| (a - b) * (a - b))
}

/// The sum of what `term` makes of each pair of cells.
pub(super) fn sum<T: Copy + Into<f64>>(
    one: &[T],
    other: &[f64],
    term: impl Fn(f64, f64) -> f64,
) -> f64 {
    let mut sums = [0.0; 4];
    let (one, one_rest) = one.as_chunks::<4>();
    let (other, other_rest) = other.as_chunks::<4>();
    for (one, other) in one.iter().zip(other) {
        for lane in 0..4 {
            sums[lane] += term(one[lane].into(), other[lane]);
        }
    }
    let rest = one_rest.iter().zip(other_rest).map(|(one, other)| term((*one).into(), *other));
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest.sum::<f64>()
}
