//! Makes a new session where the whole cluster was away.
//!
//! The driver waits longer and longer before it connects to a node again, up to ten seconds, unless
//! another node tells it that this one is back. Where no node is connected nobody can, and a
//! cluster that answers again would go unseen for that long: a new session does not wait.

use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use glommio::timer::sleep;

use super::session::{CqlSession, Opened};
use super::store::Inner;

/// How often it looks, and how often it tries.
const LOOK: Duration = Duration::from_millis(250);
/// How long no node may be connected before it does: the driver's own first tries are sooner.
const AWAY: Duration = Duration::from_secs(1);

/// Looks after the session of `inner` as long as that is there.
pub(super) async fn keep_connected(inner: Weak<Inner>, addresses: Vec<SocketAddr>) {
    let mut connected = Instant::now();
    loop {
        sleep(LOOK).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.is_connected() {
            connected = Instant::now();
        } else if connected.elapsed() >= AWAY {
            try_anew(&inner, &addresses).await;
        }
    }
}

/// Opens a session, and has the store use it if its table is the same.
async fn try_anew(inner: &Rc<Inner>, addresses: &[SocketAddr]) {
    let opening = CqlSession::open(Arc::clone(&inner.settings), addresses.to_vec());
    // The cluster is still away, most of the time.
    let Ok(Ok(opened)) = inner.driver.run_aside(opening).await else { return };
    let Opened { session, schema, shape } = opened;
    if schema != inner.schema || shape.has_last_updated != inner.shape.has_last_updated {
        let table = inner.settings.table.as_str();
        tracing::error!(table, "its columns have changed while the cluster was away: start anew");
        return;
    }
    tracing::info!("the cluster is back: a new session");
    inner.renew(session);
}
