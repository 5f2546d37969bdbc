//! Keeps the changed rows of one file up with the log beside it.

use std::sync::Arc;

use super::Overlay;
use super::log::{Extent, LogFile, numbers_in};
use super::overlay::positions;
use crate::features::embedded::error::EmbeddedError;
use crate::features::embedded::snapshot::Snapshot;
use crate::features::embedded::store::EmbeddedStore;

/// The changes of a table since its file was written.
#[derive(Debug)]
pub(in crate::features::embedded) struct Changes {
    pub(in crate::features::embedded) overlay: Overlay,
    log: Arc<LogFile>,
    /// Which of the file's columns each of the log's is.
    positions: Vec<Option<usize>>,
    /// Up to where the log has been applied.
    at: u64,
    /// The log's extent when it was looked at last.
    seen: Extent,
    /// The last change, by its number, that is taken.
    until: u64,
    buffer: Vec<u8>,
    /// How many bytes of the log were not as they were written.
    damaged: u64,
}

/// Another file is in the table's place meanwhile: it is to be opened, and its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::features::embedded) struct Superseded;

impl Changes {
    /// The changes of `snapshot`, a file of `store`, up to the one of the number `until`; `None` where
    /// there is no log.
    pub(in crate::features::embedded) fn open(
        store: &EmbeddedStore,
        snapshot: &Snapshot,
        until: u64,
    ) -> Result<Result<Option<Self>, Superseded>, EmbeddedError> {
        let has = snapshot.header.changes;
        let mut first = None;
        let numbers = numbers_in(store.path())?;
        for number in numbers.iter().rev() {
            let Some(log) = store.log(*number)? else { return Ok(Err(Superseded)) };
            let begins = log.first;
            first = Some(log);
            if begins <= has + 1 {
                break;
            }
        }
        let Some(log) = first else { return Ok(Ok(None)) };
        // Older files of the log are gone: a newer file has what they had. One that was moved into its
        // place has not: what is left of the log is newer than it all the same.
        if log.first > has + 1 && !store.is_current(snapshot) {
            return Ok(Err(Superseded));
        }
        let mut changes = Self {
            overlay: Overlay::new(snapshot),
            positions: positions(&log.schema, &snapshot.schema),
            at: log.frames_at,
            seen: Extent { end: 0, is_closed: false },
            until,
            log,
            buffer: Vec::new(),
            damaged: 0,
        };
        Ok(changes.catch_up(store, snapshot)?.map(|()| Some(changes)))
    }

    /// Whether something was committed, or a file closed, since it was caught up with.
    #[inline]
    pub(in crate::features::embedded) fn is_behind(&self) -> bool {
        self.log.extent() != self.seen
    }

    /// How many bytes of the log were not as they were written.
    pub(in crate::features::embedded) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Applies what was committed since.
    pub(in crate::features::embedded) fn catch_up(
        &mut self,
        store: &EmbeddedStore,
        snapshot: &Snapshot,
    ) -> Result<Result<(), Superseded>, EmbeddedError> {
        loop {
            let extent = self.log.extent();
            if extent.end > self.at {
                self.apply(snapshot, extent.end)?;
            }
            self.seen = extent;
            if !extent.is_closed {
                return Ok(Ok(()));
            }
            let Some(next) = store.log(self.log.number + 1)? else { return Ok(Err(Superseded)) };
            self.at = next.frames_at;
            self.positions = positions(&next.schema, &snapshot.schema);
            self.log = next;
        }
    }

    fn apply(&mut self, snapshot: &Snapshot, end: u64) -> Result<(), EmbeddedError> {
        let Self { overlay, log, positions, at, until, buffer, damaged, .. } = self;
        let has = snapshot.header.changes;
        let columns = log.schema.columns();
        let reached = log.read(*at, end, true, buffer, |frame| {
            if frame.number > has && frame.number <= *until {
                overlay.apply(snapshot, frame, columns, positions);
            }
        });
        let reached = reached.map_err(EmbeddedError::io(&log.path, "reading the log"))?;
        *damaged += reached.damaged;
        // What is no frame leads to none: nothing behind it is known until the next file.
        *at = end;
        Ok(())
    }
}
