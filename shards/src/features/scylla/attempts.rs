//! Asks for a flight's keys: the group's owner first, then another node, then key by key.
//!
//! The group as a whole gets half of the time. What is left is for its keys singly, so that one
//! that can't be read does not take the others with it; the retry budget and a bound on statements
//! in flight keep that from multiplying what a dead cluster is asked. A cluster that does not take
//! a statement of so many keys is asked in smaller and smaller groups, and what it took is kept.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use scylla::client::session::Session;
use scylla::response::query_result::QueryResult;
use scylla::statement::bound::BoundStatement;
use scylla::value::CqlValue;

use super::faults::Fault;
use super::flight::Flight;
use super::routing::Target;
use super::runtime::{Ended, Running};
use super::session::CqlSession;
use super::shared::Inner;
use crate::failure::FaultReason;
use crate::features::import::now_us;

type Answer = Result<QueryResult, Fault>;

/// By when a flight has to land.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// For the group's statement.
    pub(super) group: Instant,
    /// For everything.
    pub(super) all: Instant,
}

/// The statement for a whole flight, on its way.
pub(super) struct Departed {
    flight: Rc<Flight>,
    target: Target,
    deadlines: Deadlines,
    running: Option<Running<Answer>>,
}

/// Sends the statement for all keys of `flight` to `target`.
pub(super) fn depart(
    inner: &Inner,
    flight: Rc<Flight>,
    target: Target,
    deadlines: Deadlines,
) -> Departed {
    inner.budget.borrow_mut().earn(flight.len());
    let asked: Vec<_> = (0..flight.len()).collect();
    let running = ask(inner, &flight, &asked, &target, deadlines.group);
    Departed { flight, target, deadlines, running }
}

/// Waits for the statement and for what follows where it fails; then the flight has landed.
pub(super) async fn arrive(inner: Rc<Inner>, departed: Departed) {
    let Departed { flight, target, deadlines, running } = departed;
    let asked: Vec<_> = (0..flight.len()).collect();
    let mut failed = target;
    let mut outcome = settle(&inner, &flight, &asked, &failed, running).await;
    if outcome.as_ref().is_err_and(|fault| fault.reason.is_silence())
        && Instant::now() < deadlines.group
        && let Some(other) = another_node(&inner, &flight, &failed)
        && inner.budget.borrow_mut().spend(1) == 1
    {
        let running = ask(&inner, &flight, &asked, &other, deadlines.group);
        outcome = settle(&inner, &flight, &asked, &other, running).await;
        failed = other;
    }
    if let Err(fault) = outcome {
        let fault = match fault.reason {
            FaultReason::Invalid => {
                ask_in_parts(&inner, &flight, &failed, deadlines.all, fault).await
            }
            FaultReason::TableChanged => Some(fault),
            _ => {
                ask_singly(&inner, &flight, &failed, deadlines.all).await;
                Some(fault)
            }
        };
        if let Some(fault) = fault {
            if fault.reason.doubts_table() {
                flight.doubt_table();
            }
            inner.tell(&fault, flight.pending().len() + flight.failed());
        }
    }
    flight.land();
    inner.landed(&flight);
}

/// Sends the statement for the keys `asked` of the flight.
fn ask(
    inner: &Inner,
    flight: &Flight,
    asked: &[usize],
    target: &Target,
    until: Instant,
) -> Option<Running<Answer>> {
    let session = inner.session_for(flight)?;
    let mut statement = if let [index] = *asked {
        session.single.clone().bind(&values(flight, index)?).ok()?
    } else {
        // Where a statement takes one key, flights have one.
        let keys = asked.iter().filter_map(|&index| values(flight, index)?.pop());
        session.group.clone()?.bind(&(keys.collect::<Vec<_>>(),)).ok()?
    };
    statement.set_load_balancing_policy(Some(target.policy()));
    Some(send(inner, &session, statement, until))
}

/// Waits for an answer, takes its rows, and tells the node's breaker.
async fn settle(
    inner: &Inner,
    flight: &Flight,
    asked: &[usize],
    target: &Target,
    running: Option<Running<Answer>>,
) -> Result<(), Fault> {
    let Some(running) = running else {
        return Err(Fault::new(FaultReason::TableChanged, "the table was found to be another"));
    };
    let answer = running.await.unwrap_or_else(|Ended| Err(Fault::ended()));
    let is_silent = answer.as_ref().is_err_and(|fault| fault.reason.is_silence());
    inner.heard(target, !is_silent, Instant::now());
    let taken = answer.and_then(|answer| flight.take(answer, asked, now_us()));
    match taken {
        Ok(cells_lost) => {
            inner.count(|counters| counters.cells_lost += cells_lost);
            Ok(())
        }
        Err(fault) => {
            inner.count_fault(&fault);
            Err(fault)
        }
    }
}

