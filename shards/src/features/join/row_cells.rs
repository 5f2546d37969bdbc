//! The cells of one row, from a record, a request or the defaults, each by its column's policies.

use super::entity::{CellPlan, CellSource, EntityPlan};
use super::row::Stored;
use super::text::{DamagedText, TextCell};
use crate::failure::Refusal;
use crate::features::inputs::{IntegerRange, NanMeaning, OutOfRange};
use crate::features::matrix::MatrixCell;
use crate::features::record::CellPlace;
use crate::features::texts::is_unknown_text;

/// What came of writing a row's cells.
pub(super) struct Written<'a> {
    pub(super) row: u32,
    pub(super) defaulted: u32,
    pub(super) fields_defaulted: u32,
    pub(super) refusal: Option<Refusal>,
    pub(super) defaulted_by_column: &'a mut [u64],
    pub(super) unknown_cells: &'a mut Vec<(u32, u32)>,
}

impl Written<'_> {
    pub(super) fn cells<C: MatrixCell>(
        &mut self,
        plan: &EntityPlan,
        stored: Stored<'_>,
        request_cells: &[f64],
        cells: &mut [C],
    ) -> Result<(), DamagedText> {
        if plan.is_whole {
            for (cell_plan, cell) in plan.cells.iter().zip(cells) {
                *cell = self.cell(plan, cell_plan, stored, request_cells)?;
            }
            return Ok(());
        }
        for cell_plan in &plan.cells {
            cells[cell_plan.column as usize] = self.cell(plan, cell_plan, stored, request_cells)?;
        }
        Ok(())
    }

    /// One cell.
    #[expect(clippy::inline_always, reason = "it is called for each cell, in two loops")]
    #[inline(always)]
    fn cell<C: MatrixCell>(
        &mut self,
        plan: &EntityPlan,
        cell_plan: &CellPlan,
        stored: Stored<'_>,
        request_cells: &[f64],
    ) -> Result<C, DamagedText> {
        let column = cell_plan.column as usize;
        let given = |index: usize| request_cells.get(index).copied().unwrap_or(f64::NAN);
        let value = match (cell_plan.source, stored) {
            (CellSource::Store(place), Stored::Record(record, _)) => {
                let known = self.stored_cell(cell_plan, place, record, column);
                return Ok(known.unwrap_or_else(|| {
                    self.defaulted += 1;
                    self.defaulted_by_column[column] += 1;
                    C::from_double(cell_plan.default)
                }));
            }
            (CellSource::Store(_), Stored::Defaults) => cell_plan.default,
            (CellSource::Request { index }, _) => {
                self.request_cell(cell_plan, given(index), column)
            }
            (CellSource::StoreText { place, text }, Stored::Record(record, texts)) => {
                let text = &plan.texts[text];
                let is_null = place.is_null(record);
                let code = if is_null { f64::NAN } else { text.stored(place, record, texts)? };
                self.stored_text(cell_plan, text, code, column)
            }
            (CellSource::StoreText { text, .. }, Stored::Defaults) => {
                let refusal = Refusal::StoredNotANumber { column: column as u32 };
                self.code_or(plan.texts[text].default, refusal)
            }
            (CellSource::RequestText { index, text }, _) => {
                self.request_text(cell_plan, &plan.texts[text], given(index), column)
            }
        };
        Ok(C::from_double(value))
    }

    /// The code of a stored text, NaN where it is null, or what stands in for one that is not known.
    fn stored_text(&mut self, plan: &CellPlan, text: &TextCell, code: f64, column: usize) -> f64 {
        if is_unknown_text(code) {
            let refusal = Refusal::StoredUnknownText { column: column as u32 };
            return self.unknown_text(text, column, refusal);
        }
        if !code.is_nan() {
            return code;
        }
        let refusal = Refusal::StoredNotANumber { column: column as u32 };
        match plan.nan {
            NanMeaning::Missing => return self.code_or(text.categories.missing(), refusal),
            NanMeaning::Default => {}
            NanMeaning::Reject => {
                self.refusal.get_or_insert(refusal);
            }
        }
        self.defaulted += 1;
        self.defaulted_by_column[column] += 1;
        self.code_or(text.default, refusal)
    }

    /// The code of a request's text, or what stands in for one that it does not give.
    fn request_text(&mut self, plan: &CellPlan, text: &TextCell, code: f64, column: usize) -> f64 {
        if is_unknown_text(code) {
            let refusal = Refusal::RequestUnknownText { column: column as u32 };
            return self.unknown_text(text, column, refusal);
        }
        if !code.is_nan() {
            return code;
        }
        self.not_given(plan, column);
        let code = match plan.nan {
            NanMeaning::Default => {
                self.count_field(column);
                text.default
            }
            NanMeaning::Missing | NanMeaning::Reject => text.categories.missing(),
        };
        self.code_or(code, Refusal::RequestFieldMissing { column: column as u32 })
    }

    /// What a text means that is none of the categories, by the column's policy.
    fn unknown_text(&mut self, text: &TextCell, column: usize, refusal: Refusal) -> f64 {
        self.unknown_cells.push((self.row, column as u32));
        self.code_or(text.unknown.code(&text.categories), refusal)
    }

    /// A code, or a refusal of the row where the model has none.
    fn code_or(&mut self, code: Option<f64>, refusal: Refusal) -> f64 {
        code.unwrap_or_else(|| {
            self.refusal.get_or_insert(refusal);
            f64::NAN
        })
    }

    /// A field of the request took its default.
    pub(super) fn count_field(&mut self, column: usize) {
        self.fields_defaulted += 1;
        self.defaulted_by_column[column] += 1;
    }

    /// Refuses the row where the request has to give a cell that it does not give.
    fn not_given(&mut self, plan: &CellPlan, column: usize) {
        let column = column as u32;
        if plan.required {
            self.refusal.get_or_insert(Refusal::RequestFieldRequired { column });
        } else if plan.nan == NanMeaning::Reject {
            self.refusal.get_or_insert(Refusal::RequestFieldMissing { column });
        }
    }

    /// Refuses the row where a cell of a tensor of integers holds anything else. `ranges` is empty
    /// where the model reads none.
    pub(super) fn integers(
        &mut self,
        plans: &[CellPlan],
        ranges: &[Option<IntegerRange>],
        cells: &[f64],
    ) {
        if ranges.is_empty() {
            return;
        }
        for plan in plans {
            let column = plan.column;
            let (range, cell) = (ranges[column as usize], cells[column as usize]);
            if range.is_none_or(|range| range.holds(cell)) {
                continue;
            }
            self.refusal.get_or_insert(match plan.source {
                CellSource::Store(_) | CellSource::StoreText { .. } => {
                    Refusal::StoredNotInteger { column }
                }
                CellSource::Request { .. } | CellSource::RequestText { .. } => {
                    Refusal::RequestNotInteger { column }
                }
            });
        }
    }

    /// The stored cell; `None` where it is not known and its default takes its place.
    fn stored_cell<C: MatrixCell>(
        &mut self,
        plan: &CellPlan,
        place: CellPlace,
        record: &[u8],
        column: usize,
    ) -> Option<C> {
        let (value, cell) = read::<C>(place, record);
        if value.is_nan() {
            return match plan.nan {
                NanMeaning::Default => None,
                NanMeaning::Missing => Some(C::from_double(f64::NAN)),
                NanMeaning::Reject => {
                    let refusal = Refusal::StoredNotANumber { column: column as u32 };
                    self.refusal.get_or_insert(refusal);
                    None
                }
            };
        }
        (plan.low <= value && value <= plan.high).then_some(cell)
    }

    /// The request's cell, or what stands in for one that it does not give.
    fn request_cell(&mut self, plan: &CellPlan, value: f64, column: usize) -> f64 {
        if value.is_nan() {
            self.not_given(plan, column);
            if plan.nan != NanMeaning::Default {
                return value;
            }
            self.count_field(column);
            return plan.default;
        }
        if !(plan.low <= value && value <= plan.high) {
            match plan.out_of_range {
                OutOfRange::Clip => return value.clamp(plan.low, plan.high),
                OutOfRange::Default => {
                    self.count_field(column);
                    return plan.default;
                }
                OutOfRange::Reject => {
                    let column = column as u32;
                    self.refusal.get_or_insert(Refusal::RequestOutOfRange { column });
                }
            }
        } else if !plan.column_type.holds(value) {
            let (column, expected) = (column as u32, plan.column_type.as_str());
            self.refusal.get_or_insert(Refusal::RequestNotOfType { column, expected });
        }
        value
    }
}

/// A cell's value for comparisons, NaN where it is null, and as the matrix takes it.
fn read<C: MatrixCell>(place: CellPlace, record: &[u8]) -> (f64, C) {
    if place.is_null(record) {
        return (f64::NAN, C::from_double(f64::NAN));
    }
    place.column_type.join(place.bytes(record))
}
