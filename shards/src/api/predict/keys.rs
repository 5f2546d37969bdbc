//! The members of a request that are keys of its entities.

use std::fmt::{self, Write};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::batch::Row;
use crate::failure::{KeyFault, RowFailure};
use crate::features::entities::RequestKeys;
use crate::features::join::RequestField;
use crate::features::{GivenAs, KEY_BYTES_MAX, KeyPart};

const NO_KEY: RowFailure = RowFailure::Malformed(
    "no member is a key or a column of the model: GET /v2/models/NAME says which there are",
);

/// Reads a member into a key, or a part of one; gives back its fault. Null is none.
pub(super) struct KeySeed<'a> {
    pub(super) part: Option<&'a mut KeyPart>,
    /// Its place among the model's keys.
    pub(super) field: usize,
}

impl KeySeed<'_> {
    fn fault(&self, fault: KeyFault) -> RowFailure {
        RowFailure::Key { field: self.field, fault }
    }

    fn take(
        self,
        given: GivenAs,
        write: impl FnOnce(&mut String) -> fmt::Result,
    ) -> Option<RowFailure> {
        let field = self.field;
        let part = self.part?;
        if part.given != GivenAs::Nothing {
            return Some(RowFailure::Key { field, fault: KeyFault::Twice });
        }
        part.given = given;
        // Writing to a String cannot fail.
        let _ = write(&mut part.text);
        None
    }
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<RowFailure>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = Option<RowFailure>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(match text.len() {
            0 => Some(self.fault(KeyFault::NotAKey)),
            1..=KEY_BYTES_MAX => self.take(GivenAs::Text, |key| key.write_str(text)),
            _ => Some(self.fault(KeyFault::TooLong)),
        })
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.take(GivenAs::Integer, |key| write!(key, "{number}")))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.take(GivenAs::Integer, |key| write!(key, "{number}")))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Some(self.fault(KeyFault::NotAKey)))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Some(self.fault(KeyFault::NotAKey)))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(self.fault(KeyFault::NotAKey)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Some(self.fault(KeyFault::NotAKey)))
    }
}

/// Fills the cell of a field of the request that is a key too.
pub(super) fn cell_of_key(
    row: &mut Row,
    key: usize,
    field: &RequestField,
    index: usize,
) -> Option<RowFailure> {
    let part = row.key_parts.get(key)?;
    let cell = match part.given {
        GivenAs::Nothing => return None,
        GivenAs::Text => field.text(&part.text),
        // A category may be written as an integer, as the key is.
        GivenAs::Integer => field.digits(&part.text),
    };
    match cell {
        Ok(cell) => {
            row.request_cells[index] = cell;
            None
        }
        Err(fault) => Some(RowFailure::Field { index, fault }),
    }
}

/// Writes the key that the row is told by, once all members were read, and says which key is missing
/// that has to be there. `given` is whether a field was given that is no key.
pub(crate) fn finish_keys(row: &mut Row, keys: &RequestKeys, given: bool) -> Option<RowFailure> {
    let mut key = std::mem::take(&mut row.key);
    row.key_parts.write_first(keys, &mut key);
    row.key = key;
    let is_given =
        |field: usize| row.key_parts.get(field).is_some_and(|part| part.given != GivenAs::Nothing);
    let required = keys.entities.iter().filter(|entity| entity.is_required);
    let mut required = required.flat_map(|entity| &entity.fields);
    if let Some(field) = required.find(|field| !is_given(**field)) {
        return Some(RowFailure::Key { field: *field, fault: KeyFault::Missing });
    }
    let is_empty = !given && !(0..keys.fields.len()).any(is_given);
    is_empty.then_some(NO_KEY)
}
