//! Notes rows that were scored as events, for aggregates that count them.

use super::rows::Row;
use super::work::Work;
use super::{Host, Lane, Scored};
use crate::failure::RowFailure;
use crate::features::aggregates::{ScoredPlan, ScoredRow};
use crate::features::entities::RequestKeys;
use crate::features::join_key;

/// Notes rows of a batch, by their places. A row with features of its own names nobody.
pub(super) fn note(
    plan: &ScoredPlan,
    lane: &Lane,
    host: &Host,
    work: &Work,
    rows: impl Iterator<Item = (usize, Result<Scored, RowFailure>)>,
) {
    let (known, mut notes) = (lane.rows.borrow(), host.context.scored.borrow_mut());
    for (index, outcome) in rows {
        let row = known.get(work.rows[index]);
        if outcome.is_ok() && !row.has_own_features {
            let keys = &lane.settings.keys;
            plan.note(&NotedRow { row, keys }, work.joined.now_us, &mut notes);
        }
    }
}

/// A row with the keys of its model.
struct NotedRow<'a> {
    row: &'a Row,
    keys: &'a RequestKeys,
}

impl ScoredRow for NotedRow<'_> {
    fn push_key(&self, entity: usize, to: &mut Vec<u8>) {
        match self.keys.entities.get(entity) {
            Some(key) if entity > 0 => join_key(self.row.key_parts.of(key), to),
            _ => to.extend_from_slice(self.row.key.as_bytes()),
        }
    }

    fn key_field(&self, field: usize) -> &[u8] {
        self.row.key_parts.get(field).map_or(&[], |part| part.text.as_bytes())
    }

    fn cell(&self, field: usize) -> f64 {
        self.row.request_cells.get(field).copied().unwrap_or(f64::NAN)
    }
}
