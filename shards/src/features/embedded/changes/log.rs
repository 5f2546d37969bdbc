//! The files of a log of changes, beside the file of their table: `features.changes.N`, from the oldest
//! that the table's file does not have all of to the one that is written now.
//!
//! ```text
//! 0        header, 64 bytes; at 4,088 the word that says how far it may be read, and whether it is closed
//! 4,096    the columns of its rows, as JSON
//! …        frames
//! ```
//!
//! A file begins whole: it is written under another name and renamed. It only grows, at the word, which
//! follows once what was written is on the disk. One that is closed is never written again.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::array;
use super::frame::{Frame, HEAD_BYTES};
use crate::features::embedded::error::EmbeddedError;
use crate::features::embedded::keyed_hash::KeyedHash;
use crate::features::embedded::layout::{RECORDS_AT, SUPERSEDED_AT};
use crate::features::embedded::map::Map;
use crate::features::schema::Schema;

const PREFIX: &str = "features.changes.";
const MAGIC: [u8; 8] = *b"sg-chang";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 64;
/// The seed of the header's own checksum: the file's is in the header.
const HEADER_SEED: u64 = 0x6368_616e_6765_7300;
/// Says that the next file is written now.
const CLOSED: u64 = 1 << 63;
/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

/// How far a log may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where what was committed ends.
    pub(super) end: u64,
    /// Whether the next file is written now.
    pub(super) is_closed: bool,
}

/// How far frames were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    /// Where the next frame begins.
    pub(super) at: u64,
    /// How many bytes were no frames as they were written.
    pub(super) damaged: u64,
}

/// A file of a log, open for reading.
#[derive(Debug)]
pub(in crate::features::embedded) struct LogFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// The place of the file among those of its table.
    pub(super) number: u64,
    /// The number of its first change.
    pub(super) first: u64,
    pub(super) schema: Schema,
    pub(super) hash: KeyedHash,
    pub(super) frames_at: u64,
    map: Map,
}

/// The numbers of the files of the log in `folder`, the oldest first.
pub(super) fn numbers_in(folder: &Path) -> Result<Vec<u64>, EmbeddedError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(EmbeddedError::io(folder, "listing the store"))?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(EmbeddedError::io(folder, "listing the store"))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Where the file of this number is.
pub(super) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number:010}"))
}

impl LogFile {
    /// Makes the file of this number, whose first change has the number `first`, for rows of `schema`,
    /// with the frames of `carried` in it. It is there whole, and on the disk, or not at all.
    pub(super) fn create(
        folder: &Path,
        number: u64,
        first: u64,
        schema: &Schema,
        carried: impl FnOnce(&KeyedHash) -> Vec<u8>,
    ) -> Result<Self, EmbeddedError> {
        let path = path_of(folder, number);
        let seed = crate::features::embedded::random_seed();
        let columns = serde_json::to_vec(schema).map_err(std::io::Error::from);
        let columns = columns.map_err(EmbeddedError::io(&path, "writing the columns"))?;
        let hash = KeyedHash::new(seed);
        let mut bytes = vec![0; RECORDS_AT as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        let numbers = [seed, first, columns.len() as u64, hash.of(&columns)];
        for (at, value) in numbers.iter().enumerate() {
            bytes[16 + 8 * at..24 + 8 * at].copy_from_slice(&value.to_le_bytes());
        }
        let checksum = KeyedHash::new(HEADER_SEED).checksum(&bytes[16..HEADER_BYTES]);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&columns);
        bytes.extend_from_slice(&carried(&hash));
        let word = bytes.len() as u64;
        bytes[SUPERSEDED_AT as usize..][..8].copy_from_slice(&word.to_le_bytes());
        write_whole(folder, &path, &bytes).map_err(EmbeddedError::io(&path, "making the log"))?;
        let made = Self::open(folder, number)?;
        made.ok_or(EmbeddedError::NotAStore { path })
    }

