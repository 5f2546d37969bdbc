//! `/predict`: rows as JSON, one object or an array of them.
//!
//! [`parse`] reads a body straight into rows of a lane: `member` each object of it, by `keys`, `cell`
//! and `options`. `write` writes their document, by `parts`.
//!
//! What is *not* here: statuses and header lines (`http`).

mod cell;
mod keys;
mod member;
mod options;
mod parts;
mod read;
mod write;

use std::rc::Rc;

pub(super) use self::cell::CellSeed;
pub(crate) use self::member::MemberSeed;
pub(super) use self::member::Name;
pub(crate) use self::parts::label_of;
pub(crate) use self::read::Members;
pub(super) use self::read::RowSink;
use self::read::parse_members;
pub use self::read::{ParsedPredict, PredictError, parse};
pub(super) use self::write::{write_array, write_lone, write_member};
use super::ask::{self, Ask, MadeRows, NotScored, ScoreBody};
use super::request_rows::{LaneRows, RequestRows};
use super::{Api, CallContext, CallFault, Form, Outcome, instances};
use crate::batch::{Lane, Row, RowId, RowState};
use crate::failure::RowFailure;
use crate::features::entities::RequestKeys;
use crate::features::join::RequestField;
use crate::model::answer::{Answers, Wants};

/// What a model takes of a body.
#[derive(Debug, Clone, Copy)]
pub struct PredictTerms<'a> {
    /// The request fields that the model's columns read.
    pub fields: &'a [RequestField],
    /// The fields that are keys; none where only the user is looked up.
    pub keys: &'a RequestKeys,
    /// Whether a member has to name a user. Where it does not, it has to give a field.
    pub needs_user: bool,
    /// What a row may ask for beside its score.
    pub answers: &'a Answers,
    /// The most members of an array.
    pub array_rows_max: usize,
}

/// Scores the rows of a body by a model, or by the default one.
pub(super) fn answer(api: &Api, context: &CallContext<'_>, model: Option<&str>) -> Outcome {
    answer_json(api, context, model, Body::Rows)
}

/// Scores the instances of a body by a model.
pub(super) fn answer_instances(api: &Api, context: &CallContext<'_>, model: &str) -> Outcome {
    answer_json(api, context, Some(model), Body::Instances)
}

/// Scores a row that a front has read, as a map of the members that an object would have; `wants` is
/// what it asks for beside its score.
pub(super) fn answer_members(
    api: &Api,
    context: &CallContext<'_>,
    model: Option<&str>,
    members: &dyn Members,
    wants: Wants,
) -> Outcome {
    answer_body(api, context, model, Body::Members(members, wants))
}

fn answer_json<'a>(
    api: &Api,
    context: &CallContext<'a>,
    model: Option<&str>,
    json: fn(&'a [u8]) -> Body<'a>,
) -> Outcome {
    let Some(body) = context.body else {
        let message = "the request has no body: send Content-Length or chunks";
        return Outcome::fault(CallFault::NoBody, message);
    };
    answer_body(api, context, model, json(body))
}

fn answer_body(
    api: &Api,
    context: &CallContext<'_>,
    model: Option<&str>,
    body: Body<'_>,
) -> Outcome {
    let Some(lane) = api.lanes.lane(model) else {
        let message = format!("no such model; there is: {}", api.lanes.model_names());
        return Outcome::fault(CallFault::NotFound, &message);
    };
    ask::ask(api, context, lane, false, body)
}

