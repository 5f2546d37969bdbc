//! Brings the store's file into memory before the first request: a page that is not there when a
//! lookup needs it stalls the whole core, not only its own request.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use super::store::{EmbeddedError, EmbeddedStore};

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
    /// Rows visited so far; they are visited after the file was read, if all of it was.
    pub rows: u64,
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
    /// How long the store's file is, in bytes.
    pub fn file_bytes(&self) -> Result<u64, EmbeddedError> {
        self.env.real_disk_size().map_err(self.failed("reading the file's size"))
    }

    /// Reads the file into memory front to back, at most `limit_bytes` of it; where that is all of
    /// it, visits each row besides, so that every page is mapped too. Reports on the way.
    ///
    /// The map is the process's: what one thread visited faults in no other.
    pub fn preload(
        &self,
        limit_bytes: u64,
        mut report: impl FnMut(PreloadProgress),
    ) -> Result<PreloadProgress, EmbeddedError> {
        let start = Instant::now();
        let file_bytes = self.file_bytes()?;
        let mut progress = PreloadProgress {
            done_bytes: 0,
            total_bytes: file_bytes.min(limit_bytes),
            rows: 0,
            elapsed: Duration::ZERO,
        };
        let failed = |source| EmbeddedError::Folder { path: self.path().to_owned(), source };
        let file = File::open(self.path().join("data.mdb")).map_err(failed)?;
        let mut file = file.take(progress.total_bytes);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk).map_err(failed)?;
            if read == 0 {
                break;
            }
            progress.done_bytes += read as u64;
            progress.elapsed = start.elapsed();
            report(progress);
        }
        if file_bytes <= limit_bytes {
            self.for_each(|_, record| {
                std::hint::black_box(record.last_updated_us());
                progress.rows += 1;
                if progress.rows.is_multiple_of(ROWS_BETWEEN_REPORTS) {
                    progress.elapsed = start.elapsed();
                    report(progress);
                }
            })?;
        }
        progress.elapsed = start.elapsed();
        Ok(progress)
    }
}
