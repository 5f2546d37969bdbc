//! The Open Inference Protocol, version 2, as `KServe` defines it and Triton extends it.
//!
//! [`routes`] says what a path below `/v2` means; [`request`] reads an inference request, JSON
//! and the binary tensors behind it (`tensors`); [`rows`] makes rows of it, which
//! the batcher treats like any other; [`answer`] writes what came of them; `describe` says what
//! the server and its models are; and [`error`] why a request is refused.
//!
//! What is *not* here: loading and unloading models, for which requests are handed to the process;
//! shared memory; and the classification and sequence extensions.

pub mod answer;
mod describe;

pub mod routes;

use std::rc::Rc;

use serde_json::{Value, json};

pub use self::answer::InferForm;
pub use self::routes::{ModelAction, OipRoute, RepositoryRoute};
use super::exchange::{Answer, Form};
use super::intake::Arrival;
pub use crate::api::infer::InferError;
use crate::api::infer::request::{self, InferRequest};
use crate::api::infer::rows::Asked;
use crate::api::request_rows::{LaneRows, RequestRows};
use crate::batch::{Lane, LaneSettings, Terms, refuse_all};
use crate::http::front::Front;
use crate::http::statuses::oip_status_of;
use crate::http1::head::Head;
use crate::origin::Origin;

/// A request, and where its answer goes.
pub(crate) struct Asker<'a> {
    pub(crate) front: &'a Front,
    /// The connection that asks.
    pub(crate) connection: u32,
    /// When the request came.
    pub(crate) arrival: Arrival,
    /// Where it comes from.
    pub(crate) origin: &'a Origin,
}

