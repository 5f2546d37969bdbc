//! Looks after a store's session: makes a new one where the cluster does not answer any more, and
//! new statements where the table is another.
//!
//! The driver waits longer and longer before it connects to a node again, up to ten seconds, and
//! knows its nodes by the addresses that they had. A connection whose packets were lost is worse:
//! the kernel sends them again after twice the time, each time, and nothing of it is seen here. A
//! new session waits for neither, and looks the contact points' names up anew.

use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::describe::TableDescription;
use super::error::ScyllaError;
use super::probe;
use super::session::CqlSession;
use super::settings::ScyllaSettings;
use super::shared::Inner;
use crate::executor::runtime::{sleep, spawn};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(250);
/// How long no node may be connected, or none may have answered, before it acts.
const AWAY: Duration = Duration::from_secs(1);
/// How long a node may take to answer a probe, or to accept a connection: then it is tried again,
/// with a packet of its own.
const REACH: Duration = Duration::from_millis(500);
/// How long a new session may take at first; each that took longer may take twice the time, up to
/// what one may at start. What hangs on a path that was cut has to be begun again.
const OPEN: Duration = Duration::from_secs(2);
/// How long a look at the table may take.
const TABLE_LOOK: Duration = Duration::from_secs(1);
/// How often names are looked up at most.
const NAMES_LOOK: Duration = Duration::from_secs(1);

/// Looks after the session of `inner` as long as that is there.
pub(super) async fn look_after(inner: Weak<Inner>, addresses: Vec<SocketAddr>) {
    let mut contacts = Contacts { addresses, asked: None, next: Instant::now() };
    let (mut connected, mut patience) = (Instant::now(), OPEN);
    loop {
        sleep(LOOK).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.count_connected() > 0 {
            connected = Instant::now();
        }
        let is_away = connected.elapsed() >= AWAY;
        let is_silent = inner.silent_since.get().is_some_and(|since| since.elapsed() >= AWAY);
        if is_away || (is_silent && !answers(&inner).await) {
            try_anew(&inner, &mut contacts, &mut patience).await;
        } else if inner.watch.is_due() {
            inner.watch.begin();
            look_at_table(&inner).await;
        }
    }
}

/// Has the table looked at as soon as may be: what came back says that it may be another.
pub(super) fn doubt_table(inner: &Rc<Inner>) {
    inner.watch.doubt();
    if inner.watch.is_due() {
        inner.watch.begin();
        let inner = Rc::clone(inner);
        spawn(async move { look_at_table(&inner).await }).detach();
    }
}

/// Asks nodes by the session that is there. Those that answer may be asked by batches again.
async fn answers(inner: &Inner) -> bool {
    let session = inner.session().as_ref().clone();
    let answering = inner.driver.run_aside(probe::answering(session, REACH)).await;
    let answering = answering.unwrap_or_default();
    for node in &answering {
        inner.router.admit(*node);
    }
    if !answering.is_empty() {
        inner.silent_since.set(None);
    }
    !answering.is_empty()
}

/// Opens a session, and has the store use it. Where no node can be reached, or none answers, there
/// is nothing to say that was not said of the statements.
async fn try_anew(inner: &Rc<Inner>, contacts: &mut Contacts, patience: &mut Duration) {
    contacts.renew(&inner.settings).await;
    let addresses = contacts.with_nodes_of(inner);
    let Ok(reached) = inner.driver.run_aside(reach(addresses)).await else { return };
    if reached.is_empty() {
        return;
    }
    let known = Some(Arc::clone(&inner.session().table));
    let opening = CqlSession::open(Arc::clone(&inner.settings), reached, known);
    let limit = *patience;
    // The timer belongs to the driver's runtime: it has to be made there.
    let opening = async move { tokio::time::timeout(limit, opening).await };
    match inner.driver.run_aside(opening).await {
        Ok(Ok(opened)) => {
            *patience = OPEN;
            if opened.is_ok() {
                tracing::info!("the cluster answers again: a new session");
                inner.count(|counters| counters.sessions_renewed += 1);
            }
            take(inner, opened).await;
        }
        Ok(Err(_)) => {
            let longest = Duration::from_millis(2 * inner.settings.connect_timeout_ms);
            *patience = (2 * *patience).min(longest.max(OPEN));
        }
        Err(_) => {}
    }
}

