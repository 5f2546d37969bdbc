//! The columns of a model's inputs: how many, of which precision, and which of them are integers.

use std::sync::Arc;

use tract_onnx::pb::tensor_proto::DataType;

use super::error::OnnxError;
use super::graph::GraphInput;
use super::ops::Element;
use super::planning::InputColumns;
use super::texts::InputTexts;
use crate::features::inputs::IntegerRange;
use crate::features::{Categories, Precision};

/// Doubles hold what any other type of input holds, up to integers of 53 bits.
pub(super) fn precision(inputs: &[GraphInput]) -> Precision {
    let is_float = |input: &GraphInput| input.data_type == DataType::Float;
    if inputs.iter().all(is_float) { Precision::F32 } else { Precision::F64 }
}

/// Each input with its width; one that the file leaves open takes what the manifest has left.
pub(super) fn widths(
    inputs: &[GraphInput],
    columns: Option<usize>,
) -> Result<Vec<(GraphInput, usize)>, OnnxError> {
    let known: usize = inputs.iter().filter_map(|input| input.columns).sum();
    let open: Vec<_> = inputs.iter().filter(|input| input.columns.is_none()).collect();
    let refused = |reason: String| Err(OnnxError::Input { reason });
    let open_width = match (open.as_slice(), columns) {
        ([], Some(columns)) if columns != known => {
            return refused(format!("it reads {known} columns, model.toml names {columns}"));
        }
        ([], _) => 0,
        ([_], Some(columns)) if columns > known => columns - known,
        ([_], Some(columns)) => {
            return refused(format!("it reads more than {known} columns, model.toml: {columns}"));
        }
        ([input], None) => {
            return refused(format!(
                "the width of input `{}` is not in the file: name its columns in model.toml, one \
                 [[columns]] each",
                input.name
            ));
        }
        (_, _) => {
            return refused("several inputs have no fixed width: export them fixed".to_owned());
        }
    };
    let width = |input: &GraphInput| (input.clone(), input.columns.unwrap_or(open_width));
    if known + open_width == 0 {
        return refused("it has no input".to_owned());
    }
    Ok(inputs.iter().map(width).collect())
}

/// For each column, which integers its tensor holds; empty where no tensor is one of integers.
pub(super) fn integers(inputs: &[(GraphInput, usize)]) -> Vec<Option<IntegerRange>> {
    let ranges = inputs.iter().map(|(input, width)| (integers_of(input.data_type), *width));
    if ranges.clone().all(|(range, _)| range.is_none()) {
        return Vec::new();
    }
    ranges.flat_map(|(range, width)| std::iter::repeat_n(range, width)).collect()
}

/// For each column, the texts that it knows; empty where none is one of text.
pub(super) fn categories(
    inputs: &[(GraphInput, usize)],
    texts: &[InputTexts],
) -> Vec<Option<Arc<Categories>>> {
    if texts.iter().all(Option::is_none) {
        return Vec::new();
    }
    let mut categories = Vec::new();
    for ((_, width), texts) in inputs.iter().zip(texts) {
        match texts {
            Some(texts) => categories.extend(texts.iter().cloned().map(|it| Some(Arc::new(it)))),
            None => categories.extend(std::iter::repeat_n(None, *width)),
        }
    }
    categories
}

/// The integers that a tensor of this type holds exactly on their way through 64-bit floats.
pub(super) fn integers_of(data_type: DataType) -> Option<IntegerRange> {
    let unbounded = f64::INFINITY;
    let (low, high) = match data_type {
        DataType::Int64 => (-unbounded, unbounded),
        DataType::Uint64 => (0.0, unbounded),
        DataType::Int32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        DataType::Uint32 => (0.0, f64::from(u32::MAX)),
        DataType::Int16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        DataType::Uint16 => (0.0, f64::from(u16::MAX)),
        DataType::Int8 => (f64::from(i8::MIN), f64::from(i8::MAX)),
        DataType::Uint8 => (0.0, f64::from(u8::MAX)),
        DataType::Bool => (0.0, 1.0),
        _ => return None,
    };
    Some(IntegerRange::new(low, high))
}

/// Which columns of the matrix each used input is, where a program can read them: all inputs are
/// rows of floats of one type, or of a few types where `reads_types`.
pub(super) fn program_columns(
    inputs: &[(GraphInput, usize)],
    reads_types: bool,
) -> Option<Vec<InputColumns<'_>>> {
    let first = inputs.first()?.0.data_type;
    let same = inputs.iter().all(|(input, _)| input.data_type == first) && element(first)?.1;
    if !(same || reads_types) {
        return None;
    }
    let mut columns = Vec::new();
    let mut start = 0;
    for (input, count) in inputs {
        let (own, _) = element(input.data_type).filter(|_| input.rank == 2)?;
        if input.used {
            let own = (!same).then_some(own);
            columns.push(InputColumns { name: &input.name, first: start, count: *count, own });
        }
        start += count;
    }
    Some(columns)
}

/// What the cells of an input are to a program, and whether they are floats.
fn element(data_type: DataType) -> Option<(Element, bool)> {
    match data_type {
        DataType::Float => Some((Element::F32, true)),
        DataType::Double => Some((Element::F64, true)),
        DataType::Int64 => Some((Element::I64, false)),
        _ => None,
    }
}
