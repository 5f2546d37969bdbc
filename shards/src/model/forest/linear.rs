//! A linear model: a bias and a weight for each column, in 32 bits, missing cells left out.

/// The sums of a linear model.
#[derive(Debug, Clone)]
pub(in crate::model) struct Linear {
    /// Where each sum starts.
    pub(in crate::model) starts: Vec<f32>,
    /// Column by column, a weight for each sum.
    pub(in crate::model) weights: Vec<f32>,
}

impl Linear {
    /// The sums of one row, added column by column.
    pub(in crate::model) fn add(&self, cells: impl Iterator<Item = f32>, sums: &mut [f32]) {
        sums.copy_from_slice(&self.starts);
        for (cell, weights) in cells.zip(self.weights.chunks_exact(sums.len())) {
            if !cell.is_nan() {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += cell * weight;
                }
            }
        }
    }
}
