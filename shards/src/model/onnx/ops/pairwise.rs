//! Probabilities of classes from those of pairs of classes (Wu, Lin and Weng, JMLR 2004, their
//! second method), with the limits on steps and error that libsvm uses, so that its estimates
//! are met and not only its solution.

const STEPS_MAX: usize = 100;

/// Estimates `classes` from `pairwise`: `pairwise[i * n + j]` is how probable class `i` is, given
/// that it is `i` or `j`.
pub(super) fn pairwise_coupling(pairwise: &[f64], classes: &mut [f64]) {
    let count = classes.len();
    let error_max = 0.005 / count as f64;
    let entry = |row: usize, column: usize| -> f64 {
        if row == column {
            let others = (0..count).filter(|other| *other != row);
            others.map(|other| pairwise[other * count + row].powi(2)).sum()
        } else {
            -pairwise[column * count + row] * pairwise[row * count + column]
        }
    };
    let matrix: Vec<f64> =
        (0..count * count).map(|place| entry(place / count, place % count)).collect();
    let mut products = vec![0.0; count];
    classes.fill(1.0 / count as f64);
    for _ in 0..STEPS_MAX {
        for (product, row) in products.iter_mut().zip(matrix.chunks_exact(count)) {
            *product = row.iter().zip(classes.iter()).map(|(a, b)| a * b).sum();
        }
        let mut total: f64 = products.iter().zip(classes.iter()).map(|(a, b)| a * b).sum();
        let error = products.iter().map(|product| (product - total).abs()).fold(0.0, f64::max);
        if error < error_max {
            break;
        }
        for (place, row) in matrix.chunks_exact(count).enumerate() {
            let step = (total - products[place]) / row[place];
            let scale = 1.0 + step;
            classes[place] += step;
            total = (total + step * (step * row[place] + 2.0 * products[place])) / scale / scale;
            for ((product, class), entry) in products.iter_mut().zip(classes.iter_mut()).zip(row) {
                *product = (*product + step * entry) / scale;
                *class /= scale;
            }
        }
    }
}
