//! The fields of a request that are keys of its entities, in buffers that the row's slot keeps.

use super::entities::{EntityKey, RequestKeys};
use super::requests::join_key;

/// How a request gave a field that is a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GivenAs {
    /// Not at all.
    #[default]
    Nothing,
    /// As a text.
    Text,
    /// As an integer.
    Integer,
}

/// A field that is a key.
#[derive(Debug, Default)]
pub struct KeyPart {
    /// The key, or the part of one; empty where it is not given.
    pub text: String,
    /// How it was given.
    pub given: GivenAs,
}

/// The keys' fields of a row, in the order of the model's.
#[derive(Debug, Default)]
pub struct KeyParts {
    /// Those of this row are the first `count`: the others are kept for rows to come.
    parts: Vec<KeyPart>,
    count: usize,
}

impl KeyParts {
    /// Makes room for so many fields, none of them given.
    pub fn reset(&mut self, count: usize) {
        if self.parts.len() < count {
            self.parts.resize_with(count, KeyPart::default);
        }
        for part in &mut self.parts[..count] {
            part.text.clear();
            part.given = GivenAs::Nothing;
        }
        self.count = count;
    }

    /// A field, by its place among the model's.
    pub fn get(&self, field: usize) -> Option<&KeyPart> {
        self.parts[..self.count].get(field)
    }

    /// [`Self::get`], to be filled.
    pub fn get_mut(&mut self, field: usize) -> Option<&mut KeyPart> {
        self.parts[..self.count].get_mut(field)
    }

    /// The parts of an entity's key; one that is not given is empty.
    pub fn of<'a>(&'a self, key: &'a EntityKey) -> impl Iterator<Item = &'a [u8]> {
        key.fields.iter().map(|field| self.get(*field).map_or(&[][..], |part| part.text.as_bytes()))
    }

    /// Writes the key of the first entity, by which the row is told.
    pub fn write_first(&self, keys: &RequestKeys, key: &mut String) {
        let Some(first) = keys.entities.first() else { return };
        let mut bytes = std::mem::take(key).into_bytes();
        bytes.clear();
        join_key(self.of(first), &mut bytes);
        // Texts and their lengths are text.
        *key = String::from_utf8(bytes).unwrap_or_default();
    }

    /// Copies those of another row.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.reset(other.count);
        for (own, others) in self.parts.iter_mut().zip(&other.parts[..other.count]) {
            own.text.push_str(&others.text);
            own.given = others.given;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// Gives back what few rows need.
    pub(crate) fn shrink(&mut self) {
        const KEPT_BYTES_MAX: usize = 1_024;
        if self.parts.iter().map(|part| part.text.capacity()).sum::<usize>() > KEPT_BYTES_MAX {
            self.parts = Vec::new();
            self.count = 0;
        }
    }
}