impl Asker<'_> {
    /// Answers, or queues what the answer waits for.
    pub(crate) fn answer(
        &self,
        route: OipRoute<'_>,
        head: &Head<'_>,
        body: Option<&[u8]>,
    ) -> Answer {
        let is_ready = !self.front.draining.get() && !self.front.lanes.is_unfit();
        match route {
            OipRoute::Server => {
                ready(200, &describe::server(self.front.settings.takes_repository_requests))
            }
            OipRoute::Live => ready(200, &json!({"live": true})),
            OipRoute::Ready => ready(readiness(is_ready), &json!({"ready": is_ready})),
            OipRoute::Statistics => {
                let lanes = self.front.lanes.all();
                ready(200, &describe::statistics(lanes.iter().map(Rc::as_ref)))
            }
            OipRoute::Repository(_) => self.hand_over(head, body.unwrap_or_default()),
            OipRoute::Model { name, version, action } => {
                let lane = match version {
                    None => self.front.lanes.lane(Some(name)),
                    Some(version) => self.front.lanes.version(name, version),
                };
                match (lane, action) {
                    (Some(lane), ModelAction::Infer) => {
                        self.infer(lane, version.is_some(), head, body)
                    }
                    (Some(_), ModelAction::Statistics) => {
                        let lanes = self.front.lanes.all();
                        let is_asked = |lane: &&Lane| {
                            let LaneSettings { model, version: number, .. } = &lane.settings;
                            model == name && version.is_none_or(|it| number.to_string() == it)
                        };
                        let asked = lanes.iter().map(Rc::as_ref).filter(is_asked);
                        ready(200, &describe::statistics(asked))
                    }
                    (Some(lane), action) => self.describe(&lane, action),
                    (None, ModelAction::Ready) => {
                        ready(readiness(false), &json!({"name": name, "ready": false}))
                    }
                    (None, _) => Answer::error(404, "", &self.unknown_model(name, version)),
                }
            }
        }
    }

    /// Leaves a request about the repository to the process.
    fn hand_over(&self, head: &Head<'_>, body: &[u8]) -> Answer {
        if !self.front.settings.takes_repository_requests {
            let message = "models are managed on the admin port, and here only where the \
                configuration says `[admin] repository_on_serving_port = true`";
            return Answer::error(403, "", message);
        }
        let path = head.path.strip_prefix("/v2").unwrap_or_default();
        match self.front.desk.put(self.connection, path, body, head.credentials) {
            Some(reply) => Answer::Awaited(reply),
            None => Answer::error(503, "retry-after: 1\r\n", "too many such requests wait"),
        }
    }

    /// What is not there, and what there is instead.
    fn unknown_model(&self, name: &str, version: Option<&str>) -> String {
        let versions = self.front.lanes.versions(name);
        match version {
            Some(version) if !versions.is_empty() => {
                let there: Vec<_> = versions.iter().map(u64::to_string).collect();
                let there = there.join(", ");
                format!("no version `{version}` of the model `{name}`; there is: {there}")
            }
            _ => format!("no model `{name}`; there is: {}", self.front.lanes.model_names()),
        }
    }

    fn describe(&self, lane: &Lane, action: ModelAction) -> Answer {
        let is_ready = !self.front.draining.get() && !lane.is_unfit();
        match action {
            ModelAction::Ready => {
                let body = json!({"name": lane.settings.model, "ready": is_ready});
                ready(readiness(is_ready), &body)
            }
            ModelAction::Config => {
                ready(200, &describe::config(lane, self.front.limits().array_rows_max))
            }
            ModelAction::Metadata | ModelAction::Infer | ModelAction::Statistics => {
                let versions = self.front.lanes.versions(&lane.settings.model);
                ready(200, &describe::metadata(lane, &versions))
            }
        }
    }

    fn infer(
        &self,
        lane: Rc<Lane>,
        is_pinned: bool,
        head: &Head<'_>,
        body: Option<&[u8]>,
    ) -> Answer {
        let mut terms = self.front.settings.terms(head, self.arrival);
        if head.limit_ns.is_none() {
            // The default counts where the body's parameters set no limit, which is not known yet.
            terms.deadline_ns = u64::MAX;
        }
        let body = body.unwrap_or_default();
        // A refusal is to cost less than reading what is refused.
        let rows = request::rows_at_a_glance(body).map_or(1, |rows| {
            // More are a fault of the request, and answered as one.
            if rows > self.front.limits().array_rows_max { 1 } else { rows }
        });
        if let Some(failure) = lane.refuse(&terms, rows) {
            return Answer::refusal(failure, oip_status_of(failure));
        }
        match self.queue(lane, is_pinned, head, body) {
            Ok(answer) => answer,
            Err(error) => Answer::error(400, "", &error),
        }
    }

    /// Queues the rows that a body asks for in the lane; where no version is pinned, those of the
    /// users whom the version that is tried out scores in that one's. Rows without users are scored
    /// by the stable version.
    fn queue(
        &self,
        lane: Rc<Lane>,
        is_pinned: bool,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<Answer, InferError> {
        let request = request::parse(body, head.inference_header_length)?;
        let asked = self.read(&request, &lane)?;
        let canary = if is_pinned { None } else { self.front.lanes.canary(&lane) };
        let goes: Vec<bool> = canary.as_ref().map_or_else(Vec::new, |(share, _)| {
            asked.users().map(|user| share.takes(&lane.settings.model, user)).collect()
        });
        let taken = goes.iter().filter(|goes| **goes).count();
        let canary = canary.map(|(_, canary)| canary).filter(|_| taken > 0);
        // Its version may read other tensors.
        let asked_of_canary = canary.as_ref().map(|it| self.read(&request, it)).transpose()?;
        let stays = asked.rows() - taken;
        let is_divided = taken > 0 && stays > 0;
        let form = InferForm::of(&request, asked.rows(), asked.is_by_user(), is_divided)?;
        let terms = self.terms(head, &request);
        // A tensor has no place for an error: rows that were let in beside others that were not
        // would be computed for nobody.
        let refusal = match &canary {
            Some(canary) => refuse_all([(&lane, stays), (canary, taken)], &terms),
            None => lane.refuse(&terms, stays),
        };
        if let Some(failure) = refusal {
            return Ok(Answer::refusal(failure, oip_status_of(failure)));
        }
        let is_canarys = |place: usize| goes.get(place).copied().unwrap_or(false);
        let stable = self.fill(&asked, lane, |place| !is_canarys(place));
        let canarys = asked_of_canary.zip(canary);
        let canarys = canarys.and_then(|(asked, canary)| self.fill(&asked, canary, is_canarys));
        let rows = RequestRows::of(stable, canarys, asked.rows()).ok_or(InferError::NoRows)?;
        Ok(Answer::queue(rows, Form::Tensors(Box::new(form)), &terms, self.origin))
    }

    /// Those of the rows that `is_wanted` holds for, by their places.
    fn fill(
        &self,
        asked: &Asked<'_>,
        lane: Rc<Lane>,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Option<LaneRows> {
        let first = asked.fill_those(self.connection, &mut lane.rows.borrow_mut(), is_wanted);
        first.map(|first| LaneRows::new(lane, first))
    }

    /// What a request is admitted by: of a limit in its head and one in its parameters the earlier
    /// counts, and the default only where there is neither. A timeout of 0 is none.
    fn terms(&self, head: &Head<'_>, request: &InferRequest<'_>) -> Terms {
        let timeout_us = request.timeout_us.filter(|timeout_us| *timeout_us > 0);
        let timeout_ns = timeout_us.map(|timeout_us| timeout_us.saturating_mul(1_000));
        let limit_ns = head.limit_ns.into_iter().chain(timeout_ns).min();
        self.front.settings.terms(&Head { limit_ns, ..*head }, self.arrival)
    }

    fn read<'r>(
        &self,
        request: &'r InferRequest<'_>,
        lane: &Lane,
    ) -> Result<Asked<'r>, InferError> {
        let LaneSettings { signature, request_fields, .. } = &lane.settings;
        Asked::of(request, signature, request_fields, self.front.limits().array_rows_max)
    }
}

/// Triton's status of something that is not ready is 400.
const fn readiness(is_ready: bool) -> u16 {
    if is_ready { 200 } else { 400 }
}

fn ready(status: u16, body: &Value) -> Answer {
    Answer::Ready { status, fields: "", body: body.to_string().into_bytes() }
}
