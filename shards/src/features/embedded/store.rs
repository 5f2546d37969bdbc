//! A store's folder: which file is in it now, and what it says. Each named table has one of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use super::changes::{self, ChangeWriter, LOCK, LogFile};
use super::error::EmbeddedError;
use super::layout::SUPERSEDED_AT;
use super::snapshot::{Snapshot, Stamp};
use super::tables::{TABLES, TableName};
use super::view::View;
use crate::crossing::Crossing;
use crate::features::schema::Schema;

/// The file with the features.
pub(super) const FILE: &str = "features.store";
/// What an import holds the lock of as long as it is under way.
const TURN: &str = "import.lock";
/// The file of earlier versions, which had no checksums.
const EARLIER_FILE: &str = "data.mdb";

/// A table of a store. A process opens the default one once and clones this to whom it concerns, and
/// asks it for the others ([`EmbeddedStore::table`]): readers of a table share the file that is mapped.
#[derive(Debug, Clone)]
pub struct EmbeddedStore(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    file: PathBuf,
    /// Of a named table.
    name: Option<TableName>,
    files: Crossing<Files>,
    /// The tables beside the default one that were asked for.
    tables: Crossing<BTreeMap<TableName, EmbeddedStore>>,
    /// The files of the log of changes that somebody has open.
    logs: Crossing<BTreeMap<u64, Weak<LogFile>>>,
    /// What tools see; shards have views of their own.
    view: Crossing<Option<View>>,
}

/// The files of a store that a process has open.
#[derive(Debug, Default)]
struct Files {
    /// The one that was opened last, for all who come next.
    current: Option<Arc<Snapshot>>,
    /// Those before it, some of which readers may still have. They are kept here, so that no reader
    /// is the last to have one: to unmap a large file takes longer than a shard may stand still.
    retired: Vec<Arc<Snapshot>>,
}

/// The right to import into a store, which one import has at a time.
#[derive(Debug)]
pub struct ImportTurn {
    _file: std::fs::File,
}

impl EmbeddedStore {
    /// Opens the store in the folder `path`, which an import made.
    pub fn open(path: &Path) -> Result<Self, EmbeddedError> {
        let store = Self::at(path, None);
        store.snapshot()?;
        Ok(store)
    }

    /// Opens the store in the folder `path`, or makes the folder and an empty store: it has no
    /// schema until an import made one.
    pub fn open_or_create(path: &Path) -> Result<Self, EmbeddedError> {
        std::fs::create_dir_all(path).map_err(EmbeddedError::io(path, "making the folder"))?;
        Ok(Self::at(path, None))
    }

    pub(super) fn at(path: &Path, name: Option<TableName>) -> Self {
        let (path, file) = (path.to_owned(), path.join(FILE));
        Self(Arc::new(Folder {
            path,
            file,
            name,
            files: Crossing::default(),
            tables: Crossing::default(),
            logs: Crossing::default(),
            view: Crossing::default(),
        }))
    }

