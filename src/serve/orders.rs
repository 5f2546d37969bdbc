//! Does what an operator asks by SIGHUP, and what comes through a shard's port, on a thread of its
//! own: loading takes as long as it takes, and neither shards nor the watch over them wait for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use shards::shard::{Command, ProcessReply, ReplyKind, RepositoryRequest, ShardShared};

use super::reload::Reloader;
use super::repository;
use super::shard_thread::ShardHandle;
use crate::admin::access::{Access, Asker};
use crate::quiet;

/// How often it looks at what the shards were asked.
const LOOK: Duration = Duration::from_millis(20);

/// Where orders are given.
#[derive(Debug)]
pub(crate) struct Orders(SyncSender<()>);

impl Orders {
    /// Takes the models into service as they are on disk, as soon as what was asked before is
    /// done. A reload that waits already is the same one.
    pub(crate) fn reload(&self) {
        let _ = self.0.try_send(());
    }
}

/// Starts the thread; it ends with the process. `access` says who may ask through a shard, if
/// anybody may.
pub(crate) fn start(
    reloader: Arc<Reloader>,
    access: Option<Access>,
    shards: &[ShardHandle],
) -> anyhow::Result<Orders> {
    let (sender, reloads) = sync_channel(1);
    let clerk = Clerk {
        reloader,
        access,
        cores: shards.iter().map(|shard| shard.core).collect(),
        shards: shards.iter().map(|shard| Arc::clone(&shard.shared)).collect(),
    };
    let thread = std::thread::Builder::new().name("repository".to_owned());
    thread.spawn(move || clerk.work(&reloads)).context("no thread for reloads")?;
    Ok(Orders(sender))
}

struct Clerk {
    reloader: Arc<Reloader>,
    access: Option<Access>,
    cores: Vec<usize>,
    shards: Vec<Arc<ShardShared>>,
}

impl Clerk {
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
                    let reply = ProcessReply { kind, body: body.to_string().into_bytes() };
                    shard.send(Command::Answer { number: request.number, reply });
                }
            }
        }
    }

    fn reload(&self) {
        match self.reloader.reload() {
            Ok(models) => tracing::info!(?models, "reloaded"),
            Err(error) => tracing::error!(
                %error,
                "not reloaded: the models that were loaded go on serving"
            ),
        }
    }

    fn answer(&self, access: &Access, request: &RepositoryRequest) -> (ReplyKind, Value) {
        let asker = Asker {
            host: Some(&request.host),
            origin: request.origin.as_deref(),
            authorization: request.authorization.as_deref(),
        };
        if let Err((status, message)) = access.check(asker) {
            let is_unknown = status == 401;
            let kind = if is_unknown { ReplyKind::Unauthenticated } else { ReplyKind::Forbidden };
            return (kind, json!({ "error": message }));
        }
        repository::answer(&self.reloader, request.call.as_deref(), &request.body)
    }
}
