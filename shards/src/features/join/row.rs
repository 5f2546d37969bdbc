//! Writes one row of the matrix from a record, or from the defaults, as the model's policies say.

use super::entity::{CellPlan, CellSource, EntityPlan, FloatRow};
use super::text::{DamagedText, TextCell};
use crate::expression::Value;
use crate::failure::Refusal;
use crate::features::column::{CellValue, ColumnType, bytes, code_of, uuid_text};
use crate::features::expressions::StoredSlot;
use crate::features::inputs::{
    IntegerRange, NanMeaning, OnError, OnExpired, OnMissing, OutOfRange,
};
use crate::features::joined::{Joined, RowOutcome};
use crate::features::matrix::{MatrixCell, RowMut};
use crate::features::record::{CellPlace, last_updated_us};
use crate::features::texts::{Texts, is_unknown_text};
use crate::provenance::{EntityStatuses, FeatureStatus};

/// What the row stands on.
#[derive(Clone, Copy)]
enum Stored<'a> {
    Record(&'a [u8], &'a dyn Texts),
    Defaults,
}

impl EntityPlan {
    /// Whether a last known value may stand in for a store that does not answer.
    pub fn accepts_stale(&self) -> bool {
        self.policies.on_error == OnError::Stale
    }

    /// Writes `row` from a record of [`Self::layout`] whose texts are those of `texts`; `status` says
    /// where it was found. A record of another length, or with a text that is not as it was written,
    /// counts as a store that did not answer: then it is false. `request_cells` are in the order of
    /// `JoinPlan::request_fields`, NaN where the request does not say.
    pub(crate) fn join_found(
        &self,
        record: &[u8],
        texts: &dyn Texts,
        status: FeatureStatus,
        request_cells: &[f64],
        row: usize,
        joined: &mut Joined,
    ) -> bool {
        if record.len() != self.layout().length() {
            self.join_absent(FeatureStatus::Error, request_cells, row, joined);
            return false;
        }
        let (status, stored) = match self.expired_policy(record, joined.now_us) {
            None => (status, Stored::Record(record, texts)),
            Some(OnExpired::Use) => (FeatureStatus::Expired, Stored::Record(record, texts)),
            Some(OnExpired::Default) => (FeatureStatus::Expired, Stored::Defaults),
            Some(OnExpired::Reject) => {
                let refusal = Refusal::Expired { entity: self.place as u8 };
                joined.refuse(self.place, row, FeatureStatus::Expired, refusal);
                let outcome = joined.outcome_mut(self.place, row);
                outcome.last_updated_us = Some(last_updated_us(record));
                return true;
            }
        };
        if self.write(stored, status, request_cells, row, joined).is_err() {
            self.join_absent(FeatureStatus::Error, request_cells, row, joined);
            return false;
        }
        joined.outcome_mut(self.place, row).last_updated_us = Some(last_updated_us(record));
        true
    }

    /// Writes `row` for a user of whom nothing is known; `status` says why: `Missing` or `Error`.
    pub(crate) fn join_absent(
        &self,
        status: FeatureStatus,
        request_cells: &[f64],
        row: usize,
        joined: &mut Joined,
    ) {
        let entity = self.place as u8;
        let refusal = if status == FeatureStatus::Missing {
            let is_refused = self.policies.on_missing == OnMissing::Reject;
            is_refused.then_some(Refusal::UnknownUser { entity })
        } else {
            let is_refused = self.policies.on_error == OnError::Reject;
            is_refused.then_some(Refusal::StoreUnavailable { entity })
        };
        match refusal {
            Some(refusal) => joined.refuse(self.place, row, status, refusal),
            None => self.write_defaults(status, request_cells, row, joined),
        }
    }

    /// Writes `row` from its request alone, where there is no store: no policy about users applies.
    pub(crate) fn join_request(&self, request_cells: &[f64], row: usize, joined: &mut Joined) {
        self.write_defaults(FeatureStatus::Stored, request_cells, row, joined);
    }

    fn write_defaults(
        &self,
        status: FeatureStatus,
        request_cells: &[f64],
        row: usize,
        joined: &mut Joined,
    ) {
        // Defaults are of no dictionary.
        let _: Result<(), DamagedText> =
            self.write(Stored::Defaults, status, request_cells, row, joined);
    }

    /// What to do with a record that is too old; `None` for one that is not.
    fn expired_policy(&self, record: &[u8], now_us: i64) -> Option<OnExpired> {
        let age_us_max = i64::try_from(self.policies.max_age_s?.saturating_mul(1_000_000));
        let age_us = now_us.saturating_sub(last_updated_us(record));
        age_us_max.is_ok_and(|most| age_us > most).then_some(self.policies.on_expired)
    }

