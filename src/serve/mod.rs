//! Start, signals and stop of the serving process.
//!
//! [`tls`] reads what encrypts the serving port, [`keys`] which keys requests need, and [`key_rates`]
//! divides their rates among the shards; [`io_uring`] says
//! whether shards can run at all, [`sockets`] makes a listening socket a shard, or inherits them by [`takeover`] from a [`peer`], [`claim`] has one process alone begin to listen,
//! [`steering`] says which connections are for which, [`features`] opens the store, [`fit_watch`]
//! says when its columns change and [`store_watch`] what is wrong with its file, [`invitation`] says
//! what to ask it, [`shard_thread`] is a pinned thread with an executor, [`reload`] takes models into
//! service and out of it, [`repository`] answers requests about that, [`orders`] has done what comes
//! by signal or through a shard, [`writes`] writes features, [`signals`] waits for what an operator asks,
//! [`supervisor`] is told how the process is, and [`report`] prints histograms.
//!
//! What is *not* here: what a shard does with a request.

mod claim;
pub(crate) mod features;
mod fit_watch;
mod invitation;
mod io_uring;
mod key_rates;
mod keys;
mod orders;
mod peer;
pub(crate) mod reload;
mod report;
pub(crate) mod repository;
mod shard_thread;
mod signals;
pub(crate) mod sockets;
pub(crate) mod steering;
mod store_watch;
mod supervisor;
mod takeover;
pub(crate) mod tls;
pub(crate) mod writes;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Context;
use shards::features::StoreSource;
use shards::model::Loads;
use shards::model::repository::ModelDirectory;
use shards::shard::{ShardSetup, Shutdown};

use self::keys::ServingKeys;
use self::orders::Renewed;
use self::reload::Reloader;
use self::shard_thread::{News, ShardHandle};
use self::sockets::Sockets;
use self::store_watch::StoreWatch;
use self::takeover::offer::{Bound, Handover};
use self::tls::ServingTls;
use self::writes::WriteDesk;
use self::writes::entities::Entities;
use crate::admin::access::Access;
use crate::admin::store::StoreView;
use crate::admin::{Admin, AdminTls, Written};
use crate::config::Config;
use crate::journal::{JournalThread, Writer};
use crate::otlp::Exporter;
use crate::system::descriptors::Descriptors;
use crate::system::memory::MemoryLimit;
use crate::system::quota;
use crate::{admin, allocator, logging, otlp};

/// How long beyond its own limit a drain may take before the shards that hang are named.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);