    /// The table of this name of the store that this is the default table of; the same one each time.
    /// Whether there is one says who opens a reader of it.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Self {
        let mut tables = self.0.tables.lock();
        let made = || Self::at(&self.0.path.join(TABLES).join(name.as_str()), Some(name.clone()));
        tables.entry(name.clone()).or_insert_with(made).clone()
    }

    /// Its name; `None` for the default table.
    pub fn table_name(&self) -> Option<&TableName> {
        self.0.name.as_ref()
    }

    /// The folder of the table.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The store's file.
    pub(super) fn file(&self) -> &Path {
        &self.0.file
    }

    /// Whether an import into the store is under way: another one would wait for its end.
    pub fn is_being_imported(&self) -> bool {
        use std::fs::{File, TryLockError};
        let Ok(turn) = File::open(self.0.path.join(TURN)) else { return false };
        // Two who ask at a time do not see each other.
        matches!(turn.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Waits until no other import is under way, and holds others up until it is dropped.
    ///
    /// # Errors
    /// The lock's file cannot be made or locked.
    pub fn take_turn(&self) -> Result<ImportTurn, EmbeddedError> {
        let turn = self.turn()?;
        turn.lock().map_err(EmbeddedError::io(self.path(), "waiting for another import"))?;
        Ok(ImportTurn { _file: turn })
    }

    /// The file that an import holds the lock of.
    fn turn(&self) -> Result<std::fs::File, EmbeddedError> {
        let path = self.0.path.join(TURN);
        // To lock a file is to have it open, for whatever: whoever imports need not own it.
        let turn = std::fs::File::open(&path).or_else(|_| {
            std::fs::File::options().write(true).create(true).truncate(false).open(&path)
        });
        turn.map_err(EmbeddedError::io(&path, "making the lock of imports"))
    }

    /// The store's columns; `None` for one that nothing was imported to.
    pub fn schema(&self) -> Result<Option<Schema>, EmbeddedError> {
        match self.snapshot() {
            Ok(snapshot) => Ok(Some(snapshot.schema.clone())),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> Result<u64, EmbeddedError> {
        match self.with_view(View::rows) {
            Ok(rows) => Ok(rows),
            Err(error) if error.is_absent() => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// How long the store's file is, in bytes.
    pub fn file_bytes(&self) -> Result<u64, EmbeddedError> {
        Ok(self.snapshot()?.header.file_bytes)
    }

    /// When the last import was committed, in µs since 1970; `None` where there was none.
    pub fn imported_us(&self) -> Result<Option<i64>, EmbeddedError> {
        match self.snapshot() {
            Ok(snapshot) => Ok(Some(snapshot.header.imported_us)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has `look` see the table as it is now, with its changes. Others of the process wait meanwhile: not
    /// for shards, each of which has a view of its own.
    pub(super) fn with_view<T>(&self, look: impl FnOnce(&View) -> T) -> Result<T, EmbeddedError> {
        let mut view = self.0.view.lock();
        if let Some(known) = &mut *view {
            let word = known.snapshot.superseded();
            let latest = self.snapshot()?;
            known.catch_up(self);
            if known.is_of(self, &latest, word) {
                return Ok(look(known));
            }
        }
        *view = None;
        Ok(look(view.insert(View::open(self, u64::MAX)?)))
    }

    /// Whether changes were ever written beside the table's file.
    pub(super) fn is_written(&self) -> bool {
        self.0.path.join(LOCK).exists()
    }

    /// Sees to the end of the log of changes, if there is one, as a process or a machine that died may have
    /// left it. To be called before anybody reads the table.
    ///
    /// # Errors
    /// The log cannot be read, or may not be written.
    pub fn recover_changes(&self) -> Result<(), EmbeddedError> {
        if !self.is_written() || !self.has_log() {
            return Ok(());
        }
        ChangeWriter::open(self).map(drop)
    }

    /// Whether there is a log of changes now.
    pub(super) fn has_log(&self) -> bool {
        changes::has_log(&self.0.path)
    }

    /// The file of this number of the log of changes, which all of the process share; `None` where there
    /// is none. A shard asks where it opens the log or goes on to the next file.
    pub(super) fn log(&self, number: u64) -> Result<Option<Arc<LogFile>>, EmbeddedError> {
        let mut logs = self.0.logs.lock();
        if let Some(known) = logs.get(&number).and_then(Weak::upgrade) {
            return Ok(Some(known));
        }
        logs.retain(|_, known| known.strong_count() > 0);
        let opened = LogFile::open(&self.0.path, number)?.map(Arc::new);
        if let Some(opened) = &opened {
            logs.insert(number, Arc::downgrade(opened));
        }
        Ok(opened)
    }

    /// Whether the file that is in the table's place is still this one.
    pub(super) fn is_current(&self, snapshot: &Snapshot) -> bool {
        let found = std::fs::metadata(&self.0.file).ok().as_ref().map(Stamp::of);
        found == Some(snapshot.stamp)
    }

    /// Has those who read the table's file look for what is new beside it, or in its place. Where it may
    /// not be written they find that by themselves, somewhat later.
    pub(super) fn supersede(file: Option<&std::fs::File>) {
        use std::os::unix::fs::FileExt;
        let Some(file) = file else { return };
        let mut word = [0; 8];
        let read = file.read_exact_at(&mut word, SUPERSEDED_AT);
        let next = u64::from_le_bytes(word).wrapping_add(1).to_le_bytes();
        let _ = read.and_then(|()| file.write_all_at(&next, SUPERSEDED_AT));
    }

    /// What is wrong with the file that is at the table's place now, while its readers go on with
    /// the one that they have, or with that of a table that was asked of it; `None` where nothing is.
    /// Looks at the file system: not for shards.
    pub fn trouble(&self) -> Option<String> {
        let tables: Vec<_> = self.0.tables.lock().values().cloned().collect();
        self.own_trouble().or_else(|| tables.iter().find_map(Self::own_trouble))
    }

    fn own_trouble(&self) -> Option<String> {
        match self.snapshot() {
            // Models may read its other tables alone. One that was there and is gone is missed.
            Err(error) if error.is_absent() && self.has_tables() && !self.was_opened() => None,
            Err(error) => Some(error.to_string()),
            Ok(now) if now.was_cut() => Some(format!(
                "{}: a part of the file could not be read: it was cut meanwhile, or the disk failed",
                self.0.file.display()
            )),
            Ok(_) => self.log_trouble(),
        }
    }

    /// Whether this process has had its file open.
    fn was_opened(&self) -> bool {
        self.0.files.lock().current.is_some()
    }

    fn log_trouble(&self) -> Option<String> {
        if !self.is_written() {
            return None;
        }
        match self.with_view(View::damaged_log_bytes) {
            Err(error) => Some(error.to_string()),
            Ok(0) => None,
            Ok(damaged) => Some(format!(
                "{}: {damaged} bytes of the log of changes are damaged: what they changed is not known; \
                 import the rows that may be meant again",
                self.0.path.display()
            )),
        }
    }

    /// The file that is at the store's place now. Waits for another thread that is just opening it,
    /// and unmaps files that no reader has any more: not for shards.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, EmbeddedError> {
        let mut files = self.0.files.lock();
        let latest = self.latest(&mut files);
        let unused: Vec<_> =
            files.retired.extract_if(.., |file| Arc::strong_count(file) == 1).collect();
        // To unmap them takes a while, in which shards may look.
        drop(files);
        drop(unused);
        latest
    }

    /// The same for a shard, which waits for nobody: `None` where another thread is just opening it.
    pub(super) fn try_snapshot(&self) -> Option<Result<Arc<Snapshot>, EmbeddedError>> {
        let mut files = self.0.files.try_lock()?;
        Some(self.latest(&mut files))
    }

    fn latest(&self, files: &mut Files) -> Result<Arc<Snapshot>, EmbeddedError> {
        let stamp = std::fs::metadata(&self.0.file).ok().as_ref().map(Stamp::of);
        if let Some(known) = &files.current
            && stamp == Some(known.stamp)
        {
            return Ok(Arc::clone(known));
        }
        let opened = Snapshot::open(&self.0.file)?.ok_or_else(|| self.no_store())?;
        let opened = Arc::new(opened);
        files.retired.extend(files.current.replace(Arc::clone(&opened)));
        Ok(opened)
    }

    fn no_store(&self) -> EmbeddedError {
        let path = self.0.path.clone();
        if let Some(table) = self.0.name.clone() {
            let folder = path.ancestors().nth(2).unwrap_or(&path).to_owned();
            EmbeddedError::NoTable { path: folder, table }
        } else if self.0.path.join(EARLIER_FILE).exists() {
            EmbeddedError::EarlierFormat { path }
        } else {
            EmbeddedError::NoStore { path }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EmbeddedStore;
    use crate::features::column::{CellValue, ColumnType};
    use crate::features::embedded::{EmbeddedReader, EmbeddedWriter};
    use crate::features::schema::{Schema, StoreColumn};

    fn import(store: &EmbeddedStore) {
        let columns = vec![StoreColumn { name: "a".to_owned(), column_type: ColumnType::Float }];
        let schema = Schema::new(columns).unwrap();
        let mut writer = EmbeddedWriter::begin(store, &schema, true).unwrap();
        writer.put(b"u", 0, &[CellValue::Float(1.0)]).unwrap();
        writer.commit().unwrap();
    }

    #[test]
    #[cfg_attr(miri, ignore = "it maps files")]
    fn no_reader_is_the_last_to_have_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        import(&store);
        let readers = [(); 2].map(|()| EmbeddedReader::new(&store).unwrap());
        import(&store);
        let retired = || store.0.files.lock().retired.len();
        for reader in &readers {
            reader.look();
            assert_eq!(retired(), 1, "it left the file to others");
        }
        assert_eq!(store.trouble(), None);
        assert_eq!(retired(), 0, "nobody reads it any more");
    }
}
