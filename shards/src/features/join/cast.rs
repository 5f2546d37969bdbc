//! Counts stored values that the model's precision changes: one that is rounded across a tree's
//! threshold takes another branch.

use super::bind::JoinPlan;
use super::entity::CellSource;
use crate::features::record::Record;

impl JoinPlan {
    /// Adds to `rounded`, a count for each of the model's columns, the cells of a record of the
    /// store's own table that are rounded when they are written into the model's matrix.
    ///
    /// # Panics
    ///
    /// When `rounded` has fewer counts than the model has columns.
    pub fn count_rounded(&self, record: &Record<'_>, rounded: &mut [u64]) {
        let own = self.entities().iter().filter(|entity| entity.table().is_none());
        for cell in own.flat_map(|entity| &entity.cells) {
            let column = cell.column as usize;
            if let CellSource::Store(place) = cell.source {
                let value = record.cell(place);
                let is_rounded = value.is_some_and(|value| value.is_rounded(self.precision()));
                rounded[column] += u64::from(is_rounded);
            }
        }
    }
}
