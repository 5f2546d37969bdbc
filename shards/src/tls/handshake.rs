//! The beginning of an encrypted connection.

use futures_rustls::server::TlsStream;
use futures_rustls::{Accept, TlsAcceptor};

use super::identity::HTTP2;
use super::{TlsError, TlsIdentity};
use crate::executor::runtime::TcpStream;

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
        self.0.accept(stream)
    }

    /// Whether client and server agreed on HTTP/2 (ALPN, RFC 7301).
    pub(crate) fn has_chosen_http2(encrypted: &TlsStream<TcpStream>) -> bool {
        encrypted.get_ref().1.alpn_protocol() == Some(HTTP2)
    }
}
