//! Encrypted connections: whom to trust, and how to prove who the gateway is.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::error::ScyllaError;
use super::settings::TlsSettings;

/// The driver's part of the settings. Nodes are checked by their IP address, which has to be one
/// of the alternative names of their certificates.
pub(super) fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, ScyllaError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates("tls.ca", &settings.ca)? {
        roots.add(authority).map_err(|error| wrong("tls.ca", &settings.ca, &error))?;
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("tls.certificate", certificate)?;
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| wrong("tls.key", key, &error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| wrong("tls.certificate", certificate, &error))?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => {
            return Err(ScyllaError::Setting {
                setting: "tls",
                reason: "certificate and key go together".to_owned(),
            });
        }
    };
    Ok(Arc::new(config))
}

fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ScyllaError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| wrong(setting, path, &error))?;
    if found.is_empty() {
        return Err(wrong(setting, path, &"there is no certificate in it"));
    }
    Ok(found)
}

fn wrong(setting: &'static str, path: &Path, reason: &dyn std::fmt::Display) -> ScyllaError {
    ScyllaError::Setting { setting, reason: format!("{}: {reason}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let nowhere = folder.path().join("nowhere.pem");
        for (ca, said) in [(&empty, "there is no certificate"), (&nowhere, "nowhere.pem")] {
            let settings = TlsSettings { ca: ca.clone(), ..TlsSettings::default() };
            let line = client_config(&settings).unwrap_err().to_string();
            assert!(line.contains("tls.ca") && line.contains(said), "{line}");
        }
    }
}
