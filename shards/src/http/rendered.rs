//! A response that has been rendered and not wholly written: it is measured at its end, and noted
//! for the access log.

use std::rc::Rc;

use crate::api::request_rows::RequestRows;
use crate::batch::Lane;
use crate::http::front::Front;
use crate::journal::{AccessFigures, AccessNote, BatchFigures};
use crate::origin::Origin;
use crate::telemetry::Phase;

/// A response that has been rendered and not wholly written.
pub(crate) struct RenderedResponse {
    started_ns: u64,
    status: u16,
    lane: Option<Rc<Lane>>,
    /// For the access log, if it is one of those.
    sampled: Option<Box<SampledRequest>>,
}

/// The part of a sampled request that is kept until its response has been written.
#[derive(Debug, Default)]
struct SampledRequest {
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// Its first user, where users are logged.
    pub(crate) user_id: String,
    /// How many rows it has.
    pub(crate) rows: u32,
    /// The batch of its first row.
    pub(crate) batch: BatchFigures,
}

/// A request whose response has been rendered.
#[derive(Clone, Copy)]
pub(crate) struct Answered<'a> {
    /// When the read that completed it returned, in ns of the shard's clock.
    pub(crate) started_ns: u64,
    /// Where it comes from.
    pub(crate) origin: &'a Origin,
    /// Its rows, if it has any.
    pub(crate) rows: Option<&'a RequestRows>,
}

impl Answered<'_> {
    /// The part of it that the access log has; `with_user` is whether its first user is named.
    fn sample(self, with_user: bool) -> SampledRequest {
        let mut sampled =
            SampledRequest { origin: self.origin.clone(), ..SampledRequest::default() };
        let Some(rows) = self.rows else { return sampled };
        let (lane, first) = rows.first();
        sampled.rows = rows.count() as u32;
        let slots = lane.rows.borrow();
        let row = slots.get(first);
        sampled.batch = row.batch;
        if with_user {
            sampled.user_id.push_str(&row.key);
        }
        sampled
    }
}

impl RenderedResponse {
    /// The response to a request, that was rendered with this status; counts it.
    pub(crate) fn new(answered: Answered<'_>, status: u16, front: &Front) -> Self {
        front.counters().response(status);
        let journal = front.context.journal.as_ref().filter(|journal| journal.samples_next());
        Self {
            started_ns: answered.started_ns,
            status,
            lane: answered.rows.map(|rows| Rc::clone(rows.first().0)),
            sampled: journal.map(|journal| Box::new(answered.sample(journal.access_users))),
        }
    }

    /// Records how long the request took, whose response has been written at `now_ns`, and the
    /// write.
    pub(crate) fn record(&self, front: &Front, now_ns: u64, write_ns: u64) {
        let duration_ns = now_ns.saturating_sub(self.started_ns);
        {
            let mut histograms = match &self.lane {
                Some(lane) => lane.histograms.borrow_mut(),
                None => front.histograms.borrow_mut(),
            };
            histograms.record_request(self.status, duration_ns);
            histograms.record(Phase::Write, write_ns, 1);
        }
        if let Some(sampled) = &self.sampled {
            self.note(sampled, front, duration_ns, write_ns);
        }
    }

    /// Writes a sampled request down.
    fn note(&self, sampled: &SampledRequest, front: &Front, duration_ns: u64, write_ns: u64) {
        let Some(journal) = &front.context.journal else { return };
        let settings = self.lane.as_ref().map(|lane| &lane.settings);
        let SampledRequest { origin, user_id, rows, batch } = sampled;
        let (status, rows, batch) = (self.status, *rows, *batch);
        let note = AccessNote {
            origin,
            user_id,
            model: settings.map(|settings| (settings.model.as_str(), settings.version)),
            figures: AccessFigures { status, duration_ns, write_ns, rows, batch },
        };
        journal.note_access(&note, front.counters());
    }
}
