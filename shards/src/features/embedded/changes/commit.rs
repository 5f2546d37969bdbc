//! Appends changes to the log of a table: many requests by one write and one wait for the disk.
//!
//! Processes take turns at a lock for each commit, so that a process which takes over, or a second
//! gateway on the same store, goes on where another ended.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{ChangeBatch, Idempotency, PAYLOAD_BYTES_MAX};
use super::log::{Extent, LogFile, numbers_in, path_of};
use super::remembered::Remembered;
use crate::features::embedded::error::EmbeddedError;
use crate::features::embedded::keyed_hash::KeyedHash;
use crate::features::embedded::snapshot::{Snapshot, Stamp};
use crate::features::embedded::store::EmbeddedStore;
use crate::features::import::now_us;
use crate::features::schema::Schema;

/// What a commit holds the lock of.
pub(in crate::features::embedded) const LOCK: &str = "changes.lock";

/// When a change is said to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Once it is on the disk.
    #[default]
    Disk,
    /// Once the system has it: a process that dies loses nothing, a machine that does the last changes.
    System,
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Its rows were written.
    Written,
    /// They had been written before, by a request with the same `idempotency-key`.
    Repeated,
    /// Another request had the same `idempotency-key`: nothing was written.
    OtherRequest,
    /// The table has other columns than those that the request's rows were made for: nothing was written.
    OtherColumns,
    /// The request is larger than a log takes at once: nothing was written.
    TooLarge,
}

/// Writes the changes of one table.
#[derive(Debug)]
pub struct ChangeWriter {
    store: EmbeddedStore,
    lock: File,
    log: Option<OpenLog>,
    remembered: Remembered,
    frames: Vec<u8>,
}

/// The file that is appended to.
#[derive(Debug)]
struct OpenLog {
    log: Arc<LogFile>,
    /// The same, open for writing.
    file: File,
    end: u64,
    next: u64,
    /// The table's file that its columns are those of.
    base: Stamp,
    buffer: Vec<u8>,
}

impl ChangeWriter {
    /// Will write changes of `store`, a table that something was imported to.
    ///
    /// # Errors
    /// There is no table, or its folder may not be written.
    pub fn open(store: &EmbeddedStore) -> Result<Self, EmbeddedError> {
        store.snapshot()?;
        let lock = lock_file(store.path())?;
        let (store, remembered) = (store.clone(), Remembered::default());
        let mut writer = Self { store, lock, log: None, remembered, frames: Vec::new() };
        // What a process that died has left is said to be committed, or cut, before anybody reads.
        writer.locked(|_| Ok(()))?;
        Ok(writer)
    }

    /// The table's columns, by which batches are to be made.
    ///
    /// # Errors
    /// The table's file cannot be read.
    pub fn schema(&self) -> Result<Schema, EmbeddedError> {
        Ok(self.store.snapshot()?.schema.clone())
    }

    /// Whether anything was ever written to `store` but by imports.
    pub fn is_begun(store: &EmbeddedStore) -> bool {
        numbers_in(store.path()).is_ok_and(|numbers| !numbers.is_empty())
    }

    /// Whether a request with the same `idempotency-key` was committed here of late.
    pub fn has_key_of(&self, idempotency: &Idempotency) -> bool {
        self.remembered.body(idempotency.key).is_some()
    }

    /// How long the log is, in bytes, since it was last merged.
    pub fn log_bytes(&self) -> u64 {
        let folder = self.store.path();
        let numbers = numbers_in(folder).unwrap_or_default();
        let lengths = numbers.iter().filter_map(|number| path_of(folder, *number).metadata().ok());
        lengths.map(|metadata| metadata.len()).sum()
    }

    /// Writes the rows of all `batches`, in this order, and says what became of each. Where it fails
    /// nothing is written.
    ///
    /// # Errors
    /// The log cannot be written: the disk is full, or failed.
    pub fn commit(
        &mut self,
        batches: &[ChangeBatch],
        durability: Durability,
    ) -> Result<Vec<Committed>, EmbeddedError> {
        self.locked(|writer| writer.append(batches, durability))
    }

