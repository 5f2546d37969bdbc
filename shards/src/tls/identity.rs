//! Certificate and key as they were read, and the configurations that are made of them.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futures_rustls::rustls::crypto::aws_lc_rs;
use futures_rustls::rustls::pki_types::pem::PemObject;
use futures_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use futures_rustls::rustls::server::{
    NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier,
};
use futures_rustls::rustls::{RootCertStore, ServerConfig};
use x509_cert::der::Decode;

use super::error::TlsError;
use super::settings::TlsSettings;

/// The names by which client and server agree on a protocol (RFC 7301).
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// What the serving port proves itself by, read once for all shards.
#[derive(Debug)]
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Option<Vec<CertificateDer<'static>>>,
    /// The keys of session tickets: a client that comes back may land on another shard. None where
    /// clients have to prove themselves: a session that is resumed would not ask them again.
    tickets: Option<Arc<dyn ProducesTickets>>,
    expires: SystemTime,
}

impl Clone for TlsIdentity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            authorities: self.authorities.clone(),
            tickets: self.tickets.clone(),
            expires: self.expires,
        }
    }
}

impl TlsIdentity {
    /// Reads the files; `None` where the settings name none. The keys of session tickets are those
    /// of `before`, so that clients may resume their sessions after a reload.
    pub fn read(settings: &TlsSettings, before: Option<&Self>) -> Result<Option<Self>, TlsError> {
        let alone = |given, missing| Err(TlsError::Alone { given, missing });
        let (certificate, key) = match (&settings.certificate_file, &settings.key_file) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return alone("certificate_file", "key_file"),
            (None, Some(_)) => return alone("key_file", "certificate_file"),
            (None, None) if settings.client_ca_file.is_some() => {
                return alone("client_ca_file", "certificate_file");
            }
            (None, None) => return Ok(None),
        };
        let chain = certificates("certificate_file", certificate)?;
        let expires = expiry(&chain[0]).map_err(|reason| TlsError::File {
            key: "certificate_file",
            path: certificate.clone(),
            reason,
        })?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File {
            key: "key_file",
            path: key.clone(),
            reason: error.to_string(),
        })?;
        let authorities = settings.client_ca_file.as_deref();
        let authorities =
            authorities.map(|path| certificates("client_ca_file", path)).transpose()?;
        let tickets = match before.and_then(|before| before.tickets.clone()) {
            _ if authorities.is_some() => None,
            Some(tickets) => Some(tickets),
            None => Some(aws_lc_rs::Ticketer::new().map_err(unusable)?),
        };
        let identity = Self { chain, key: private, authorities, tickets, expires };
        // What no shard could use is refused here.
        identity.config(true)?;
        Ok(Some(identity))
    }

    /// When the certificate is not valid any more.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// A configuration that is made of it, which shares nothing with others: TLS 1.2 and 1.3, and inside
    /// HTTP/1.1 or, where the server `speaks_http2` and the client asks for it, that.
    pub fn config(&self, speaks_http2: bool) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &self.authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in authorities {
                    roots.add(authority.clone()).map_err(unusable)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(unusable)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config =
            builder.with_single_cert(self.chain.clone(), self.key.clone_key()).map_err(unusable)?;
        // In the order in which they are preferred.
        let spoken = [HTTP2, HTTP1].into_iter().skip(usize::from(!speaks_http2));
        config.alpn_protocols = spoken.map(<[u8]>::to_vec).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        match &self.tickets {
            Some(tickets) => config.ticketer = Arc::clone(tickets),
            None => config.send_tls13_tickets = 0,
        }
        Ok(Arc::new(config))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn unusable(error: impl ToString) -> TlsError {
    TlsError::Unusable { reason: error.to_string() }
}

/// The certificates of a file, at least one.
fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |reason| TlsError::File { key, path: path.to_owned(), reason };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("there is no certificate in it, expected PEM".to_owned()));
    }
    Ok(found)
}

/// When a certificate is not valid any more.
fn expiry(certificate: &CertificateDer<'_>) -> Result<SystemTime, String> {
    let parsed = x509_cert::Certificate::from_der(certificate)
        .map_err(|error| format!("it is no X.509 certificate: {error}"))?;
    Ok(parsed.tbs_certificate().validity().not_after.to_system_time())
}
