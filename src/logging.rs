//! Sets up the log: one line an event that an operator acts on, on stderr, none per request, but for
//! those of an access log.
//!
//! Events that repeat are limited, the newest warnings are kept for the live page, and the filter
//! can be changed while the process runs.

mod fields;

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use shards::escape::escaped;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// How many events of one place in the code pass in a window.
const EVENTS_MAX: u64 = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// The target of the access log: its sample is its limit.
pub(crate) const ACCESS: &str = "access";
/// How many of the newest warnings and errors are kept.
const RECENT_MAX: usize = 50;

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The log while it is being written.
#[derive(Debug, Clone)]
pub(crate) struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
    kept: Kept,
}

/// A warning or an error that was logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RecentEvent {
    time_s: u64,
    level: &'static str,
    text: String,
}

/// What is known of past events, shared between the layer and its readers.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
struct Events {
    recent: VecDeque<RecentEvent>,
    windows: HashMap<Identifier, Window>,
    suppressed: u64,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    events: u64,
    name: &'static str,
}

/// Starts logging what `filter` lets through.
pub(crate) fn start(filter: &str, format: LogFormat) -> anyhow::Result<LogControl> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let kept = Kept::default();
    let lines = tracing_subscriber::fmt::layer()
        // Where nobody reads the log any more, the gateway serves all the same: without this, a
        // line that can't be written is a panic of the thread that logged it.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_target(false).fmt_fields(fields::OneLine).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let log = tracing_subscriber::registry().with(filter).with(kept.clone()).with(lines);
    log.try_init().map_err(|error| anyhow::anyhow!("the log could not be started: {error}"))?;
    Ok(LogControl { filter: handle, kept })
}

fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(filter)
        .map_err(|error| anyhow::anyhow!("log: found `{filter}`, expected a filter: {error}"))
}

impl LogControl {
    /// What is let through now.
    pub(crate) fn filter(&self) -> String {
        self.filter.with_current(ToString::to_string).unwrap_or_default()
    }

    /// Lets through what `filter` says from now on.
    pub(crate) fn set_filter(&self, filter: &str) -> anyhow::Result<()> {
        Ok(self.filter.reload(parse(filter)?)?)
    }

    /// The newest warnings and errors, oldest first.
    pub(crate) fn recent(&self) -> Vec<RecentEvent> {
        self.kept.lock().recent.iter().cloned().collect()
    }

    /// How many events were left out since start.
    pub(crate) fn suppressed(&self) -> u64 {
        self.kept.lock().suppressed
    }

    /// Logs how many events were left out in the windows that have ended. To be called now and
    /// then.
    pub(crate) fn tell_suppressed(&self) {
        let mut ended = Vec::new();
        self.kept.lock().windows.retain(|_, window| {
            let is_over = window.start.elapsed() > WINDOW;
            if is_over && window.events > EVENTS_MAX {
                ended.push((window.name, window.events - EVENTS_MAX));
            }
            !is_over
        });
        for (event, count) in ended {
            tracing::warn!(event, count, "the same event again: left out");
        }
    }
}

impl Kept {
    #[expect(clippy::disallowed_methods, reason = "an event is rare, and so is its reader")]
    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Kept {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if event.metadata().target() == ACCESS {
            return true;
        }
        let mut events = self.lock();
        let fresh = || Window { start: Instant::now(), events: 0, name: event.metadata().name() };
        let window = events.windows.entry(event.metadata().callsite()).or_insert_with(fresh);
        window.events += 1;
        let passes = window.events <= EVENTS_MAX;
        events.suppressed += u64::from(!passes);
        passes
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::WARN {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let text = escaped(&text.0).into_owned();
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut events = self.lock();
        if events.recent.len() >= RECENT_MAX {
            events.recent.pop_front();
        }
        events.recent.push_back(RecentEvent {
            time_s: since.map_or(0, |since| since.as_secs()),
            level: level.as_str(),
            text,
        });
    }
}

/// An event's message, then its fields.
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}
