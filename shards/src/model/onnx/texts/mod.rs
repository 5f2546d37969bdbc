//! Texts in a graph become numbers before anything is built of it: each text that the file names
//! has one code in the whole graph, so that moving, choosing and comparing texts is moving, choosing
//! and comparing numbers. An input of text becomes one of codes, a text that the file doesn't name is
//! [`UNKNOWN`], which equals none of them.
//!
//! [`codes`](self::codes) numbers the texts, [`reach`](self::reach) follows from which columns and
//! constants each value's texts come, [`nodes`](self::nodes) rewrites the operators (`encoders` those
//! that look texts up, `moves` those that move them), and [`columns`](self::columns) says for each
//! column which texts its encoders know.
//!
//! What is *not* here: labels of classes, which are no input of any node, and operators that look
//! into a text, which are refused by name.

mod attributes;
mod codes;
mod columns;
mod encoders;
mod moves;
mod nodes;
mod reach;
#[cfg(test)]
mod tests;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, TensorProto, type_proto};

use self::codes::Codes;
use self::columns::Columns;
use self::nodes::Rewriting;
use self::reach::{Reach, Value};
use super::error::OnnxError;
use super::graph::GraphInput;
use crate::features::Categories;

/// The code of every text that the file doesn't name.
pub(super) const UNKNOWN: i64 = -1;

/// The attribute by which an encoder is told to fail on what is none of its keys.
pub(super) const FAILS_ON_UNKNOWN: &str = "shardgate_fails_on_unknown";

/// The texts of an input's columns; none of an input of numbers.
pub(super) type InputTexts = Option<Vec<Categories>>;

/// Has a graph, whose nodes follow what they read, compute on codes. Says what is known of each
/// input's texts; empty where no input is one of text.
pub(super) fn encode(
    graph: &mut GraphProto,
    inputs: &mut [GraphInput],
) -> Result<Vec<InputTexts>, OnnxError> {
    let codes = Codes::of(graph)?;
    let is_text = |input: &GraphInput| input.data_type == DataType::String;
    if codes.is_empty() && !inputs.iter().any(is_text) {
        return Ok(Vec::new());
    }
    let number = numbers_of(inputs);
    let mut columns = Columns::default();
    let mut rewriting = Rewriting::new(codes, number);
    let mut texts = Vec::with_capacity(inputs.len());
    for input in inputs.iter_mut() {
        if !is_text(input) {
            texts.push(None);
            continue;
        }
        let width = input.columns.ok_or_else(|| OnnxError::Input {
            reason: format!(
                "input `{}` holds texts, and its width is not in the file: export it with one",
                input.name
            ),
        })?;
        let first = columns.add(width).ok_or_else(|| OnnxError::Input {
            reason: format!("input `{}` has {width} columns of text, too many", input.name),
        })?;
        let each = (first..first + width).map(Reach::column).collect();
        rewriting.values.insert(input.name.clone(), Value::Each(each));
        input.data_type = number;
        texts.push(Some(first..first + width));
    }
    rewriting.constants(graph);
    rewriting.nodes(graph, &mut columns)?;
    for value in &mut graph.input {
        if let Some(type_proto::Value::TensorType(tensor)) =
            value.r#type.as_mut().and_then(|it| it.value.as_mut())
            && tensor.elem_type == DataType::String as i32
        {
            tensor.elem_type = number as i32;
        }
    }
    if let Some(output) = graph.output.first()
        && rewriting.values.contains_key(&output.name)
    {
        return Err(OnnxError::Output {
            reason: format!("output `{}` holds texts, and no scores", output.name),
        });
    }
    let of = |range: Option<std::ops::Range<usize>>| {
        range
            .map(|range| range.map(|column| columns.categories(column, &rewriting.codes)).collect())
    };
    Ok(texts.into_iter().map(of).collect())
}

/// The type that codes have: that of the other inputs, so that a matrix of it holds all of them.
fn numbers_of(inputs: &[GraphInput]) -> DataType {
    let numbers = || inputs.iter().filter(|input| input.data_type != DataType::String);
    if numbers().all(|input| input.data_type == DataType::Float) {
        DataType::Float
    } else {
        DataType::Double
    }
}

/// A tensor of these codes.
fn tensor_of(name: &str, dims: Vec<i64>, codes: &[i64], number: DataType) -> TensorProto {
    let mut tensor = TensorProto {
        name: name.to_owned(),
        dims,
        data_type: number as i32,
        ..TensorProto::default()
    };
    let cells = codes.iter().map(|code| *code as f64);
    if number == DataType::Float {
        tensor.float_data = cells.map(|cell| cell as f32).collect();
    } else {
        tensor.double_data = cells.collect();
    }
    tensor
}
