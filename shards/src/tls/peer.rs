//! The names of a client's certificate.

use futures_rustls::rustls::CommonState;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The names that a client's certificate was given by its authority, each behind its kind:
/// `dns:scoring.internal`, `uri:spiffe://cluster/scoring`, `email:risk@bank.test`, `cn:scoring`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PeerNames(Box<[Box<str>]>);

impl PeerNames {
    /// Of the client at the other end of a connection; none where it has shown no certificate.
    pub(super) fn of(connection: &CommonState) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        chain.first().map(|certificate| Self::read(certificate)).unwrap_or_default()
    }

    fn read(certificate: &[u8]) -> Self {
        // The verifier took it, so that it can be read; if it can't, it has no name.
        let Ok(certificate) = Certificate::from_der(certificate) else { return Self::default() };
        let certificate = certificate.tbs_certificate();
        let mut names: Vec<Box<str>> = Vec::new();
        if let Ok(Some((_, SubjectAltName(others)))) = certificate.get_extension() {
            names.extend(others.iter().filter_map(|name| match name {
                // Case does not tell names of hosts apart.
                GeneralName::DnsName(name) => {
                    Some(format!("dns:{}", name.as_str().to_ascii_lowercase()).into())
                }
                GeneralName::UniformResourceIdentifier(name) => {
                    Some(format!("uri:{}", name.as_str()).into())
                }
                GeneralName::Rfc822Name(name) => Some(format!("email:{}", name.as_str()).into()),
                _ => None,
            }));
        }
        if let Ok(Some(name)) = certificate.subject().common_name() {
            names.push(format!("cn:{}", name.value()).into());
        }
        Self(names.into())
    }

    /// The names.
    pub(crate) fn all(&self) -> &[Box<str>] {
        &self.0
    }
}
