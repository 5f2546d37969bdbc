//! What is made of a row before trees read it.

use std::fmt::Debug;

/// Makes the columns that trees read from the columns that the model has.
pub(in crate::model) trait Derive: Debug + Send {
    /// How many columns it makes.
    fn columns(&self) -> usize;

    /// Writes the prepared row of a row of cells.
    fn derive(&mut self, cells: &[f64], prepared: &mut [f64]);
}

/// A way to prepare rows.
pub(in crate::model) type Preparation = Box<dyn Derive>;
