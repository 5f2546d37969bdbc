//! What encrypts the admin port: read at the start and again at each reload.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use shards::tls::{TlsError, TlsIdentity, TlsSettings};

/// How long before its end a certificate is warned of.
const WARNED_BEFORE: Duration = Duration::from_hours(14 * 24);

/// What encrypts the admin port.
#[derive(Debug)]
pub(crate) struct AdminTls {
    settings: TlsSettings,
    now: Mutex<(TlsIdentity, Arc<ServerConfig>)>,
}

impl AdminTls {
    /// Reads the files; `None` where the port is plain.
    pub(crate) fn open(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let Some(identity) = TlsIdentity::read(settings, None)? else { return Ok(None) };
        let config = identity.config(false)?;
        warn_of_end(&identity);
        Ok(Some(Self { settings: settings.clone(), now: Mutex::new((identity, config)) }))
    }

    /// Reads the files again, for connections to come. Where they cannot be used, what was read
    /// before goes on.
    pub(crate) fn renew(&self) {
        let read = {
            let now = self.lock();
            let read = TlsIdentity::read(&self.settings, Some(&now.0));
            read.and_then(|found| {
                found.map(|it| it.config(false).map(|config| (it, config))).transpose()
            })
        };
        match read {
            Ok(Some((identity, config))) => {
                warn_of_end(&identity);
                *self.lock() = (identity, config);
            }
            Ok(None) => {}
            Err(error) => tracing::error!(
                %error,
                "the admin port's certificate was not read again: the one that was read goes on"
            ),
        }
    }

    /// For a connection that begins now.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.lock().1)
    }

    /// When the certificate is not valid any more, in s since 1970.
    pub(super) fn expires_s(&self) -> u64 {
        let expires = self.lock().0.expires();
        expires.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    #[expect(clippy::disallowed_methods, reason = "threads of the admin port, not a shard's")]
    fn lock(&self) -> std::sync::MutexGuard<'_, (TlsIdentity, Arc<ServerConfig>)> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warn_of_end(identity: &TlsIdentity) {
    match identity.expires().duration_since(SystemTime::now()) {
        Err(_) => tracing::error!("the certificate of the admin port is not valid any more"),
        Ok(left) if left < WARNED_BEFORE => {
            let days = left.as_secs() / 86_400;
            tracing::warn!(days, "the certificate of the admin port ends soon");
        }
        Ok(_) => {}
    }
}
