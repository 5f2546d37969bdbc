//! Reads rows from CSV and writes them to a store, all or nothing.
//!
//! [`csv`] makes rows of lines and says what is wrong with those that are none; [`timestamp`]
//! reads `last_updated`. [`options`] says how an import is asked for and reports, [`embedded`] writes rows to the embedded store.
//!
//! What is *not* here: the command line and its progress bar (the binary).

mod csv;
mod embedded;
mod options;
mod timestamp;

pub use self::csv::{CellProblem, CsvError, CsvOptions, CsvRows, Row, RowError};
pub use self::embedded::{ImportError, import_embedded};
pub use options::{ImportObserver, ImportOptions, ImportProgress, OnBadRow};
pub use timestamp::now_us;