/// Has the table described, and statements prepared for it where it has changed. To be called once
/// the look was begun.
async fn look_at_table(inner: &Rc<Inner>) {
    let session = inner.session();
    let (driver_session, settings) = (Arc::clone(&session.session), Arc::clone(&inner.settings));
    let known = Arc::clone(&session.table);
    let description = Arc::clone(&session.description);
    let is_unreadable = inner.watch.unreadable().is_some();
    let looking = async move {
        let found = TableDescription::fetch(&driver_session, &settings).await?;
        if found == *description && !is_unreadable {
            return Ok(None);
        }
        CqlSession::bind(driver_session, &settings, Some(known)).await.map(Some)
    };
    let looking = async move { tokio::time::timeout(TABLE_LOOK, looking).await };
    match inner.driver.run_aside(looking).await {
        Ok(Ok(Ok(None))) => inner.watch.set_readable(),
        Ok(Ok(Ok(Some(bound)))) => take(inner, Ok(bound)).await,
        // It did not answer as it should: that is no word about the table.
        Ok(Ok(Err(ScyllaError::Statement { .. })) | Err(_)) | Err(_) => {}
        Ok(Ok(Err(error))) => take(inner, Err(error)).await,
    }
    inner.watch.end();
}

/// Has batches read by `opened` from now on, or says why they can't.
async fn take(inner: &Rc<Inner>, opened: Result<CqlSession, ScyllaError>) {
    match opened {
        Ok(session) => {
            if !Arc::ptr_eq(&session.table, &inner.session().table) {
                let columns = session.table.schema.columns().iter();
                let columns: Vec<_> = columns
                    .map(|column| format!("{} {}", column.name, column.column_type))
                    .collect();
                let table = inner.settings.table.as_str();
                tracing::info!(table, columns = columns.join(", "), "the table has other columns");
            }
            inner.watch.set_readable();
            inner.renew(session);
            inner.learn_group_keys().await;
        }
        // That the cluster does not answer is said of the statements.
        Err(ScyllaError::Connect { .. } | ScyllaError::Unanswered { .. }) => {}
        Err(error) => {
            // It may be mended at any time, and nothing but a look would show that.
            inner.watch.doubt();
            if error.is_about_table() {
                // The models are unfit then, and the process says of each why.
                inner.watch.set_unreadable(&error);
            } else if inner.watch.is_news(&error) {
                tracing::error!(%error, "the feature store can't be read");
            }
        }
    }
}

/// Those of `addresses` that accept a connection, soon after the first of them has.
async fn reach(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut connecting = JoinSet::new();
    for address in addresses {
        connecting.spawn(async move {
            let connected = tokio::time::timeout(REACH, TcpStream::connect(address)).await;
            connected.is_ok_and(|connected| connected.is_ok()).then_some(address)
        });
    }
    let mut reached = Vec::new();
    while let Some(ended) = connecting.join_next().await {
        reached.extend(ended.ok().flatten());
        if !reached.is_empty() {
            break;
        }
    }
    while let Some(Ok(address)) = connecting.try_join_next() {
        reached.extend(address);
    }
    reached
}

/// The addresses of the contact points, as their names are known now.
struct Contacts {
    addresses: Vec<SocketAddr>,
    /// A look-up on its way: it may take long where the network is away.
    asked: Option<oneshot::Receiver<Vec<SocketAddr>>>,
    next: Instant,
}

impl Contacts {
    /// Takes what the last look-up gave, and begins the next one.
    async fn renew(&mut self, settings: &Arc<ScyllaSettings>) {
        if let Some(asked) = &mut self.asked {
            match poll_once(asked).await {
                Some(Ok(addresses)) if !addresses.is_empty() => self.addresses = addresses,
                Some(_) => {}
                None => return,
            }
            self.asked = None;
        }
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + NAMES_LOOK;
        let (sender, receiver) = oneshot::channel();
        let settings = Arc::clone(settings);
        // The resolver blocks, and may not hold up the end of the shard.
        let thread = std::thread::Builder::new().name("names".to_owned());
        let looked_up = thread.spawn(move || {
            // Nobody waits for it any more where this fails.
            let _ = sender.send(settings.resolve().unwrap_or_default());
        });
        if looked_up.is_ok() {
            self.asked = Some(receiver);
        }
    }

    /// With the nodes that the session knows, where these are reached by their own addresses.
    fn with_nodes_of(&self, inner: &Inner) -> Vec<SocketAddr> {
        let mut addresses = self.addresses.clone();
        if inner.settings.address_map.is_empty() {
            let cluster = inner.session().session.get_cluster_state();
            let nodes = cluster.get_nodes_info().iter();
            addresses
                .extend(nodes.map(|node| SocketAddr::new(node.address.ip(), node.address.port())));
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}