/// Serves until a signal says to stop.
pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let log = logging::start(&config.log, config.log_format)?;
    for warning in &config.warnings {
        tracing::warn!("configuration: {warning}");
    }
    let signals = signals::Waiter::register()?;
    let cores = config.cores.resolve()?;
    say_what_is_limited(config, cores.len());
    io_uring::ensure_available()?;
    let models = find_models(config)?;
    for name in &config.model {
        reload::warn_of_folders(&config.repository(), name);
    }
    let tls = ServingTls::open(&config.tls)?;
    let asks_certificates = config.tls.client_ca_file.is_some();
    let keys_file = config.keys_file.as_deref();
    let keys = ServingKeys::open(keys_file, cores.len(), asks_certificates)?;
    let (keys, key_file) = keys.unzip();
    let mut sockets = Sockets::open(config, cores.len())?;
    let entities = Entities::new(&models, &config.writes.tables, &config.aggregates);
    let Some(store) = features::open(config, &models, &entities, &signals)? else {
        tracing::info!("stopped before it served");
        return Ok(ExitCode::SUCCESS);
    };
    let writer = Writer::open(&config.journals)?;
    let user_keys = writer.as_ref().and_then(Writer::user_keys);

    let shutdown = Shutdown::default();
    if sockets.held_elsewhere {
        shutdown.leave_listeners();
    }
    let (sender, news) = channel();
    let mut shards = Vec::with_capacity(cores.len());
    let loads = Arc::new(Loads::for_shards(cores.len()));
    let setup = ShardSetup {
        settings: config.shard.clone(),
        models: models.clone(),
        load: config.load_options(),
        loads: Arc::default(),
        store: store.clone(),
        keys: key_file,
        tls: tls.as_ref().map(ServingTls::identity),
        shared: Arc::default(),
    };
    for (index, core) in cores.iter().enumerate() {
        let setup =
            ShardSetup { loads: Arc::clone(&loads), shared: Arc::default(), ..setup.clone() };
        let started = shard_thread::spawn(index, *core, setup, shutdown.clone(), sender.clone());
        shards.push(started.context("a shard's thread could not be started")?);
    }
    drop((sender, loads, setup));
    let views = shards.iter().map(ShardHandle::view).collect();
    let journal = writer.map(|writer| start_journal(writer, &shards)).transpose()?;
    let written = journal.as_ref().map(|journal| Arc::clone(&journal.counters));
    let exporter = start_exporter(config, &shards)?;
    let spans = exporter.as_ref().map(|exporter| Arc::clone(&exporter.counters));
    let written = Written { journal: written, spans };
    let known = StoreView::new(config.store.to_string(), &store);
    let inherited = sockets.admin();
    let admin_tls = AdminTls::open(&config.admin.tls).context(ADMIN_TLS)?.map(Arc::new);
    let sockets_of_admin = (inherited, admin_tls.clone());
    let admin =
        admin::start(config, views, shutdown.clone(), log, written, sockets_of_admin, known)?;
    if !wait_until_ready(&shards, &news, &signals)? {
        tracing::info!("stopped before it served");
        return Ok(ExitCode::SUCCESS);
    }
    allocator::give_back();
    let handover = start_listening(config, &shards, &mut sockets, &admin)?;
    let scheme_of = |is_encrypted| if is_encrypted { "https" } else { "http" };
    let (scheme, admin_scheme) = (scheme_of(tls.is_some()), scheme_of(admin_tls.is_some()));
    let invitation = invite((scheme, sockets.address), &store, &shards, &models);
    let all: Vec<_> = shards.iter().map(|shard| Arc::clone(&shard.shared)).collect();
    let reloader = Arc::new(Reloader::new(config, store.clone(), all.clone(), models));
    let cores = shards.iter().map(|shard| shard.core).collect();
    let desk =
        Arc::new(WriteDesk::start(&store, config.writes.clone(), entities, user_keys, all, cores)?);
    admin.set_writing(Arc::clone(&desk));
    let at = admin::ServedAt { address: sockets.address, is_encrypted: tls.is_some() };
    admin.set_serving(Arc::clone(&reloader), at);
    let is_asked = config.admin.repository_on_serving_port;
    let access = is_asked.then(|| Access::of(&config.admin, sockets.address));
    tls::warn_of_open_port(sockets.address, tls.is_some() || keys.is_some());
    let orders = orders::start(reloader, Renewed { tls, keys, admin_tls }, access, &shards)?;
    let url = format!("{admin_scheme}://{}/", admin.address);
    announce(config, &shards, (scheme, sockets.address), &url, invitation);
    signals.supervisor.ready(&serves(config, scheme, sockets.address));
    let watch = StoreWatch::new(store);
    let outcome = signals::serve(&signals, &shards, &news, &shutdown, &orders, &handover, watch);
    let drain = Duration::from_millis(config.shard.http.drain_ms_max) + DRAIN_MARGIN;
    let code = stop(&signals, shards, &news, drain, &outcome);
    if let Some(journal) = journal {
        journal.finish();
    }
    desk.finish();
    if let Some(exporter) = exporter {
        exporter.finish();
    }
    admin.finish();
    tracing::info!("stopped");
    Ok(code)
}

/// What to try first, with the columns and inputs of the first model.
fn invite(
    at: (&str, SocketAddr),
    store: &StoreSource,
    shards: &[ShardHandle],
    models: &[ModelDirectory],
) -> Option<String> {
    let mut columns = shards.first().map_or_else(Vec::new, |shard| shard.shared.columns());
    columns.extend(models.first().into_iter().flat_map(|model| model.manifest.inputs.clone()));
    invitation::line(at, store, &columns)
}

/// What goes before why [`AdminTls::open`] failed.
const ADMIN_TLS: &str = "the admin port cannot be encrypted: [admin.tls]";

/// What a supervisor shows of a process that serves.
fn serves(config: &Config, scheme: &str, address: SocketAddr) -> String {
    format!("serves {} on {scheme}://{address}", config.model.join(", "))
}

/// Says by what the system limits the process, and what connections may take of it.
fn say_what_is_limited(config: &Config, shards: usize) {
    if let Some(quota) = quota::of_process() {
        quota.warn(shards, &config.cores.to_string());
    }
    let http = &config.shard.http;
    let (buffered_bytes_max, connections_max) = (http.buffered_bytes_max, http.connections_max);
    if let Some(MemoryLimit { bytes: limit_bytes, file }) = &config.granted.memory {
        let by = file.display();
        tracing::info!(
            limit_bytes,
            %by,
            shards,
            buffered_bytes_max,
            connections_max,
            "memory is limited, and what each shard's connections may keep of it"
        );
        let kept_bytes = (shards as u64).saturating_mul(buffered_bytes_max as u64);
        if kept_bytes >= *limit_bytes {
            tracing::warn!(
                limit_bytes,
                kept_bytes,
                "all shards' connections together may keep more than the memory that there is: \
                 lower `buffered_bytes_max` of `[http]`"
            );
        }
    }
    if let Some(Descriptors { limit, reserve }) = config.granted.descriptors
        && shards.saturating_mul(connections_max) as u64 > limit - reserve
    {
        tracing::info!(
            limit,
            left_by_connections = reserve,
            shards,
            connections_max,
            "descriptors end before places for connections: further ones wait (LimitNOFILE)"
        );
    }
}

fn start_journal(writer: Writer, shards: &[ShardHandle]) -> anyhow::Result<JournalThread> {
    let shared = shards.iter().map(|shard| Arc::clone(&shard.shared)).collect();
    let cores = shards.iter().map(|shard| shard.core).collect();
    writer.start(shared, cores).context("the thread that writes logs could not be started")
}

