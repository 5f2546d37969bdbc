//! Features from a cluster that speaks CQL (`ScyllaDB`, Cassandra), asked for by the shard that
//! needs them on the shard's own thread.
//!
//! [`settings`] is the table `[features.scylla]`. [`runtime`] turns a tokio runtime, which the
//! driver needs, from a task of the shard's executor.
//! [`session`] connects, by [`tls`] and with a [`password`] from a file where these are to be, has
//! the table [`describe`]d, prepares the statements, and [`probe`]s by them what the cluster
//! answers, and by a [`sample`] what Feast has written; [`routing`] groups keys by the replica that owns them, past nodes whose breaker is
//! open. A [`flight`] is such a group on its way, and [`attempts`] asks for it, key by key where
//! the group failed and the [`budget`] allows; [`decode`] packs CQL rows as records. [`keys`] are what the
//! texts that name users become, and [`table_key`] those of several columns; [`feast`] is how Feast
//! writes a table. [`store`]
//! is a shard's handle, and [`shared`] what flights share. [`landing`] joins it all: the cache first, then
//! keys that are [`pending`] for other batches, then new flights;
//! [`counters`] are what it counts;
//! [`recovery`] gives it a new session where the whole cluster was away, and new statements where
//! the table is another; [`faults`] says why statements brought nothing. A [`table_watch`]
//! remembers what was found of a table that may have changed. [`watch`] looks at what nodes send
//! before the driver does, and closes connections whose [`frames`] are too long. [`table`] is for
//! tools that make and fill what shards read.
//!
//! What is *not* here: what a record means to a model (`join`), and the cache itself (`cache`).

mod attempts;
mod budget;
mod counters;
mod decode;
mod describe;
mod error;
mod faults;
mod feast;
mod flight;
mod frames;
mod keys;
mod landing;
mod password;
mod pending;
mod probe;
mod recovery;
mod routing;
mod runtime;
mod sample;
mod secret;
mod session;
mod settings;
mod shared;
mod store;
mod table;
mod table_key;
mod table_watch;
mod tls;
mod watch;
mod write;

pub use counters::CqlCounters;
pub use error::ScyllaError;
pub(crate) use error::said;
pub(crate) use landing::Asked;
pub use secret::Secret;
pub(crate) use session::block_on;
pub use session::describe_table;
pub use settings::{
    Compression, Consistency, ScyllaSettings, TableLayout, TableSettings, TlsSettings,
};
pub use store::CqlStore;
pub use table::find_table;
pub(crate) use table::{TableSession, read_row};
pub(crate) use table_key::{KeyColumns, TableKey};
pub use write::CqlWriter;
