//! Stores of the format before this one: an LMDB environment, whose records had no checksums. They
//! are read to be written anew; the files themselves stay as they are.
//!
//! What is *not* here: a check of the pages. LMDB believes what it reads, so only the length of the
//! file is looked at first.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, EnvFlags, EnvOpenOptions, WithTls};

use super::error::EmbeddedError;
use super::store::{EARLIER_FILE, EmbeddedStore};
use super::writer::{EmbeddedWriter, PutError};
use crate::features::record::{CellValue, RecordLayout};
use crate::features::schema::Schema;

/// What such a store says that its format is.
const FORMAT: [u8; 4] = 1_u32.to_le_bytes();
/// Where LMDB's two meta pages say how long the file is; the first has the size of a page, too.
const PAGE_BYTES_AT: u64 = 16 + 24;
const LAST_PAGE_AT: u64 = 16 + 24 + 2 * 48;

type Rows = heed::Database<'static, Bytes, Bytes>;
type Environment = heed::Env<WithTls>;

/// What happened when a store of the earlier format was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Converted {
    /// The rows that were written anew.
    pub rows: u64,
}

impl EmbeddedStore {
    /// Writes the store of the earlier format that is in the folder anew, in this one, and leaves the
    /// earlier one as it is, for the version that reads it. `None` where there is none, or one of
    /// this format already.
    pub fn convert(&self) -> Result<Option<Converted>, EmbeddedError> {
        if !self.is_of_earlier_format() {
            return Ok(None);
        }
        let failed =
            |reason: String| EmbeddedError::Earlier { path: self.path().to_owned(), reason };
        let (environment, rows, schema) = self.open_earlier()?;
        let layout = RecordLayout::new(&schema);
        let mut writer = EmbeddedWriter::begin(self, &schema, true)?;
        let lmdb = |error: heed::Error| failed(error.to_string());
        let read = environment.read_txn().map_err(lmdb)?;
        let mut converted = Converted { rows: 0 };
        let mut cells: Vec<CellValue> = Vec::new();
        for entry in rows.iter(&read).map_err(lmdb)? {
            let (key, bytes) = entry.map_err(lmdb)?;
            let record = layout.read(bytes).map_err(|error| failed(error.to_string()))?;
            cells.clear();
            cells.extend(record.cells());
            match writer.put(key, record.last_updated_us(), &cells) {
                Ok(()) => converted.rows += 1,
                Err(PutError::Store(error)) => return Err(error),
                Err(PutError::Encode(error)) => return Err(failed(error.to_string())),
            }
        }
        writer.commit()?;
        Ok(Some(converted))
    }

    /// The columns of a store of the earlier format.
    pub fn earlier_schema(&self) -> Result<Schema, EmbeddedError> {
        Ok(self.open_earlier()?.2)
    }

    fn open_earlier(&self) -> Result<(Environment, Rows, Schema), EmbeddedError> {
        let failed =
            |reason: String| EmbeddedError::Earlier { path: self.path().to_owned(), reason };
        let lmdb = |error: heed::Error| failed(error.to_string());
        ensure_length(&self.path().join(EARLIER_FILE)).map_err(failed)?;
        let mut options = EnvOpenOptions::new();
        options.max_dbs(2);
        // SAFETY: the map is only read. LMDB's own lock keeps what is read from being written over
        // by an import of the version that made it; on a file system that is read-only LMDB goes on
        // without, where nothing can be written either.
        let environment = unsafe {
            options.flags(EnvFlags::READ_ONLY);
            options.open(self.path()).map_err(lmdb)?
        };
        let read = environment.read_txn().map_err(lmdb)?;
        let opened = environment.open_databases_and_commit(read, |opener, read| {
            let rows = opener.open_database::<Bytes, Bytes>(read, Some("rows"))?;
            let meta = opener.open_database::<Bytes, Bytes>(read, Some("meta"))?;
            Ok(CommitOrAbort::<_, ()>::Commit((rows, meta)))
        });
        let (Some(rows), Some(meta)) = opened.map_err(lmdb)?.unwrap_commit() else {
            return Err(EmbeddedError::NoStore { path: self.path().to_owned() });
        };
        let read = environment.read_txn().map_err(lmdb)?;
        let get = |key: &[u8]| meta.get(&read, key).map_err(lmdb);
        let Some(format) = get(b"format")? else {
            return Err(EmbeddedError::NoStore { path: self.path().to_owned() });
        };
        if format != FORMAT {
            return Err(failed(format!("its format is {format:?}, {FORMAT:?} is expected")));
        }
        let schema = get(b"schema")?.and_then(|schema| serde_json::from_slice(schema).ok());
        let schema = schema.ok_or_else(|| failed("its schema can't be read".to_owned()))?;
        drop(read);
        Ok((environment, rows, schema))
    }
}

/// Whether the file is as long as its meta pages say: LMDB would end the process by a signal.
fn ensure_length(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let found = file.metadata().map_err(|error| error.to_string())?.len();
    let word = |at: u64| {
        let mut bytes = [0; 8];
        let read = file.read_exact_at(&mut bytes, at).map(|()| u64::from_le_bytes(bytes));
        read.map_err(|_| format!("the file has {found} bytes, which is too few"))
    };
    let page_bytes = word(PAGE_BYTES_AT)? & 0xffff_ffff;
    if !page_bytes.is_power_of_two() || !(512..=65_536).contains(&page_bytes) {
        return Err("the file is not one of LMDB's".to_owned());
    }
    let last_page = word(LAST_PAGE_AT)?.max(word(page_bytes + LAST_PAGE_AT)?);
    let expected = last_page.saturating_add(1).saturating_mul(page_bytes);
    if found < expected {
        return Err(format!(
            "the file has {found} bytes and says that it has {expected}: it was cut"
        ));
    }
    Ok(())
}
