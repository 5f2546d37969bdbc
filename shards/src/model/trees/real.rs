//! The two precisions that trees are compared and summed in.

use std::ops::{Add, Div, Sub};

/// `f32` or `f64`, as the model's input is.
pub(super) trait Real:
    Copy
    + Default
    + PartialOrd
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Div<Output = Self>
    + 'static
{
    /// The largest power of `e` that is taken for a logistic function.
    const EXPONENT_MAX: f64;

    fn from_f32(value: f32) -> Self;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    fn is_nan(self) -> bool;
}

impl Real for f32 {
    const EXPONENT_MAX: f64 = 88.7;

    fn from_f32(value: f32) -> Self {
        value
    }

    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }
}

impl Real for f64 {
    const EXPONENT_MAX: f64 = 709.0;

    fn from_f32(value: f32) -> Self {
        f64::from(value)
    }

    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }
}
