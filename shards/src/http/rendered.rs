//! A response that has been rendered and not wholly written: it is measured at its end, and noted
//! for the access log.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::pending_response::PendingResponse;
use crate::batch::Lane;
use crate::http::front::Front;
use crate::journal::{AccessFigures, AccessNote, BatchFigures};
use crate::origin::Origin;
use crate::spans::{OpenSpan, SpanEnd};
use crate::telemetry::Phase;

/// A response that has been rendered and not wholly written.
pub(crate) struct RenderedResponse {
    started_ns: u64,
    status: u16,
    lane: Option<Rc<Lane>>,
    /// For the access log, if it is one of those.
    sampled: Option<Box<SampledRequest>>,
    /// Its span, where it is recorded.
    span: Option<Box<OpenSpan>>,
}

/// The part of a sampled request that is kept until its response has been written.
#[derive(Debug, Default)]
pub(crate) struct SampledRequest {
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// Its first user, where users are logged.
    pub(crate) user_id: String,
    /// How many rows it has.
    pub(crate) rows: u32,
    /// The batch of its first row.
    pub(crate) batch: BatchFigures,
}

impl RenderedResponse {
    /// A response that was rendered with this status; counts it.
    pub(crate) fn new(response: &mut PendingResponse, status: u16, front: &Front) -> Self {
        front.counters().response(status);
        let span = response.span.take();
        let model = span.is_some().then(|| response.span_model()).flatten();
        let journal = front.context.journal.as_ref().filter(|journal| journal.samples_next());
        Self {
            started_ns: response.started_ns,
            status,
            lane: response.lane(),
            sampled: journal.map(|journal| Box::new(response.sample(journal.access_users))),
            span: span.map(|start| Box::new(OpenSpan { start: *start, model })),
        }
    }

    /// Records how long the request took, whose response has been written at `now_ns`, and the
    /// write.
    pub(crate) fn record(mut self, front: &Front, now_ns: u64, write_ns: u64) {
        let duration_ns = now_ns.saturating_sub(self.started_ns);
        let status = self.status;
        let ended = self.span.take().map(|span| {
            (span, SpanEnd { now_ns, unix_ns: unix_ns(), duration_ns, write_ns, status })
        });
        {
            let mut histograms = match &self.lane {
                Some(lane) => lane.histograms.borrow_mut(),
                None => front.histograms.borrow_mut(),
            };
            histograms.record_request(self.status, duration_ns);
            if let Some((span, end)) = &ended {
                let trace_id = span.start.trace_id;
                histograms.record_exemplar(self.status, duration_ns, trace_id, end.unix_ns);
            }
            histograms.record(Phase::Write, write_ns, 1);
        }
        if let (Some((span, end)), Some(tracer)) = (ended, &front.context.tracer) {
            let counters = front.counters();
            if tracer.end(span.end(end)) {
                counters.spans_recorded.add(1);
            } else {
                counters.spans_dropped.add(1);
            }
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

fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