/// Asks for the keys that are pending in groups of half as many, again and again, as long as the
/// cluster says that the statement is none: it may be the number of keys that it does not take. The
/// number that it takes is the most that later groups have. Returns what failed in the end.
async fn ask_in_parts(
    inner: &Inner,
    flight: &Flight,
    target: &Target,
    until: Instant,
    mut fault: Fault,
) -> Option<Fault> {
    let mut keys = flight.len();
    while keys > 1 {
        keys = keys.div_ceil(2);
        let pending = flight.pending();
        let parts: Vec<_> = pending.chunks(keys).collect();
        if Instant::now() >= until || inner.budget.borrow_mut().spend(parts.len()) < parts.len() {
            return Some(fault);
        }
        let send = |part: &&[usize]| ask(inner, flight, part, target, until);
        let sent: Vec<_> = parts.iter().map(send).collect();
        let mut refused = None;
        for (part, running) in parts.into_iter().zip(sent) {
            if let Err(fault) = settle(inner, flight, part, target, running).await {
                refused = Some(fault);
            }
        }
        match refused {
            None => {
                inner.limit_groups(keys, &fault.said);
                return None;
            }
            Some(other) if other.reason == FaultReason::Invalid => fault = other,
            Some(other) => {
                ask_singly(inner, flight, target, until).await;
                return Some(other);
            }
        }
    }
    Some(fault)
}

/// Asks for the keys that are still pending, each by itself, as far as the budget allows.
async fn ask_singly(inner: &Inner, flight: &Flight, failed: &Target, until: Instant) {
    if Instant::now() >= until {
        return;
    }
    let Some(session) = inner.session_for(flight) else { return };
    let mut keys = flight.pending();
    let room = inner.settings.single_statements_max.saturating_sub(inner.singles.get());
    keys.truncate(room);
    let allowed = inner.budget.borrow_mut().spend(keys.len());
    keys.truncate(allowed);
    inner.singles.set(inner.singles.get() + keys.len());
    let cluster = session.session.get_cluster_state();
    let mut sent = Vec::with_capacity(keys.len());
    for &index in &keys {
        let Some(key) = values(flight, index) else { continue };
        let Ok(mut statement) = session.single.clone().bind(&key) else { continue };
        let other = inner.router.other(&cluster, &wire(flight, index), failed, Instant::now());
        // Speculative execution needs nodes to choose from: then the driver's policy finds them.
        if inner.settings.speculative_execution_ms.is_none()
            && let Some(other) = &other
        {
            statement.set_load_balancing_policy(Some(other.policy()));
        }
        sent.push((index, other, send(inner, &session, statement, until)));
    }
    for (index, other, running) in sent {
        let target = other.as_ref().unwrap_or(failed);
        // Why the group failed is told; its keys fail for the same reason, or are read.
        let _ = settle(inner, flight, &[index], target, Some(running)).await;
        inner.count(|counters| counters.keys_retried += 1);
    }
    inner.singles.set(inner.singles.get() - keys.len());
}

fn another_node(inner: &Inner, flight: &Flight, failed: &Target) -> Option<Target> {
    let cluster = inner.session().session.get_cluster_state();
    inner.router.other(&cluster, &wire(flight, 0), failed, Instant::now())
}

fn send(
    inner: &Inner,
    session: &CqlSession,
    statement: BoundStatement,
    until: Instant,
) -> Running<Answer> {
    inner.count(|counters| counters.statements += 1);
    inner.driver.run(execute(Arc::clone(&session.session), statement, until))
}

async fn execute(session: Arc<Session>, statement: BoundStatement, until: Instant) -> Answer {
    let answer = session.execute_bound_unpaged(&statement);
    match tokio::time::timeout_at(until.into(), answer).await {
        Ok(answer) => answer.map_err(|error| Fault::of(&error)),
        Err(_) => Err(Fault::new(FaultReason::Timeout, "no answer came in time")),
    }
}

/// The key for a statement; the store asks for no key that is none.
fn values(flight: &Flight, index: usize) -> Option<Vec<CqlValue>> {
    flight.table().shape.key.values(flight.key(index))
}

/// The key as the cluster has it.
fn wire(flight: &Flight, index: usize) -> Cow<'_, [u8]> {
    flight.table().shape.key.wire(flight.key(index)).unwrap_or_default()
}
