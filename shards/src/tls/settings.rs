//! `[tls]`: the files that encrypt the serving port.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The files that encrypt the serving port; without a certificate it speaks plain HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// The server's certificate as PEM, and those between it and an authority behind it.
    pub certificate_file: Option<PathBuf>,
    /// Its private key as PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key_file: Option<PathBuf>,
    /// The authorities, as PEM, one of which has to have signed a client's certificate. Without it
    /// clients need none.
    pub client_ca_file: Option<PathBuf>,
}
