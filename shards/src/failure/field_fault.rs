//! What is wrong with a field of a request.

/// What is wrong with a field of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldFault {
    /// A number that its type does not have.
    Number(FoundNumber),
    /// A number beyond 32-bit floats, which its type or its model has.
    TooGreat(FoundNumber),
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

/// A number that was found. As bytes it needs no alignment, which keeps failures small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundNumber([u8; size_of::<f64>()]);

impl FoundNumber {
    /// The number itself.
    pub const fn get(self) -> f64 {
        f64::from_le_bytes(self.0)
    }
}

impl From<f64> for FoundNumber {
    fn from(number: f64) -> Self {
        Self(number.to_le_bytes())
    }
}
