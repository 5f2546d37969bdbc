//! Writes one row of the matrix from a record, or from the defaults, as the model's policies say.

use super::entity::{EntityPlan, FloatRow};
use super::row_cells::Written;
use super::text::DamagedText;
use crate::expression::Value;
use crate::failure::Refusal;
use crate::features::column::{CellValue, ColumnType, bytes, code_of, uuid_text};
use crate::features::expressions::StoredSlot;
use crate::features::inputs::{OnError, OnExpired, OnMissing};
use crate::features::joined::{Joined, RowOutcome};
use crate::features::matrix::RowMut;
use crate::features::record::last_updated_us;
use crate::features::texts::Texts;
use crate::provenance::{EntityStatuses, FeatureStatus};

/// What the row stands on.
#[derive(Clone, Copy)]
pub(super) enum Stored<'a> {
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
        outcome.hold_to(allowed, |it| (it.fields_defaulted == 0).then_some(self.place as u8));
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
