//! Rewrites the nodes of a graph one after the other.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use super::super::constants::numbers;
use super::super::error::OnnxError;
use super::super::graph;
use super::super::ops::exact_i64;
use super::codes::Codes;
use super::columns::Columns;
use super::reach::{Reach, Value};
use super::{attributes, moves, tensor_of};

/// How much may be known of all values together: a file of some bytes must not ask for all memory.
const WORK_MAX: usize = 1 << 24;

/// What is done to a graph.
pub(super) struct Rewriting {
    pub(super) codes: Codes,
    /// The type that codes have.
    pub(super) number: DataType,
    /// The values that are texts, by name.
    pub(super) values: HashMap<String, Value>,
    work: usize,
}

impl Rewriting {
    pub(super) fn new(codes: Codes, number: DataType) -> Self {
        Self { codes, number, values: HashMap::new(), work: 0 }
    }

    /// Takes note of work that grows with the file's own numbers.
    pub(super) fn charge(&mut self, node: &NodeProto, work: usize) -> Result<(), OnnxError> {
        self.work = self.work.saturating_add(work);
        if self.work > WORK_MAX {
            let advice = "too much would have to be known of its texts: export a smaller model";
            return Err(OnnxError::unsupported(node, advice));
        }
        Ok(())
    }

    /// The output of a node is this.
    pub(super) fn insert(&mut self, node: &NodeProto, value: Value) -> Result<(), OnnxError> {
        self.charge(node, value.size())?;
        self.values.extend(node.output.first().map(|name| (name.clone(), value)));
        Ok(())
    }

    /// Initializers of texts become codes.
    pub(super) fn constants(&mut self, graph: &mut GraphProto) {
        for tensor in &mut graph.initializer {
            if let Some(coded) = self.coded(tensor) {
                *tensor = coded;
            }
        }
    }

    /// A constant of texts as one of codes.
    fn coded(&mut self, tensor: &TensorProto) -> Option<TensorProto> {
        let codes = self.codes.all(attributes::texts_of(tensor)?);
        let reach = Value::Any(Reach::constants(codes.iter().copied()));
        self.values.insert(tensor.name.clone(), reach);
        Some(tensor_of(&tensor.name, tensor.dims.clone(), &codes, self.number))
    }

    /// All nodes of a graph.
    pub(super) fn nodes(
        &mut self,
        graph: &mut GraphProto,
        columns: &mut Columns,
    ) -> Result<(), OnnxError> {
        for place in 0..graph.node.len() {
            let mut node = std::mem::take(&mut graph.node[place]);
            self.node(&mut node, graph, columns)?;
            match self.folded(&node, graph) {
                Some(constant) => graph.initializer.push(constant),
                None => graph.node[place] = node,
            }
        }
        // What was folded left an empty node behind.
        graph.node.retain(|node| !node.output.is_empty());
        Ok(())
    }

    fn node(
        &mut self,
        node: &mut NodeProto,
        graph: &GraphProto,
        columns: &mut Columns,
    ) -> Result<(), OnnxError> {
        let reads = node.input.iter().any(|name| self.values.contains_key(name));
        let texts = |name: &str| attributes::find(node, name).and_then(attributes::texts).is_some();
        match node.op_type.as_str() {
            "Constant" => self.constant(node),
            "CategoryMapper" => {
                self.category_mapper(node)?;
                self.label_encoder(node, columns)
            }
            "LabelEncoder"
                if reads
                    || ["keys_strings", "values_strings", "keys_tensor", "values_tensor"]
                        .into_iter()
                        .any(texts) =>
            {
                self.label_encoder(node, columns)
            }
            "OneHotEncoder" if reads || texts("cats_strings") => self.one_hot(node, columns),
            "Cast" => self.cast(node, reads),
            "Equal" if reads => self.equal(node, columns),
            _ if !reads => Ok(()),
            _ => {
                let outputs = moves::follow(node, graph, &self.values)
                    .ok_or_else(|| OnnxError::unsupported(node, advice(&node.op_type)))?;
                for (name, value) in node.output.iter().zip(outputs) {
                    if node.op_type == "Where" {
                        columns.filled(&value.whole());
                    }
                    self.work = self.work.saturating_add(value.size());
                    self.values.insert(name.clone(), value);
                }
                self.charge(node, 0)
            }
        }
    }

