//! The beginning of an encrypted connection.

use futures_rustls::server::TlsStream;
use futures_rustls::{Accept, TlsAcceptor};

use super::identity::HTTP2;
use super::{PeerNames, TlsError, TlsIdentity};
use crate::executor::runtime::TcpStream;

/// What an encrypted connection keeps while its client proves itself, about, in bytes.
pub(crate) const HANDSHAKE_BYTES: usize = 16_384;
/// What it keeps from then on: 7 kB were measured of one that is idle.
pub(crate) const SESSION_BYTES: usize = 8_192;
/// The most that it keeps besides of what its client does not take.
pub(crate) const UNSENT_BYTES_MAX: usize = 65_536;

/// What a shard encrypts its connections by.
#[derive(Clone)]
pub(crate) struct TlsServer(TlsAcceptor);

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

impl TlsServer {
    /// Of what was read for all shards; clients may choose HTTP/2 where it `speaks_http2`.
    pub(crate) fn new(identity: &TlsIdentity, speaks_http2: bool) -> Result<Self, TlsError> {
        Ok(Self(TlsAcceptor::from(identity.config(speaks_http2)?)))
    }

    /// Encrypts a connection, as far as its client goes along.
    pub(crate) fn accept(&self, stream: TcpStream) -> Accept<TcpStream> {
        self.0.accept_with(stream, |session| session.set_buffer_limit(Some(UNSENT_BYTES_MAX)))
    }

    /// Whether client and server agreed on HTTP/2 (ALPN, RFC 7301).
    pub(crate) fn has_chosen_http2(encrypted: &TlsStream<TcpStream>) -> bool {
        encrypted.get_ref().1.alpn_protocol() == Some(HTTP2)
    }
}

/// The names of the certificate of an encrypted connection's client; none where it has shown none.
pub(crate) fn peer_names(stream: &TlsStream<TcpStream>) -> PeerNames {
    PeerNames::of(stream.get_ref().1)
}
