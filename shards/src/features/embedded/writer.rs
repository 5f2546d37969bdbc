//! Writes an import as one transaction: all of it is there after [`EmbeddedWriter::commit`], and
//! nothing of it before.

use heed::{PutFlags, RwTxn};

use super::store::{EmbeddedError, EmbeddedStore, Meta};
use crate::features::column::CellValue;
use crate::features::import::now_us;
use crate::features::record::{EncodeError, RecordLayout};
use crate::features::schema::Schema;

/// One import under way. Dropping it leaves the store as it was.
pub struct EmbeddedWriter<'a> {
    store: &'a EmbeddedStore,
    transaction: RwTxn<'a>,
    layout: RecordLayout,
    record: Vec<u8>,
    /// The greatest key in the store: what comes after it is appended without a search.
    greatest_key: Vec<u8>,
}

impl<'a> EmbeddedWriter<'a> {
    /// Begins an import of rows with the columns of `schema`; waits for one that is under way.
    /// With `replace` the rows that are there go, and the columns may change.
    pub fn begin(
        store: &'a EmbeddedStore,
        schema: &Schema,
        replace: bool,
    ) -> Result<Self, EmbeddedError> {
        let mut transaction = store.env.write_txn().map_err(store.failed("writing"))?;
        let earlier = store.meta_of(&transaction)?;
        if replace {
            store.rows.clear(&mut transaction).map_err(store.failed("removing rows"))?;
        }
        let generation = match earlier {
            Some(meta) if meta.schema == *schema => meta.generation,
            Some(meta) if !replace => {
                let reason = difference(&meta.schema, schema);
                return Err(EmbeddedError::SchemaDiffers { path: store.path().to_owned(), reason });
            }
            Some(meta) => meta.generation + 1,
            None => 1,
        };
        store.put_meta(&mut transaction, &Meta { schema: schema.clone(), generation })?;
        let last = store.rows.last(&transaction).map_err(store.failed("reading rows"))?;
        let greatest_key = last.map(|(key, _)| key.to_vec()).unwrap_or_default();
        let layout = RecordLayout::new(schema);
        Ok(Self { store, transaction, layout, record: Vec::new(), greatest_key })
    }

    /// Writes a row over the one with its key. The key has 1 to `KEY_BYTES_MAX` bytes.
    pub fn put(
        &mut self,
        key: &[u8],
        last_updated_us: i64,
        cells: &[CellValue],
    ) -> Result<(), PutError> {
        self.layout.encode(last_updated_us, cells, &mut self.record)?;
        let flags = if key > self.greatest_key.as_slice() {
            self.greatest_key.clear();
            self.greatest_key.extend_from_slice(key);
            PutFlags::APPEND
        } else {
            PutFlags::empty()
        };
        let rows = self.store.rows;
        rows.put_with_flags(&mut self.transaction, flags, key, &self.record)
            .map_err(self.store.failed("writing a row"))?;
        Ok(())
    }

    /// Makes the import visible to readers and durable, at once.
    pub fn commit(mut self) -> Result<(), EmbeddedError> {
        self.store.put_imported(&mut self.transaction, now_us())?;
        self.transaction.commit().map_err(self.store.failed("committing"))
    }
}

/// Why a row was not written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Its cells don't fit the columns.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] EmbeddedError),
}

/// The first difference between two schemas, in words.
fn difference(stored: &Schema, given: &Schema) -> String {
    let columns = stored.columns().iter().zip(given.columns());
    for (position, (stored, given)) in columns.enumerate() {
        if stored.name != given.name {
            return format!(
                "column {} is `{}` in the store and `{}` in the import",
                position + 1,
                stored.name,
                given.name
            );
        }
        if stored.column_type != given.column_type {
            return format!(
                "column `{}` is {} in the store and {} in the import",
                stored.name, stored.column_type, given.column_type
            );
        }
    }
    format!(
        "the store has {} columns and the import {}",
        stored.columns().len(),
        given.columns().len()
    )
}
