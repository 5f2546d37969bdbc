//! The beginning of an encrypted connection.

use std::time::Duration;

use futures_lite::future::or;
use futures_rustls::TlsAcceptor;
use futures_rustls::server::TlsStream;

use super::{TlsError, TlsIdentity};
use crate::executor::runtime::{TcpStream, sleep};

/// What a shard encrypts its connections by.
#[derive(Clone)]
pub(crate) struct TlsServer(TlsAcceptor);

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

/// Why a connection was not encrypted, and was closed.
#[derive(Debug)]
pub(crate) enum HandshakeError {
    /// The client took too long.
    TooSlow,
    /// The client speaks another protocol, is not trusted, or went away.
    Failed,
}

impl HandshakeError {
    /// Its place among the words of the metric.
    pub(crate) fn index(&self) -> usize {
        match self {
            Self::TooSlow => 0,
            Self::Failed => 1,
        }
    }
}

impl TlsServer {
    /// Of what was read for all shards.
    pub(crate) fn new(identity: &TlsIdentity) -> Result<Self, TlsError> {
        Ok(Self(TlsAcceptor::from(identity.config()?)))
    }

    /// Encrypts a connection that was accepted.
    pub(crate) fn begin(
        &self,
        stream: TcpStream,
        limit: Duration,
    ) -> impl Future<Output = Result<TlsStream<TcpStream>, HandshakeError>> + use<> {
        let accepted = self.0.accept(stream);
        let encrypt = async { accepted.await.map_err(|_| HandshakeError::Failed) };
        let late = async move {
            sleep(limit).await;
            Err(HandshakeError::TooSlow)
        };
        or(encrypt, late)
    }
}
