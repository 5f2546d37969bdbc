//! What a file's bytes are before they are lines: compressed by gzip or zstd, which their first bytes
//! say, and text in UTF-8, in UTF-16 or in windows-1252.
//!
//! What is *not* here: what the text means (`dialect`, `records`).

mod transcode;
mod zstd;

use std::fmt;
use std::io::{self, Cursor, Read};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use self::transcode::Transcoded;
use self::zstd::ZstdFrames;
use super::notes::ImportNote;

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// How many bytes say what a file is.
const MAGIC_BYTES: usize = 4;

/// How the text of a file is written in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, the lower byte first.
    Utf16Le,
    /// UTF-16, the higher byte first.
    Utf16Be,
    /// What Excel and many databases call Latin-1 or ANSI.
    Windows1252,
}

/// Words that name an encoding, lower case, without `-` and `_`.
const ENCODINGS: [(&str, Encoding); 10] = [
    ("utf8", Encoding::Utf8),
    ("utf16", Encoding::Utf16Le),
    ("utf16le", Encoding::Utf16Le),
    ("utf16be", Encoding::Utf16Be),
    ("windows1252", Encoding::Windows1252),
    ("cp1252", Encoding::Windows1252),
    ("latin1", Encoding::Windows1252),
    ("iso88591", Encoding::Windows1252),
    ("ansi", Encoding::Windows1252),
    ("ascii", Encoding::Utf8),
];

/// A word that names no encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no encoding that is read: utf-8, utf-16le, utf-16be, windows-1252 (latin-1)")]
pub struct UnknownEncoding {
    /// The word.
    pub word: String,
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let plain = word.to_ascii_lowercase().replace(['-', '_'], "");
        let known = ENCODINGS.iter().find(|(name, _)| *name == plain);
        known
            .map(|(_, encoding)| *encoding)
            .ok_or_else(|| UnknownEncoding { word: word.to_owned() })
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Windows1252 => "windows-1252",
        })
    }
}

/// A file's text in UTF-8.
pub(super) struct Decoded<R: Read> {
    text: Transcoded<Plain<R>>,
    bytes_read: Arc<AtomicU64>,
    notes: Vec<ImportNote>,
}

impl<R: Read> Decoded<R> {
    /// Looks at the first bytes of `input`. Without `asked`, a byte-order mark says the encoding.
    pub(super) fn open(input: R, asked: Option<Encoding>) -> io::Result<Self> {
        let bytes_read = Arc::default();
        let mut input = Counted { inner: input, bytes_read: Arc::clone(&bytes_read) };
        let magic = first_bytes(&mut input)?;
        let mut notes = Vec::new();
        let is_compressed = |start: &[u8]| magic.starts_with(start);
        let (is_gzip, is_zstd) = (is_compressed(GZIP), is_compressed(ZSTD));
        let input = Cursor::new(magic).chain(input);
        let mut plain = if is_gzip {
            notes.push(ImportNote::Compressed { by: "gzip" });
            Plain::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else if is_zstd {
            notes.push(ImportNote::Compressed { by: "zstd" });
            Plain::Zstd(Box::new(ZstdFrames::new(input)))
        } else {
            Plain::AsItIs(input)
        };
        let start = first_bytes(&mut plain)?;
        let marked = match start[..] {
            [0xff, 0xfe, ..] => Some(Encoding::Utf16Le),
            [0xfe, 0xff, ..] => Some(Encoding::Utf16Be),
            _ => None,
        };
        let encoding = asked.or(marked).unwrap_or(Encoding::Utf8);
        if asked.is_none() && encoding != Encoding::Utf8 {
            notes.push(ImportNote::Encoding { found: encoding });
        }
        Ok(Self { text: Transcoded::new(plain, start, encoding), bytes_read, notes })
    }

    /// What was found that the file itself does not say in its name.
    pub(super) fn notes(&self) -> &[ImportNote] {
        &self.notes
    }

    /// How far the input has been read, in bytes as they are in the file.
    pub(super) fn bytes_read(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_read)
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.text.read(out)
    }
}

/// The first bytes of an input, as many as say what it is, or all that there are.
fn first_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(MAGIC_BYTES);
    input.take(MAGIC_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

type Whole<R> = io::Chain<Cursor<Vec<u8>>, Counted<R>>;

/// A file that is not compressed any more.
enum Plain<R: Read> {
    AsItIs(Whole<R>),
    Gzip(Box<MultiGzDecoder<Whole<R>>>),
    Zstd(Box<ZstdFrames<Whole<R>>>),
}

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let (read, format) = match self {
            Self::AsItIs(input) => return input.read(out),
            Self::Gzip(input) => (input.read(out), "gzip"),
            Self::Zstd(input) => (input.read(out), "zstd"),
        };
        read.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, format!("the {format} file is cut or damaged: {error}")),
        })
    }
}

/// Counts the bytes of an input.
struct Counted<R> {
    inner: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(out)?;
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl<R: Read> fmt::Debug for Decoded<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Decoded").field("notes", &self.notes).finish_non_exhaustive()
    }
}
