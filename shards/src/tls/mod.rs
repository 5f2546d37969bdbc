//! Encrypted connections of the serving port: certificate, key, and which clients are trusted.
//!
//! [`TlsSettings`] names the files, and a [`TlsIdentity`] is what was read of them, once for all
//! shards. Each shard makes its own configuration of it, so that handshakes on two cores share
//! nothing but the keys of session tickets. `handshake` begins a connection, and `peer` is what its
//! client's certificate says.
//!
//! What is *not* here: when files are read again (the process), and what is said once a connection
//! is encrypted (`http`).

mod error;
mod handshake;
mod identity;
mod peer;
mod settings;

pub use error::TlsError;
pub(crate) use handshake::{
    HANDSHAKE_BYTES, SESSION_BYTES, TlsServer, UNSENT_BYTES_MAX, peer_names,
};
pub use identity::TlsIdentity;
pub(crate) use peer::PeerNames;
pub use settings::TlsSettings;