    /// A `Constant` of texts.
    fn constant(&mut self, node: &mut NodeProto) -> Result<(), OnnxError> {
        let Some(name) = node.output.first().cloned() else { return Ok(()) };
        let named = |wanted: &str| attributes::find(node, wanted);
        let texts = match (named("value_string"), named("value_strings"), named("value")) {
            (Some(one), _, _) => Some((vec![one.s.clone()], Vec::new())),
            (_, Some(some), _) => Some((some.strings.clone(), vec![some.strings.len() as i64])),
            (_, _, Some(value)) => value.t.as_ref().and_then(|tensor| {
                Some((attributes::texts_of(tensor)?.to_vec(), tensor.dims.clone()))
            }),
            _ => None,
        };
        let Some((texts, dims)) = texts else { return Ok(()) };
        let codes = self.codes.all(&texts);
        self.insert(node, Value::Any(Reach::constants(codes.iter().copied())))?;
        let tensor = tensor_of(&name, dims, &codes, self.number);
        node.attribute = vec![attributes::tensor("value", tensor)];
        Ok(())
    }

    /// A `Cast` of texts to texts copies them; any other one looks into them.
    fn cast(&mut self, node: &mut NodeProto, reads: bool) -> Result<(), OnnxError> {
        let to = attributes::find(node, "to").map_or(0, |to| to.i);
        match (reads, to == DataType::String as i64) {
            (false, false) => Ok(()),
            (true, true) => {
                "Identity".clone_into(&mut node.op_type);
                node.attribute.clear();
                let value = node.input.first().and_then(|name| self.values.get(name)).cloned();
                value.map_or(Ok(()), |value| self.insert(node, value))
            }
            (true, false) => Err(OnnxError::unsupported(
                node,
                "it reads texts as numbers: export the column as a number",
            )),
            (false, true) => Err(OnnxError::unsupported(
                node,
                "it makes texts of numbers: train on the column as text, or as a number throughout",
            )),
        }
    }

    /// What a `LabelEncoder` makes of a constant, which is one too.
    fn folded(&mut self, node: &NodeProto, graph: &GraphProto) -> Option<TensorProto> {
        let name = node.output.first().filter(|_| node.op_type == "LabelEncoder")?;
        let input = graph::constant(graph, node.input.first()?)?;
        if !self.values.contains_key(name) {
            return None;
        }
        let keys = &attributes::find(node, "keys_int64s")?.ints;
        let doubles = |name: &str| numbers(attributes::find(node, name)?.t.as_ref()?);
        let (values, default) = match attributes::find(node, "values_floats") {
            Some(values) => (
                values.floats.iter().copied().map(f64::from).collect(),
                f64::from(attributes::find(node, "default_float")?.f),
            ),
            None => (doubles("values_tensor")?, *doubles("default_tensor")?.first()?),
        };
        let mut places = HashMap::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            places.entry(*key).or_insert(place);
        }
        let cells: Option<Vec<i64>> = numbers(input)?
            .into_iter()
            .map(|cell| match exact_i64(cell).and_then(|cell| places.get(&cell)) {
                Some(place) => values.get(*place).map(|value| *value as i64),
                None => Some(default as i64),
            })
            .collect();
        let cells = cells?;
        self.values.insert(name.clone(), Value::Any(Reach::constants(cells.iter().copied())));
        Some(tensor_of(name, input.dims.clone(), &cells, self.number))
    }
}

/// What is said of an operator that looks into texts.
fn advice(operator: &str) -> String {
    let what = match operator {
        "StringNormalizer" => "it changes texts before they are looked up",
        "TfIdfVectorizer" | "Tokenizer" | "StringSplit" => "it cuts texts into words",
        _ => "it reads texts in a way that codes of whole texts don't allow",
    };
    format!("{what}: do that before the model, or serve the model by a remote backend")
}
