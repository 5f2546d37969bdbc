//! Real SELECTs by the prepared statements, before anybody waits for one: whether the table may be
//! read, how many keys a statement may ask for, and whether the cluster is warm.

use std::time::{Duration, Instant};

use scylla::value::CqlValue;
use tokio::task::JoinSet;

use super::error::{ScyllaError, user_of};
use super::faults::Fault;
use super::routing::HostId;
use super::session::{CqlSession, qualified};
use super::settings::ScyllaSettings;
use crate::failure::FaultReason;

/// The pause before a probe that was not answered is made again.
const PAUSE: Duration = Duration::from_millis(100);
/// So many probes in a row have to be answered in time before the cluster counts as warm.
const WARM_PROBES: usize = 3;
/// How long a shard waits for that: one whose cluster is always slow has to start too.
const WARM_WAIT: Duration = Duration::from_secs(2);

/// How many keys are asked for where it is not known whether any node answers.
const NODES_ASKED: usize = 8;

/// A user that nobody has: what is asked for is whether there is an answer. The keys differ, so that
/// other nodes own them.
fn key(session: &CqlSession, number: usize) -> Vec<CqlValue> {
    session.table.shape.key.nobodys(number)
}

/// Waits until a row of the table can be asked for. What no waiting mends is said at once.
pub(super) async fn first_answer(
    session: &CqlSession,
    settings: &ScyllaSettings,
) -> Result<(), ScyllaError> {
    let table = qualified(settings);
    let patience = Duration::from_millis(settings.connect_timeout_ms);
    let start = Instant::now();
    for number in 0.. {
        let Err(Fault { reason, said }) = one(session, number).await else { break };
        match reason {
            FaultReason::Unauthorized => {
                let user = user_of(settings);
                return Err(ScyllaError::Unauthorized { table, user, reason: said });
            }
            FaultReason::Invalid | FaultReason::TableChanged => {
                let statement = session.single.get_statement().to_owned();
                return Err(ScyllaError::Statement { statement, reason: said });
            }
            _ if start.elapsed() >= patience => {
                let waited_ms = settings.connect_timeout_ms;
                return Err(ScyllaError::Unanswered { table, waited_ms, reason: said });
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    Ok(())
}

/// Asks until answers come as soon as batches need them.
pub(super) async fn warm_up(session: &CqlSession, settings: &ScyllaSettings) {
    let start = Instant::now();
    let mut in_time = 0;
    for number in 0.. {
        if in_time >= WARM_PROBES || start.elapsed() >= WARM_WAIT {
            return;
        }
        let asked = Instant::now();
        let answered = one(session, number).await.is_ok() && some(session, 2).await.is_ok();
        let prompt = asked.elapsed() <= settings.fetch_deadline();
        in_time = if answered && prompt { in_time + 1 } else { 0 };
    }
}

/// How many keys a statement may ask for: as many as the settings say, or fewer where the cluster
/// refuses that and takes fewer. With it goes what was said to more.
pub(super) async fn group_keys(
    session: &CqlSession,
    settings: &ScyllaSettings,
) -> (usize, Option<String>) {
    if session.group.is_none() {
        return (1, None);
    }
    let (mut keys, mut refused) = (settings.group_keys_max, None);
    while keys > 1 {
        match some(session, keys).await {
            Err(Fault { reason: FaultReason::Invalid, said }) => {
                refused.get_or_insert(said);
                keys /= 2;
            }
            Ok(()) => return (keys, refused),
            // Nothing is known then: batches find out.
            Err(_) => return (settings.group_keys_max, None),
        }
    }
    (keys, refused)
}

/// The nodes that answer within `patience`: the first, and those that do so at the same time. They
/// are asked for keys that different nodes own.
pub(super) async fn answering(session: CqlSession, patience: Duration) -> Vec<HostId> {
    let mut asking = JoinSet::new();
    for number in 0..NODES_ASKED {
        let session = session.clone();
        asking.spawn(async move {
            let statement = session.single.clone().bind(&key(&session, number)).ok()?;
            let asked = session.session.execute_bound_unpaged(&statement);
            let answer = tokio::time::timeout(patience, asked).await.ok()?.ok()?;
            Some(answer.request_coordinator().node().host_id.as_u128())
        });
    }
    let mut answered = Vec::new();
    while answered.is_empty()
        && let Some(ended) = asking.join_next().await
    {
        answered.extend(ended.ok().flatten());
    }
    while let Some(ended) = asking.try_join_next() {
        answered.extend(ended.ok().flatten());
    }
    answered
}

async fn one(session: &CqlSession, number: usize) -> Result<(), Fault> {
    ask(session, session.single.clone().bind(&key(session, number))).await
}

async fn some(session: &CqlSession, count: usize) -> Result<(), Fault> {
    let Some(group) = session.group.clone() else { return one(session, 0).await };
    let keys: Vec<_> = (0..count).filter_map(|number| key(session, number).pop()).collect();
    ask(session, group.bind(&(keys,))).await
}

async fn ask<E: std::fmt::Display>(
    session: &CqlSession,
    statement: Result<scylla::statement::bound::BoundStatement, E>,
) -> Result<(), Fault> {
    let statement =
        statement.map_err(|error| Fault::new(FaultReason::TableChanged, error.to_string()))?;
    let answer = session.session.execute_bound_unpaged(&statement).await;
    let answer = answer.map_err(|error| Fault::of(&error))?;
    let rows = answer.into_rows_result();
    let rows = rows.map_err(|error| Fault::new(FaultReason::Other, error.to_string()))?;
    session.table.shape.check(rows.column_specs())
}
