//! The certificate of the serving port: read at the start and again at each reload.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use shards::shard::{Command, ShardShared};
use shards::tls::{TlsError, TlsIdentity, TlsSettings};

/// How long before its end a certificate is warned of.
const WARNED_BEFORE: Duration = Duration::from_hours(14 * 24);

/// What encrypts the serving port.
#[derive(Debug)]
pub(crate) struct ServingTls {
    settings: TlsSettings,
    identity: RefCell<TlsIdentity>,
}

impl ServingTls {
    /// Reads the files; `None` where the port is plain.
    pub(crate) fn open(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let Some(identity) = TlsIdentity::read(settings, None)? else { return Ok(None) };
        say_expiry(&identity);
        Ok(Some(Self { settings: settings.clone(), identity: RefCell::new(identity) }))
    }

    /// What each shard opens with.
    pub(crate) fn identity(&self) -> TlsIdentity {
        self.identity.borrow().clone()
    }

    /// Reads the files again, and has all shards use them for connections to come. Where they cannot
    /// be used, what was read before goes on.
    pub(super) fn renew(&self, shards: &[Arc<ShardShared>]) {
        let mut identity = self.identity.borrow_mut();
        match TlsIdentity::read(&self.settings, Some(&identity)) {
            Ok(Some(read)) => {
                say_expiry(&read);
                *identity = read;
                for shard in shards {
                    shard.send(Command::Encrypt(Box::new(identity.clone())));
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(
                %error,
                "the certificate was not read again: the one that was read goes on"
            ),
        }
    }
}

/// Says until when the certificate is valid; loudly, where that is soon.
fn say_expiry(identity: &TlsIdentity) {
    let left = identity.expires().duration_since(SystemTime::now());
    let days = left.as_ref().map_or(0, |left| left.as_secs() / 86_400);
    match left {
        Err(_) => tracing::error!("the certificate of the serving port is not valid any more"),
        Ok(left) if left < WARNED_BEFORE => {
            tracing::warn!(days, "the certificate of the serving port ends soon");
        }
        Ok(_) => tracing::info!(days, "the serving port is encrypted"),
    }
}

/// Warns of a port that others than this machine reach, and that neither encryption nor keys
/// protect.
pub(crate) fn warn_of_open_port(address: SocketAddr, is_protected: bool) {
    if !is_protected && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "requests are not encrypted and need no key: an API gateway in front has to see to \
             both, or --tls-certificate and --keys-file do"
        );
    }
}