    /// Does what only one process may do at a time, on the file that is appended to now.
    fn locked<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, EmbeddedError>,
    ) -> Result<T, EmbeddedError> {
        let taken = self.lock.lock();
        taken.map_err(EmbeddedError::io(self.store.path(), "waiting for another writer"))?;
        let done = self.renew().and_then(|()| act(self));
        // It is let go of at the end of the process, if not here.
        let _ = self.lock.unlock();
        done
    }

    /// Sees to it that `self.log` is the file to append to, and knows its end.
    fn renew(&mut self) -> Result<(), EmbeddedError> {
        let base = self.store.snapshot()?;
        if let Some(open) = &mut self.log {
            let extent = open.log.extent();
            let is_there = !extent.is_closed && path_exists(&open.log);
            if is_there && open.base == base.stamp {
                return open.follow(extent, &mut self.remembered);
            }
        }
        self.log = None;
        let numbers = numbers_in(self.store.path())?;
        let newest = numbers.last().map(|number| self.store.log(*number)).transpose()?.flatten();
        for number in &numbers[..numbers.len().saturating_sub(1)] {
            if let Some(log) = self.store.log(*number)? {
                let open = OpenLog::recover(log, &base, &mut self.remembered)?;
                // A process died between the making of the next file and this.
                if !open.log.extent().is_closed {
                    open.close()?;
                }
            }
        }
        let mut open = match newest {
            Some(log) => OpenLog::recover(log, &base, &mut self.remembered)?,
            None => self.begin(0, base.header.changes + 1, &base)?,
        };
        let has_other_columns = open.log.schema != base.schema;
        if has_other_columns || open.log.extent().is_closed || open.next <= base.header.changes {
            let first = open.next.max(base.header.changes + 1);
            let next = self.begin(open.log.number + 1, first, &base)?;
            if !open.log.extent().is_closed {
                open.close()?;
            }
            open = next;
        }
        self.log = Some(open);
        Ok(())
    }

    /// Begins a file of the log.
    fn begin(&self, number: u64, first: u64, base: &Snapshot) -> Result<OpenLog, EmbeddedError> {
        let carried = |hash: &KeyedHash| self.remembered.frames(hash, first, &base.schema);
        let folder = self.store.path();
        let made = LogFile::create(folder, number, first, &base.schema, carried)?;
        drop(made);
        let log = self.store.log(number)?;
        let log = log.ok_or_else(|| EmbeddedError::NoStore { path: folder.to_owned() })?;
        let open = OpenLog::recover(log, base, &mut Remembered::default())?;
        // Readers that know of no log look for one.
        let base = File::options().read(true).write(true).open(self.store.file()).ok();
        EmbeddedStore::supersede(base.as_ref());
        Ok(open)
    }

    fn append(
        &mut self,
        batches: &[ChangeBatch],
        durability: Durability,
    ) -> Result<Vec<Committed>, EmbeddedError> {
        let Some(open) = &mut self.log else { return Ok(Vec::new()) };
        let time_us = now_us();
        let fingerprint = open.log.schema.fingerprint();
        let mut outcomes = Vec::with_capacity(batches.len());
        let (mut next, mut added) = (open.next, Vec::new());
        self.frames.clear();
        for batch in batches {
            let known = batch.idempotency.and_then(|it| {
                let earlier = added.iter().find(|known: &&Idempotency| known.key == it.key);
                let body = earlier.map(|known| known.body).or_else(|| self.remembered.body(it.key));
                body.map(|body| body == it.body)
            });
            let outcome = match known {
                Some(true) => Committed::Repeated,
                Some(false) => Committed::OtherRequest,
                None if batch.fingerprint != fingerprint => Committed::OtherColumns,
                None if batch.bytes.len() > PAYLOAD_BYTES_MAX => Committed::TooLarge,
                None => {
                    batch.encode(&open.log.hash, next, time_us, &mut self.frames);
                    next += 1;
                    added.extend(batch.idempotency);
                    Committed::Written
                }
            };
            outcomes.push(outcome);
        }
        if !self.frames.is_empty() {
            open.write(&self.frames, durability)?;
            open.next = next;
        }
        for it in added {
            self.remembered.remember(it, time_us);
        }
        Ok(outcomes)
    }
}

fn path_exists(log: &LogFile) -> bool {
    log.path.exists()
}

