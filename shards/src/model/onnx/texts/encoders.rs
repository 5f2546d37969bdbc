//! Operators that look texts up, or make texts of numbers: their lists become lists of codes.

use std::collections::BTreeSet;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto};

use super::super::error::OnnxError;
use super::codes::UNUSED;
use super::columns::Columns;
use super::nodes::Rewriting;
use super::reach::{Reach, Value};
use super::{FAILS_ON_UNKNOWN, attributes, tensor_of};

/// What is said of an operator that compares text with anything else.
const MIXED: &str = "it compares texts with numbers: encode the column as one of them";

/// The names of what a `LabelEncoder` gives where it finds no key.
const DEFAULTS: [&str; 4] = ["default_string", "default_int64", "default_float", "default_tensor"];

impl Rewriting {
    /// `OneHotEncoder` of texts.
    pub(super) fn one_hot(
        &mut self,
        node: &mut NodeProto,
        columns: &mut Columns,
    ) -> Result<(), OnnxError> {
        let texts = attributes::take(node, "cats_strings").map(|it| it.strings).unwrap_or_default();
        let Some(value) = node.input.first().and_then(|name| self.values.get(name)) else {
            return Err(OnnxError::unsupported(node, MIXED));
        };
        if texts.is_empty() || attributes::find(node, "cats_int64s").is_some() {
            return Err(OnnxError::unsupported(node, MIXED));
        }
        let reach = value.whole();
        let keys = self.keys(node, &texts)?;
        let fails = attributes::find(node, "zeros").is_some_and(|zeros| zeros.i == 0);
        self.look_up(node, &reach, &keys, fails, columns)?;
        node.attribute.push(attributes::integers("cats_int64s", keys));
        Ok(())
    }

    /// `Equal` of a column of text and constants.
    pub(super) fn equal(
        &mut self,
        node: &NodeProto,
        columns: &mut Columns,
    ) -> Result<(), OnnxError> {
        let reach = |place: usize| {
            let value = node.input.get(place).and_then(|name| self.values.get(name));
            value.map(Value::whole).ok_or_else(|| OnnxError::unsupported(node, MIXED))
        };
        let (one, other) = (reach(0)?, reach(1)?);
        if !one.columns.is_empty() && !other.columns.is_empty() {
            return Err(OnnxError::unsupported(
                node,
                "it compares two columns of text, of which any two texts that the model doesn't \
                 name would be equal: compare them before the model",
            ));
        }
        self.charge(node, one.columns.len() * other.constants.len())?;
        self.charge(node, other.columns.len() * one.constants.len())?;
        columns.compared(&one, &other.constants);
        columns.compared(&other, &one.constants);
        Ok(())
    }

    /// `CategoryMapper` is a `LabelEncoder` in one of two directions.
    pub(super) fn category_mapper(&self, node: &mut NodeProto) -> Result<(), OnnxError> {
        let take = |node: &mut NodeProto, name: &str| attributes::take(node, name);
        let texts = take(node, "cats_strings").map(|it| it.strings).unwrap_or_default();
        let numbers = take(node, "cats_int64s").map(|it| it.ints).unwrap_or_default();
        if texts.is_empty() || texts.len() != numbers.len() {
            return Err(OnnxError::unsupported(node, "it needs as many texts as numbers"));
        }
        let number = take(node, "default_int64").map_or(-1, |default| default.i);
        let text = take(node, "default_string").map_or(UNUSED.to_vec(), |default| default.s);
        "LabelEncoder".clone_into(&mut node.op_type);
        let strings = |name: &str| AttributeProto {
            name: name.to_owned(),
            strings: texts.clone(),
            ..AttributeProto::default()
        };
        if node.input.first().is_some_and(|name| self.values.contains_key(name)) {
            node.attribute.push(strings("keys_strings"));
            node.attribute.push(attributes::integers("values_int64s", numbers));
            node.attribute.push(attributes::integer("default_int64", number));
        } else {
            node.attribute.push(attributes::integers("keys_int64s", numbers));
            node.attribute.push(strings("values_strings"));
            let default = AttributeProto { s: text, ..AttributeProto::default() };
            node.attribute.push(AttributeProto { name: "default_string".to_owned(), ..default });
        }
        Ok(())
    }

