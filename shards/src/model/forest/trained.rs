//! What a parser makes of a file.

use super::{Forest, Linear, ModelColumn, Objective, Preparation};
use crate::features::Precision;

/// What computes the sums.
#[derive(Debug)]
pub(in crate::model) enum Program {
    /// Trees.
    Forest(Forest),
    /// A linear function.
    Linear(Linear),
}

/// A file of a library, read and not yet ready to score.
#[derive(Debug)]
pub(in crate::model) struct Trained {
    /// The library, with the version that wrote the file where it says so.
    pub(in crate::model) library: String,
    /// The columns of a row, in the library's order.
    pub(in crate::model) columns: Vec<ModelColumn>,
    /// The names of the columns are the data's own, not made up by the library.
    pub(in crate::model) columns_are_named: bool,
    /// What the library reads a category as that training never saw; `None` where it fails.
    pub(in crate::model) unknown: Option<f64>,
    /// What the library reads a cell as, before anything else is done to it.
    pub(in crate::model) input: Precision,
    /// What is made of a row before the program reads it.
    pub(in crate::model) preparation: Option<Preparation>,
    /// What computes the sums.
    pub(in crate::model) program: Program,
    /// The labels of the classes; empty where the file has none.
    pub(in crate::model) labels: Vec<String>,
    /// What the sums mean.
    pub(in crate::model) objective: Objective,
}
