//! The tensors that are keys of a model's entities.

use std::borrow::Cow;

use super::error::InferError;
use super::rows::check_shape;
use crate::batch::Row;
use crate::features::entities::RequestKeys;
use crate::features::join::RequestField;
use crate::features::{GivenAs, KEY_BYTES_MAX, KeyParts};
use crate::tensors::{Tensor, TensorData};

/// The keys of each row of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ParsedKeys<'r> {
    keys: &'r RequestKeys,
    fields: Vec<KeyTensor<'r>>,
}

/// One field of the keys.
#[derive(Debug, Clone, PartialEq)]
struct KeyTensor<'r> {
    /// Its place among the model's keys.
    field: usize,
    /// Of each row; empty where it has none.
    texts: Vec<&'r str>,
    given: GivenAs,
}

/// Whether these tensors name entities whose features are looked up: one is a key, and not all of the
/// model's columns are there.
pub(super) fn names_keys(inputs: &[Tensor<'_>], keys: &RequestKeys, columns: &[String]) -> bool {
    let is_there = |name: &String| inputs.iter().any(|input| input.name == *name);
    keys.fields.iter().any(is_there) && !columns.iter().all(is_there)
}

impl<'r> ParsedKeys<'r> {
    /// The keys among these tensors.
    pub(super) fn of(
        inputs: &'r [Tensor<'_>],
        keys: &'r RequestKeys,
        rows: usize,
    ) -> Result<Self, InferError> {
        let is_required = |field: usize| {
            keys.entities.iter().any(|it| it.is_required && it.fields.contains(&field))
        };
        let mut fields = Vec::new();
        for (field, name) in keys.fields.iter().enumerate() {
            let Some(input) = inputs.iter().find(|input| input.name == *name) else {
                if is_required(field) {
                    let expected = "it is a key, and is required".to_owned();
                    return Err(InferError::InputMissing { input: name.clone(), expected });
                }
                continue;
            };
            let texts = if input.nulls.is_empty() || is_required(field) {
                texts(input, rows)?
            } else {
                texts_or_none(input, rows)?
            };
            let is_text = input.datatype == crate::tensors::Datatype::Bytes;
            let given = if is_text { GivenAs::Text } else { GivenAs::Integer };
            fields.push(KeyTensor { field, texts, given });
        }
        Ok(Self { keys, fields })
    }

    /// Fills the keys of the row at this place of the request.
    pub(super) fn fill(&self, place: usize, row: &mut Row) {
        self.fill_parts(place, &mut row.key_parts);
        row.key_parts.write_first(self.keys, &mut row.key);
    }

    fn fill_parts(&self, place: usize, parts: &mut KeyParts) {
        parts.reset(self.keys.fields.len());
        for tensor in &self.fields {
            let text = tensor.texts[place];
            if let Some(part) = parts.get_mut(tensor.field)
                && !text.is_empty()
            {
                part.text.push_str(text);
                part.given = tensor.given;
            }
        }
    }

    /// The key of each row's first entity.
    pub(super) fn firsts(&self, rows: usize) -> impl Iterator<Item = String> {
        let mut parts = KeyParts::default();
        (0..rows).map(move |place| {
            let mut key = String::new();
            self.fill_parts(place, &mut parts);
            parts.write_first(self.keys, &mut key);
            key
        })
    }
}

/// The keys of a tensor, one a row.
pub(super) fn texts<'r>(input: &'r Tensor<'_>, rows: usize) -> Result<Vec<&'r str>, InferError> {
    let strings = strings(input, rows)?;
    strings.iter().enumerate().map(|(row, bytes)| text(input, row, bytes)).collect()
}

/// The same, empty where a row has none.
fn texts_or_none<'r>(input: &'r Tensor<'_>, rows: usize) -> Result<Vec<&'r str>, InferError> {
    let strings = strings(input, rows)?;
    let mut nulls = input.nulls.iter().copied().peekable();
    let text = |(row, bytes): (usize, &'r Cow<'_, [u8]>)| match nulls.next_if_eq(&row) {
        Some(_) => Ok(""),
        None => text(input, row, bytes),
    };
    strings.iter().enumerate().map(text).collect()
}

fn strings<'r, 'i>(input: &'r Tensor<'i>, rows: usize) -> Result<&'r [Cow<'i, [u8]>], InferError> {
    let TensorData::Strings(strings) = &input.data else {
        return Err(InferError::Type {
            input: input.name.clone().into_owned(),
            found: input.datatype.as_str(),
            expected: "BYTES or a type of integers",
        });
    };
    check_shape(input, rows, 1)?;
    Ok(strings)
}

fn text<'r>(input: &Tensor<'_>, row: usize, bytes: &'r [u8]) -> Result<&'r str, InferError> {
    let fits = !bytes.is_empty() && bytes.len() <= KEY_BYTES_MAX;
    let text = std::str::from_utf8(bytes).ok().filter(|_| fits);
    text.ok_or_else(|| {
        let input = input.name.clone().into_owned();
        InferError::UserId { input, row, limit: KEY_BYTES_MAX }
    })
}

/// The cells of a tensor that is a key, for a field that the model reads from the request too.
pub(super) fn cells<'r>(
    input: &Tensor<'_>,
    rows: usize,
    field: &RequestField,
) -> Result<Cow<'r, [f64]>, InferError> {
    let cell = |text: &str| match text {
        "" => Some(f64::NAN),
        text => field.text(text).or_else(|_| field.digits(text)).ok(),
    };
    let cells = texts_or_none(input, rows)?.into_iter().map(cell).collect::<Option<Vec<_>>>();
    cells.map(Cow::Owned).ok_or_else(|| InferError::Type {
        input: input.name.clone().into_owned(),
        found: input.datatype.as_str(),
        expected: if field.column_type.is_text() { "BYTES" } else { "a type of integers" },
    })
}