fn start_exporter(config: &Config, shards: &[ShardHandle]) -> anyhow::Result<Option<Exporter>> {
    let shared = shards.iter().map(|shard| Arc::clone(&shard.shared)).collect();
    let cores = shards.iter().map(|shard| shard.core).collect();
    otlp::start(&config.otlp, shared, cores).context("spans cannot be sent")
}

/// The directories of the models to serve, the default one first.
fn find_models(config: &Config) -> anyhow::Result<Vec<ModelDirectory>> {
    let repository = config.repository();
    let found = config.model.iter().map(|name| repository.find_served(name));
    Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Waits for every shard to be ready; false where a signal says to stop.
fn wait_until_ready(
    shards: &[ShardHandle],
    news: &Receiver<(usize, News)>,
    signals: &signals::Waiter,
) -> anyhow::Result<bool> {
    let mut ready = 0;
    while ready < shards.len() {
        match news.recv_timeout(signals::LOOK) {
            Ok((_, News::Ready)) => ready += 1,
            Ok((index, News::Ended(Err(reason)))) => anyhow::bail!("shard {index}: {reason}"),
            Ok((index, News::Ended(Ok(())))) => anyhow::bail!("shard {index} ended at its start"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the shards ended at their start"),
        }
        if signals.stop_asked().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives each shard its listeners, and lets the next process take them over. If there is a process
/// that they are taken over from, it is told when nothing is left that could fail.
fn start_listening(
    config: &Config,
    shards: &[ShardHandle],
    sockets: &mut Sockets,
    admin: &Admin,
) -> anyhow::Result<Arc<Handover>> {
    let shared = sockets.share(&admin.listener)?;
    // Until its sockets listen, so that another process sees them.
    let _claim = sockets.claim()?;
    sockets.ensure_still_free()?;
    config.steering.warn_where_unknown();
    for (shard, own) in shards.iter().zip(&sockets.by_shard) {
        config.steering.apply(own, shard.core)?;
    }
    let beside = |path| Bound::beside(path, shared, sockets.held_elsewhere);
    let bound = config.takeover.as_deref().map(beside).transpose()?;
    if let Some(offer) = sockets.offer.take() {
        offer.accept()?;
    }
    for (shard, own) in shards.iter().zip(sockets.by_shard.drain(..)) {
        // A shard that died since it was ready says so itself, when it is watched.
        let _ = shard.start.send(sockets::listen(own)?);
    }
    bound.map_or_else(|| Ok(Arc::default()), Bound::offer)
}

fn announce(
    config: &Config,
    shards: &[ShardHandle],
    (scheme, address): (&str, SocketAddr),
    admin: &str,
    invitation: Option<String>,
) {
    let cores: Vec<_> = shards.iter().map(|shard| shard.core).collect();
    let mut output = std::io::stdout();
    // It serves all the same where nobody reads its output.
    let _ = writeln!(
        output,
        "shardgate serves {} on {scheme}://{address}, one shard on each of the cores {cores:?}",
        config.model.join(", ")
    );
    let _ = writeln!(output, "live page, metrics and health: {admin}");
    if let Some(invitation) = invitation {
        let _ = writeln!(output, "{invitation}");
    }
    for lane in shards.first().iter().flat_map(|shard| shard.shared.telemetry.lanes()) {
        let facts = &lane.facts;
        let score = &facts.description.score;
        let _ = writeln!(output, "model {}/{}: score = {score}", facts.model, facts.version);
        for doubt in facts.description.doubts() {
            tracing::warn!(model = facts.model, version = facts.version, "{doubt}");
        }
    }
}

/// Waits for the shards to drain and names those that do not. A signal ends the wait.
fn stop(
    signals: &signals::Waiter,
    shards: Vec<ShardHandle>,
    news: &Receiver<(usize, News)>,
    patience: Duration,
    outcome: &signals::Outcome,
) -> ExitCode {
    let mut failed = outcome.failed.is_some();
    let mut draining: Vec<usize> = shards
        .iter()
        .map(|shard| shard.index)
        .filter(|index| Some(*index) != outcome.failed)
        .collect();
    let give_up = std::time::Instant::now() + patience;
    while !draining.is_empty() && std::time::Instant::now() < give_up {
        match news.recv_timeout(Duration::from_millis(20)) {
            Ok((index, News::Ended(result))) => {
                draining.retain(|shard| *shard != index);
                if let Err(reason) = result {
                    tracing::error!(shard = index, reason, "the shard failed");
                    failed = true;
                }
            }
            Ok((_, News::Ready)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if let Some(code) = signals.while_draining(&shards) {
            return code;
        }
    }
    if !draining.is_empty() {
        tracing::error!(shards = ?draining, "these shards did not end in time");
        failed = true;
    }
    for shard in shards {
        if !draining.contains(&shard.index) {
            // Its end was in the news, so this does not wait; a panic was reported there.
            let _ = shard.thread.join();
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
