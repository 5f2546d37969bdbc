//! The outcome of a call, which every front can render.

use std::fmt::{self, Display, Write};
use std::rc::Rc;

use serde_json::Value;

use super::admin_queue::AwaitedAdminReply;
use super::infer::InferForm;
use super::request_rows::{Admission, RequestRows};
use super::{instances, predict};
use crate::batch::Lane;
use crate::failure::RowFailure;
use crate::provenance::{EntityStatuses, FeatureStatus};

/// The longest message of a fault: some quote what the client sent, which may be long.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// The outcome of a call.
pub(crate) enum Outcome {
    /// A document that is there at once.
    Document(Value),
    /// A document of JSON that is there as text.
    Text(Rc<[u8]>),
    /// A document about something that is not ready.
    NotReady(Value),
    /// The call cannot be done.
    Fault {
        /// The kind of the fault.
        kind: CallFault,
        /// The message for a person.
        message: String,
    },
    /// The call's rows are not let in.
    Refused(RowFailure),
    /// The process answers when it has done the call.
    Awaited(AwaitedAdminReply),
    /// Rows were queued; the document is made of them when all are done.
    Rows {
        /// The rows.
        rows: RequestRows,
        /// How their outcomes are written.
        form: Form,
    },
}

/// Why a call cannot be done, told apart as its sender acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallFault {
    /// No such model or version.
    NotFound,
    /// The call or its body is wrong.
    Invalid,
    /// The body has more rows than are taken.
    TooLarge,
    /// The call has to have a body.
    NoBody,
    /// The call is not for its sender.
    Forbidden,
    /// Too many such calls wait; a later one may be taken.
    Busy,
    /// What it is about takes no requests now.
    NotReady,
}

/// Takes a message up to the limit, and stops its writer there.
struct Clipped(String);

impl fmt::Write for Clipped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MESSAGE_BYTES_MAX.saturating_sub(self.0.len());
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Outcome {
    /// A fault of this kind.
    pub(super) fn fault(kind: CallFault, message: &(impl Display + ?Sized)) -> Self {
        let mut clipped = Clipped(String::new());
        // An error says only that the message is clipped.
        let _ = write!(clipped, "{message}");
        Self::Fault { kind, message: clipped.0 }
    }
}

/// How the outcomes of rows are written.
pub(crate) enum Form {
    /// As one object.
    Lone,
    /// As an array, each member with its own outcome.
    Array,
    /// As predictions of instances.
    Predictions,
    /// As tensors of the Open Inference Protocol.
    Tensors(Box<InferForm>),
}

/// The number by which a front's protocol names a row's failure.
pub(crate) type StatusOf = fn(RowFailure) -> u16;

/// The facts about rows that a front says beside their document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowsSummary {
    /// The failure that the whole call ends with.
    pub(crate) failure: Option<RowFailure>,
    /// The worst provenance of the rows' features.
    pub(crate) provenance: Option<FeatureStatus>,
    /// The worst of each entity of the first row's lane; empty where its model has one.
    pub(crate) statuses: EntityStatuses,
    /// The most cells of a row that took their column's default.
    pub(crate) defaulted: u32,
    /// The version that scored all rows, or failed.
    pub(crate) version: Option<u64>,
    /// Where the document's JSON ends, if binary tensors follow it.
    pub(crate) json_bytes: Option<usize>,
}

/// The worst that the features of each entity stood on, over the rows of a request.
pub(super) struct WorstOfRows<'a> {
    /// The lane whose entities are told.
    first: &'a Lane,
    worst: EntityStatuses,
    /// Rows are of versions with other entities: they are not told apart then.
    is_mixed: bool,
}

impl<'a> WorstOfRows<'a> {
    pub(super) fn new(rows: &'a RequestRows) -> Self {
        Self { first: rows.first().0, worst: EntityStatuses::EMPTY, is_mixed: false }
    }

    pub(super) fn add(&mut self, lane: &Lane, statuses: EntityStatuses) {
        if !statuses.is_empty() {
            self.worst = self.worst.worst(statuses);
        }
        self.is_mixed |= !std::ptr::eq(lane, self.first)
            && lane.settings.keys.entities != self.first.settings.keys.entities;
    }

    pub(super) fn get(&self) -> EntityStatuses {
        if self.is_mixed { EntityStatuses::EMPTY } else { self.worst }
    }
}

impl Form {
    /// How rows of this form are admitted. Members of an array have outcomes of their own, so that
    /// those beyond the limits are refused; tensors have been admitted as a whole.
    pub(super) fn admission(&self) -> Admission {
        match self {
            Self::Lone => Admission::Lone,
            Self::Array => Admission::Each,
            Self::Tensors(_) | Self::Predictions => Admission::Whole,
        }
    }

    /// How much it keeps, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Tensors(form) => form.held_bytes(),
            Self::Lone | Self::Array | Self::Predictions => 0,
        }
    }

    /// Appends the document of rows that are done to `body`. A document that has statuses in it
    /// has them by `status_of`.
    pub(crate) fn write(
        &self,
        body: &mut Vec<u8>,
        rows: &RequestRows,
        status_of: StatusOf,
    ) -> RowsSummary {
        match self {
            Self::Lone => predict::write_lone(body, rows),
            Self::Array => predict::write_array(body, rows, status_of),
            Self::Predictions => instances::write(body, rows, status_of),
            Self::Tensors(form) => form.write(body, rows),
        }
    }
}
