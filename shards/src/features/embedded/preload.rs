//! Brings the store's file into memory before the first request, and checks all of it: a page that
//! is not there when a look-up needs it stalls the whole core, not only its own request.

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::error::EmbeddedError;
use super::look::RecordsChecked;
use super::store::EmbeddedStore;
use super::walk::Step;

/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 4 << 20;
/// How many rows are visited between two looks at the clock.
const ROWS_BETWEEN_REPORTS: u64 = 1 << 16;

/// How far a preload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreloadProgress {
    /// Bytes read so far.
    pub done_bytes: u64,
    /// Bytes to be read.
    pub total_bytes: u64,
    /// What was found in the rows visited so far; they are visited after the file was read, if all
    /// of it was.
    pub records: RecordsChecked,
    /// Time since the start.
    pub elapsed: Duration,
}

impl PreloadProgress {
    /// Bytes a second so far.
    pub fn bytes_per_second(&self) -> f64 {
        self.done_bytes as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl EmbeddedStore {
    /// Reads the file into memory front to back, at most `limit_bytes` of it; where that is all of
    /// it, checks each row and the index besides, so that every page is mapped too. Reports on the
    /// way, and ends where `goes_on` says so.
    ///
    /// The map is the process's: what one thread visited faults in no other.
    pub fn preload(
        &self,
        limit_bytes: u64,
        mut goes_on: impl FnMut(PreloadProgress) -> bool,
    ) -> Result<PreloadProgress, EmbeddedError> {
        let start = Instant::now();
        let snapshot = self.snapshot()?;
        let file_bytes = snapshot.header.file_bytes;
        let mut progress = PreloadProgress {
            done_bytes: 0,
            total_bytes: file_bytes.min(limit_bytes),
            records: RecordsChecked::default(),
            elapsed: Duration::ZERO,
        };
        let mut chunk = vec![0; CHUNK_BYTES];
        while progress.done_bytes < progress.total_bytes {
            let left = usize::try_from(progress.total_bytes - progress.done_bytes);
            let length = left.unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let read = snapshot
                .file
                .read_at(&mut chunk[..length], progress.done_bytes)
                .map_err(EmbeddedError::io(snapshot.path(), "reading the store"))?;
            if read == 0 {
                break;
            }
            progress.done_bytes += read as u64;
            progress.elapsed = start.elapsed();
            if !goes_on(progress) {
                return Ok(progress);
            }
        }
        if file_bytes <= limit_bytes {
            for step in snapshot.walk() {
                progress.records.rows += 1;
                progress.records.damaged += u64::from(matches!(step, Step::Damaged));
                if progress.records.rows.is_multiple_of(ROWS_BETWEEN_REPORTS) {
                    progress.elapsed = start.elapsed();
                    if !goes_on(progress) {
                        return Ok(progress);
                    }
                }
            }
            progress.records.damaged_buckets = snapshot.damaged_buckets();
            progress.records.damaged_texts = snapshot.damaged_texts();
        }
        progress.elapsed = start.elapsed();
        Ok(progress)
    }
}
