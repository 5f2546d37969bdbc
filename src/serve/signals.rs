//! What an operator asks by signals, and the watch over the shards meanwhile.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context;
use shards::shard::Shutdown;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::fit_watch::FitWatch;
use super::key_rates::KeyRates;
use super::orders::Orders;
use super::report::Reporter;
use super::shard_thread::{News, ShardHandle};
use super::store_watch::StoreWatch;
use super::supervisor::Supervisor;
use super::takeover::offer::Handover;

/// How often signals and shards are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// A shard whose heart stands still for so long is named.
const HEARTBEAT_MAX: Duration = Duration::from_secs(1);

/// The process's signals, and what has been printed for them.
#[derive(Debug)]
pub(crate) struct Waiter {
    signals: std::cell::RefCell<Signals>,
    /// What came and was not yet acted on.
    asked: std::cell::Cell<SignalsSeen>,
    reporter: std::cell::RefCell<Reporter>,
    /// Who is told how the process is, from the same loops.
    pub(super) supervisor: Supervisor,
}

/// Why serving ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The shard that ended by itself, if one did.
    pub(crate) failed: Option<usize>,
}

/// What the signals since the last look ask for.
#[derive(Debug, Clone, Copy, Default)]
struct SignalsSeen {
    stop: Option<i32>,
    report: bool,
    reload: bool,
}

impl Waiter {
    /// Takes over SIGTERM, SIGINT, SIGHUP and SIGUSR1.
    pub(crate) fn register() -> anyhow::Result<Self> {
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])
            .context("signals cannot be handled")?;
        let (asked, reporter) = (SignalsSeen::default().into(), Reporter::default().into());
        let supervisor = Supervisor::of_environment();
        Ok(Self { signals: signals.into(), asked, reporter, supervisor })
    }

    /// The signal to stop that has come, if one has. What else came is kept for later.
    pub(super) fn stop_asked(&self) -> Option<i32> {
        let asked = self.look();
        self.asked.set(asked);
        asked.stop
    }

    fn look(&self) -> SignalsSeen {
        let mut asked = self.asked.take();
        for signal in self.signals.borrow_mut().pending() {
            match signal {
                SIGUSR1 => asked.report = true,
                SIGHUP => asked.reload = true,
                stop => asked.stop = Some(stop),
            }
        }
        asked
    }

    /// Prints histograms if asked; a second signal to stop ends the process at once.
    pub(crate) fn while_draining(&self, shards: &[ShardHandle]) -> Option<ExitCode> {
        let asked = self.look();
        if asked.report {
            self.reporter.borrow_mut().print(shards);
        }
        // How long shards may take now is limited without a supervisor.
        self.supervisor.alive(Duration::ZERO);
        let signal = asked.stop?;
        tracing::warn!("a second signal: ended without waiting for the shards");
        Some(ExitCode::from(128_u8.saturating_add(signal as u8)))
    }
}

/// Waits until a signal says to stop or a shard ends by itself; then every shard is told to stop.
pub(crate) fn serve(
    waiter: &Waiter,
    shards: &[ShardHandle],
    news: &Receiver<(usize, News)>,
    shutdown: &Shutdown,
    orders: &Orders,
    handover: &Handover,
    mut store_watch: StoreWatch,
) -> Outcome {
    let mut watchdog = Watchdog::new(shards);
    let mut fit_watch = FitWatch::default();
    let mut key_rates = KeyRates::default();
    let failed = loop {
        let asked = waiter.look();
        if asked.report {
            waiter.reporter.borrow_mut().print(shards);
        }
        if asked.reload {
            orders.reload();
        }
        if handover.is_taken() {
            tracing::info!("another process has taken over: accepted requests are answered first");
            shutdown.begin_taken_over();
            break None;
        }
        if let Some(signal) = asked.stop {
            tracing::info!(signal, "stopping: accepted requests are answered first");
            break None;
        }
        match news.recv_timeout(LOOK) {
            Ok((index, News::Ended(result))) => {
                let reason = result.err().unwrap_or_else(|| "it ended by itself".to_owned());
                tracing::error!(shard = index, reason, "the shard failed: the others are stopped");
                break Some(index);
            }
            Ok((_, News::Ready)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break None,
        }
        watchdog.look(shards);
        waiter.supervisor.alive(watchdog.longest_still());
        fit_watch.look(shards);
        key_rates.look(shards);
        store_watch.look(shards);
    };
    waiter.supervisor.stopping();
    if handover.end() {
        // Whoever has the sockets is to find them as they are.
        shutdown.leave_listeners();
    }
    shutdown.begin();
    Outcome { failed }
}

/// Names each shard whose heart stands still.
#[derive(Debug)]
struct Watchdog {
    seen: Vec<Pulse>,
}

#[derive(Debug)]
struct Pulse {
    heartbeat: u64,
    since: Instant,
    named: bool,
}

impl Watchdog {
    fn new(shards: &[ShardHandle]) -> Self {
        let pulse = |_: &ShardHandle| Pulse { heartbeat: 0, since: Instant::now(), named: false };
        Self { seen: shards.iter().map(pulse).collect() }
    }

    /// For how long the heart of the shard that stands still longest has not beaten.
    fn longest_still(&self) -> Duration {
        self.seen.iter().map(|pulse| pulse.since.elapsed()).max().unwrap_or_default()
    }

    /// Names each shard whose heart has not beaten for long, once.
    fn look(&mut self, shards: &[ShardHandle]) {
        for (pulse, shard) in self.seen.iter_mut().zip(shards) {
            let heartbeat = shard.shared.telemetry.counters.heartbeat.get();
            if heartbeat != pulse.heartbeat {
                if pulse.named {
                    let stalled_ms = pulse.since.elapsed().as_millis() as u64;
                    tracing::warn!(shard = shard.index, stalled_ms, "the shard is back");
                }
                *pulse = Pulse { heartbeat, since: Instant::now(), named: false };
                continue;
            }
            if !pulse.named && pulse.since.elapsed() > HEARTBEAT_MAX {
                pulse.named = true;
                tracing::error!(shard = shard.index, core = shard.core, "no heartbeat for 1 s");
            }
        }
    }
}
