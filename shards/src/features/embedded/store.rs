//! Opens the environment and keeps what it says of itself: format, schema, generation.

use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, RoTxn, WithTls};

use crate::features::record::RecordLayout;
use crate::features::schema::Schema;

/// The format that this version writes.
const FORMAT: u32 = 1;
/// How much address space is reserved for the file to grow into, in bytes.
const MAP_BYTES: usize = 1 << 40;
/// The least that is worth running with, where the process may not reserve [`MAP_BYTES`].
const MAP_BYTES_MIN: usize = 1 << 30;
/// Threads, of all processes together, that may read at a time.
const READERS_MAX: u32 = 1022;

pub(super) const META_FORMAT: &[u8] = b"format";
pub(super) const META_SCHEMA: &[u8] = b"schema";
pub(super) const META_GENERATION: &[u8] = b"generation";
/// When the last import was committed, in µs since 1970; older stores do not say.
const META_IMPORTED: &[u8] = b"imported";

pub(super) type Rows = Database<'static, Bytes, Bytes>;

/// Why the embedded store can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no store in the folder.
    #[error(
        "{path}: no feature store here; `shardgate import FILE.csv --store embedded:{path}` makes one"
    )]
    NoStore {
        /// The store's folder.
        path: PathBuf,
    },
    /// The process opened it before.
    #[error("{path}: this process has the store open already")]
    AlreadyOpen {
        /// The store's folder.
        path: PathBuf,
    },
    /// The folder can't be made or read.
    #[error("{path}: {source}")]
    Folder {
        /// The store's folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another version wrote it.
    #[error("{path}: the store's format is {found}, this version reads {FORMAT}: import it again")]
    Format {
        /// The store's folder.
        path: PathBuf,
        /// The format it is in, as written.
        found: String,
    },
    /// Its schema can't be read.
    #[error("{path}: the store's schema can't be read: {reason}")]
    SchemaUnreadable {
        /// The store's folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The rows at hand have other columns than the store's.
    #[error("{path}: {reason}; import with --replace to replace the whole store")]
    SchemaDiffers {
        /// The store's folder.
        path: PathBuf,
        /// Which column, its type found and expected.
        reason: String,
    },
    /// LMDB failed.
    #[error("{path}: {operation}: {source}")]
    Lmdb {
        /// The store's folder.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What LMDB said.
        source: heed::Error,
    },
}

/// What the store says of itself.
#[derive(Debug, Clone)]
pub(super) struct Meta {
    pub(super) schema: Schema,
    pub(super) generation: u64,
}

/// An open embedded store. A process opens a store once and clones this to whom it concerns.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    pub(super) env: Env<WithTls>,
    pub(super) rows: Rows,
    pub(super) meta: Rows,
    path: PathBuf,
}

impl EmbeddedStore {
    /// Opens the store in the folder `path`, which an import made.
    pub fn open(path: &Path) -> Result<Self, EmbeddedError> {
        let no_store = || EmbeddedError::NoStore { path: path.to_owned() };
        if !path.join("data.mdb").exists() {
            return Err(no_store());
        }
        let store = Self::open_or_create(path)?;
        store.read_meta()?.ok_or_else(no_store)?;
        Ok(store)
    }

