//! A file or a stream that can be read from its start again, so that its types can be found out
//! before its rows are taken.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::features::column::ColumnType;

/// How files of Parquet begin.
const PARQUET: &[u8; 4] = b"PAR1";

/// What a file that is not CSV says of its columns.
#[derive(Debug, Default)]
pub struct PackedColumns {
    /// The types of those that have a place in a store.
    pub types: BTreeMap<String, ColumnType>,
    /// The others.
    pub left_out: Vec<String>,
}

/// What an import reads.
pub struct ImportInput {
    source: Source,
    /// The bytes of a stream that were read so far, as long as they are wanted again.
    kept: Vec<u8>,
    /// How many of them have been given again.
    given: usize,
    is_keeping: bool,
}

enum Source {
    File(File),
    Stream(Box<dyn Read>),
}

impl ImportInput {
    /// Opens a file, a pipe or a device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_file() {
            Ok(Self::of(Source::File(file)))
        } else {
            Ok(Self::stream(file))
        }
    }

    /// Reads what can be read once.
    pub fn stream(stream: impl Read + 'static) -> Self {
        Self::of(Source::Stream(Box::new(stream)))
    }

    fn of(source: Source) -> Self {
        let is_keeping = matches!(source, Source::Stream(_));
        Self { source, kept: Vec::new(), given: 0, is_keeping }
    }

    /// How many bytes there are, where that is known.
    pub fn length_bytes(&self) -> Option<u64> {
        match &self.source {
            Source::File(file) => file.metadata().ok().map(|metadata| metadata.len()),
            Source::Stream(_) => None,
        }
    }

    /// Whether it begins as a file of Parquet does.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is_parquet(&mut self) -> io::Result<bool> {
        let mut start = Vec::with_capacity(PARQUET.len());
        match &mut self.source {
            Source::File(file) => {
                file.take(PARQUET.len() as u64).read_to_end(&mut start)?;
                file.rewind()?;
            }
            Source::Stream(stream) => {
                stream.take(PARQUET.len() as u64).read_to_end(&mut start)?;
                let rest = std::mem::replace(stream, Box::new(io::empty()));
                *stream = Box::new(io::Cursor::new(start.clone()).chain(rest));
            }
        }
        Ok(start == PARQUET)
    }

    /// Makes CSV of Parquet, in a file without a name in the folder for temporary files.
    ///
    /// # Errors
    /// It cannot be read, or is not Parquet.
    #[cfg(feature = "parquet")]
    pub fn unpack_parquet(&mut self) -> io::Result<PackedColumns> {
        self.spool()?;
        let source = std::mem::replace(&mut self.source, Source::Stream(Box::new(io::empty())));
        let Source::File(file) = source else { return Ok(PackedColumns::default()) };
        let (csv, columns) = super::parquet::unpack(file)?;
        self.source = Source::File(csv);
        Ok(columns)
    }

    /// Goes back to the start, the last time for a stream.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.is_keeping = false;
        self.given = 0;
        match &mut self.source {
            Source::File(file) => file.rewind(),
            Source::Stream(_) => Ok(()),
        }
    }

    /// Has a stream copied to a file without a name, in the folder for temporary files: it may then
    /// be read as often as a file.
    pub(super) fn spool(&mut self) -> io::Result<()> {
        let Source::Stream(stream) = &mut self.source else { return self.restart() };
        let mut file = unnamed_file()?;
        io::copy(&mut self.kept.as_slice(), &mut file)?;
        io::copy(stream, &mut file)?;
        self.kept = Vec::new();
        self.source = Source::File(file);
        self.restart()
    }
}

/// A file that goes when it is closed, whatever becomes of the process.
pub(super) fn unnamed_file() -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = std::env::temp_dir();
    let named = |error: io::Error| {
        let text = format!("{}: {error}: TMPDIR names another folder", folder.display());
        io::Error::new(error.kind(), text)
    };
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    if let Ok(file) = options.clone().custom_flags(libc::O_TMPFILE).open(&folder) {
        return Ok(file);
    }
    // A file system that has no such files.
    let path = folder.join(format!("shardgate-import-{}", std::process::id()));
    let file = options.create_new(true).open(&path).map_err(named)?;
    std::fs::remove_file(&path).map_err(named)?;
    Ok(file)
}

impl Read for ImportInput {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.is_keeping && self.given < self.kept.len() {
            let bytes = (&self.kept[self.given..]).read(out)?;
            self.given += bytes;
            return Ok(bytes);
        }
        let bytes = match &mut self.source {
            Source::File(file) => file.read(out)?,
            Source::Stream(stream) => stream.read(out)?,
        };
        if self.is_keeping {
            self.kept.extend_from_slice(&out[..bytes]);
        }
        Ok(bytes)
    }
}

impl std::fmt::Debug for ImportInput {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ImportInput")
            .field("bytes", &self.length_bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::ImportInput;

    fn rest(input: &mut ImportInput) -> String {
        let mut text = String::new();
        input.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_stream_is_read_again_from_its_start() {
        for is_spooled in [false, true] {
            let mut input = ImportInput::stream(Cursor::new("header\nrow\n"));
            let mut start = [0; 6];
            input.read_exact(&mut start).unwrap();
            assert_eq!((&start, input.length_bytes()), (b"header", None));
            if is_spooled {
                input.spool().unwrap();
                assert_eq!(rest(&mut input), "header\nrow\n");
                assert_eq!(input.length_bytes(), Some(11));
            }
            input.restart().unwrap();
            assert_eq!(rest(&mut input), "header\nrow\n", "spooled: {is_spooled}");
        }
    }
}
