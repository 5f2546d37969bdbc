//! Reloads on SIGHUP and works off the shards' admin queues, on a thread of its own. Loading may
//! take long: neither shards nor the watch over them wait for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use shards::shard::{AdminReply, AdminReplyKind, Command, RepositoryRequest, ShardShared};

use super::keys::ServingKeys;
use super::reload::Reloader;
use super::repository;
use super::shard_thread::ShardHandle;
use super::tls::ServingTls;
use crate::admin::AdminTls;
use crate::admin::access::{Access, Credentials};
use crate::quiet;

/// How often it looks at the shards' admin queues.
const LOOK: Duration = Duration::from_millis(20);

/// The handle by which a reload is ordered.
#[derive(Debug)]
pub(crate) struct Orders(SyncSender<()>);

impl Orders {
    /// Takes the models into service as they are on disk, after the orders before it. A reload that
    /// waits already is the same one.
    pub(crate) fn reload(&self) {
        let _ = self.0.try_send(());
    }
}

/// What is read again at each reload, beside the models.
#[derive(Debug)]
pub(crate) struct Renewed {
    /// What encrypts the serving port.
    pub(crate) tls: Option<ServingTls>,
    /// The keys that requests need.
    pub(crate) keys: Option<ServingKeys>,
    /// What encrypts the admin port.
    pub(crate) admin_tls: Option<Arc<AdminTls>>,
}

/// Starts the thread; it ends with the process. `access` has the rules for requests that come
/// through a shard, where these are taken.
pub(crate) fn start(
    reloader: Arc<Reloader>,
    renewed: Renewed,
    access: Option<Access>,
    shards: &[ShardHandle],
) -> anyhow::Result<Orders> {
    let (sender, reloads) = sync_channel(1);
    let worker = AdminWorker {
        reloader,
        renewed,
        access,
        cores: shards.iter().map(|shard| shard.core).collect(),
        shards: shards.iter().map(|shard| Arc::clone(&shard.shared)).collect(),
    };
    let thread = std::thread::Builder::new().name("repository".to_owned());
    thread.spawn(move || worker.work(&reloads)).context("no thread for reloads")?;
    Ok(Orders(sender))
}

struct AdminWorker {
    reloader: Arc<Reloader>,
    renewed: Renewed,
    access: Option<Access>,
    cores: Vec<usize>,
    shards: Vec<Arc<ShardShared>>,
}

impl AdminWorker {
    fn work(&self, reloads: &Receiver<()>) {
        quiet::keep_out_of_the_way(&self.cores);
        let Some(access) = &self.access else {
            return reloads.iter().for_each(|()| self.reload());
        };
        loop {
            match reloads.recv_timeout(LOOK) {
                Ok(()) => self.reload(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for shard in &self.shards {
                for request in shard.take_requests() {
                    let (kind, body) = self.answer(access, &request);
                    let reply = AdminReply { kind, body: body.to_string().into_bytes() };
                    shard.send(Command::Reply { number: request.number, reply });
                }
            }
        }
    }

    fn reload(&self) {
        if let Some(tls) = &self.renewed.tls {
            tls.renew(&self.shards);
        }
        if let Some(keys) = &self.renewed.keys {
            keys.renew(&self.shards);
        }
        if let Some(tls) = &self.renewed.admin_tls {
            tls.renew();
        }
        match self.reloader.reload() {
            Ok(models) => tracing::info!(?models, "reloaded"),
            Err(error) => tracing::error!(
                %error,
                "not reloaded: the models that were loaded go on serving"
            ),
        }
    }

    fn answer(&self, access: &Access, request: &RepositoryRequest) -> (AdminReplyKind, Value) {
        let credentials = Credentials {
            host: Some(&request.host),
            origin: request.origin.as_deref(),
            authorization: request.authorization.as_deref(),
        };
        if let Err((status, message)) = access.check(credentials) {
            let is_unknown = status == 401;
            let kind = if is_unknown {
                AdminReplyKind::Unauthenticated
            } else {
                AdminReplyKind::Forbidden
            };
            return (kind, json!({ "error": message }));
        }
        repository::answer(&self.reloader, request.call.as_deref(), &request.body)
    }
}
