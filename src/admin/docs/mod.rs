//! `/docs`: one page that shows the description of what is served and sends a request of it.
//!
//! [`description`] is the description itself, as the serving port has it. The page's script may ask
//! this port alone, so that [`mod@send`] passes a request on to the serving port and gives its answer
//! back.
//!
//! What is *not* here: the model repository. A request that is passed on can only ask for scores, and
//! what is served.

mod send;

use shards::api::openapi::{DescribedModel, document};
use shards::facts::Role;

pub(crate) use self::send::ServedAt;
pub(super) use self::send::send;
use super::reply::Reply;
use super::{AdminState, page};

const HTML: &str = include_str!("docs.html");
const STYLE: &str = include_str!("docs.css");
const SCRIPT: &str = include_str!("docs.js");

/// The page.
pub(super) fn reply() -> Reply {
    page::reply_with(HTML, &[page::STYLE, STYLE], SCRIPT)
}

/// The description of the models that are served.
pub(super) fn description(state: &AdminState) -> Reply {
    let Some(shard) = state.shards.first() else { return Reply::error(503, "there is no shard") };
    let telemetry = &shard.shared.telemetry;
    let lanes = telemetry.lanes();
    let served = lanes.iter().filter(|lane| !lane.is_retired());
    let models: Vec<_> = served
        .filter(|lane| lane.facts.role == Role::Stable)
        .map(|lane| DescribedModel {
            name: &lane.facts.model,
            version: lane.facts.version,
            schemas: &lane.facts.schemas,
        })
        .collect();
    Reply::content(
        "application/json",
        document(&models, telemetry.keys().is_some(), state.writing.get().is_some()),
    )
}
