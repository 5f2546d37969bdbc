//! Tree ensembles: from the arrays of an ONNX node to scores.
//!
//! [`TreeAttributes`] is what a model file says.
//!
//! What is *not* here: reading the file (nothing below this line knows of tract or protobuf),
//! labels and `ZipMap`, and which rows are scored together.

mod attributes;

pub use attributes::{
    Aggregate, EnsembleKind, NodeMode, PostTransform, TreeAttributes, UnknownWord,
};