    fn write(
        &self,
        stored: Stored<'_>,
        status: FeatureStatus,
        request_cells: &[f64],
        row: usize,
        joined: &mut Joined,
    ) -> Result<(), DamagedText> {
        let unknown_before = joined.unknown_cells.len();
        let damaged = self
            .write_cells(stored, status, request_cells, row, joined)
            .and_then(|()| self.keep(stored, row, joined));
        if damaged.is_err() {
            // The row's cells are written anew.
            joined.unknown_cells.truncate(unknown_before);
        }
        damaged
    }

    /// Keeps what expressions read of the row.
    fn keep(&self, stored: Stored<'_>, row: usize, joined: &mut Joined) -> Result<(), DamagedText> {
        let Some(computing) = &mut joined.expressions else { return Ok(()) };
        let captured = &mut computing.captured;
        for StoredSlot { slot, place, of } in &self.kept {
            let Stored::Record(record, texts) = stored else {
                captured.put(row, *slot, of.default());
                continue;
            };
            if place.is_null(record) {
                captured.put(row, *slot, of.default());
                continue;
            }
            let at = place.bytes(record);
            match place.column_type {
                ColumnType::Text => {
                    let code = code_of(at);
                    if !captured.put_copied(row, *slot, |to| texts.copy_text(code, to)) {
                        return Err(DamagedText);
                    }
                }
                ColumnType::Uuid => {
                    let text = uuid_text(bytes(at));
                    let text = str::from_utf8(&text).unwrap_or_default();
                    captured.put(row, *slot, Value::Text(text));
                }
                numeric => {
                    let cell = numeric.unpack(at, texts).unwrap_or(CellValue::Null);
                    captured.put(row, *slot, of.stored(cell));
                }
            }
        }
        Ok(())
    }

    fn write_cells(
        &self,
        stored: Stored<'_>,
        status: FeatureStatus,
        request_cells: &[f64],
        row: usize,
        joined: &mut Joined,
    ) -> Result<(), DamagedText> {
        let mut written = Written {
            row: row as u32,
            defaulted: 0,
            fields_defaulted: 0,
            refusal: None,
            defaulted_by_column: &mut joined.defaulted_by_column,
            unknown_cells: &mut joined.unknown_cells,
        };
        match (joined.matrix.row_mut(row), &self.float_row, stored) {
            (RowMut::F32(cells), Some(float_row), Stored::Record(record, _)) => {
                if !float_row.copy(record, cells) {
                    written.cells(self, stored, request_cells, cells)?;
                }
            }
            (RowMut::F32(cells), _, _) => {
                written.cells(self, stored, request_cells, cells)?;
            }
            (RowMut::F64(cells), _, _) => {
                written.cells(self, stored, request_cells, cells)?;
                written.integers(&self.cells, &self.integers, cells);
            }
        }
        let Written { defaulted, fields_defaulted, refusal, .. } = written;
        let stored_defaults = match stored {
            Stored::Record(..) => defaulted,
            Stored::Defaults => self.stored_columns,
        };
        let mut outcome = RowOutcome {
            status,
            defaulted,
            fields_defaulted,
            on_defaults: stored_defaults + fields_defaulted,
            refusal,
            last_updated_us: None,
            statuses: EntityStatuses::EMPTY,
        };
        let allowed = self.policies.max_defaulted_columns.unwrap_or(usize::MAX);
        if outcome.refusal.is_none() && outcome.on_defaults as usize > allowed {
            let entity = (fields_defaulted == 0).then_some(self.place as u8);
            outcome.refusal = Some(outcome.too_many(entity, allowed));
        }
        *joined.outcome_mut(self.place, row) = outcome;
        Ok(())
    }
}

impl FloatRow {
    /// Copies floats to their places in the model's row; false where a cell needs a closer look, the
    /// row is then unfinished.
    fn copy(&self, record: &[u8], cells: &mut [f32]) -> bool {
        let (stored, _) = record[self.offset..].as_chunks::<{ size_of::<f32>() }>();
        let mut plain = true;
        let bounds = self.low.iter().zip(&self.high);
        let cells = &mut cells[self.column..];
        for ((cell, bytes), (&low, &high)) in cells.iter_mut().zip(stored).zip(bounds) {
            let value = f32::from_le_bytes(*bytes);
            *cell = value;
            plain &= (low..=high).contains(&value);
        }
        plain
    }
}

/// What came of writing a row's cells.
struct Written<'a> {
    row: u32,
    defaulted: u32,
    fields_defaulted: u32,
    refusal: Option<Refusal>,
    defaulted_by_column: &'a mut [u64],
    unknown_cells: &'a mut Vec<(u32, u32)>,
}

impl Written<'_> {
    fn cells<C: MatrixCell>(
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
    fn count_field(&mut self, column: usize) {
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
    fn integers(&mut self, plans: &[CellPlan], ranges: &[Option<IntegerRange>], cells: &[f64]) {
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
