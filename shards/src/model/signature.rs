//! What a model reads and gives, as told to those who ask before they send.

use crate::features::Precision;
use crate::features::inputs::IntegerRange;
use crate::features::join::RequestField;

/// What a model reads and gives.
#[derive(Debug, Clone)]
pub struct Signature {
    /// One sentence for people.
    pub description: String,
    /// The name of the tensor that gives all columns at once: the model's own where it reads one.
    pub matrix: String,
    /// The columns' names, in the model's order.
    pub columns: Vec<String>,
    /// The type of the matrix.
    pub precision: Precision,
    /// For each column, which integers its tensor holds, if those are integers; empty where no
    /// tensor is one of integers.
    pub integers: Vec<Option<IntegerRange>>,
    /// How cells of each column are read, where some are of text; empty where all are numbers.
    pub texts: Vec<RequestField>,
    /// How cells of each column are read, whatever it is of; empty where that is not known.
    pub fields: Vec<RequestField>,
}

impl Signature {
    /// The name of the tensor that gives all columns of a model that reads several tensors.
    pub const MATRIX: &str = "features";
}
