//! What a fetch answers: the batch's matrix, and what each of its rows stood on.

use std::time::{Duration, Instant};

use super::expressions::Computing;
use super::join::{JoinPlan, RequestField};
use super::matrix::{FeatureMatrix, RowMut};
use super::texts::is_unknown_text;
use crate::failure::Refusal;
use crate::provenance::{EntityStatuses, FeatureStatus};

/// What came of joining one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowOutcome {
    /// What its features stood on.
    pub status: FeatureStatus,
    /// How many cells of a row that was found are not known and took their default.
    pub defaulted: u32,
    /// How many fields that its request does not give, or out of their range, took their default.
    pub fields_defaulted: u32,
    /// How many of its columns stand on their default, whatever the reason: these, and those of a row
    /// that was not found or not used.
    pub on_defaults: u32,
    /// Why the row must not be scored; its cells then mean nothing.
    pub refusal: Option<Refusal>,
    /// When the store last wrote the row, in µs since 1970, where one was found: of several entities
    /// the oldest.
    pub last_updated_us: Option<i64>,
    /// What the features of each entity stood on; empty for a model of one.
    pub statuses: EntityStatuses,
}

impl RowOutcome {
    /// The outcome of a row that was not joined yet: as if the store had not answered.
    const NOT_JOINED: Self = Self {
        status: FeatureStatus::Error,
        defaulted: 0,
        fields_defaulted: 0,
        on_defaults: 0,
        refusal: Some(Refusal::StoreUnavailable { entity: 0 }),
        last_updated_us: None,
        statuses: EntityStatuses::EMPTY,
    };

    /// Refuses the row where more of its columns stand on defaults than are allowed; `entity` says
    /// whose they are, if one entity's alone.
    pub(crate) fn hold_to(&mut self, allowed: usize, entity: impl FnOnce(&Self) -> Option<u8>) {
        if self.refusal.is_none() && self.on_defaults as usize > allowed {
            let (entity, found, allowed) = (entity(self), self.on_defaults, allowed as u32);
            self.refusal = Some(Refusal::TooManyDefaulted { entity, found, allowed });
        }
    }

    /// Takes in what came of joining another entity's part of the row.
    fn take_in(&mut self, entity: usize, part: &Self) {
        self.status = self.status.max(part.status);
        self.statuses.set(entity, part.status);
        self.defaulted += part.defaulted;
        self.fields_defaulted += part.fields_defaulted;
        self.on_defaults += part.on_defaults;
        self.refusal = self.refusal.or(part.refusal);
        self.last_updated_us = match (self.last_updated_us, part.last_updated_us) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

/// A batch's joined rows. The buffers are reused from batch to batch.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The rows, in the order of the requests.
    pub matrix: FeatureMatrix,
    /// One outcome a row.
    pub outcomes: Vec<RowOutcome>,
    /// For each of the model's columns, how many of this batch's cells were defaulted.
    pub defaulted_by_column: Vec<u64>,
    /// The cells of this batch whose text is none that the model knows, by row and column. Those of a
    /// row lie together, as it is written at once.
    pub unknown_cells: Vec<(u32, u32)>,
    /// How many distinct keys of this batch the store was asked for.
    pub keys_fetched: u64,
    /// The time at which ages are counted, in µs since 1970.
    pub(crate) now_us: i64,
    /// What the expressions of the rows read and give; `None` where there are none.
    pub(crate) expressions: Option<Box<Computing>>,
    /// What came of each entity's part of each row, entity by entity; empty where the plan has one.
    by_entity: Vec<RowOutcome>,
    entities: usize,
    /// How long the batch waited for an entity's table, where it did and the plan has several.
    waits: Vec<(usize, Duration)>,
    /// Whether somebody wants to know when each entity's part was there.
    pub(crate) is_timed: bool,
    /// When each entity's part was asked for and when it had come; empty where nobody wants to know, or
    /// where the plan has one entity.
    pub(crate) entity_times: Vec<Option<(Instant, Instant)>>,
}

impl Joined {
    /// Buffers for the rows that `plan` makes.
    pub fn new(plan: &JoinPlan) -> Self {
        Self {
            matrix: FeatureMatrix::new(plan.columns(), plan.precision()),
            outcomes: Vec::new(),
            defaulted_by_column: vec![0; plan.columns()],
            unknown_cells: Vec::new(),
            keys_fetched: 0,
            now_us: 0,
            expressions: plan.expressions().map(|plan| Box::new(Computing::new(plan))),
            by_entity: Vec::new(),
            entities: plan.entities().len(),
            waits: Vec::new(),
            is_timed: false,
            entity_times: Vec::new(),
        }
    }

