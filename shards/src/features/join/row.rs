//! Writes one row of the matrix from a record, or from the defaults, as the model's policies say.

use super::bind::{CellPlan, CellSource, FloatRow, JoinPlan};
use crate::failure::Refusal;
use crate::features::inputs::{IntegerRange, NanMeaning, OnError, OnExpired, OnMissing};
use crate::features::joined::{Joined, RowOutcome};
use crate::features::matrix::{MatrixCell, RowMut};
use crate::features::record::{CELLS_START, CellPlace, last_updated_us};
use crate::provenance::FeatureStatus;

/// What the row stands on.
#[derive(Clone, Copy)]
enum Stored<'a> {
    Record(&'a [u8]),
    Defaults,
}

impl JoinPlan {
    /// Whether a last known value may stand in for a store that does not answer.
    pub fn accepts_stale(&self) -> bool {
        self.policies.on_error == OnError::Stale
    }

    /// Writes `row` from a record of [`Self::layout`]; `status` says where it was found. A record
    /// of another length counts as a store that did not answer. `request_cells` are in the order
    /// of [`Self::request_fields`], NaN where the request does not say.
    pub(crate) fn join_found(
        &self,
        record: &[u8],
        status: FeatureStatus,
        request_cells: &[f64],
        row: usize,
        joined: &mut Joined,
    ) {
        if record.len() != self.layout().length() {
            self.join_absent(FeatureStatus::Error, request_cells, row, joined);
            return;
        }
        let (status, stored) = match self.expired_policy(record, joined.now_us) {
            None => (status, Stored::Record(record)),
            Some(OnExpired::Use) => (FeatureStatus::Expired, Stored::Record(record)),
            Some(OnExpired::Default) => (FeatureStatus::Expired, Stored::Defaults),
            Some(OnExpired::Reject) => {
                joined.refuse(row, FeatureStatus::Expired, Refusal::Expired);
                joined.outcomes[row].last_updated_us = Some(last_updated_us(record));
                return;
            }
        };
        self.write(stored, status, request_cells, row, joined);
        joined.outcomes[row].last_updated_us = Some(last_updated_us(record));
    }

    /// Writes `row` for a user of whom nothing is known; `status` says why: `Missing` or `Error`.
    pub(crate) fn join_absent(
        &self,
        status: FeatureStatus,
        request_cells: &[f64],
        row: usize,
        joined: &mut Joined,
    ) {
        let refusal = if status == FeatureStatus::Missing {
            (self.policies.on_missing == OnMissing::Reject).then_some(Refusal::UnknownUser)
        } else {
            (self.policies.on_error == OnError::Reject).then_some(Refusal::StoreUnavailable)
        };
        match refusal {
            Some(refusal) => joined.refuse(row, status, refusal),
            None => self.write(Stored::Defaults, status, request_cells, row, joined),
        }
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
    ) {
        let mut written = Written { defaulted: 0, refusal: None };
        let defaulted_by_column = &mut joined.defaulted_by_column;
        match (joined.matrix.row_mut(row), &self.float_row, stored) {
            (RowMut::F32(cells), Some(float_row), Stored::Record(record)) => {
                if !float_row.copy(record, cells) {
                    written.cells(&self.cells, stored, request_cells, cells, defaulted_by_column);
                }
            }
            (RowMut::F32(cells), _, _) => {
                written.cells(&self.cells, stored, request_cells, cells, defaulted_by_column);
            }
            (RowMut::F64(cells), _, _) => {
                written.cells(&self.cells, stored, request_cells, cells, defaulted_by_column);
                written.integers(&self.cells, &self.integers, cells);
            }
        }
        let allowed = self.policies.max_defaulted_columns.unwrap_or(usize::MAX);
        if written.refusal.is_none() && written.defaulted as usize > allowed {
            let allowed = allowed as u32;
            written.refusal = Some(Refusal::TooManyDefaulted { found: written.defaulted, allowed });
        }
        joined.outcomes[row] = RowOutcome {
            status,
            defaulted: written.defaulted,
            refusal: written.refusal,
            last_updated_us: None,
        };
    }
}

impl FloatRow {
    /// Copies a row of floats; false where a cell needs a closer look, the row is then unfinished.
    fn copy(&self, record: &[u8], cells: &mut [f32]) -> bool {
        let (stored, _) = record[CELLS_START..].as_chunks::<{ size_of::<f32>() }>();
        let mut plain = true;
        let bounds = self.low.iter().zip(&self.high);
        for ((cell, bytes), (&low, &high)) in cells.iter_mut().zip(stored).zip(bounds) {
            let value = f32::from_le_bytes(*bytes);
            *cell = value;
            plain &= (low..=high).contains(&value);
        }
        plain
    }
}

/// What came of writing a row's cells.
struct Written {
    defaulted: u32,
    refusal: Option<Refusal>,
}

impl Written {
    fn cells<C: MatrixCell>(
        &mut self,
        plans: &[CellPlan],
        stored: Stored<'_>,
        request_cells: &[f64],
        cells: &mut [C],
        defaulted_by_column: &mut [u64],
    ) {
        for (column, (plan, cell)) in plans.iter().zip(cells).enumerate() {
            let known = match (plan.source, stored) {
                (CellSource::Store(place), Stored::Record(record)) => {
                    self.stored_cell(plan, place, record, column)
                }
                (CellSource::Store(_), Stored::Defaults) => {
                    *cell = C::from_double(plan.default);
                    continue;
                }
                (CellSource::Request { index }, _) => {
                    let value = request_cells.get(index).copied().unwrap_or(f64::NAN);
                    *cell = C::from_double(self.request_cell(plan, value, column));
                    continue;
                }
            };
            *cell = known.unwrap_or_else(|| {
                self.defaulted += 1;
                defaulted_by_column[column] += 1;
                C::from_double(plan.default)
            });
        }
    }

    /// Refuses the row where a cell of a tensor of integers holds anything else. `ranges` is empty
    /// where the model reads none.
    fn integers(&mut self, plans: &[CellPlan], ranges: &[Option<IntegerRange>], cells: &[f64]) {
        for (column, ((plan, range), cell)) in plans.iter().zip(ranges).zip(cells).enumerate() {
            if range.is_none_or(|range| range.holds(*cell)) {
                continue;
            }
            let column = column as u32;
            self.refusal.get_or_insert(match plan.source {
                CellSource::Store(_) => Refusal::StoredNotInteger { column },
                CellSource::Request { .. } => Refusal::RequestNotInteger { column },
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
        let column = column as u32;
        if value.is_nan() {
            match plan.nan {
                NanMeaning::Default => return plan.default,
                NanMeaning::Missing => {}
                NanMeaning::Reject => {
                    self.refusal.get_or_insert(Refusal::RequestFieldMissing { column });
                }
            }
        } else if !(plan.low <= value && value <= plan.high) {
            self.refusal.get_or_insert(Refusal::RequestOutOfRange { column });
        } else if !plan.column_type.holds(value) {
            let expected = plan.column_type;
            self.refusal
                .get_or_insert(Refusal::RequestNotOfType { column, expected: expected.as_str() });
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
