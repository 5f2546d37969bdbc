//! The JSON body of `POST /predict`, read straight into rows: no tree is built.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use super::PredictTerms;
use super::keys::{KeySeed, cell_of_key, finish_keys};
use super::options::{AnswerOption, OptionSeed};
use crate::batch::{Row, RowId, RowState, Rows};
use crate::failure::{FieldFault, RowFailure};
use crate::features::KEY_BYTES_MAX;
use crate::features::entities::USER_ID;
use crate::features::expressions::RequestTexts;
use crate::features::join::RequestField;
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
    /// Its first row; the others follow by [`Row::next`].
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

const NOT_AN_OBJECT: RowFailure = RowFailure::Malformed("the member is not a JSON object");
const NO_USER_ID: RowFailure = RowFailure::Malformed("`user_id` is missing");
const NO_FIELD: RowFailure = RowFailure::Malformed(
    "no member is a column of the model: GET /v2/models/NAME says which columns it has",
);
const TWO_USER_IDS: RowFailure = RowFailure::Malformed("`user_id` is there twice");
const TWO_OPTIONS: RowFailure = RowFailure::Malformed(
    "`explain`, `probabilities`, `label` or `outputs` is there twice: one of them says what is asked",
);
const BAD_USER_ID: RowFailure =
    RowFailure::Malformed("`user_id` must be a non-empty string or an integer");
// The message says the limit.
const _: () = assert!(KEY_BYTES_MAX == 511);
const LONG_USER_ID: RowFailure = RowFailure::Malformed("`user_id` is longer than 511 bytes");

/// Reads one member into its row; a fault of it becomes the row's outcome.
pub(crate) struct MemberSeed<'a> {
    pub(in crate::api) row: &'a mut Row,
    terms: PredictTerms<'a>,
}

impl MemberSeed<'_> {
    fn fail(self, failure: RowFailure) {
        self.row.state = RowState::Done(Err(failure));
    }
}

impl<'de> DeserializeSeed<'de> for MemberSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `user_id`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut failure = None;
        let (fields, mut seen, mut given) = (self.terms.fields, false, false);
        let (mut wants, mut has_options, mut asked) = (Wants::default(), false, 0);
        let keys = self.terms.keys;
        while let Some(Name(name)) = members.next_key()? {
            if let Some(key) = keys.position(&name) {
                let seed = KeySeed { part: self.row.key_parts.get_mut(key), field: key };
                failure = failure.or(members.next_value_seed(seed)?);
                if let Some(index) = fields.iter().position(|field| field.name == name) {
                    failure = failure.or(cell_of_key(self.row, key, &fields[index], index));
                }
            } else if keys.is_user_alone() && name == USER_ID {
                if std::mem::replace(&mut seen, true) {
                    failure = Some(TWO_USER_IDS);
                }
                failure = failure.or(members.next_value_seed(UserIdSeed { row: self.row })?);
            } else if let Some(index) = fields.iter().position(|field| field.name == name) {
                given = true;
                if self.row.given_fields.note(index) {
                    let fault = FieldFault::Twice;
                    failure = failure.or(Some(RowFailure::Field { index, fault }));
                }
                match members.next_value_seed(CellSeed(
                    &fields[index],
                    index,
                    &mut self.row.texts,
                ))? {
                    Ok(value) => self.row.request_cells[index] = value,
                    Err(fault) => failure = failure.or(Some(RowFailure::Field { index, fault })),
                }
            } else if let Some(option) = AnswerOption::named(&name) {
                has_options = true;
                let bit = 1_u8 << option as u8;
                if asked & bit != 0 {
                    failure = failure.or(Some(TWO_OPTIONS));
                }
                asked |= bit;
                let wrong = members.next_value_seed(OptionSeed(option, &mut wants))?;
                failure = failure.or(wrong);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        if !keys.is_user_alone() {
            failure = failure.or(finish_keys(self.row, keys, given));
        } else if self.terms.needs_user && !seen {
            failure = Some(NO_USER_ID);
        } else if !self.terms.needs_user && !given {
            failure = failure.or(Some(NO_FIELD));
        }
        if has_options {
            failure = failure.or(self.terms.answers.refuse(wants).map(RowFailure::Malformed));
            self.row.answer.ask(wants);
        }
        if let Some(failure) = failure {
            self.fail(failure);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while members.next_element::<IgnoredAny>()?.is_some() {}
        self.fail(NOT_AN_OBJECT);
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.fail(NOT_AN_OBJECT);
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.fail(NOT_AN_OBJECT);
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.fail(NOT_AN_OBJECT);
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.fail(NOT_AN_OBJECT);
        Ok(())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.fail(NOT_AN_OBJECT);
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.fail(NOT_AN_OBJECT);
        Ok(())
    }
}

/// A member's name, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(in crate::api) struct Name<'a>(#[serde(borrow)] pub(in crate::api) Cow<'a, str>);

/// Reads the value of `user_id` into the row's key; gives back its fault.
struct UserIdSeed<'a> {
    row: &'a mut Row,
}

impl<'de> DeserializeSeed<'de> for UserIdSeed<'_> {
    type Value = Option<RowFailure>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl UserIdSeed<'_> {
    fn integer(self, number: impl fmt::Display) -> Option<RowFailure> {
        use fmt::Write;
        self.row.key.clear();
        self.row.key_is_integer = true;
        write!(self.row.key, "{number}").is_err().then_some(BAD_USER_ID)
    }
}

impl<'de> Visitor<'de> for UserIdSeed<'_> {
    type Value = Option<RowFailure>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a user id")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.row.key.clear();
        if text.is_empty() {
            return Ok(Some(BAD_USER_ID));
        }
        if text.len() > KEY_BYTES_MAX {
            return Ok(Some(LONG_USER_ID));
        }
        self.row.key.push_str(text);
        Ok(None)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.integer(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.integer(number))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Some(BAD_USER_ID))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Some(BAD_USER_ID))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Some(BAD_USER_ID))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(BAD_USER_ID))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Some(BAD_USER_ID))
    }
}

/// Reads a request field as a cell: a number, a boolean as 1 or 0, a text as its column reads it, null
/// as not known; gives back its fault otherwise.
pub(in crate::api) struct CellSeed<'a>(
    pub(in crate::api) &'a RequestField,
    pub(in crate::api) usize,
    pub(in crate::api) &'a mut RequestTexts,
);

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = Result<f64, FieldFault>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed<'_> {
    type Value = Result<f64, FieldFault>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number or a text")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.0.number(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.0.integer(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.0.integer(value.into()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.0.truth(value))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Ok(f64::NAN))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if self.0.is_kept {
            self.2.push(self.1, text);
        }
        Ok(self.0.text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err(FieldFault::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Err(FieldFault::Object))
    }
}