    /// `LabelEncoder` from texts, to texts, or both.
    pub(super) fn label_encoder(
        &mut self,
        node: &mut NodeProto,
        columns: &mut Columns,
    ) -> Result<(), OnnxError> {
        let has_default = DEFAULTS.iter().any(|name| attributes::find(node, name).is_some());
        let keys = take_texts(node, ["keys_strings", "keys_tensor"]);
        let input = node.input.first().and_then(|name| self.values.get(name));
        let made = input.cloned();
        match (keys, input.map(Value::whole)) {
            (Some(texts), Some(reach)) => {
                let keys = self.keys(node, &texts)?;
                self.look_up(node, &reach, &keys, !has_default, columns)?;
                node.attribute.push(attributes::integers("keys_int64s", keys));
                if !has_default {
                    node.attribute.push(attributes::integer(FAILS_ON_UNKNOWN, 1));
                }
            }
            (None, None) => {}
            _ => return Err(OnnxError::unsupported(node, MIXED)),
        }
        if let Some(texts) = take_texts(node, ["values_strings", "values_tensor"]) {
            let default = take_texts(node, ["default_string", "default_tensor"]);
            let default = default.and_then(|it| it.into_iter().next());
            let default = self.codes.code(&default.unwrap_or(UNUSED.to_vec()));
            let values = self.codes.all(&texts);
            self.give(node, &values, default);
            let reach = Reach::constants(values.iter().copied().chain([default]));
            let value = match made {
                Some(Value::Each(each)) if each.len() == 1 => Value::Each(vec![reach]),
                _ => Value::Any(reach),
            };
            self.insert(node, value)?;
        }
        Ok(())
    }

    /// The codes of keys, each of which is there once.
    fn keys(&self, node: &NodeProto, texts: &[Vec<u8>]) -> Result<Vec<i64>, OnnxError> {
        let keys = self.codes.all(texts);
        let mut seen = BTreeSet::new();
        if let Some(twice) = keys.iter().find(|key| !seen.insert(**key)) {
            let text = self.codes.text(*twice).unwrap_or_default();
            let advice =
                format!("text \"{}\" is there twice: export it again", text.escape_debug());
            return Err(OnnxError::unsupported(node, advice));
        }
        Ok(keys)
    }

    fn look_up(
        &mut self,
        node: &NodeProto,
        reach: &Reach,
        keys: &[i64],
        fails: bool,
        columns: &mut Columns,
    ) -> Result<(), OnnxError> {
        self.charge(node, reach.columns.len() * keys.len())?;
        columns.looked_up(reach, keys, fails, &self.codes);
        Ok(())
    }

    /// Has a `LabelEncoder` give codes in the type that codes have.
    fn give(&self, node: &mut NodeProto, values: &[i64], default: i64) {
        let tensor = |name: &str, codes: &[i64]| {
            let dims = vec![codes.len() as i64];
            attributes::tensor(name, tensor_of("", dims, codes, self.number))
        };
        if self.number == DataType::Double {
            node.attribute.push(tensor("values_tensor", values));
            node.attribute.push(tensor("default_tensor", &[default]));
            return;
        }
        let floats = values.iter().map(|code| *code as f32).collect();
        node.attribute.push(attributes::floats("values_floats", floats));
        node.attribute.push(attributes::float("default_float", default as f32));
    }
}

/// The texts of one of two attributes, which the node loses.
fn take_texts(node: &mut NodeProto, names: [&str; 2]) -> Option<Vec<Vec<u8>>> {
    for name in names {
        let Some(attribute) = attributes::find(node, name) else { continue };
        let lone = (name == "default_string").then(|| vec![attribute.s.clone()]);
        let texts = lone.or_else(|| attributes::texts(attribute).map(<[_]>::to_vec));
        if texts.is_some() {
            attributes::take(node, name);
            return texts;
        }
    }
    None
}
