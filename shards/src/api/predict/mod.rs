//! `/predict`: rows as JSON, one object or an array of them.
//!
//! [`parse`] reads a body straight into rows of a lane, and `write` writes their document.

mod keys;
mod options;
mod parts;
mod read;
mod write;

use std::rc::Rc;

pub(super) use self::parts::label_of;
pub use self::read::{ParsedPredict, PredictError, parse};
pub(super) use self::write::{write_array, write_lone};
use super::ask::{self, Ask, MadeRows, NotScored, ScoreBody};
use super::request_rows::{LaneRows, RequestRows};
use super::{Api, CallContext, CallFault, Form, Outcome};
use crate::batch::{Lane, Row, RowId, RowState};
use crate::failure::RowFailure;
use crate::features::entities::RequestKeys;
use crate::features::join::RequestField;
use crate::model::answer::Answers;

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
    let Some(body) = context.body else {
        let message = "the request has no body: send Content-Length or chunks";
        return Outcome::fault(CallFault::NoBody, message);
    };
    let Some(lane) = api.lanes.lane(model) else {
        let message = format!("no such model; there is: {}", api.lanes.model_names());
        return Outcome::fault(CallFault::NotFound, &message);
    };
    ask::ask(api, context, lane, false, Json(body))
}

/// A body of JSON.
struct Json<'a>(&'a [u8]);

impl ScoreBody for Json<'_> {
    const MAY_LIMIT: bool = false;

    fn rows_at_a_glance(&self) -> Option<usize> {
        None
    }

    fn make_rows(self, ask: &Ask<'_>) -> Result<MadeRows, NotScored> {
        let parsed = self.parse(ask, &ask.lane)?;
        let form = if parsed.is_array { Form::Array } else { Form::Lone };
        Ok(MadeRows { rows: self.divide(ask, parsed)?, form, terms: ask.terms })
    }
}

impl Json<'_> {
    fn parse(&self, ask: &Ask<'_>, lane: &Lane) -> Result<ParsedPredict, PredictError> {
        let terms = PredictTerms {
            fields: &lane.settings.request_fields,
            keys: &lane.settings.keys,
            needs_user: lane.settings.has_store,
            answers: &lane.settings.answers,
            array_rows_max: ask.api.limits.rows_max,
        };
        parse(self.0, terms, ask.context.client, &mut lane.rows.borrow_mut())
    }

    /// Leaves to the canary the rows of its users.
    fn divide(&self, ask: &Ask<'_>, parsed: ParsedPredict) -> Result<RequestRows, PredictError> {
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
        RequestRows::of(stays, taken, parsed.count).ok_or(PredictError::Empty)
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
