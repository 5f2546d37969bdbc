//! The number of each text that a graph names.

use std::collections::HashMap;

use tract_onnx::pb::GraphProto;

use super::super::error::OnnxError;
use super::{UNKNOWN, attributes};

/// The most texts: each code is exact in 32-bit floats.
const TEXTS_MAX: usize = 1 << 24;

/// Attributes of texts that are compared with cells, or become cells.
const TEXTS: [&str; 9] = [
    "cats_strings",
    "keys_strings",
    "keys_tensor",
    "values_strings",
    "values_tensor",
    "default_string",
    "default_tensor",
    "value_string",
    "value_strings",
];

/// What an encoder gives, where neither it nor the file says anything else.
pub(super) const UNUSED: &[u8] = b"_Unused";

/// The texts of a graph, each with its code: its place in the order in which the file names them.
#[derive(Debug, Default)]
pub(super) struct Codes {
    of: HashMap<Vec<u8>, i64>,
    texts: Vec<String>,
}

impl Codes {
    /// Of all constants and attributes that are texts.
    pub(super) fn of(graph: &GraphProto) -> Result<Self, OnnxError> {
        let mut codes = Self::default();
        for tensor in &graph.initializer {
            codes.add_all(attributes::texts_of(tensor).unwrap_or_default())?;
        }
        for node in &graph.node {
            let named = |name: &str| TEXTS.contains(&name) || name == "value";
            for attribute in node.attribute.iter().filter(|it| named(&it.name)) {
                codes.add_all(attributes::texts(attribute).unwrap_or_default())?;
                if !attribute.s.is_empty() || attribute.name.ends_with("_string") {
                    codes.add(&attribute.s)?;
                }
            }
        }
        if !codes.is_empty() {
            codes.add(UNUSED)?;
        }
        Ok(codes)
    }

    fn add_all(&mut self, texts: &[Vec<u8>]) -> Result<(), OnnxError> {
        texts.iter().try_for_each(|text| self.add(text))
    }

    fn add(&mut self, text: &[u8]) -> Result<(), OnnxError> {
        if self.of.contains_key(text) {
            return Ok(());
        }
        let refused = |reason: &str| OnnxError::Graph { reason: reason.to_owned() };
        if self.texts.len() >= TEXTS_MAX {
            return Err(refused("it names more than 16 million texts"));
        }
        let read = std::str::from_utf8(text).map_err(|_| refused("a text in it is not UTF-8"))?;
        self.of.insert(text.to_owned(), self.texts.len() as i64);
        self.texts.push(read.to_owned());
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The code of a text.
    pub(super) fn code(&self, text: &[u8]) -> i64 {
        self.of.get(text).copied().unwrap_or(UNKNOWN)
    }

    /// The codes of texts.
    pub(super) fn all(&self, texts: &[Vec<u8>]) -> Vec<i64> {
        texts.iter().map(|text| self.code(text)).collect()
    }

    /// The text of a code.
    pub(super) fn text(&self, code: i64) -> Option<&str> {
        self.texts.get(usize::try_from(code).ok()?).map(String::as_str)
    }
}
