//! What the tests of the feature stores share: filling a store, binding a plan, fetching keys.

#![allow(dead_code, reason = "each test uses some of it")]

use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::import::{
    CsvOptions, ImportError, ImportNote, ImportObserver, ImportOptions, ImportProgress, OnBadRow,
    RowError, import_embedded,
};
use shards::features::inputs::{FeaturePolicies, InputColumn};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::{FetchRequests, Fetched, Joined, Precision};

/// When the rows of [`import`] were written, unless they say otherwise: µs since 1970.
pub(crate) const WRITTEN_US: i64 = 1_700_000_000_000_000;

/// Keeps what an import says.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) skipped: Vec<RowError>,
    pub(crate) notes: Vec<ImportNote>,
}

impl ImportObserver for Heard {
    fn progress(&mut self, _: ImportProgress) {}
    fn skipped(&mut self, error: &RowError) {
        self.skipped.push(error.clone());
    }
    fn noted(&mut self, note: &ImportNote) {
        self.notes.push(note.clone());
    }
}

pub(crate) fn options(on_bad_row: OnBadRow, replace: bool) -> ImportOptions {
    let csv = CsvOptions {
        key_columns: Vec::new(),
        last_updated_us: WRITTEN_US,
        ..CsvOptions::default()
    };
    ImportOptions { csv, on_bad_row, replace }
}

/// Imports `csv`; a bad line is fatal.
pub(crate) fn import(store: &EmbeddedStore, csv: &str) -> Result<ImportProgress, ImportError> {
    import_embedded(store, csv.as_bytes(), &options(OnBadRow::Fatal, false), &mut Heard::default())
}

/// Imports `csv` into a named table of the store in `folder`, with keys of these columns.
pub(crate) fn import_table(folder: &std::path::Path, name: &str, keys: &[String], csv: &str) {
    let name = name.parse().unwrap();
    let table = EmbeddedStore::open_or_create_table(folder, Some(&name)).unwrap();
    let mut options = options(OnBadRow::Fatal, false);
    options.csv.key_columns = keys.to_vec();
    import_embedded(&table, csv.as_bytes(), &options, &mut Heard::default()).unwrap();
}

/// A store of its own with the rows of `csv`, and the folder that holds it.
pub(crate) fn store_of(csv: &str) -> (tempfile::TempDir, EmbeddedStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    import(&store, csv).unwrap();
    (folder, store)
}

/// A float column of the store with default 0.
pub(crate) fn column(name: &str) -> InputColumn {
    InputColumn { name: name.to_owned(), ..InputColumn::default() }
}

/// A plan for `columns` with `policies`, in 64 bits so that tests see what was stored.
pub(crate) fn plan_of(
    reader: &EmbeddedReader,
    columns: &[InputColumn],
    policies: &FeaturePolicies,
) -> JoinPlan {
    let inputs = ModelInputs::Columns(columns);
    JoinPlan::bind(inputs, &reader.schema(), policies, Precision::F64).unwrap()
}

/// Fetches `keys` without request cells, ages counted at [`WRITTEN_US`].
pub(crate) fn fetch(reader: &EmbeddedReader, plan: &JoinPlan, keys: &[&str]) -> Joined {
    fetch_at(reader, plan, keys, WRITTEN_US)
}

/// [`fetch`] at another time, in µs since 1970.
pub(crate) fn fetch_at(
    reader: &EmbeddedReader,
    plan: &JoinPlan,
    keys: &[&str],
    now_us: i64,
) -> Joined {
    let mut requests = FetchRequests::new(plan.request_fields().len());
    for key in keys {
        requests.push(key.as_bytes(), &[]);
    }
    let mut joined = Joined::new(plan);
    assert_eq!(reader.fetch(plan, &requests, now_us, &mut joined), Fetched::Joined);
    joined
}

/// The cells of one row.
pub(crate) fn row(joined: &Joined, row: usize) -> Vec<f64> {
    (0..joined.matrix.columns()).map(|column| joined.matrix.get(row, column)).collect()
}
