//! The faults of a request's field.

/// A fault of a request's field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldFault {
    /// A number that its type does not have.
    Number(f64),
    /// A number beyond 32-bit floats, which its type or its model has.
    TooGreat(f64),
    /// A whole number beyond 2^53, of which nobody can tell whether it was rounded on its way.
    Inexact,
    /// A text that its type does not have.
    Text,
    /// True or false, where its type has neither.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
    /// It is there twice.
    Twice,
}
