//! Asks for a flight's keys: the group's owner first, then another node, then key by key.
//!
//! The group as a whole gets half of the time. What is left is for its keys singly, so that one
//! that can't be read does not take the others with it; the retry budget and a bound on statements
//! in flight keep that from multiplying what a dead cluster is asked.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use scylla::client::session::Session;
use scylla::errors::{ExecutionError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::statement::bound::BoundStatement;

use super::flight::{Flight, KeyState};
use super::routing::Target;
use super::runtime::{Ended, Running};
use super::session::CqlSession;
use super::store::Inner;
use crate::features::import::now_us;

/// Why a statement brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The node did not answer, or not in time.
    Node,
    /// The node answered that it can't.
    Answer,
}

type Answer = Result<QueryResult, Failure>;

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
    let running = ask_group(inner, &flight, &target, deadlines.group);
    Departed { flight, target, deadlines, running }
}

/// Waits for the statement and for what follows where it fails; then the flight has landed.
pub(super) async fn arrive(inner: Rc<Inner>, departed: Departed) {
    let Departed { flight, target, deadlines, running } = departed;
    let mut failed = target;
    let mut outcome = settle(&inner, &flight, &failed, running).await;
    if outcome == Err(Failure::Node)
        && Instant::now() < deadlines.group
        && let Some(other) = another_node(&inner, &flight, &failed)
        && inner.budget.borrow_mut().spend(1) == 1
    {
        let running = ask_group(&inner, &flight, &other, deadlines.group);
        outcome = settle(&inner, &flight, &other, running).await;
        failed = other;
    }
    if outcome.is_err() {
        ask_singly(&inner, &flight, &failed, deadlines.all).await;
    }
    flight.land();
    inner.landed(&flight);
}

fn ask_group(
    inner: &Inner,
    flight: &Flight,
    target: &Target,
    until: Instant,
) -> Option<Running<Answer>> {
    let keys: Vec<&str> = (0..flight.len()).map(|index| text(flight, index)).collect();
    let session = inner.session();
    let mut statement = if let [key] = keys[..] {
        session.single.clone().bind(&(key,)).ok()?
    } else {
        session.group.clone().bind(&(keys,)).ok()?
    };
    statement.set_load_balancing_policy(Some(target.policy()));
    Some(send(inner, &session, statement, until))
}

/// Waits for a group's answer, takes its rows, and tells the node's breaker.
async fn settle(
    inner: &Inner,
    flight: &Flight,
    target: &Target,
    running: Option<Running<Answer>>,
) -> Result<(), Failure> {
    let Some(running) = running else { return Err(Failure::Answer) };
    let answer = running.await.unwrap_or_else(|Ended| Err(Failure::Node));
    inner.router.report(target, !matches!(answer, Err(Failure::Node)), Instant::now());
    let asked: Vec<_> = (0..flight.len()).collect();
    let taken = answer.and_then(|answer| {
        flight.take(answer, &asked, &inner.shape, now_us()).map_err(|_| Failure::Answer)
    });
    inner.count(|counters| counters.statements_failed += u64::from(taken.is_err()));
    taken
}

/// Asks for the keys that are still pending, each by itself, as far as the budget allows.
async fn ask_singly(inner: &Inner, flight: &Flight, failed: &Target, until: Instant) {
    if Instant::now() >= until {
        return;
    }
    let mut keys: Vec<_> =
        (0..flight.len()).filter(|&index| flight.result(index).0 == KeyState::Pending).collect();
    let room = inner.settings.single_statements_max.saturating_sub(inner.singles.get());
    keys.truncate(room);
    let allowed = inner.budget.borrow_mut().spend(keys.len());
    keys.truncate(allowed);
    inner.singles.set(inner.singles.get() + keys.len());
    let session = inner.session();
    let cluster = session.session.get_cluster_state();
    let mut sent = Vec::with_capacity(keys.len());
    for &index in &keys {
        let Ok(mut statement) = session.single.clone().bind(&(text(flight, index),)) else {
            continue;
        };
        let other = inner.router.other(&cluster, flight.key(index), failed, Instant::now());
        // Speculative execution needs nodes to choose from: then the driver's policy finds them.
        if inner.settings.speculative_execution_ms.is_none()
            && let Some(other) = &other
        {
            statement.set_load_balancing_policy(Some(other.policy()));
        }
        sent.push((index, other, send(inner, &session, statement, until)));
    }
    for (index, other, running) in sent {
        let answer = running.await.unwrap_or_else(|Ended| Err(Failure::Node));
        let target = other.as_ref().unwrap_or(failed);
        inner.router.report(target, !matches!(answer, Err(Failure::Node)), Instant::now());
        let taken =
            answer.map(|answer| flight.take(answer, &[index], &inner.shape, now_us()).is_ok());
        inner.count(|counters| {
            counters.keys_retried += 1;
            counters.statements_failed += u64::from(taken != Ok(true));
        });
    }
    inner.singles.set(inner.singles.get() - keys.len());
}

fn another_node(inner: &Inner, flight: &Flight, failed: &Target) -> Option<Target> {
    let cluster = inner.session().session.get_cluster_state();
    inner.router.other(&cluster, flight.key(0), failed, Instant::now())
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
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(..)))) => {
            Err(Failure::Answer)
        }
        Ok(Err(_)) | Err(_) => Err(Failure::Node),
    }
}

/// The key as CQL text; the store asks for no key that is none.
fn text(flight: &Flight, index: usize) -> &str {
    std::str::from_utf8(flight.key(index)).unwrap_or_default()
}
