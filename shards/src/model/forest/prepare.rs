//! What is made of a row before trees read it.

use std::fmt::Debug;

/// Makes the columns that trees read from the columns that the model has.
pub(in crate::model) trait Derive: CopyDerive + Debug + Send + Sync {
    /// How many columns it makes.
    fn columns(&self) -> usize;

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
