//! A response that has been rendered and not wholly written: it is measured at its end, and noted
//! for the access log.

use std::rc::Rc;
use std::time::UNIX_EPOCH;

use crate::api::request_rows::RequestRows;
use crate::batch::Lane;
use crate::executor::runtime::wall;
use crate::http::front::Front;
use crate::journal::{AccessFigures, AccessNote, BatchFigures};
use crate::origin::Origin;
use crate::spans::{OpenSpan, SpanEnd, SpanModel, SpanStart};
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

/// The protocol that a request came by; its place among the words of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Grpc,
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
    /// Its span, where it is recorded.
    pub(crate) span: Option<&'a SpanStart>,
    /// The protocol that it came by.
    pub(crate) protocol: Protocol,
}

impl Answered<'_> {
    /// Its span until its response has been written, where it is recorded.
    fn open_span(self) -> Option<Box<OpenSpan>> {
        let start = self.span?.clone();
        let model = self.rows.map(|rows| {
            let (lane, first) = rows.first();
            SpanModel {
                name: lane.settings.model.as_str().into(),
                version: lane.settings.version,
                rows: rows.count() as u32,
                times: lane.rows.borrow_mut().get_mut(first).times.take(),
            }
        });
        Some(Box::new(OpenSpan { start, model }))
    }

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
        front.counters().protocols[answered.protocol as usize].add(1);
        let journal = front.context.journal.as_ref().filter(|journal| journal.samples_next());
        Self {
            started_ns: answered.started_ns,
            status,
            lane: answered.rows.map(|rows| Rc::clone(rows.first().0)),
            sampled: journal.map(|journal| Box::new(answered.sample(journal.access_users))),
            span: answered.open_span(),
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
    wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
