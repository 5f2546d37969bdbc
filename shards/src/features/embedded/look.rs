//! Looks at the rows of a table one by one: for tools and for checks, not for shards.

use super::changes::Overlay;
use super::entries::EntryCopy;
use super::error::EmbeddedError;
use super::snapshot::Found;
use super::store::EmbeddedStore;
use super::walk::Step;
use crate::features::aggregates::ring::Ring;
use crate::features::import::now_us;
use crate::features::record::Record;
use crate::features::schema::Schema;
use crate::features::texts::Texts;

/// What a look at every record found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordsChecked {
    /// Rows, whole or not.
    pub rows: u64,
    /// Rows that are not as they were written.
    pub damaged: u64,
    /// Parts of the index, each of some five rows, that are not as they were written.
    pub damaged_buckets: u64,
    /// Texts that are not as they were written.
    pub damaged_texts: u64,
    /// Bytes of the log of changes that are not as they were written.
    pub damaged_log_bytes: u64,
}

impl RecordsChecked {
    /// Whether everything is as it was written.
    pub fn is_whole(&self) -> bool {
        let Self { rows: _, damaged, damaged_buckets, damaged_texts, damaged_log_bytes } = *self;
        damaged + damaged_buckets + damaged_texts + damaged_log_bytes == 0
    }
}

impl EmbeddedStore {
    /// The first key in the order of the file, if there is a row that is as it was written.
    pub fn first_key(&self) -> Result<Option<Vec<u8>>, EmbeddedError> {
        let snapshot = self.snapshot()?;
        let whole = snapshot.walk().find_map(|step| match step {
            Step::Whole(entry) => Some(entry.key().to_vec()),
            Step::Damaged => None,
        });
        Ok(whole)
    }

    /// Calls `visit` with each key and record, in the order of the file, and checks all of them:
    /// those that are damaged are only counted.
    pub fn for_each(
        &self,
        mut visit: impl FnMut(&[u8], Record<'_>),
    ) -> Result<RecordsChecked, EmbeddedError> {
        let checked = self.with_view(|view| {
            let (snapshot, texts): (_, &dyn Texts) = (&view.snapshot, view);
            let layout = snapshot.layout();
            let is_changed =
                |key: &[u8]| view.overlay().is_some_and(|it| it.has(snapshot.hash.of(key), key));
            let mut checked = RecordsChecked { rows: view.rows(), ..RecordsChecked::default() };
            for step in snapshot.walk() {
                match step {
                    Step::Damaged => checked.damaged += 1,
                    Step::Whole(entry) if is_changed(entry.key()) => {}
                    Step::Whole(entry) => {
                        if let Ok(record) = layout.read(entry.record(), texts) {
                            visit(entry.key(), record);
                        }
                    }
                }
            }
            for entry in view.overlay().into_iter().flat_map(Overlay::rows) {
                if let Ok(record) = layout.read(entry.record(), texts) {
                    visit(entry.key(), record);
                }
            }
            checked.damaged_buckets = snapshot.damaged_buckets();
            checked.damaged_texts = snapshot.damaged_texts();
            checked.damaged_log_bytes = view.damaged_log_bytes();
            checked
        });
        match checked {
            Err(error) if error.is_absent() => Ok(RecordsChecked::default()),
            checked => checked,
        }
    }

    /// Has `look` see the columns and the record of a key; `None` where there is none. `look` says
    /// by `None` that a text of the record is damaged. For tools: shards read by a reader of their
    /// own.
    pub fn find<T>(
        &self,
        key: &[u8],
        look: impl FnOnce(&Schema, Record<'_>) -> Option<T>,
    ) -> Result<Option<T>, EmbeddedError> {
        self.with_view(|view| {
            let (snapshot, texts): (_, &dyn Texts) = (&view.snapshot, view);
            let mut copy = EntryCopy::default();
            let damaged = || EmbeddedError::RecordDamaged { path: snapshot.path().to_owned() };
            match view.find(snapshot.hash.of(key), key, &mut copy) {
                Found::Missing => return Ok(None),
                Found::Damaged => return Err(damaged()),
                Found::Stored => {}
            }
            let record_bytes = snapshot.header.record_bytes as usize;
            let record = copy.record_mut(record_bytes).ok_or_else(damaged)?;
            for ring in &Ring::all_of(&snapshot.schema) {
                ring.show(record, now_us());
            }
            let entry = copy.entry(snapshot.header.record_bytes as usize).ok_or_else(damaged)?;
            let layout = snapshot.layout();
            let record = layout.read(entry.record(), texts).map_err(|_| damaged())?;
            look(&snapshot.schema, record).ok_or_else(damaged).map(Some)
        })?
    }
}