    /// Notes when an entity's part was asked for and when it had come, where somebody wants to know.
    pub(crate) fn note_times(&mut self, entity: usize, times: impl FnOnce() -> (Instant, Instant)) {
        if self.is_timed && self.entities > 1 {
            self.entity_times.resize(self.entities, None);
            self.entity_times[entity] = Some(times());
        }
    }

    /// Notes how long the batch waited for an entity's table, from when to when; not where it did not.
    pub(crate) fn note_wait(&mut self, entity: usize, (asked, came): (Instant, Instant)) {
        if came > asked {
            self.waits.push((entity, came - asked));
        }
    }

    /// How long the batch waited for each entity's table that it waited for.
    pub(crate) fn waits(&self) -> &[(usize, Duration)] {
        &self.waits
    }

    /// What came of an entity's part of a row.
    pub(crate) fn outcome_mut(&mut self, entity: usize, row: usize) -> &mut RowOutcome {
        if self.by_entity.is_empty() {
            return &mut self.outcomes[row];
        }
        let rows = self.outcomes.len();
        &mut self.by_entity[entity * rows + row]
    }

    /// What came of an entity's part of a row, after [`Self::merge`].
    pub fn outcome_of(&self, entity: usize, row: usize) -> &RowOutcome {
        self.by_entity.get(entity * self.outcomes.len() + row).unwrap_or(&self.outcomes[row])
    }

    /// Makes one outcome of those of a row's entities, where there are several. At most
    /// `defaulted_max` columns of a row may stand on defaults.
    pub(crate) fn merge(&mut self, defaulted_max: Option<usize>) {
        let rows = self.outcomes.len();
        if self.by_entity.is_empty() {
            return;
        }
        let allowed = defaulted_max.unwrap_or(usize::MAX);
        for (row, outcome) in self.outcomes.iter_mut().enumerate() {
            *outcome = self.by_entity[row];
            outcome.statuses.set(0, outcome.status);
            for entity in 1..self.entities {
                outcome.take_in(entity, &self.by_entity[entity * rows + row]);
            }
            outcome.hold_to(allowed, |outcome| {
                let stored = |part: &RowOutcome| part.on_defaults - part.fields_defaulted;
                let of = |entity: &usize| stored(&self.by_entity[entity * rows + row]) > 0;
                let mut with_any = (0..self.entities).filter(of);
                let first = with_any.next()?;
                let is_alone = outcome.fields_defaulted == 0 && with_any.next().is_none();
                is_alone.then_some(first as u8)
            });
        }
        // Each entity has written its cells of all rows.
        self.unknown_cells.sort_unstable();
    }

    /// The cells of a row whose text is none that the model knows.
    pub(crate) fn unknown_of(&self, row: usize) -> &[(u32, u32)] {
        let is_of_row = |cell: &&(u32, u32)| cell.0 as usize == row;
        let first = self.unknown_cells.iter().position(|cell| is_of_row(&cell));
        let cells = first.map_or(&[][..], |first| &self.unknown_cells[first..]);
        &cells[..cells.iter().take_while(is_of_row).count()]
    }

    /// Makes room for `rows` rows, none of them joined, with ages counted at `now_us` (µs since
    /// 1970).
    pub(crate) fn reset(&mut self, rows: usize, now_us: i64) {
        self.matrix.reset(rows);
        self.outcomes.clear();
        self.outcomes.resize(rows, RowOutcome::NOT_JOINED);
        if self.entities > 1 {
            self.by_entity.clear();
            self.by_entity.resize(rows * self.entities, RowOutcome::NOT_JOINED);
        }
        self.defaulted_by_column.fill(0);
        self.unknown_cells.clear();
        self.entity_times.clear();
        self.keys_fetched = 0;
        self.waits.clear();
        self.now_us = now_us;
        if let Some(computing) = &mut self.expressions {
            computing.reset(rows, now_us);
        }
    }