/// What asks for scores of rows.
#[derive(Clone, Copy)]
enum Body<'a> {
    /// A row, or an array of them.
    Rows(&'a [u8]),
    /// Rows among other members.
    Instances(&'a [u8]),
    /// The members of one row, and what it asks for.
    Members(&'a dyn Members, Wants),
}

impl ScoreBody for Body<'_> {
    const MAY_LIMIT: bool = false;

    fn rows_at_a_glance(&self) -> Option<usize> {
        None
    }

    fn make_rows(self, ask: &Ask<'_>) -> Result<MadeRows, NotScored> {
        let parsed = self.parse(ask, &ask.lane)?;
        let form = match self {
            Self::Instances(_) => {
                // They succeed as a whole: those that were let in beside others that were not would
                // be computed in vain.
                if let Some(failure) = ask.lane.refuse(&ask.terms, parsed.count) {
                    ask.lane.rows.borrow_mut().forget(Some(parsed.first));
                    return Err(NotScored::Refused(failure));
                }
                Form::Predictions
            }
            Self::Rows(_) if parsed.is_array => Form::Array,
            Self::Rows(_) | Self::Members(..) => Form::Lone,
        };
        Ok(MadeRows { rows: self.divide(ask, parsed)?, form, terms: ask.terms })
    }
}

impl Body<'_> {
    fn parse(&self, ask: &Ask<'_>, lane: &Lane) -> Result<ParsedPredict, NotScored> {
        let terms = PredictTerms {
            fields: &lane.settings.request_fields,
            keys: &lane.settings.keys,
            needs_user: lane.settings.has_store,
            answers: &lane.settings.answers,
            array_rows_max: ask.api.limits.rows_max,
        };
        let (client, rows) = (ask.context.client, &mut lane.rows.borrow_mut());
        match self {
            Self::Rows(body) => Ok(parse(body, terms, client, rows)?),
            Self::Members(members, wants) => {
                Ok(parse_members(*members, *wants, terms, client, rows)?)
            }
            Self::Instances(body) => {
                let signature = &lane.settings.signature;
                instances::parse(body, terms, signature, client, rows)
                    .map_err(|error| NotScored::fault(error.kind(), &error))
            }
        }
    }

    /// Leaves to the canary the rows of its users.
    fn divide(&self, ask: &Ask<'_>, parsed: ParsedPredict) -> Result<RequestRows, NotScored> {
        let lane = Rc::clone(&ask.lane);
        let Some(canary) = ask.canary() else {
            return Ok(RequestRows::of_one(LaneRows::new(lane, parsed.first), parsed.count));
        };
        let is_of_canary = |row: &Row| ask.is_of_canary(&row.key);
        let (stays, goes) = lane.rows.borrow_mut().divide(parsed.first, is_of_canary);
        let taken = if canary.settings.reads_fields_of(&lane.settings) {
            let taken = canary.rows.borrow_mut().adopt(&mut lane.rows.borrow_mut(), goes);
            refuse_unanswerable(canary, taken);
            taken
        } else {
            lane.rows.borrow_mut().forget(goes);
            match goes.map(|_| self.parse(ask, canary)) {
                None => None,
                // The canary reads other fields of the request.
                Some(Ok(again)) => {
                    let mut rows = canary.rows.borrow_mut();
                    let (others, taken) = rows.divide(again.first, is_of_canary);
                    rows.forget(others);
                    taken
                }
                Some(Err(error)) => {
                    lane.rows.borrow_mut().forget(stays);
                    return Err(error);
                }
            }
        };
        let stays = stays.map(|first| LaneRows::new(lane, first));
        let taken = taken.map(|first| LaneRows::new(Rc::clone(canary), first));
        RequestRows::of(stays, taken, parsed.count).ok_or_else(|| PredictError::Empty.into())
    }
}

/// Fails the rows, from `first` on, that ask for what this version's answers don't have.
fn refuse_unanswerable(lane: &Lane, first: Option<RowId>) {
    let mut rows = lane.rows.borrow_mut();
    let mut next = first;
    while let Some(id) = next {
        let row = rows.get_mut(id);
        next = row.next;
        if let Some(reason) = lane.settings.answers.refuse(row.answer.wants()) {
            row.state = RowState::Done(Err(RowFailure::Malformed(reason)));
        }
    }
}

impl From<PredictError> for NotScored {
    fn from(error: PredictError) -> Self {
        let kind = match error {
            PredictError::TooManyRows { .. } => CallFault::TooLarge,
            _ => CallFault::Invalid,
        };
        Self::fault(kind, &error)
    }
}
