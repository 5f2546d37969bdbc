//! Ends rows when their deadline passes, whatever else goes on: while they wait in the queue, for the
//! store, or for the model's server.

use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::or;

use super::{Host, Lane};
use crate::executor::runtime::sleep;

/// How long the rows are left alone after a look at their deadlines, in ns: where many pass one
/// after the other, looking must not cost more than answering.
const PAUSE_NS: u64 = 200_000;

/// Watches the deadlines of a lane's rows, for as long as it is awaited. A lane whose rows have
/// none never wakes it.
pub(crate) async fn watch(lane: Rc<Lane>, host: Host) {
    loop {
        let now_ns = host.now_ns();
        lane.expire(now_ns, |connection| host.clients.wake(connection));
        let earliest_ns = lane.earliest_deadline_ns();
        if earliest_ns == u64::MAX {
            lane.deadlines.notified().await;
        } else {
            let wait_ns = earliest_ns.saturating_sub(now_ns).max(PAUSE_NS);
            or(lane.deadlines.notified(), sleep(Duration::from_nanos(wait_ns))).await;
        }
    }
}
