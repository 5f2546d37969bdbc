//! The subcommands beside `serve`.
//!
//! [`import`] loads features into a store; [`ingest`] writes rows as they come; [`init`] writes a `model.toml` to edit;
//! [`check`] says what is wrong before it is served;
//! [`transform`] computes a model's expressions for its training; [`models`] shows what would be
//! served; [`replay`] scores a prediction log again; [`look`] shows what a [`store`] has, of an
//! [`entity`] of a model too; [`explain`] says why a user has a score; [`documents`]
//! writes manual pages and completions.
//!
//! What is *not* here: how any of it is done. Each asks the `shards` library and prints.

pub(crate) mod check;
pub(crate) mod documents;
pub(crate) mod entity;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod ingest;
pub(crate) mod init;
pub(crate) mod look;
pub(crate) mod models;
pub(crate) mod replay;
pub(crate) mod store;
pub(crate) mod transform;
