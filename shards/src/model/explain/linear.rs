//! Explains linear functions, in closed form.

use super::outline::Origins;
use crate::features::Cells;

/// A linear function of a row's cells.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::model) struct LinearOutline {
    /// What the columns are added to.
    pub(in crate::model) constant: f64,
    /// A factor for each column.
    pub(in crate::model) weights: Vec<f64>,
    /// What its columns were made of; none where contributions are of the columns themselves.
    pub(in crate::model) origins: Option<Origins>,
    /// Whether a missing cell counts as zero, and the average row is one of zeros where there is no
    /// background: so does `XGBoost`.
    pub(in crate::model) missing_is_zero: bool,
}

/// Contributions `weight × (cell − mean)`: with columns taken as independent, these are the Shapley
/// values.
#[derive(Debug, Clone)]
pub(super) struct LinearExplainer {
    weights: Vec<f64>,
    means: Vec<f64>,
    /// The column that each one's contribution goes to.
    credits: Vec<u32>,
    /// How many columns there are that contributions go to.
    width: usize,
    missing_is_zero: bool,
    base: f64,
}

impl LinearExplainer {
    /// Against the means of some rows; against zeros where there are none.
    pub(super) fn new(outline: LinearOutline, background: Option<(Cells<'_>, usize)>) -> Self {
        let columns = outline.weights.len();
        let (credits, width) = match &outline.origins {
            Some(origins) => (origins.of.clone(), origins.columns),
            None => ((0..columns as u32).collect(), columns),
        };
        let mut explainer = Self {
            weights: outline.weights,
            means: vec![0.0; columns],
            credits,
            width,
            missing_is_zero: outline.missing_is_zero,
            base: 0.0,
        };
        if let Some((cells, rows)) = background {
            let mut means = vec![0.0; columns];
            for row in 0..rows {
                for (column, mean) in means.iter_mut().enumerate() {
                    *mean += explainer.cell(cells, row * columns + column) / rows as f64;
                }
            }
            explainer.means = means;
        }
        let at_means = explainer.weights.iter().zip(&explainer.means);
        explainer.base =
            outline.constant + at_means.map(|(weight, mean)| weight * mean).sum::<f64>();
        explainer
    }

    pub(super) fn base(&self) -> f64 {
        self.base
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Adds each row's contributions, which are zeros.
    pub(super) fn explain(&self, cells: Cells<'_>, contributions: &mut [f64]) {
        let rows = contributions.chunks_exact_mut(self.width.max(1));
        for (row, contributions) in rows.enumerate() {
            let first = row * self.weights.len();
            for (column, (weight, mean)) in self.weights.iter().zip(&self.means).enumerate() {
                let above = self.cell(cells, first + column) - mean;
                contributions[self.credits[column] as usize] += weight * above;
            }
        }
    }

    fn cell(&self, cells: Cells<'_>, at: usize) -> f64 {
        let cell = match cells {
            Cells::F32(cells) => f64::from(cells[at]),
            Cells::F64(cells) => cells[at],
        };
        if self.missing_is_zero && cell.is_nan() { 0.0 } else { cell }
    }
}
