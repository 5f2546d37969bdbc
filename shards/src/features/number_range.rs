//! The range that a column allows to numbers, and the number that is taken of one outside.

use super::inputs::{InputColumn, OutOfRange};

/// A column's range, both ends included; the default allows every number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NumberRange {
    bounds: Option<(f64, f64)>,
    /// Whether a number outside is brought to the nearest end. Else its column's default stands for
    /// it, or its row is refused.
    clips: bool,
}

impl NumberRange {
    /// The range of a column.
    pub(crate) fn of(column: &InputColumn) -> Self {
        Self { bounds: column.range, clips: column.out_of_range == OutOfRange::Clip }
    }

    /// Whether a number is outside; NaN is, of any range with ends.
    pub(crate) fn is_outside(self, number: f64) -> bool {
        self.bounds.is_some_and(|(low, high)| !(low <= number && number <= high))
    }

    /// The number that is taken of one: itself where it is inside, `None` where it is not taken.
    pub(crate) fn taken(self, number: f64) -> Option<f64> {
        match self.bounds {
            Some((low, high)) if self.is_outside(number) => {
                self.clips.then(|| number.clamp(low, high))
            }
            _ => Some(number),
        }
    }

    /// Whether another range has the same ends.
    pub(crate) fn has_ends_of(self, other: Self) -> bool {
        self.bounds == other.bounds
    }
}

#[cfg(test)]
mod tests {
    use super::NumberRange;

    #[test]
    fn a_number_outside_is_clipped_or_not_taken() {
        let bounds = Some((0.0, 10.0));
        let (clips, refuses) =
            (NumberRange { bounds, clips: true }, NumberRange { bounds, clips: false });
        for (number, clipped, taken) in [
            (0.0, Some(0.0), Some(0.0)),
            (10.0, Some(10.0), Some(10.0)),
            (-1.0, Some(0.0), None),
            (f64::INFINITY, Some(10.0), None),
        ] {
            assert_eq!((clips.taken(number), refuses.taken(number)), (clipped, taken), "{number}");
        }
        assert!(clips.is_outside(f64::NAN) && !NumberRange::default().is_outside(f64::NAN));
        assert_eq!(NumberRange::default().taken(1e300), Some(1e300));
    }
}
