//! What an operator's parser looks up: attributes by type, and constant inputs.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

use super::OnnxError;
use crate::model::onnx::constants::{integers, numbers};
use crate::model::onnx::graph;

/// A node and the graph that its constant inputs are looked up in.
#[derive(Clone, Copy)]
pub(in crate::model::onnx) struct NodeContext<'g> {
    pub(in crate::model::onnx) node: &'g NodeProto,
    pub(in crate::model::onnx) graph: &'g GraphProto,
    /// The version of ai.onnx.ml that the file is written for.
    pub(in crate::model::onnx) ml_version: i64,
}

impl<'g> NodeContext<'g> {
    fn attribute(
        self,
        name: &str,
        expected: AttributeType,
    ) -> Result<Option<&'g AttributeProto>, OnnxError> {
        let found = self.node.attribute.iter().find(|attribute| attribute.name == name);
        match found {
            Some(attribute) if attribute.r#type != expected as i32 => {
                let expected = expected.as_str_name();
                let found = AttributeType::try_from(attribute.r#type)
                    .map_or("an unknown type", |found| found.as_str_name());
                Err(self.refuse(format!("attribute `{name}` is {found}, expected {expected}")))
            }
            found => Ok(found),
        }
    }

    /// An error that names the node.
    pub(super) fn refuse(self, advice: impl Into<String>) -> OnnxError {
        OnnxError::unsupported(self.node, advice)
    }

    /// An integer, if it is given.
    pub(super) fn integer(self, name: &str) -> Result<Option<i64>, OnnxError> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|attribute| attribute.i))
    }

    /// An integer without which the node means nothing.
    pub(super) fn required_integer(self, name: &str) -> Result<i64, OnnxError> {
        self.integer(name)?.ok_or_else(|| self.refuse(format!("attribute `{name}` is missing")))
    }

    /// A float, if it is given.
    pub(super) fn float(self, name: &str) -> Result<Option<f32>, OnnxError> {
        Ok(self.attribute(name, AttributeType::Float)?.map(|attribute| attribute.f))
    }

    /// Floats; empty if they are not given.
    pub(super) fn floats(self, name: &str) -> Result<&'g [f32], OnnxError> {
        Ok(self.attribute(name, AttributeType::Floats)?.map_or(&[], |attribute| &attribute.floats))
    }

    /// Integers; empty if they are not given.
    pub(super) fn integers(self, name: &str) -> Result<&'g [i64], OnnxError> {
        Ok(self.attribute(name, AttributeType::Ints)?.map_or(&[], |attribute| &attribute.ints))
    }

    /// A string, if it is given.
    pub(super) fn string(self, name: &str) -> Result<Option<&'g str>, OnnxError> {
        let Some(attribute) = self.attribute(name, AttributeType::String)? else { return Ok(None) };
        let text = std::str::from_utf8(&attribute.s)
            .map_err(|_| self.refuse(format!("attribute `{name}` is no UTF-8 text")))?;
        Ok(Some(text))
    }

    /// Strings; empty if they are not given.
    pub(super) fn strings(self, name: &str) -> Result<Vec<&'g str>, OnnxError> {
        let Some(attribute) = self.attribute(name, AttributeType::Strings)? else {
            return Ok(Vec::new());
        };
        let texts = attribute.strings.iter().map(|text| std::str::from_utf8(text));
        texts
            .collect::<Result<_, _>>()
            .map_err(|_| self.refuse(format!("attribute `{name}` is no UTF-8 text")))
    }

    /// A tensor's numbers, if it is given.
    pub(super) fn tensor(self, name: &str) -> Result<Option<Vec<f64>>, OnnxError> {
        let Some(attribute) = self.attribute(name, AttributeType::Tensor)? else { return Ok(None) };
        let tensor = attribute
            .t
            .as_ref()
            .ok_or_else(|| self.refuse(format!("attribute `{name}` has no tensor")))?;
        numbers(tensor)
            .map(Some)
            .ok_or_else(|| self.refuse(format!("attribute `{name}` holds no numbers")))
    }

    /// A tensor's integers, if it is given and holds integers.
    pub(super) fn tensor_integers(self, name: &str) -> Result<Option<Vec<i64>>, OnnxError> {
        let attribute = self.attribute(name, AttributeType::Tensor)?;
        Ok(attribute.and_then(|attribute| integers(attribute.t.as_ref()?)))
    }

    /// Whether a tensor is given that holds 64-bit floats.
    pub(super) fn is_tensor_of_doubles(self, name: &str) -> bool {
        let attribute = self.node.attribute.iter().find(|attribute| attribute.name == name);
        let tensor = attribute.and_then(|attribute| attribute.t.as_ref());
        tensor.is_some_and(|tensor| tensor.data_type == DataType::Double as i32)
    }

    /// The numbers of an input that is a constant, if it is one.
    pub(in crate::model::onnx) fn constant(self, place: usize) -> Option<Vec<f64>> {
        numbers(self.constant_tensor(place)?)
    }

    /// Whether an input is a constant.
    pub(super) fn is_constant(self, place: usize) -> bool {
        self.constant_tensor(place).is_some()
    }

    /// The dimensions of an input that is a constant; none if it is a scalar or no constant.
    pub(super) fn constant_shape(self, place: usize) -> Vec<usize> {
        let tensor = self.constant_tensor(place);
        tensor.iter().flat_map(|tensor| &tensor.dims).map(|dim| *dim as usize).collect()
    }

    /// The numbers of a constant that are the same for each row: all but the last of its
    /// dimensions are 1.
    pub(super) fn constant_row(self, place: usize) -> Option<Vec<f64>> {
        let shape = self.constant_shape(place);
        let numbers = self.constant(place)?;
        let columns = shape.last().copied().unwrap_or(1);
        (numbers.len() == columns && columns > 0).then_some(numbers)
    }

    fn constant_tensor(self, place: usize) -> Option<&'g TensorProto> {
        graph::constant(self.graph, self.node.input.get(place)?)
    }
}
