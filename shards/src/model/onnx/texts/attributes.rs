//! Reads, writes and takes away a node's attributes.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

/// The attribute of this name.
pub(super) fn find<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// The attribute of this name, which the node loses.
pub(super) fn take(node: &mut NodeProto, name: &str) -> Option<AttributeProto> {
    let place = node.attribute.iter().position(|attribute| attribute.name == name)?;
    Some(node.attribute.swap_remove(place))
}

/// The texts of a list, or of a tensor of texts.
pub(super) fn texts(attribute: &AttributeProto) -> Option<&[Vec<u8>]> {
    if !attribute.strings.is_empty() {
        return Some(&attribute.strings);
    }
    attribute.t.as_ref().and_then(texts_of)
}

/// The texts of a tensor, if it holds any.
pub(super) fn texts_of(tensor: &TensorProto) -> Option<&[Vec<u8>]> {
    (tensor.data_type == DataType::String as i32).then_some(&tensor.string_data)
}

/// A list of integers.
pub(super) fn integers(name: &str, ints: Vec<i64>) -> AttributeProto {
    let r#type = AttributeType::Ints as i32;
    AttributeProto { name: name.to_owned(), r#type, ints, ..AttributeProto::default() }
}

/// An integer.
pub(super) fn integer(name: &str, i: i64) -> AttributeProto {
    let r#type = AttributeType::Int as i32;
    AttributeProto { name: name.to_owned(), r#type, i, ..AttributeProto::default() }
}

/// A tensor.
pub(super) fn tensor(name: &str, tensor: TensorProto) -> AttributeProto {
    let r#type = AttributeType::Tensor as i32;
    AttributeProto { name: name.to_owned(), r#type, t: Some(tensor), ..AttributeProto::default() }
}

/// A list of floats.
pub(super) fn floats(name: &str, floats: Vec<f32>) -> AttributeProto {
    let r#type = AttributeType::Floats as i32;
    AttributeProto { name: name.to_owned(), r#type, floats, ..AttributeProto::default() }
}

/// A float.
pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    let r#type = AttributeType::Float as i32;
    AttributeProto { name: name.to_owned(), r#type, f, ..AttributeProto::default() }
}
