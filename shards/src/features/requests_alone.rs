//! In the place of a store, where requests give all that models read.

use std::rc::Rc;

use super::fit::Fetched;
use super::join::JoinPlan;
use super::joined::Joined;
use super::requests::FetchRequests;
use super::schema::Schema;

/// No store: rows are joined from their requests' fields alone.
#[derive(Debug)]
pub(super) struct RequestsAlone {
    schema: Rc<Schema>,
}

impl Default for RequestsAlone {
    fn default() -> Self {
        Self { schema: Rc::new(Schema::none()) }
    }
}

impl RequestsAlone {
    /// The schema without columns.
    pub(super) fn schema(&self) -> Rc<Schema> {
        Rc::clone(&self.schema)
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.schema.fingerprint()
    }

    /// Joins the batch's rows. The status that it gives them is told to nobody: a lane without a
    /// store has no provenance.
    pub(super) fn fetch(
        &self,
        plan: &JoinPlan,
        requests: &FetchRequests,
        now_us: i64,
        joined: &mut Joined,
    ) -> Fetched {
        joined.reset(requests.len(), now_us);
        if plan.schema().fingerprint() != self.fingerprint() {
            return Fetched::SchemaChanged;
        }
        let keys = requests.keys(0);
        for &first in keys.distinct() {
            for row in keys.rows_like(first) {
                plan.first().join_request(requests.cells(row), row, joined);
            }
        }
        Fetched::Joined
    }
}
