//! Reads one object of a body into a row: its key, the fields of the model, and what it asks for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::PredictTerms;
use super::cell::CellSeed;
use super::keys::{KeySeed, cell_of_key, finish_keys};
use super::options::{AnswerOption, OptionSeed};
use crate::batch::{Row, RowState};
use crate::failure::{FieldFault, RowFailure};
use crate::features::KEY_BYTES_MAX;
use crate::features::entities::USER_ID;
use crate::model::answer::Wants;

pub(super) const NOT_AN_OBJECT: RowFailure =
    RowFailure::Malformed("the member is not a JSON object");
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
    pub(super) terms: PredictTerms<'a>,
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