    /// [`Self::reset`], with every row refused for the same reason.
    pub(crate) fn refuse_all(&mut self, rows: usize, now_us: i64, refusal: Refusal) {
        self.reset(rows, now_us);
        self.by_entity.clear();
        for row in 0..rows {
            self.refuse(0, row, FeatureStatus::Error, refusal);
        }
    }

    /// Writes `row` from the cells that its request gave, as they are: it is not joined, so no
    /// default, range or policy applies to it but that for texts which are not known. `texts` are the
    /// model's columns; none where none is of text.
    pub(crate) fn write_own(&mut self, row: usize, cells: &[f64], texts: &[RequestField]) {
        match self.matrix.row_mut(row) {
            RowMut::F32(own) => {
                for (cell, value) in own.iter_mut().zip(cells) {
                    *cell = *value as f32;
                }
            }
            RowMut::F64(own) => {
                for (cell, value) in own.iter_mut().zip(cells) {
                    *cell = *value;
                }
            }
        }
        self.outcomes[row] = RowOutcome {
            status: FeatureStatus::Stored,
            defaulted: 0,
            fields_defaulted: 0,
            on_defaults: 0,
            refusal: None,
            last_updated_us: None,
            statuses: EntityStatuses::EMPTY,
        };
        for ((column, field), cell) in texts.iter().enumerate().zip(cells) {
            if field.categories.is_some() && cell.is_nan() {
                self.write_own_text(row, column, field, *cell);
            }
        }
    }

    /// Writes a text that is not known, or a missing one.
    fn write_own_text(&mut self, row: usize, column: usize, field: &RequestField, cell: f64) {
        let at = column as u32;
        let mut refusal = Refusal::RequestFieldMissing { column: at };
        if is_unknown_text(cell) {
            refusal = Refusal::RequestUnknownText { column: at };
            self.unknown_cells.push((row as u32, at));
        }
        match field.unjoined(cell) {
            Some(code) => self.matrix.set(row, column, code),
            None => _ = self.outcomes[row].refusal.get_or_insert(refusal),
        }
    }

    /// Makes the cells of refused rows 0, for a model that would fail on what is not a number.
    pub(crate) fn blank_refused(&mut self) {
        for (row, outcome) in self.outcomes.iter().enumerate() {
            if outcome.refusal.is_some() {
                match self.matrix.row_mut(row) {
                    RowMut::F32(cells) => cells.fill(0.0),
                    RowMut::F64(cells) => cells.fill(0.0),
                }
            }
        }
    }

    pub(crate) fn refuse(
        &mut self,
        entity: usize,
        row: usize,
        status: FeatureStatus,
        refusal: Refusal,
    ) {
        *self.outcome_mut(entity, row) =
            RowOutcome { status, refusal: Some(refusal), ..RowOutcome::NOT_JOINED };
    }

    /// How old each found row's features are, in whole seconds.
    pub fn ages_s(&self) -> impl Iterator<Item = u64> {
        // Of several entities each has its own.
        let outcomes = if self.by_entity.is_empty() { &self.outcomes } else { &self.by_entity };
        self.ages_in(outcomes)
    }

    /// How old the features of an entity are of each row that has some, in whole seconds, where the
    /// plan has several.
    pub(crate) fn ages_of(&self, entity: usize) -> impl Iterator<Item = u64> {
        let rows = self.outcomes.len();
        let part = self.by_entity.get(entity * rows..(entity + 1) * rows);
        self.ages_in(part.unwrap_or_default())
    }

    fn ages_in<'a>(&self, outcomes: &'a [RowOutcome]) -> impl Iterator<Item = u64> + use<'a> {
        let now_us = self.now_us;
        let written_us = outcomes.iter().filter_map(|outcome| outcome.last_updated_us);
        written_us.map(move |written| now_us.saturating_sub(written).max(0) as u64 / 1_000_000)
    }
}
