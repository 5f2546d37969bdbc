//! Explains linear functions, in closed form.

use crate::features::{Cells, FeatureMatrix};

/// A linear function of a row's columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::model) struct LinearOutline {
    /// What the columns are added to.
    pub(in crate::model) constant: f64,
    /// A factor for each column.
    pub(in crate::model) weights: Vec<f64>,
}

/// Contributions `weight × (cell − mean)`: with columns taken as independent, these are the Shapley
/// values. A missing cell counts as zero.
#[derive(Debug, Clone)]
pub(super) struct LinearExplainer {
    weights: Vec<f64>,
    means: Vec<f64>,
    base: f64,
}

impl LinearExplainer {
    /// Against the means of the rows of `background`; against zeros without one, as `XGBoost` does.
    pub(super) fn new(outline: LinearOutline, background: Option<&FeatureMatrix>) -> Self {
        let mut means = vec![0.0; outline.weights.len()];
        if let Some(rows) = background.filter(|rows| rows.rows() > 0) {
            each_row(rows.cells(), means.len(), |row| {
                for (mean, cell) in means.iter_mut().zip(row) {
                    *mean += cell;
                }
            });
            for mean in &mut means {
                *mean /= rows.rows() as f64;
            }
        }
        let at_mean = outline.weights.iter().zip(&means).map(|(weight, mean)| weight * mean);
        let base = outline.constant + at_mean.sum::<f64>();
        Self { weights: outline.weights, means, base }
    }

    pub(super) fn base(&self) -> f64 {
        self.base
    }

    pub(super) fn width(&self) -> usize {
        self.weights.len()
    }

    pub(super) fn explain(&self, cells: Cells<'_>, contributions: &mut [f64]) {
        let width = self.weights.len();
        let mut rows = contributions.chunks_exact_mut(width.max(1));
        each_row(cells, width, |row| {
            let constants = self.weights.iter().zip(&self.means);
            let contributions = rows.next().into_iter().flatten();
            for ((contribution, cell), (weight, mean)) in contributions.zip(row).zip(constants) {
                *contribution = weight * (cell - mean);
            }
        });
    }
}

/// Each row's cells, a missing one as zero.
fn each_row(cells: Cells<'_>, width: usize, mut act: impl FnMut(&mut dyn Iterator<Item = f64>)) {
    let known = |cell: f64| if cell.is_nan() { 0.0 } else { cell };
    match cells {
        Cells::F32(cells) => cells.chunks_exact(width.max(1)).for_each(|row| {
            act(&mut row.iter().map(|cell| known(f64::from(*cell))));
        }),
        Cells::F64(cells) => cells.chunks_exact(width.max(1)).for_each(|row| {
            act(&mut row.iter().map(|cell| known(*cell)));
        }),
    }
}
