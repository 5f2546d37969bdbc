//! The body `{"instances": […]}`, read straight into rows.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use crate::api::CallFault;
use crate::api::predict::{
    CellSeed, MemberSeed, Name, ParsedPredict, PredictError, PredictTerms, RowSink,
};
use crate::batch::{RowState, Rows};
use crate::failure::{Refusal, RowFailure};
use crate::features::join::RequestField;
use crate::model::Signature;

const WIDTH: RowFailure = RowFailure::Malformed(
    "an instance that is a list must have one value for each of the model's columns, in order",
);
/// Why a body cannot be read into rows.
#[derive(Debug, Error)]
pub(in crate::api) enum InstancesError {
    /// Its rows cannot be taken.
    #[error(transparent)]
    Rows(#[from] PredictError),
    /// It is no object with a list of instances.
    #[error("the body must be {{\"instances\": […]}}: {0}")]
    Shape(serde_json::Error),
    /// The list has no member.
    #[error("`instances` is empty")]
    Empty,
}

impl InstancesError {
    /// The kind of fault that it is.
    pub(in crate::api) fn kind(&self) -> CallFault {
        match self {
            Self::Rows(PredictError::TooManyRows { .. }) => CallFault::TooLarge,
            _ => CallFault::Invalid,
        }
    }
}

/// Reads `body` into new rows for `connection`, by what a model of this `signature` takes. A member
/// that cannot be scored is a row that is already done; nothing is queued.
pub(in crate::api) fn parse(
    body: &[u8],
    terms: PredictTerms<'_>,
    signature: &Signature,
    connection: u32,
    rows: &mut Rows,
) -> Result<ParsedPredict, InstancesError> {
    let text = std::str::from_utf8(body).map_err(|_| PredictError::NotUtf8)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let mut sink = RowSink::new(rows, connection, terms);
    let parsed = json.deserialize_map(BodyVisitor { sink: &mut sink, signature });
    let parsed = parsed.and_then(|count| json.end().map(|()| count));
    let first = sink.first();
    let limit = terms.array_rows_max;
    match (parsed, first) {
        (Ok(count), Some(first)) if count <= limit => {
            Ok(ParsedPredict { first, count, is_array: true })
        }
        (parsed, first) => {
            rows.forget(first);
            match parsed {
                Ok(0) => Err(InstancesError::Empty),
                Ok(_) => Err(PredictError::TooManyRows { limit }.into()),
                Err(error) if error.is_data() => Err(InstancesError::Shape(error)),
                Err(error) => Err(PredictError::NotJson(error).into()),
            }
        }
    }
}

struct BodyVisitor<'a, 'b> {
    sink: &'a mut RowSink<'b>,
    signature: &'a Signature,
}

impl<'de> Visitor<'de> for BodyVisitor<'_, '_> {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `instances`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<usize, A::Error> {
        let Self { sink, signature } = self;
        let mut count = None;
        while let Some(Name(name)) = members.next_key()? {
            if name != "instances" {
                members.next_value::<IgnoredAny>()?;
            } else if count.is_some() {
                return Err(de::Error::duplicate_field("instances"));
            } else {
                let list = InstancesSeed { sink: &mut *sink, signature };
                count = Some(members.next_value_seed(list)?);
            }
        }
        count.ok_or_else(|| de::Error::missing_field("instances"))
    }
}

/// The list, each member into a row of its own.
struct InstancesSeed<'a, 'b> {
    sink: &'a mut RowSink<'b>,
    signature: &'a Signature,
}

impl<'de> DeserializeSeed<'de> for InstancesSeed<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for InstancesSeed<'_, '_> {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of instances")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<usize, A::Error> {
        let Self { sink, signature } = self;
        let mut count = 0;
        while count < sink.rows_max() {
            let before = sink.last();
            let seed = InstanceSeed { member: sink.next_row(), signature };
            if members.next_element_seed(seed)?.is_none() {
                sink.take_back(before);
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

/// One instance: an object as `/predict` has it, or a list of all columns.
struct InstanceSeed<'a> {
    member: MemberSeed<'a>,
    signature: &'a Signature,
}

impl<'de> DeserializeSeed<'de> for InstanceSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for InstanceSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an instance")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        self.member.visit_map(members)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { member: MemberSeed { row, .. }, signature } = self;
        let number = RequestField::default();
        let (mut failure, mut at) = (None, 0);
        row.has_own_features = true;
        row.request_cells.clear();
        while at < signature.columns.len() {
            let field = signature.fields.get(at).unwrap_or(&number);
            let Some(cell) = members.next_element_seed(CellSeed(field, at, &mut row.texts))? else {
                break;
            };
            let integers = signature.integers.get(at).copied().flatten();
            let is_code = field.categories.is_some();
            failure = failure.or(match cell {
                Err(fault) => Some(RowFailure::Cell { column: at as u32, fault }),
                Ok(cell) if !is_code && integers.is_some_and(|range| !range.holds(cell)) => {
                    let column = at as u32;
                    Some(RowFailure::Refused(Refusal::RequestNotInteger { column }))
                }
                Ok(_) => None,
            });
            row.request_cells.push(cell.unwrap_or(f64::NAN));
            at += 1;
        }
        let mut is_long = false;
        while members.next_element::<IgnoredAny>()?.is_some() {
            is_long = true;
        }
        if is_long || at < signature.columns.len() {
            failure = Some(WIDTH);
        }
        if let Some(failure) = failure {
            row.state = RowState::Done(Err(failure));
        }
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.member.visit_bool(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.member.visit_u64(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.member.visit_i64(value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.member.visit_f64(value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.member.visit_str(value)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.member.visit_unit()
    }
}
