//! Reads rows from CSV and writes them to a store.
//!
//! [`csv`] makes rows of lines and says what is wrong with those that are none: [`decode`] makes text
//! of a file's bytes, [`dialect`] finds out how it is written, [`records`] cuts lines into fields,
//! and [`header`] says what each column is. [`cell`] reads a value, [`rounding`] tells whether a
//! float32 keeps it, and [`timestamp`] reads `last_updated`. [`row_key`] makes the key of a row,
//! [`repeats`] finds keys that occur twice, and [`notes`] keeps what is to be said of all that.
//! [`table`] reads rows that go to no store. [`survey`] is a first pass over an [`input`], for the
//! types that nobody gave.
//! `parquet` (a feature of cargo, off by default) makes CSV of Parquet first. [`options`] says how an import is asked for and how it reports.
//! [`embedded`] writes rows to the embedded store, all or nothing; [`cql`] writes them to a
//! cluster, one after the other, where [`replication`] says how a new keyspace is copied.
//!
//! What is *not* here: the command line and its progress bar (the binary).

mod cell;
mod cql;
mod csv;
mod decode;
mod dialect;
mod embedded;
mod header;
mod input;
mod notes;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod records;
mod repeats;
mod replication;
mod rounding;
mod row_key;
mod survey;
mod table;
mod timestamp;

pub use self::cql::{CqlImportError, CqlImportOptions, import_cql};
pub use self::csv::{CellProblem, CsvError, CsvOptions, CsvRows, Row, RowError};
pub use self::decode::{Encoding, UnknownEncoding};
pub use self::dialect::{AskedDialect, DecimalMark, UnknownDecimalMark};
pub use self::embedded::{ImportError, import_embedded, import_embedded_in};
pub use self::header::{HeaderError, PARQUET_ADVICE};
pub use self::input::{ImportInput, PackedColumns};
pub use self::notes::{ImportNote, RoundedCell, WordCount};
pub use self::records::RecordError;
pub use self::survey::{ColumnSurvey, Survey, TypeOrigin, add_types, survey_input};
pub use self::table::{CsvTable, time_us};
pub use options::{ImportObserver, ImportOptions, ImportProgress, OnBadRow};
pub use replication::{Replication, ReplicationError};
pub use timestamp::WrittenTimeError;
pub use timestamp::now_us;
pub use timestamp::shown_time;
pub(crate) use timestamp::written_us;
