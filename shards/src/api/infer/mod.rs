//! An inference request of the Open Inference Protocol, version 2, as `KServe` defines it and
//! Triton extends it.
//!
//! [`request`] reads it, JSON and the binary tensors behind it (`tensors`); [`rows`] makes rows of
//! it, which are batched like any other. [`form`] writes their document, of the `outputs` that there
//! are; [`error`] says why a request is refused.
//!
//! What is *not* here: shared memory, and the classification and sequence extensions.

pub mod error;
pub mod form;
mod keys;
pub(crate) mod outputs;
pub mod request;
pub mod rows;

use std::rc::Rc;

pub use self::error::InferError;
pub use self::form::InferForm;
use self::request::InferRequest;
use self::rows::ParsedInfer;
use super::ask::{self, Ask, MadeRows, NotScored, ScoreBody};
use super::request_rows::{LaneRows, RequestRows};
use super::{Api, CallContext, CallFault, Form, ModelName, Outcome};
use crate::batch::{Lane, LaneSettings, Terms, refuse_all};
use crate::model::answer::Wants;

/// Scores the rows of a body by a model, or by the version that the call insists on.
pub(super) fn answer(api: &Api, context: &CallContext<'_>, model: ModelName<'_>) -> Outcome {
    let Some(lane) = api.find(model) else { return api.unknown(model) };
    let body = TensorBody { bytes: context.body.unwrap_or_default() };
    ask::ask(api, context, lane, model.version.is_some(), &body as &dyn TensorRequest)
}

/// The same for a request that a front has read.
pub(super) fn answer_request(
    api: &Api,
    context: &CallContext<'_>,
    model: ModelName<'_>,
    request: &dyn TensorRequest,
) -> Outcome {
    let Some(lane) = api.find(model) else { return api.unknown(model) };
    ask::ask(api, context, lane, model.version.is_some(), request)
}

/// A request of tensors, however its front has it.
pub(crate) trait TensorRequest {
    /// How many rows it announces, without being read; `None` where that cannot be told.
    fn rows_at_a_glance(&self) -> Option<usize>;

    /// Reads it for a model whose keys are the tensors that `is_key` holds for.
    fn read(
        &self,
        context: &CallContext<'_>,
        is_key: &dyn Fn(&str) -> bool,
    ) -> Result<InferRequest<'_>, InferError>;
}

/// A body of JSON, with or without binary tensors behind it.
struct TensorBody<'a> {
    bytes: &'a [u8],
}

impl TensorRequest for TensorBody<'_> {
    fn rows_at_a_glance(&self) -> Option<usize> {
        request::rows_at_a_glance(self.bytes)
    }

    fn read(
        &self,
        context: &CallContext<'_>,
        is_key: &dyn Fn(&str) -> bool,
    ) -> Result<InferRequest<'_>, InferError> {
        request::parse_with_keys(self.bytes, context.json_bytes, is_key)
    }
}

impl ScoreBody for &dyn TensorRequest {
    const MAY_LIMIT: bool = true;

    fn rows_at_a_glance(&self) -> Option<usize> {
        TensorRequest::rows_at_a_glance(*self)
    }

    /// Makes the rows of the canary's users in its lane, unless a version is pinned.
    fn make_rows(self, ask: &Ask<'_>) -> Result<MadeRows, NotScored> {
        let is_key = |name: &str| {
            let lanes = std::iter::once(&ask.lane).chain(ask.canary());
            lanes.map(|lane| &lane.settings.keys).any(|keys| keys.has(name))
        };
        let request = &self.read(ask.context, &is_key)?;
        let parsed = read(ask, request, &ask.lane)?;
        let goes: Vec<bool> = match ask.canary() {
            Some(_) => parsed.users().map(|user| ask.is_of_canary(&user)).collect(),
            None => Vec::new(),
        };
        let taken = goes.iter().filter(|goes| **goes).count();
        let canary = ask.canary().filter(|_| taken > 0);
        // The canary may read other tensors.
        let parsed_by_canary = canary.map(|canary| read(ask, request, canary)).transpose()?;
        let stays = parsed.rows() - taken;
        let is_divided = taken > 0 && stays > 0;
        let has_provenance = parsed.is_by_user() && ask.lane.settings.has_store;
        let lane = if stays > 0 { &ask.lane } else { canary.unwrap_or(&ask.lane) };
        let settings = &lane.settings;
        let form = InferForm::of(request, parsed.rows(), settings, has_provenance, is_divided)?;
        if let Some(output) = canary
            .filter(|_| is_divided)
            .and_then(|canary| form.differs(&ask.lane.settings, &canary.settings))
        {
            return Err(InferError::OutputsDiffer(output).into());
        }
        let terms = terms(ask, request);
        // A tensor has no place for an error: rows that were admitted beside others that were not
        // would be computed in vain.
        let refusal = match canary {
            Some(canary) => refuse_all([(&ask.lane, stays), (canary, taken)], &terms),
            None => ask.lane.refuse(&terms, stays),
        };
        if let Some(failure) = refusal {
            return Err(NotScored::Refused(failure));
        }
        let is_of_canary = |place: usize| goes.get(place).copied().unwrap_or(false);
        let (stable, wants) = (&ask.lane, form.wants());
        let stable = fill(ask, (&parsed, wants), stable, |place| !is_of_canary(place));
        let of_canary = parsed_by_canary.zip(canary);
        let of_canary = of_canary
            .and_then(|(parsed, canary)| fill(ask, (&parsed, wants), canary, is_of_canary));
        let rows = RequestRows::of(stable, of_canary, parsed.rows()).ok_or(InferError::NoRows)?;
        Ok(MadeRows { rows, form: Form::Tensors(Box::new(form)), terms })
    }
}

fn read<'r>(
    ask: &Ask<'_>,
    request: &'r InferRequest<'_>,
    lane: &'r Lane,
) -> Result<ParsedInfer<'r>, InferError> {
    let LaneSettings { signature, request_fields, keys, .. } = &lane.settings;
    ParsedInfer::of(request, signature, request_fields, keys, ask.api.limits.rows_max)
}

/// The terms of a request: of a limit of the call and one in its parameters the earlier counts. A
/// timeout of 0 is none.
fn terms(ask: &Ask<'_>, request: &InferRequest<'_>) -> Terms {
    let timeout_us = request.timeout_us.filter(|timeout_us| *timeout_us > 0);
    let timeout_ns = timeout_us.map(|timeout_us| timeout_us.saturating_mul(1_000));
    let limit_ns = ask.context.limit_ns.into_iter().chain(timeout_ns).min();
    ask.context.terms(ask.api.limit_ns(limit_ns))
}

/// Makes the rows that `is_wanted` holds for, by their places.
fn fill(
    ask: &Ask<'_>,
    (parsed, wants): (&ParsedInfer<'_>, Wants),
    lane: &Rc<Lane>,
    is_wanted: impl Fn(usize) -> bool,
) -> Option<LaneRows> {
    let rows = &mut lane.rows.borrow_mut();
    let first = parsed.fill_those(ask.context.client, rows, is_wanted)?;
    rows.ask_for(first, wants);
    Some(LaneRows::new(Rc::clone(lane), first))
}

impl From<InferError> for NotScored {
    fn from(error: InferError) -> Self {
        Self::fault(CallFault::Invalid, &error)
    }
}