impl OpenLog {
    /// Opens a file to append to it. What follows its last whole frame is cut: a process that died had
    /// not written all of it, and had not said so to anybody.
    fn recover(
        log: Arc<LogFile>,
        base: &Snapshot,
        remembered: &mut Remembered,
    ) -> Result<Self, EmbeddedError> {
        let failed = |operation| EmbeddedError::io(&log.path, operation);
        let file = File::options().read(true).write(true).open(&log.path);
        let file = file.map_err(failed("opening the log for writing"))?;
        let (end, next) = log.scan(|frame| remembered.see(frame))?;
        let extent = log.extent();
        if !extent.is_closed {
            let length = file.metadata().map_or(end, |metadata| metadata.len());
            if length > end {
                file.set_len(end).map_err(failed("cutting the log"))?;
            }
            if extent.end != end {
                // What was found is to be on the disk before anybody acts on it.
                file.sync_data().map_err(failed("writing the log"))?;
                LogFile::publish(&file, Extent { end, is_closed: false })
                    .map_err(failed("writing the log"))?;
            }
        }
        Ok(Self { log, file, end, next, base: base.stamp, buffer: Vec::new() })
    }

    /// Goes on behind what another process has committed meanwhile.
    fn follow(&mut self, extent: Extent, remembered: &mut Remembered) -> Result<(), EmbeddedError> {
        if extent.end == self.end {
            return Ok(());
        }
        let Self { log, end, next, buffer, .. } = self;
        let read = log.read(*end, extent.end, true, buffer, |frame| {
            *next = (*next).max(frame.number + 1);
            remembered.see(frame);
        });
        read.map_err(EmbeddedError::io(&log.path, "reading the log"))?;
        *end = extent.end;
        Ok(())
    }

    fn write(&mut self, frames: &[u8], durability: Durability) -> Result<(), EmbeddedError> {
        let end = self.end + frames.len() as u64;
        let written = self.file.write_all_at(frames, self.end).and_then(|()| match durability {
            Durability::Disk => self.file.sync_data(),
            Durability::System => Ok(()),
        });
        let extent = Extent { end, is_closed: false };
        let written = written.and_then(|()| LogFile::publish(&self.file, extent));
        written.map_err(|source| {
            // It is not said to be committed, and must not be found after a start either.
            let _ = self.file.set_len(self.end);
            EmbeddedError::io(&self.log.path, "writing the log")(source)
        })?;
        self.end = end;
        Ok(())
    }

    fn close(&self) -> Result<(), EmbeddedError> {
        let failed = EmbeddedError::io(&self.log.path, "closing the log");
        // All of it is on the disk, whatever was said of it, before a newer file is.
        let closed = self
            .file
            .sync_data()
            .and_then(|()| LogFile::publish(&self.file, Extent { end: self.end, is_closed: true }));
        closed.map_err(failed)
    }
}

/// Begins a new file of the log where there is one, and returns the number of the last change in those
/// before it, with the number of the new file. For an import, which has the table's turn: it merges them
/// into its file, and every change after them stays over it.
pub(in crate::features::embedded) fn rotate(
    store: &EmbeddedStore,
) -> Result<Option<Rotated>, EmbeddedError> {
    if numbers_in(store.path())?.is_empty() {
        return Ok(None);
    }
    let mut writer = ChangeWriter::open(store)?;

    writer.locked(|writer| {
        let Some(open) = writer.log.take() else { return Ok(None) };
        let last = open.next - 1;
        let base = writer.store.snapshot()?;
        let number = open.log.number;
        if open.next == open.log.first {
            // It has no change: those before it are what there is to merge.
            writer.log = Some(open);
            return Ok(Some(Rotated { last, first_kept: number }));
        }
        // The next file is there before readers are sent to it.
        let next = writer.begin(number + 1, open.next, &base)?;
        open.close()?;
        writer.log = Some(next);
        Ok(Some(Rotated { last, first_kept: number + 1 }))
    })
}

/// What a rotation left to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::features::embedded) struct Rotated {
    /// The last change of the files before.
    pub(in crate::features::embedded) last: u64,
    /// The oldest file that is to be kept.
    pub(in crate::features::embedded) first_kept: u64,
}

/// Removes the files of the log before the one of this number: the table's file has all of them.
pub(in crate::features::embedded) fn forget_before(folder: &Path, first_kept: u64) {
    for number in numbers_in(folder).unwrap_or_default() {
        if number < first_kept {
            // One that stays is skipped by those who read, and removed the next time.
            let _ = std::fs::remove_file(path_of(folder, number));
        }
    }
}

fn lock_file(folder: &Path) -> Result<File, EmbeddedError> {
    let path: PathBuf = folder.join(LOCK);
    let lock = File::open(&path)
        .or_else(|_| File::options().write(true).create(true).truncate(false).open(&path));
    lock.map_err(EmbeddedError::io(&path, "making the lock of changes"))
}
