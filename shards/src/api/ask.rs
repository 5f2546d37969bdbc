//! The way of each call that scores rows: take the terms, refuse early, have the body read, leave
//! to the canary the rows of its users, and queue.

use std::fmt::Display;
use std::rc::Rc;

use super::outcome::{CallFault, Form, Outcome};
use super::request_rows::RequestRows;
use super::{Api, CallContext, ModelName};
use crate::batch::{Lane, Terms};
use crate::failure::RowFailure;
use crate::model::canary::Canary;

/// A body that asks for scores, as its endpoint reads it.
pub(super) trait ScoreBody {
    /// Whether the body may have a time limit. Where it may, the configured one counts only once
    /// the body has been read.
    const MAY_LIMIT: bool;

    /// How many rows it announces, without being read; `None` where that cannot be told.
    fn rows_at_a_glance(&self) -> Option<usize>;

    /// Reads it into rows of the versions that score them; nothing is queued.
    fn make_rows(self, ask: &Ask<'_>) -> Result<MadeRows, NotScored>;
}

/// The rows of a body.
pub(super) struct MadeRows {
    pub(super) rows: RequestRows,
    pub(super) form: Form,
    /// The terms that they are admitted by.
    pub(super) terms: Terms,
}

/// Why a body's rows are not queued.
pub(super) enum NotScored {
    /// The body is wrong.
    Fault(Outcome),
    /// Its rows are not admitted.
    Refused(RowFailure),
}

impl NotScored {
    pub(super) fn fault(kind: CallFault, message: &impl Display) -> Self {
        Self::Fault(Outcome::fault(kind, message))
    }
}

/// A call that was admitted as far as can be told before its body is read.
pub(super) struct Ask<'a> {
    pub(super) api: &'a Api,
    pub(super) context: &'a CallContext<'a>,
    /// The terms that it was admitted by.
    pub(super) terms: Terms,
    /// The lane of the version that the call names.
    pub(super) lane: Rc<Lane>,
    /// The canary, and its share of the users.
    canary: Option<(Canary, Rc<Lane>)>,
}

/// Scores the rows of `body` by `lane`, and by the canary unless the call insists on a version.
pub(super) fn ask<B: ScoreBody>(
    api: &Api,
    context: &CallContext<'_>,
    lane: Rc<Lane>,
    is_pinned: bool,
    body: B,
) -> Outcome {
    let limit_ns = if B::MAY_LIMIT { context.limit_ns } else { api.limit_ns(context.limit_ns) };
    let terms = context.terms(limit_ns);
    // A refusal costs less than reading the body. More rows than are taken are a fault of the body,
    // and answered as one.
    let rows = body.rows_at_a_glance().filter(|rows| *rows <= api.limits.rows_max);
    if let Some(failure) = lane.refuse(&terms, rows.unwrap_or(1)) {
        return Outcome::Refused(failure);
    }
    let canary = if is_pinned { None } else { api.lanes.canary(&lane) };
    match body.make_rows(&Ask { api, context, terms, lane, canary }) {
        Ok(MadeRows { rows, .. }) if !context.may_explain && !rows.withhold_reasons() => {
            Outcome::fault(CallFault::Forbidden, "the key may not ask for reasons")
        }
        Ok(MadeRows { rows, form, terms }) => {
            rows.queue(form.admission(), &terms, context.origin);
            Outcome::Rows { rows, form }
        }
        Err(NotScored::Refused(failure)) => Outcome::Refused(failure),
        Err(NotScored::Fault(fault)) => fault,
    }
}

impl Ask<'_> {
    /// The lane of the canary, if there is one.
    pub(super) fn canary(&self) -> Option<&Rc<Lane>> {
        self.canary.as_ref().map(|(_, lane)| lane)
    }

    /// Whether the canary scores this user, alone as in an array. A row without a user is scored by
    /// the stable version.
    pub(super) fn is_of_canary(&self, user: &str) -> bool {
        let model = self.lane.settings.model.as_str();
        self.canary.as_ref().is_some_and(|(share, _)| !user.is_empty() && share.takes(model, user))
    }
}

impl Api {
    /// The time limit of a call, or the configured one where it has none.
    pub(super) fn limit_ns(&self, limit_ns: Option<u64>) -> Option<u64> {
        limit_ns.or(self.limits.limit_ns)
    }

    /// The lane of a model, or of the version that the call insists on.
    pub(super) fn find(&self, model: ModelName<'_>) -> Option<Rc<Lane>> {
        match model.version {
            None => self.lanes.lane(Some(model.name)),
            Some(version) => self.lanes.version(model.name, version),
        }
    }

    /// The fault of a model or version that is not there, with the names of those that are.
    pub(super) fn unknown(&self, ModelName { name, version }: ModelName<'_>) -> Outcome {
        let versions = self.lanes.versions(name);
        let message = match version {
            Some(version) if !versions.is_empty() => {
                let there: Vec<_> = versions.iter().map(u64::to_string).collect();
                let there = there.join(", ");
                format!("no version `{version}` of the model `{name}`; there is: {there}")
            }
            _ => format!("no model `{name}`; there is: {}", self.lanes.model_names()),
        };
        Outcome::fault(CallFault::NotFound, &message)
    }
}