    /// Opens the file of this number; `None` where there is none.
    pub(in crate::features::embedded) fn open(
        folder: &Path,
        number: u64,
    ) -> Result<Option<Self>, EmbeddedError> {
        let path = path_of(folder, number);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(EmbeddedError::io(&path, "opening the log"))?,
        };
        let damaged = |part| EmbeddedError::LogDamaged { path: path.clone(), part };
        let mut header = [0; HEADER_BYTES];
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if length < RECORDS_AT || file.read_exact_at(&mut header, 0).is_err() {
            return Err(damaged("header"));
        }
        let format = u32::from_le_bytes(array(&header[8..]));
        if header[..8] != MAGIC || format != FORMAT {
            return Err(EmbeddedError::NotAStore { path });
        }
        let checksum = KeyedHash::new(HEADER_SEED).checksum(&header[16..]);
        if u32::from_le_bytes(array(&header[12..])) != checksum {
            return Err(damaged("header"));
        }
        let [seed, first, columns_bytes, columns_hash] =
            [16, 24, 32, 40].map(|at| u64::from_le_bytes(array(&header[at..])));
        let hash = KeyedHash::new(seed);
        if columns_bytes > length - RECORDS_AT {
            return Err(damaged("list of columns"));
        }
        let mut columns = vec![0; columns_bytes as usize];
        let read = file.read_exact_at(&mut columns, RECORDS_AT);
        read.map_err(EmbeddedError::io(&path, "reading the log"))?;
        let schema = serde_json::from_slice(&columns).ok();
        let schema = schema.filter(|_| hash.of(&columns) == columns_hash);
        let schema = schema.ok_or_else(|| damaged("list of columns"))?;
        let map = Map::of(&file, RECORDS_AT as usize)
            .map_err(EmbeddedError::io(&path, "mapping the log into memory"))?;
        let frames_at = RECORDS_AT + columns_bytes;
        Ok(Some(Self { file, path, number, first, schema, hash, frames_at, map }))
    }

    /// How far it may be read.
    #[inline]
    pub(super) fn extent(&self) -> Extent {
        let word = self.map.word().load(Ordering::Acquire);
        Extent { end: word & !CLOSED, is_closed: word & CLOSED != 0 }
    }

    /// Says how far it may be read; `file` is one that may be written.
    pub(super) fn publish(file: &File, extent: Extent) -> std::io::Result<()> {
        let closed = if extent.is_closed { CLOSED } else { 0 };
        file.write_all_at(&(extent.end | closed).to_le_bytes(), SUPERSEDED_AT)
    }

    /// Has `take` see each whole frame from `at` up to `end`. One that is not as it was written is
    /// skipped by what it says of its length, where `skips` says so, else reading ends at it.
    pub(super) fn read(
        &self,
        at: u64,
        end: u64,
        skips: bool,
        buffer: &mut Vec<u8>,
        mut take: impl FnMut(Frame<'_>),
    ) -> std::io::Result<Reached> {
        let (mut at, mut damaged, mut wanted) = (at, 0, HEAD_BYTES);
        while at < end {
            let length = (end - at).min(READ_BYTES.max(wanted) as u64) as usize;
            buffer.resize(length, 0);
            match self.file.read_exact_at(buffer, at) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(Reached { at, damaged: damaged + (end - at) });
                }
                read => read?,
            }
            let mut taken = 0;
            loop {
                let rest = &buffer[taken..];
                let length =
                    if rest.len() < HEAD_BYTES { Some(HEAD_BYTES) } else { Frame::length(rest) };
                // What says no length that can be leads to no further frame.
                let Some(length) = length else {
                    let at = at + taken as u64;
                    return Ok(Reached { at, damaged: damaged + (end - at) });
                };
                wanted = length;
                if rest.len() < length {
                    break;
                }
                match Frame::at(rest, &self.hash) {
                    Some(frame) => take(frame),
                    None if skips => damaged += length as u64,
                    None => return Ok(Reached { at: at + taken as u64, damaged }),
                }
                taken += length;
            }
            at += taken as u64;
            if wanted as u64 > end - at {
                return Ok(Reached { at, damaged: damaged + (end - at) });
            }
        }
        Ok(Reached { at, damaged })
    }

    /// Has `see` see every frame, also those that a process which died had written and not said to be
    /// committed. Returns where the last whole one ends, and the number of the change after it.
    pub(super) fn scan(&self, mut see: impl FnMut(Frame<'_>)) -> Result<(u64, u64), EmbeddedError> {
        let failed = EmbeddedError::io(&self.path, "reading the log");
        let (mut next, mut buffer) = (self.first, Vec::new());
        let mut see = |frame: Frame<'_>| {
            next = next.max(frame.number + 1);
            see(frame);
        };
        let scanned = self.file.metadata().and_then(|metadata| {
            let committed = self.extent().end.max(self.frames_at);
            self.read(self.frames_at, committed, true, &mut buffer, &mut see)?;
            let length = metadata.size().max(committed);
            self.read(committed, length, false, &mut buffer, &mut see)
        });
        let end = scanned.map_err(failed)?.at;
        Ok((end, next))
    }
}

/// Writes a file as a whole under another name, has it on the disk, and gives it its name. It may be
/// read by whom the table's file may.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = folder.join("features.changes.new");
    let _ = std::fs::remove_file(&new);
    let like = std::fs::metadata(folder.join(crate::features::embedded::store::FILE)).ok();
    let file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    if let Some(like) = like {
        let _ = std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()));
        file.set_permissions(std::fs::Permissions::from_mode(like.mode() & 0o777))?;
    }
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}
