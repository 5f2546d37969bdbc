//! The embedded store: one file, read by every shard and by nobody over a network.
//!
//! A file is written once and never changed: [`writer`] writes an import as a [`new_file`] and
//! renames it over the one that was there, so a reader sees all of an import or nothing of it, and
//! neither waits for the other. [`merge`] completes rows of some columns by what the store has, and
//! [`kept_texts`] gives texts of rows that stay their new codes.
//! [`layout`] says how a file is laid out, with a checksum for every record and every part of the
//! index, by a [`keyed_hash`]; [`map`] has a file in memory, and survives it if somebody cuts the
//! file; a [`snapshot`] is a file that was opened and checked, and a [`walk`] goes over its records.
//! [`store`] is the folder, once per process, and [`tables`] has the named ones beside the default table; [`reader`] a shard's own handle; [`preload`] brings a
//! file into memory, and checks it, before the first request.
//!
//! `README.md` says what an operator may do to the file.
//!
//! What is *not* here: CSV (`import`), and what a row means (`join`).

mod error;
#[cfg(test)]
mod hostile;
mod kept_texts;
mod keyed_hash;
mod layout;
mod map;
mod merge;
mod new_file;
mod preload;
mod reader;
mod snapshot;
mod store;
mod tables;
mod walk;
mod writer;

pub use error::EmbeddedError;
pub use map::mend_fault;
pub use preload::PreloadProgress;
pub use reader::EmbeddedReader;
pub use store::{EmbeddedStore, ImportTurn, RecordsChecked};
pub use tables::{BadTableName, TableName};
pub use writer::{EmbeddedWriter, PutError};
