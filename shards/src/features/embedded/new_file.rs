//! A store's file in the making, beside the one that it will take the place of.
//!
//! It is written by `write`, never through a map: on a full disk a call fails and no signal comes.

use std::fs::{File, Metadata, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::EmbeddedError;
use super::layout::{Header, RECORDS_AT};

/// How much is gathered before it is written.
const BUFFER_BYTES: usize = 1 << 20;

/// A file that is removed unless it is published.
#[derive(Debug)]
pub(super) struct NewFile {
    file: File,
    path: PathBuf,
    /// The end of what was written.
    buffer: Vec<u8>,
    /// Where the buffer's first byte goes.
    buffer_at: u64,
    is_published: bool,
    /// How much the whole file takes at least, for the message of a full disk.
    needed_bytes: u64,
}

impl NewFile {
    /// A file at `path`, in the place of one that an import which died may have left. It may be read
    /// by whom `like` may, which it will take the place of; else by its owner alone.
    pub(super) fn create(
        path: PathBuf,
        like: Option<&Metadata>,
        needed_bytes: u64,
    ) -> Result<Self, EmbeddedError> {
        // One that is left may be somebody else's.
        let _ = std::fs::remove_file(&path);
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600);
        let made = options.open(&path).and_then(|file| {
            if let Some(like) = like {
                // Only root may give a file away; to others it is no harm that they have it.
                let _ = std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()));
                file.set_permissions(Permissions::from_mode(like.mode() & 0o777))?;
            }
            Ok(file)
        });
        let file = made.map_err(EmbeddedError::io(&path, "making the new file"))?;
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Ok(Self { file, path, buffer, buffer_at: RECORDS_AT, is_published: false, needed_bytes })
    }

    /// Where the next byte goes.
    pub(super) fn end(&self) -> u64 {
        self.buffer_at + self.buffer.len() as u64
    }

    /// Puts bytes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), EmbeddedError> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Reads what was appended at `offset` by one call, as much of it as `bytes` takes; false where
    /// the file has less.
    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<bool, EmbeddedError> {
        if let Some(at) = offset.checked_sub(self.buffer_at) {
            let found = self.buffer.get(at as usize..at as usize + bytes.len());
            return Ok(found.is_some_and(|found| {
                bytes.copy_from_slice(found);
                true
            }));
        }
        match self.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(EmbeddedError::io(&self.path, "reading the new file")(error)),
        }
    }

    /// Writes over what was appended at `offset` by one call.
    pub(super) fn replace(&mut self, offset: u64, bytes: &[u8]) -> Result<(), EmbeddedError> {
        if let Some(at) = offset.checked_sub(self.buffer_at) {
            let at = at as usize;
            self.buffer[at..at + bytes.len()].copy_from_slice(bytes);
            return Ok(());
        }
        self.file.write_all_at(bytes, offset).map_err(|source| self.failed(source))
    }

    fn flush(&mut self) -> Result<(), EmbeddedError> {
        let written = self.file.write_all_at(&self.buffer, self.buffer_at);
        written.map_err(|source| self.failed(source))?;
        self.buffer_at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left and the header, has all of it on the disk, and puts the file in the place
    /// of `target`, at once.
    pub(super) fn publish(mut self, header: &Header, target: &Path) -> Result<(), EmbeddedError> {
        self.flush()?;
        let written =
            self.file.write_all_at(&header.encode(), 0).and_then(|()| self.file.sync_all());
        written.map_err(|source| self.failed(source))?;
        std::fs::rename(&self.path, target)
            .map_err(EmbeddedError::io(target, "putting the new file in its place"))?;
        self.is_published = true;
        // What a power failure may undo otherwise is the name, not the file.
        let folder = target.parent().map(File::open);
        let synced = folder.map_or(Ok(()), |folder| folder.and_then(|folder| folder.sync_all()));
        synced.map_err(EmbeddedError::io(target, "writing the folder"))
    }

    /// Says of a full disk what it takes; the file is removed first, as it will be anyway.
    fn failed(&self, source: Error) -> EmbeddedError {
        let is_full = matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        if !is_full {
            return EmbeddedError::io(&self.path, "writing the new file")(source);
        }
        let folder = self.path.parent().unwrap_or(&self.path);
        // What was written takes room until the file is closed, too.
        let _ = self.file.set_len(0);
        EmbeddedError::Full {
            path: folder.to_owned(),
            written_bytes: self.end(),
            needed_bytes: self.needed_bytes.max(self.end()),
            free_bytes: free_bytes(folder).unwrap_or(0),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// How much an ordinary user may still write to the file system of `folder`.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero byte, and `found` has room for what is written to it.
    let result = unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) };
    // SAFETY: the call succeeded, so it has filled `found`.
    let found = (result == 0).then(|| unsafe { found.assume_init() })?;
    #[allow(clippy::useless_conversion, reason = "the types differ between systems")]
    Some(u64::from(found.f_bavail).saturating_mul(u64::from(found.f_frsize)))
}
