//! Puts where it belongs what the shards write down: the prediction log and the access log.
//!
//! One thread of the process, off the shards' cores, takes what each shard hands over. Of a row
//! that was scored, [`predictions`] makes a [`line`](mod@line) and appends it to the [`newest`] of the
//! [`files`], of which [`retention`] says how many there may be; of a request that was sampled, [`access`] makes an event of the log. [`settings`] is
//! what the configuration says of both, and [`users`] how a user is named in the former,
//! by a key of its own where [`user_keys`] can destroy it.
//!
//! What is *not* here: when something is written down and what happens if there is no room, which
//! is the shard's (`shards::journal`); and reading the files, which `shardgate replay` does.

mod access;
mod clock;
mod files;
pub(crate) mod line;
mod newest;
mod predictions;
mod retention;
pub(crate) mod settings;
pub(crate) mod user_keys;
mod users;
pub(crate) mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shards::journal::{BatchEntry, Entries, Entry};
use shards::shard::ShardShared;
use shards::telemetry::Counter;

use self::predictions::Predictions;
use self::settings::Journals;
use self::user_keys::UserKeys;
use crate::quiet;

/// How often the shards are looked at; a shard hands over about a hundred times a second.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last lines may take to be written when the process ends.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What was written, for `/metrics`; counted by the writing thread alone.
#[derive(Debug, Default)]
pub(crate) struct JournalCounters {
    /// Bytes in files.
    pub(crate) bytes: Counter,
    /// Lines that could not be written.
    pub(crate) lines_lost: Counter,
    /// Files that were removed before they were too old, as there was too much.
    pub(crate) files_removed_early: Counter,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct JournalThread {
    /// What it has written.
    pub(crate) counters: Arc<JournalCounters>,
    told_to_stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct Writer {
    predictions: Option<Predictions>,
    counters: Arc<JournalCounters>,
}

impl Writer {
    /// Opens what is to be written to; `None` where nothing is.
    pub(crate) fn open(journals: &Journals) -> anyhow::Result<Option<Self>> {
        if journals.is_empty() {
            return Ok(None);
        }
        let counters = Arc::<JournalCounters>::default();
        let open = |log| Predictions::open(log, Arc::clone(&counters));
        let predictions = journals.predictions.as_ref().map(open).transpose()?;
        Ok(Some(Self { predictions, counters }))
    }

    /// The keys of users, where each has one.
    pub(crate) fn user_keys(&self) -> Option<UserKeys> {
        self.predictions.as_ref().and_then(Predictions::user_keys)
    }

    /// Starts the thread, away from the cores of the shards.
    pub(crate) fn start(
        mut self,
        shards: Vec<Arc<ShardShared>>,
        cores: Vec<usize>,
    ) -> std::io::Result<JournalThread> {
        let told_to_stop = Arc::new(AtomicBool::new(false));
        let (counters, told) = (Arc::clone(&self.counters), Arc::clone(&told_to_stop));
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
            quiet::keep_out_of_the_way(&cores);
            let mut buffer = Vec::new();
            loop {
                // Looked at first: what the shards had left by then is written all the same.
                let last = told.load(Ordering::Acquire);
                for (index, shard) in shards.iter().enumerate() {
                    while shard.journal.take(&mut buffer) {
                        self.write(index, &buffer);
                    }
                }
                if let Some(predictions) = &mut self.predictions {
                    predictions.look();
                }
                if last {
                    return;
                }
                std::thread::park_timeout(LOOK);
            }
        })?;
        Ok(JournalThread { counters, told_to_stop, thread })
    }

    /// Writes what a shard handed over.
    fn write(&mut self, shard: usize, buffer: &[u8]) {
        let mut batch = None::<BatchEntry<'_>>;
        let mut entries = Entries::new(buffer);
        for entry in entries.by_ref() {
            match entry {
                Entry::Batch(next) => batch = Some(next),
                Entry::Row(row) => {
                    if let (Some(predictions), Some(batch)) = (&mut self.predictions, &batch) {
                        predictions.take(shard, batch, &row);
                    }
                }
                Entry::Access(entry) => access::log(shard, &entry),
            }
        }
        if entries.rest_bytes() > 0 {
            tracing::error!(shard, bytes = entries.rest_bytes(), "the journal is not readable");
        }
        if let Some(predictions) = &mut self.predictions {
            predictions.flush();
        }
    }
}

impl JournalThread {
    /// Waits until what the shards handed over is written. To be called after they ended.
    pub(crate) fn finish(self) {
        self.told_to_stop.store(true, Ordering::Release);
        let give_up = Instant::now() + STOP_MAX;
        while !self.thread.is_finished() {
            if Instant::now() >= give_up {
                tracing::error!("the last lines of the logs are not written: it takes too long");
                return;
            }
            self.thread.thread().unpark();
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}
