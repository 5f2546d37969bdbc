//! Puts into files what the shards write down: the prediction log.
//!
//! One thread of the process, off the shards' cores, takes what each shard hands over, makes a
//! [`line`](mod@line) of each row, and appends it to the newest of the [`files`]. [`settings`] is
//! what the configuration says of it, and [`users`] how a user is named there.
//!
//! What is *not* here: when a row is written down and what happens if there is no room, which is
//! the shard's (`shards::journal`); and reading the files, which `shardgate replay` does.

mod files;
pub(crate) mod line;
pub(crate) mod settings;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use shards::journal::{BatchEntry, Entries, Entry};
use shards::shard::ShardShared;
use shards::telemetry::Counter;

use self::files::Files;
use self::line::Line;
use self::settings::PredictionLog;
use self::users::Users;
use crate::quiet;

/// How often the shards are looked at; a shard hands over about a hundred times a second.
const LOOK: Duration = Duration::from_millis(20);
/// How much text is gathered for one write.
const WRITE_BYTES: usize = 262_144;
/// How long the last lines may take to be written when the process ends.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What was written, for `/metrics`; counted by the writing thread alone.
#[derive(Debug, Default)]
pub(crate) struct JournalCounters {
    /// Bytes in files.
    pub(crate) bytes: Counter,
    /// Lines that could not be written.
    pub(crate) lines_lost: Counter,
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
    files: Files,
    users: Users,
    text: Vec<u8>,
    lines: u64,
    counters: Arc<JournalCounters>,
}

impl Writer {
    /// Opens the first file: a folder that cannot be written to is told at start.
    pub(crate) fn open(log: &PredictionLog) -> anyhow::Result<Self> {
        let files = Files::open(log, SystemTime::now()).with_context(|| {
            format!("{}: the prediction log cannot be written there", log.folder.display())
        })?;
        let users = Users::of(log)?;
        Ok(Self { files, users, text: Vec::new(), lines: 0, counters: Arc::default() })
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
                        self.append(index, &buffer);
                    }
                }
                self.files.look(SystemTime::now());
                if last {
                    return;
                }
                std::thread::park_timeout(LOOK);
            }
        })?;
        Ok(JournalThread { counters, told_to_stop, thread })
    }

    /// Writes what a shard handed over.
    fn append(&mut self, shard: usize, buffer: &[u8]) {
        let mut batch = None::<BatchEntry<'_>>;
        let mut entries = Entries::new(buffer);
        for entry in entries.by_ref() {
            match (entry, &batch) {
                (Entry::Batch(next), _) => batch = Some(next),
                (Entry::Row(row), Some(batch)) => {
                    Line::new(shard, batch, &row, &self.users).write(&mut self.text);
                    self.lines += 1;
                    if self.text.len() >= WRITE_BYTES {
                        self.flush();
                    }
                }
                (Entry::Row(_), None) => {}
            }
        }
        if entries.rest_bytes() > 0 {
            tracing::error!(shard, bytes = entries.rest_bytes(), "the journal is not readable");
        }
        self.flush();
    }

    fn flush(&mut self) {
        match self.files.write(&self.text, SystemTime::now()) {
            Ok(()) => self.counters.bytes.add(self.text.len() as u64),
            Err(error) => {
                self.counters.lines_lost.add(self.lines);
                tracing::error!(%error, lines = self.lines, "predictions were not logged");
            }
        }
        self.text.clear();
        self.lines = 0;
    }
}

impl JournalThread {
    /// Waits until what the shards handed over is in files. To be called after they ended.
    pub(crate) fn finish(self) {
        self.told_to_stop.store(true, Ordering::Release);
        let give_up = Instant::now() + STOP_MAX;
        while !self.thread.is_finished() {
            if Instant::now() >= give_up {
                tracing::error!("the last predictions are not in their file: it takes too long");
                return;
            }
            self.thread.thread().unpark();
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}
