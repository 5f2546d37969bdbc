//! The file that is appended to: whole lines, whatever the disk says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Instant;

/// The file that is appended to. It is removed where nothing was written to it.
#[derive(Debug)]
pub(super) struct Newest {
    file: File,
    pub(super) path: PathBuf,
    /// What it holds.
    pub(super) bytes: u64,
    /// When it was made.
    pub(super) since: Instant,
    /// Whether its last line could not be cut off.
    pub(super) is_torn: bool,
}

impl Newest {
    /// A new file, for its owner alone.
    pub(super) fn create(path: PathBuf, now: Instant) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path, bytes: 0, since: now, is_torn: false })
    }

    /// Appends lines, or as many whole ones as there is room for.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < lines.len() {
            match self.file.write(&lines[written..]) {
                Ok(more) if more > 0 => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => {
                    let newline = lines[..written].iter().rposition(|byte| *byte == b'\n');
                    let whole = newline.map_or(0, |last| last + 1);
                    self.bytes += whole as u64;
                    self.is_torn = whole < written && self.file.set_len(self.bytes).is_err();
                    return Err(outcome.err().unwrap_or_else(|| ErrorKind::WriteZero.into()));
                }
            }
        }
        self.bytes += written as u64;
        Ok(())
    }
}

#[cfg(test)]
impl Newest {
    /// Writes to `file` from now on; returns what it wrote to.
    pub(super) fn replace_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

impl Drop for Newest {
    fn drop(&mut self) {
        if self.bytes == 0 {
            // It is pruned by its age otherwise.
            let _ = fs::remove_file(&self.path);
        }
    }
}
