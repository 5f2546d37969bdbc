//! What the connections of one shard share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::SystemTime;

use super::intake::Intake;
use super::links::Links;
use super::settings::ShardSettings;
use crate::api::Api;
use crate::batch::{Clients, Lanes};
use crate::context::ShardContext;
use crate::executor::runtime::take_busy_time;
use crate::http1::HttpLimits;
use crate::origin::RequestIdMaker;
use crate::telemetry::{Histograms, ShardCounters};

const READ_BYTES: usize = 65_536;
/// What is kept of a buffer that any connection uses.
const SCRATCH_BYTES_MAX: usize = 1_048_576;

/// Buffers that any connection uses within one poll.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Scratch {
    /// Empties what answers are made in, and gives back what unusually large ones took.
    pub(crate) fn clear(&mut self) {
        for buffer in [&mut self.output, &mut self.body] {
            buffer.clear();
            buffer.shrink_to(SCRATCH_BYTES_MAX);
        }
    }
}

/// What the connections of one shard share.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) settings: ShardSettings,
    pub(crate) context: Rc<ShardContext>,
    /// What may be asked.
    pub(crate) api: Api,
    pub(crate) request_ids: RequestIdMaker,
    /// The clock at the last tick, in ms; what time limits are counted by.
    pub(crate) coarse_ms: Cell<u64>,
    pub(crate) links: Links,
    /// When connections are read.
    pub(crate) intake: Intake,
    /// The clock at the last tick, in ns.
    ticked_ns: Cell<u64>,
    /// Of answers that no model was asked for; each lane has its own.
    pub(crate) histograms: RefCell<Histograms>,
    pub(crate) scratch: RefCell<Scratch>,
    /// The `Date` field's value, renewed each second.
    pub(crate) date: RefCell<String>,
}

impl Front {
    pub(crate) fn new(
        settings: ShardSettings,
        context: Rc<ShardContext>,
        lanes: Rc<Lanes>,
    ) -> Rc<Self> {
        let front = Self {
            intake: Intake::new(settings.refusal_percent_max),
            api: Api::new(Rc::clone(&context), lanes, settings.api_limits()),
            settings,
            context,
            request_ids: RequestIdMaker::default(),
            coarse_ms: Cell::new(0),
            links: Links::default(),
            ticked_ns: Cell::default(),
            histograms: RefCell::default(),
            scratch: RefCell::new(Scratch {
                input: vec![0; READ_BYTES],
                output: Vec::new(),
                body: Vec::new(),
            }),
            date: RefCell::default(),
        };
        front.renew_date();
        Rc::new(front)
    }

    pub(crate) fn counters(&self) -> &ShardCounters {
        self.context.counters()
    }

    pub(crate) fn limits(&self) -> &HttpLimits {
        &self.settings.http
    }

    /// Whether connections keep more memory together than they may. Clients that are slow are cut
    /// off before anybody else is refused for it.
    pub(crate) fn is_memory_scarce(&self) -> bool {
        let limit_bytes = self.limits().buffered_bytes_max;
        let excess_bytes = || {
            let kept_bytes = self.counters().buffered_bytes.get() as usize;
            kept_bytes.saturating_sub(self.links.leaving_bytes()).saturating_sub(limit_bytes)
        };
        if excess_bytes() == 0 {
            return false;
        }
        // Some more than is needed now, so that the next one does not stand there again.
        self.links.cut_slow(excess_bytes() + limit_bytes / 8, self.coarse_ms.get());
        excess_bytes() > 0
    }

    /// Lets so many of the connections be read that wait for it and came last.
    pub(crate) fn read_newest(&self, count: usize) {
        self.read_waiting(count, |_| self.intake.newest());
    }

    /// Lets so many connections be read; `next` says which, by how many were before it.
    fn read_waiting(&self, count: usize, next: impl Fn(usize) -> Option<u32>) {
        if self.intake.waiting() == 0 {
            return;
        }
        let end_is_gone = !self.limits().answer_half_closed;
        let (mut called, start_ns) = (0, self.context.clock.now_ns());
        while called < count
            && let Some(connection) = next(called)
        {
            called += usize::from(self.links.call(connection, start_ns, end_is_gone));
        }
        self.intake.spend(self.context.clock.now_ns().saturating_sub(start_ns));
        self.counters().connections_unread.set(self.intake.waiting() as u64);
    }

    /// Tells the intake how busy the shard has been since the last tick.
    pub(crate) fn earn(&self, now_ns: u64) {
        // By the wall: while another process has the core, the shard isn't idle. It is counted from 0
        // again each time.
        let busy_ns = take_busy_time().as_nanos() as u64;
        let before_ns = self.ticked_ns.replace(now_ns);
        self.intake.earn(now_ns.saturating_sub(before_ns), busy_ns);
        let intake = &self.intake;
        self.read_waiting(intake.affordable(), |before| match before % 2 {
            0 => intake.newest(),
            _ => intake.oldest(),
        });
    }

    pub(crate) fn renew_date(&self) {
        *self.date.borrow_mut() = httpdate::fmt_http_date(SystemTime::now());
    }
}

impl Clients for Front {
    fn wake(&self, client: u32) {
        self.links.wake(client);
    }

    fn rows_left(&self, rows: usize) {
        self.read_newest(rows);
    }
}