    /// Opens the store in the folder `path`, or makes the folder and an empty store: it has no
    /// schema until an import committed one.
    pub fn open_or_create(path: &Path) -> Result<Self, EmbeddedError> {
        std::fs::create_dir_all(path)
            .map_err(|source| EmbeddedError::Folder { path: path.to_owned(), source })?;
        let env = open_environment(path)?;
        let databases = {
            let write = env.write_txn().map_err(lmdb(path, "opening the store"))?;
            env.create_databases_and_commit(write, |opener, write| {
                let rows = opener.create_database::<Bytes, Bytes>(write, Some("rows"))?;
                let meta = opener.create_database::<Bytes, Bytes>(write, Some("meta"))?;
                Ok(CommitOrAbort::<_, ()>::Commit((rows, meta)))
            })
        };
        let (rows, meta) = databases.map_err(lmdb(path, "opening the store"))?.unwrap_commit();
        Ok(Self { rows, meta, path: path.to_owned(), env })
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store's columns; `None` for one that nothing was imported to.
    pub fn schema(&self) -> Result<Option<Schema>, EmbeddedError> {
        Ok(self.read_meta()?.map(|meta| meta.schema))
    }

    /// How many rows it has.
    pub fn rows(&self) -> Result<u64, EmbeddedError> {
        let read = self.env.read_txn().map_err(self.failed("reading"))?;
        self.rows.len(&read).map_err(self.failed("counting rows"))
    }

    /// The first key in key order, if there is a row.
    pub fn first_key(&self) -> Result<Option<Vec<u8>>, EmbeddedError> {
        let read = self.env.read_txn().map_err(self.failed("reading"))?;
        let first = self.rows.first(&read).map_err(self.failed("reading rows"))?;
        Ok(first.map(|(key, _)| key.to_vec()))
    }

    /// When the last import was committed, in µs since 1970; `None` where the store does not say.
    pub fn imported_us(&self) -> Result<Option<i64>, EmbeddedError> {
        let read = self.env.read_txn().map_err(self.failed("reading"))?;
        let found = self.meta.get(&read, META_IMPORTED).map_err(self.failed("reading"))?;
        Ok(found.and_then(|bytes| bytes.try_into().ok().map(i64::from_le_bytes)))
    }

    pub(super) fn put_imported(
        &self,
        write: &mut heed::RwTxn<'_>,
        now_us: i64,
    ) -> Result<(), EmbeddedError> {
        let put = self.meta.put(write, META_IMPORTED, &now_us.to_le_bytes());
        put.map_err(self.failed("writing the time of the import"))
    }

    /// Calls `visit` with each key and record, in key order, of one snapshot of the store.
    pub fn for_each(
        &self,
        mut visit: impl FnMut(&[u8], crate::features::record::Record<'_>),
    ) -> Result<(), EmbeddedError> {
        let read = self.env.read_txn().map_err(self.failed("reading"))?;
        let Some(meta) = self.meta_of(&read)? else { return Ok(()) };
        let layout = RecordLayout::new(&meta.schema);
        for entry in self.rows.iter(&read).map_err(self.failed("reading rows"))? {
            let (key, bytes) = entry.map_err(self.failed("reading rows"))?;
            if let Ok(record) = layout.read(bytes) {
                visit(key, record);
            }
        }
        Ok(())
    }

    pub(super) fn read_meta(&self) -> Result<Option<Meta>, EmbeddedError> {
        let read = self.env.read_txn().map_err(self.failed("reading"))?;
        self.meta_of(&read)
    }

    pub(super) fn meta_of(&self, read: &RoTxn<'_>) -> Result<Option<Meta>, EmbeddedError> {
        let get = |key| self.meta.get(read, key).map_err(self.failed("reading the schema"));
        let Some(format) = get(META_FORMAT)? else { return Ok(None) };
        if format != FORMAT.to_le_bytes() {
            let found = format!("{format:?}");
            return Err(EmbeddedError::Format { path: self.path.clone(), found });
        }
        let unreadable =
            |reason: String| EmbeddedError::SchemaUnreadable { path: self.path.clone(), reason };
        let schema = get(META_SCHEMA)?.ok_or_else(|| unreadable("it is missing".to_owned()))?;
        let schema =
            serde_json::from_slice(schema).map_err(|error| unreadable(error.to_string()))?;
        let generation = get(META_GENERATION)?
            .and_then(|bytes| bytes.try_into().ok().map(u64::from_le_bytes))
            .ok_or_else(|| unreadable("its generation is missing".to_owned()))?;
        Ok(Some(Meta { schema, generation }))
    }

    pub(super) fn put_meta(
        &self,
        write: &mut heed::RwTxn<'_>,
        meta: &Meta,
    ) -> Result<(), EmbeddedError> {
        let schema = serde_json::to_vec(&meta.schema).map_err(|error| {
            EmbeddedError::SchemaUnreadable { path: self.path.clone(), reason: error.to_string() }
        })?;
        for (key, value) in [
            (META_FORMAT, &FORMAT.to_le_bytes()[..]),
            (META_SCHEMA, &schema),
            (META_GENERATION, &meta.generation.to_le_bytes()),
        ] {
            self.meta.put(write, key, value).map_err(self.failed("writing the schema"))?;
        }
        Ok(())
    }

    /// Names the store in what LMDB says.
    pub(super) fn failed(
        &self,
        operation: &'static str,
    ) -> impl Fn(heed::Error) -> EmbeddedError + use<> {
        lmdb(&self.path, operation)
    }
}

fn lmdb(path: &Path, operation: &'static str) -> impl Fn(heed::Error) -> EmbeddedError + use<> {
    let path = path.to_owned();
    move |source| match source {
        heed::Error::EnvAlreadyOpened => EmbeddedError::AlreadyOpen { path: path.clone() },
        source => EmbeddedError::Lmdb { path: path.clone(), operation, source },
    }
}

/// Opens the environment with as much address space as the process may reserve: growing the map
/// later would need every reader to stop.
fn open_environment(path: &Path) -> Result<Env<WithTls>, EmbeddedError> {
    let mut map_bytes = MAP_BYTES;
    loop {
        let mut options = EnvOpenOptions::new();
        options.map_size(map_bytes).max_readers(READERS_MAX).max_dbs(2);
        // SAFETY: the map is only written through LMDB, whose locks are on: no flag turns them
        // off, and nothing else writes the file (the documentation says not to). heed refuses to
        // open one folder twice in a process.
        let opened = unsafe { options.open(path) };
        match opened {
            // ENOMEM under a limit of address space, EINVAL under valgrind.
            Err(heed::Error::Io(error))
                if matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::EINVAL))
                    && map_bytes > MAP_BYTES_MIN =>
            {
                map_bytes /= 2;
            }
            opened => return opened.map_err(lmdb(path, "opening the store")),
        }
    }
}
