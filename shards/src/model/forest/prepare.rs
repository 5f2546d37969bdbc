//! What is made of a row before trees read it.

use std::fmt::Debug;

use crate::features::{Cells, FeatureMatrix};

/// Makes the columns that trees read from the columns that the model has.
pub(in crate::model) trait Derive: CopyDerive + Debug + Send + Sync {
    /// How many columns it makes.
    fn columns(&self) -> usize;

    /// The columns of the model that prepared column `prepared` is made of, ascending.
    fn sources(&self, prepared: usize) -> Vec<u32>;

    /// Writes the prepared row of a row of cells.
    fn derive(&mut self, cells: &[f64], prepared: &mut [f64]);
}

/// Copies what prepares rows for another shard; all that can be cloned does.
pub(in crate::model) trait CopyDerive {
    /// One of the same tables, with buffers of its own.
    fn copy(&self) -> Preparation;
}

impl<D: Derive + Clone + 'static> CopyDerive for D {
    fn copy(&self) -> Preparation {
        Box::new(self.clone())
    }
}

impl Clone for Preparation {
    fn clone(&self) -> Self {
        (**self).copy()
    }
}

/// A way to prepare rows.
pub(in crate::model) type Preparation = Box<dyn Derive>;

/// The prepared rows of a batch; buffers keep their size from batch to batch.
#[derive(Debug, Clone, Default)]
pub(in crate::model) struct PreparedRows {
    row: Vec<f64>,
    prepared: Vec<f64>,
}

impl PreparedRows {
    /// Prepares each row of a matrix.
    pub(in crate::model) fn fill(
        &mut self,
        features: &FeatureMatrix,
        preparation: &mut Preparation,
    ) -> Cells<'_> {
        let (rows, columns) = (features.rows(), features.columns());
        self.prepared.resize(rows * preparation.columns(), 0.0);
        self.row.resize(columns, 0.0);
        let prepared = self.prepared.chunks_exact_mut(preparation.columns().max(1));
        for (row, prepared) in prepared.take(rows).enumerate() {
            let cells = row * columns..(row + 1) * columns;
            match features.cells() {
                Cells::F64(all) => preparation.derive(&all[cells], prepared),
                Cells::F32(all) => {
                    for (wide, cell) in self.row.iter_mut().zip(&all[cells]) {
                        *wide = f64::from(*cell);
                    }
                    preparation.derive(&self.row, prepared);
                }
            }
        }
        Cells::F64(&self.prepared)
    }
}
