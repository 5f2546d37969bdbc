//! Counts stored values that the model's precision changes: one that is rounded across a tree's
//! threshold takes another branch.

use super::bind::{CellSource, JoinPlan};
use crate::features::record::Record;

impl JoinPlan {
    /// Adds to `rounded`, a count for each of the model's columns, the cells of a stored record
    /// that are rounded when they are written into the model's matrix.
    ///
    /// # Panics
    ///
    /// When `rounded` has fewer counts than the model has columns.
    pub fn count_rounded(&self, record: &Record<'_>, rounded: &mut [u64]) {
        for (column, cell) in self.cells.iter().enumerate() {
            if let CellSource::Store(place) = cell.source {
                let value = record.cell(place);
                rounded[column] += u64::from(value.is_rounded(self.precision()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::features::Precision;
    use crate::features::column::CellValue;

    #[test]
    fn what_a_float_has_is_not_rounded() {
        use CellValue::{Bigint, Boolean, Double, Float, Int, Null};
        for (value, in_f32, in_f64) in [
            (Null, false, false),
            (Float(0.1), false, false),
            (Boolean(true), false, false),
            (Double(0.5), false, false),
            (Double(0.1), true, false),
            (Double(1e300), true, false),
            (Double(f64::NAN), false, false),
            (Double(f64::INFINITY), false, false),
            (Int(1 << 24), false, false),
            (Int((1 << 24) + 1), true, false),
            (Int(i32::MAX), true, false),
            (Int(i32::MIN), false, false),
            (Bigint((1 << 24) + 1), true, false),
            (Bigint((1 << 53) + 1), true, true),
            (Bigint(i64::MAX), true, true),
            (Bigint(i64::MIN), false, false),
        ] {
            assert_eq!(value.is_rounded(Precision::F32), in_f32, "{value:?}");
            assert_eq!(value.is_rounded(Precision::F64), in_f64, "{value:?}");
        }
    }
}
