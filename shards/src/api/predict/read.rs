//! The JSON body of `POST /predict`, read straight into rows: no tree is built.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use thiserror::Error;

use super::PredictTerms;
use super::member::MemberSeed;
use crate::batch::{RowId, RowState, Rows};
use crate::failure::RowFailure;
use crate::model::answer::Wants;

/// Why a body cannot be read into rows.
#[derive(Debug, Error)]
pub enum PredictError {
    /// Not UTF-8, which JSON must be.
    #[error("the body is not valid UTF-8")]
    NotUtf8,
    /// Not JSON.
    #[error("the body is not valid JSON: {0}")]
    NotJson(serde_json::Error),
    /// JSON, but neither an object nor an array of objects.
    #[error("the body must be a JSON object, or an array of them")]
    NotAnObject,
    /// An array with no member.
    #[error("the array is empty")]
    Empty,
    /// An array with more members than the limit.
    #[error("the array has more than {limit} members")]
    TooManyRows {
        /// The limit, in members.
        limit: usize,
    },
}

/// The rows of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedPredict {
    /// Its first row; the others follow by [`next`](crate::batch::Row::next).
    pub first: RowId,
    /// How many there are.
    pub count: usize,
    /// Whether the body was an array; its document is one, too.
    pub is_array: bool,
}

/// Reads `body` into new rows for `connection`. A member that cannot be scored is a row that is already done; nothing is queued.
///
/// # Errors
/// A body that is not JSON or has the wrong shape. No row is left behind then.
pub fn parse(
    body: &[u8],
    terms: PredictTerms<'_>,
    connection: u32,
    rows: &mut Rows,
) -> Result<ParsedPredict, PredictError> {
    let text = std::str::from_utf8(body).map_err(|_| PredictError::NotUtf8)?;
    let is_array = match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') => false,
        Some(b'[') => true,
        _ => {
            serde_json::from_str::<IgnoredAny>(text).map_err(PredictError::NotJson)?;
            return Err(PredictError::NotAnObject);
        }
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let array_rows_max = terms.array_rows_max;
    let mut sink = RowSink::new(rows, connection, terms);
    let parsed = if is_array {
        json.deserialize_seq(ArrayVisitor { sink: &mut sink })
    } else {
        sink.next_row().deserialize(&mut json).map(|()| 1)
    };
    let parsed = parsed.and_then(|count| json.end().map(|()| count));
    let first = sink.first;
    match (parsed, first) {
        (Ok(count), Some(first)) if count <= array_rows_max => {
            Ok(ParsedPredict { first, count, is_array })
        }
        (outcome, first) => {
            rows.forget(first);
            match outcome {
                Ok(0) => Err(PredictError::Empty),
                Ok(_) => Err(PredictError::TooManyRows { limit: array_rows_max }),
                Err(error) => Err(PredictError::NotJson(error)),
            }
        }
    }
}

/// The members of one row, as a front has read them.
pub(crate) trait Members {
    /// Has `visitor` take the members, each a name and a value.
    ///
    /// # Errors
    /// The visitor's own.
    fn visit(&self, visitor: MemberSeed<'_>) -> Result<(), serde_json::Error>;
}

/// Reads the members of one row into a new row, as [`parse`] does those of an object.
pub(super) fn parse_members(
    members: &dyn Members,
    wants: Wants,
    terms: PredictTerms<'_>,
    connection: u32,
    rows: &mut Rows,
) -> Result<ParsedPredict, PredictError> {
    let mut sink = RowSink::new(rows, connection, terms);
    let read = members.visit(sink.next_row());
    let first = sink.first.ok_or(PredictError::Empty)?;
    if let Err(error) = read {
        rows.forget(Some(first));
        return Err(PredictError::NotJson(error));
    }
    let row = rows.get_mut(first);
    if wants != Wants::default() {
        row.answer.ask(wants);
        if let Some(reason) = terms.answers.refuse(wants)
            && !matches!(row.state, RowState::Done(_))
        {
            row.state = RowState::Done(Err(RowFailure::Malformed(reason)));
        }
    }
    Ok(ParsedPredict { first, count: 1, is_array: false })
}

/// Makes rows and chains those of one request.
pub(in crate::api) struct RowSink<'a> {
    rows: &'a mut Rows,
    connection: u32,
    terms: PredictTerms<'a>,
    first: Option<RowId>,
    last: Option<RowId>,
}

impl<'a> RowSink<'a> {
    pub(in crate::api) fn new(
        rows: &'a mut Rows,
        connection: u32,
        terms: PredictTerms<'a>,
    ) -> Self {
        Self { rows, connection, terms, first: None, last: None }
    }

    /// The first row, where there is one.
    pub(in crate::api) fn first(&self) -> Option<RowId> {
        self.first
    }

    /// The last row so far.
    pub(in crate::api) fn last(&self) -> Option<RowId> {
        self.last
    }

    /// The most rows.
    pub(in crate::api) fn rows_max(&self) -> usize {
        self.terms.array_rows_max
    }

    /// A further row, to be filled.
    pub(in crate::api) fn next_row(&mut self) -> MemberSeed<'_> {
        let id = self.rows.insert(self.connection);
        match self.last.replace(id) {
            Some(last) => self.rows.get_mut(last).next = Some(id),
            None => self.first = Some(id),
        }
        let row = self.rows.get_mut(id);
        row.request_cells.resize(self.terms.fields.len(), f64::NAN);
        row.given_fields.reset(self.terms.fields.len());
        row.key_parts.reset(self.terms.keys.fields.len());
        MemberSeed { row, terms: self.terms }
    }
}

struct ArrayVisitor<'a, 'b> {
    sink: &'a mut RowSink<'b>,
}

impl<'de> Visitor<'de> for ArrayVisitor<'_, '_> {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while count < self.sink.terms.array_rows_max {
            // The row is made before it is known whether a member follows; an unused one is
            // taken back, so that the chain ends with the last member.
            let before = self.sink.last;
            let present = members.next_element_seed(self.sink.next_row())?.is_some();
            if !present {
                self.sink.take_back(before);
                return Ok(count);
            }
            count += 1;
        }
        while members.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

impl RowSink<'_> {
    /// Takes the last row back; `before` is the one before it.
    pub(in crate::api) fn take_back(&mut self, before: Option<RowId>) {
        if let Some(unused) = std::mem::replace(&mut self.last, before) {
            self.rows.remove(unused);
        }
        match before {
            Some(last) => self.rows.get_mut(last).next = None,
            None => self.first = None,
        }
    }
}
