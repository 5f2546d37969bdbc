//! The parts that the connections of one shard share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::handles::ConnectionHandles;
use super::open_connection::ServeHttp2;
use super::settings::ShardSettings;
use super::shedding::LoadShedding;
use crate::api::Api;
use crate::batch::{Clients, Lanes};
use crate::context::ShardContext;
use crate::executor::runtime::{take_busy_time, wall};
use crate::http1::HttpLimits;
use crate::http1::codings::GzipPacker;
use crate::keys::KeyRing;
use crate::mutation::{Mutation, is_in_force};
use crate::origin::RequestIdMaker;
use crate::telemetry::{Histograms, ShardCounters};
use crate::tls::TlsServer;

const READ_BYTES: usize = 65_536;
/// The most that is kept of a buffer that any connection uses, in bytes.
const SCRATCH_BYTES_MAX: usize = 1_048_576;

/// Buffers that any connection uses within one poll.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) packer: GzipPacker,
}

impl Scratch {
    /// Empties the buffers for responses, and gives back the memory of unusually large ones.
    pub(crate) fn clear(&mut self) {
        for buffer in [&mut self.output, &mut self.body] {
            buffer.clear();
            buffer.shrink_to(SCRATCH_BYTES_MAX);
        }
        self.packer.shrink_to(SCRATCH_BYTES_MAX);
    }
}

/// The parts that the connections of one shard share.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) settings: ShardSettings,
    pub(crate) context: Rc<ShardContext>,
    /// The endpoints.
    pub(crate) api: Api,
    /// Serves connections that speak HTTP/2.
    pub(crate) serve_http2: ServeHttp2,
    pub(crate) request_ids: RequestIdMaker,
    /// The clock at the last tick, in ms. Time limits are counted by it.
    pub(crate) coarse_ms: Cell<u64>,
    pub(crate) handles: ConnectionHandles,
    /// What connections are encrypted by; `None` where they are plain.
    pub(crate) tls: RefCell<Option<TlsServer>>,
    /// The keys that requests need; `None` where they need none.
    pub(crate) keys: RefCell<Option<KeyRing>>,
    /// Decides when connections are read.
    pub(crate) shedding: LoadShedding,
    /// The clock at the last tick, in ns.
    ticked_ns: Cell<u64>,
    /// Of responses without a model; each lane has its own.
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
        serve_http2: ServeHttp2,
    ) -> Rc<Self> {
        let front = Self {
            shedding: LoadShedding::new(settings.refusal_percent_max),
            api: Api::new(Rc::clone(&context), lanes, settings.api_limits()),
            serve_http2,
            settings,
            context,
            request_ids: RequestIdMaker::default(),
            coarse_ms: Cell::new(0),
            handles: ConnectionHandles::default(),
            tls: RefCell::default(),
            keys: RefCell::default(),
            ticked_ns: Cell::default(),
            histograms: RefCell::default(),
            scratch: RefCell::new(Scratch {
                input: vec![0; READ_BYTES],
                output: Vec::new(),
                body: Vec::new(),
                packer: GzipPacker::default(),
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

    /// Whether connections keep more memory together than they may. Slow clients are cut off before
    /// any other is refused for it.
    pub(crate) fn is_memory_scarce(&self) -> bool {
        let limit_bytes = self.limits().buffered_bytes_max;
        let excess_bytes = || {
            let kept_bytes = self.counters().buffered_bytes.get() as usize;
            kept_bytes.saturating_sub(self.handles.leaving_bytes()).saturating_sub(limit_bytes)
        };
        if excess_bytes() == 0 {
            return false;
        }
        // Some more than is needed now, so that the next one does not stand there again.
        self.handles.cut_slow(excess_bytes() + limit_bytes / 8, self.coarse_ms.get());
        excess_bytes() > 0
    }

    /// Has up to `count` waiting connections read, the newest first.
    pub(crate) fn read_newest(&self, count: usize) {
        self.read_waiting(count, |_| self.shedding.newest());
    }

    /// Has up to `count` connections read; `next` names each, by how many came before it.
    fn read_waiting(&self, count: usize, next: impl Fn(usize) -> Option<u32>) {
        if self.shedding.waiting() == 0 {
            return;
        }
        let end_is_gone = !self.limits().answer_half_closed;
        let (mut called, start_ns) = (0, self.context.clock.now_ns());
        while called < count
            && let Some(connection) = next(called)
        {
            called += usize::from(self.handles.call(connection, start_ns, end_is_gone));
        }
        self.shedding.spend(self.context.clock.now_ns().saturating_sub(start_ns));
        self.counters().connections_unread.set(self.shedding.waiting() as u64);
    }

    /// Tells load shedding how busy the shard has been since the last tick.
    pub(crate) fn earn(&self, now_ns: u64) {
        // By the wall: while another process has the core, the shard isn't idle. It is counted from
        // 0 again each time.
        let busy_ns = take_busy_time().as_nanos() as u64;
        let before_ns = self.ticked_ns.replace(now_ns);
        self.shedding.earn(now_ns.saturating_sub(before_ns), busy_ns);
        let shedding = &self.shedding;
        self.read_waiting(shedding.affordable(), |before| match before % 2 {
            0 => shedding.newest(),
            _ => shedding.oldest(),
        });
    }

    pub(crate) fn renew_date(&self) {
        *self.date.borrow_mut() = httpdate::fmt_http_date(wall());
    }
}

impl Clients for Front {
    fn wake(&self, client: u32) {
        if is_in_force(Mutation::DropWake) {
            return;
        }
        self.handles.wake(client);
    }

    fn rows_left(&self, rows: usize) {
        self.read_newest(rows);
    }
}
