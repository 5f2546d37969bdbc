//! Sends the spans of requests to a collector, by OTLP over HTTP.
//!
//! One thread of the process, off the shards' cores, takes what each shard hands over, makes spans of
//! it ([`encode`]) and posts them in batches ([`client`]). A collector that does not answer costs
//! spans, which are counted, and nothing else. [`settings`] is what the configuration says.
//!
//! What is *not* here: which requests are recorded, which is the shard's (`shards::spans`).

mod client;
mod encode;
pub(crate) mod settings;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shards::shard::ShardShared;
use shards::spans::RequestSpan;
use shards::telemetry::Counter;

use self::client::{Client, Sent};
use self::settings::OtlpSettings;
use crate::quiet;

/// How often the shards are looked at; a shard hands over about a hundred times a second.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last spans may take to be sent when the process ends.
const STOP_MAX: Duration = Duration::from_secs(3);
/// How many requests are sent at once.
const BATCH_MAX: usize = 512;
/// How many requests wait for a collector that does not take them; beyond it the oldest are dropped.
const WAITING_MAX: usize = 8_192;
/// How long to leave alone a collector that did not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// What was sent, for `/metrics`; counted by the sending thread alone.
#[derive(Debug, Default)]
pub(crate) struct SpanCounters {
    /// Requests whose spans the collector took.
    pub(crate) sent: Counter,
    /// Requests whose spans it did not take.
    pub(crate) lost: Counter,
}

/// A request of a shard, by the shard's number.
type OfShard = (usize, RequestSpan);

/// The thread that sends.
#[derive(Debug)]
pub(crate) struct Exporter {
    /// What it has sent.
    pub(crate) counters: Arc<SpanCounters>,
    told_to_stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
struct Sender {
    client: Client,
    resource: encode::Resource,
    interval: Duration,
    counters: Arc<SpanCounters>,
    waiting: VecDeque<OfShard>,
    /// When the next batch is due, full or not.
    due: Instant,
    /// Whether the collector took the last batch.
    is_well: bool,
}

/// Starts the thread, away from the cores of the shards.
pub(crate) fn start(
    settings: &OtlpSettings,
    shards: Vec<Arc<ShardShared>>,
    cores: Vec<usize>,
) -> anyhow::Result<Option<Exporter>> {
    let Some(client) = Client::of(settings)? else { return Ok(None) };
    let counters = Arc::<SpanCounters>::default();
    let told_to_stop = Arc::new(AtomicBool::new(false));
    let interval = Duration::from_millis(settings.interval_ms.max(1));
    let mut sender = Sender {
        client,
        resource: encode::Resource::new(&settings.service_name),
        interval,
        counters: Arc::clone(&counters),
        waiting: VecDeque::new(),
        due: Instant::now() + interval,
        is_well: true,
    };
    let told = Arc::clone(&told_to_stop);
    let thread = std::thread::Builder::new().name("otlp".to_owned()).spawn(move || {
        quiet::keep_out_of_the_way(&cores);
        let mut taken = Vec::new();
        loop {
            // Looked at first: what the shards had left by then is sent all the same.
            let is_last = told.load(Ordering::Acquire);
            for (index, shard) in shards.iter().enumerate() {
                while shard.spans.take(&mut taken) {
                    sender.waiting.extend(taken.drain(..).map(|span| (index, span)));
                }
            }
            sender.work(is_last);
            if is_last {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
    })?;
    Ok(Some(Exporter { counters, told_to_stop, thread }))
}

impl Sender {
    /// Sends what is due: full batches, and where the time has come or `is_last`, all.
    fn work(&mut self, is_last: bool) {
        let excess = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..excess);
        self.counters.lost.add(excess as u64);
        let is_due = Instant::now() >= self.due;
        let is_full = self.is_well && self.waiting.len() >= BATCH_MAX;
        if !(is_last || is_due || is_full) {
            return;
        }
        self.due = Instant::now() + self.interval;
        let counters = Arc::clone(&self.counters);
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(BATCH_MAX);
            let batch = &self.waiting.make_contiguous()[..count];
            let sent = self.client.post(&encode::request(&self.resource, batch));
            let (is_done, counter) = match &sent {
                Sent::Taken => (true, &counters.sent),
                Sent::Refused(_) => (true, &counters.lost),
                Sent::Unanswered(_) => (false, &counters.lost),
            };
            self.tell(&sent);
            if !is_done {
                // They are tried again, while there is room for them.
                if is_last {
                    counter.add(self.waiting.len() as u64);
                }
                self.due = Instant::now() + self.interval.max(PAUSE);
                return;
            }
            counter.add(count as u64);
            self.waiting.drain(..count);
        }
    }

    /// Says once that the collector does not take spans, and once that it does again.
    fn tell(&mut self, sent: &Sent) {
        let was_well = std::mem::replace(&mut self.is_well, matches!(sent, Sent::Taken));
        let endpoint = self.client.endpoint();
        match sent {
            Sent::Taken if !was_well => tracing::info!(endpoint, "the collector takes spans again"),
            Sent::Refused(reason) | Sent::Unanswered(reason) if was_well => {
                tracing::warn!(endpoint, reason, "the collector does not take spans");
            }
            _ => {}
        }
    }
}

impl Exporter {
    /// Waits until what the shards handed over is sent. To be called after they ended.
    pub(crate) fn finish(self) {
        self.told_to_stop.store(true, Ordering::Release);
        let give_up = Instant::now() + STOP_MAX;
        while !self.thread.is_finished() && Instant::now() < give_up {
            self.thread.thread().unpark();
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}
