//! Which operators leave each row to itself, and where its rows lie then.

use tract_onnx::tract_core::ops::array::{
    CumSum, Gather, GatherElements, GatherNd, MultiBroadcastTo, OneHot, Pad, ScatterElements,
    Slice, StridedSlice, Tile, Topk, Trilu, TypedConcat,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::nn::{Reduce, RmsNorm, Softmax};
use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_hir::internal::{AxisOp, DatumType, InOut, TDim, Tensor};

use super::reshape::follow;
use super::{Along, Context, Operand, Ruled, Value, each, has};
use crate::model::onnx::adapter::RowNode;

/// What is said of an operator that combines rows.
const MIXES: &str = "it combines the rows of a batch, so that each would change the others' \
    scores: export the model so that it works along the columns alone";

/// What is said of an operator that treats rows by their place.
const PLACES: &str = "what it makes of a row depends on the row's place in the batch: export the \
    model without it";

/// What is said of an operator that nothing is known of.
const UNKNOWN: &str = "it is not known to treat each row of a batch by itself: export the model \
    without it, or serve it by a remote backend";

fn mixes<T>() -> Result<T, String> {
    Err(MIXES.to_owned())
}

/// What a node's outputs are.
pub(super) fn of(node: &Context<'_>) -> Ruled {
    if node.op.is::<TypedSource>() {
        return Ok(Value::Rows(Along { axis: 0, each: 1 }));
    }
    if let Some(constant) = node.op.downcast_ref::<Const>() {
        let counts = counts_rows(constant.val());
        return Ok(if counts { Value::Count } else { Value::Constant });
    }
    let has_rows = node.inputs.iter().any(|input| input.along().is_some());
    if !has_rows {
        return without_rows(node);
    }
    if node.inputs.iter().any(|input| input.value == Value::Count) {
        return Err("what it makes of a row depends on how many rows the batch has: export the \
                    model without that"
            .to_owned());
    }
    with_rows(node).map(Value::Rows)
}

/// Whether a constant is a length that depends on the number of rows.
fn counts_rows(tensor: &Tensor) -> bool {
    if tensor.datum_type() != DatumType::TDim {
        return false;
    }
    let cells = tensor.try_as_plain_ram().ok();
    let dims = cells.as_ref().and_then(|cells| cells.as_slice::<TDim>().ok());
    dims.is_none_or(|dims| dims.iter().any(|dim| dim.to_i64().is_err()))
}

/// A node that reads no rows: what it makes is the same for all of them.
fn without_rows(node: &Context<'_>) -> Ruled {
    let is_random = ["Random", "Multinomial"].iter().any(|random| node.op.name() == *random);
    if is_random {
        return Err("it makes random numbers: export the model without it".to_owned());
    }
    let mut repeated = None;
    for output in &node.outputs {
        let mut along = output.shape.iter().enumerate().filter(|(_, dim)| has(dim, node.rows));
        let Some((axis, dim)) = along.next() else { continue };
        let one = along.next().is_none() && node.outputs.len() == 1;
        match each(dim, node.rows) {
            // A constant that is repeated for each row.
            Some(each) if one && is_repetition(node) => repeated = Some(Along { axis, each }),
            _ => return Err(PLACES.to_owned()),
        }
    }
    let counts = node.inputs.iter().any(|input| input.value == Value::Count)
        || node.outputs.iter().any(|fact| fact.konst.as_deref().is_some_and(counts_rows));
    Ok(match repeated {
        Some(_) if counts => return Err(PLACES.to_owned()),
        Some(along) => Value::Rows(along),
        None if counts => Value::Count,
        None => Value::Constant,
    })
}

/// Whether a node makes the axis of rows out of one element.
fn is_repetition(node: &Context<'_>) -> bool {
    node.op.is::<MultiBroadcastTo>()
}

/// Where the rows of a node's outputs lie that reads rows.
fn with_rows(node: &Context<'_>) -> Result<Along, String> {
    let op = node.op;
    if op.is::<ElementWiseOp>()
        || op.is::<Cast>()
        || op.is::<Identity>()
        || op.is::<DequantizeLinearF32>()
        || op.is::<TypedBinOp>()
        || op.is::<Iff>()
    {
        return cell_by_cell(&node.inputs);
    }
    // It does nothing once a model is trained; its type is tract's own.
    if op.name() == "Dropout" {
        return first(node);
    }
    if op.is::<RowNode>() {
        let own = |input: &Operand<'_>| input.along() == Some(Along { axis: 0, each: 1 });
        return if node.inputs.iter().all(own) {
            Ok(Along { axis: 0, each: 1 })
        } else {
            Err("its rows do not lie along axis 0".to_owned())
        };
    }
    if let Some(einsum) = op.downcast_ref::<EinSum>() {
        return product(einsum, &node.inputs);
    }
    if let Some(change) = op.downcast_ref::<AxisOp>() {
        let lost = "it puts parts of several rows together: export the model so that axis 0 stays \
                    the rows";
        return follow(change, first(node)?, node.rows).ok_or_else(|| lost.to_owned());
    }
    if let Some(concat) = op.downcast_ref::<TypedConcat>() {
        let along = first(node)?;
        let same = node.inputs.iter().all(|input| input.along() == Some(along));
        return if same && concat.axis != along.axis { Ok(along) } else { mixes() };
    }
    if let Some(gather) = op.downcast_ref::<Gather>() {
        return gathered(gather, &node.inputs);
    }
    if let Some(along) = along_another_axis(node) {
        return along;
    }
    if let Some(along) = by_places(node) {
        return along;
    }
    if is_convolution(node) {
        let along = first(node)?;
        let constant = node.inputs[1..].iter().all(|input| input.value == Value::Constant);
        return if along.axis == 0 && constant { Ok(along) } else { mixes() };
    }
    if op.name().contains("DynamicQuantizeLinear") {
        return Err("its scale is taken over all rows of a batch, so that each would change the \
                    others' scores: quantize the model statically, or export it without"
            .to_owned());
    }
    Err(UNKNOWN.to_owned())
}

/// The rows of a node's first input, which others have to have too or be constant.
fn first(node: &Context<'_>) -> Result<Along, String> {
    node.inputs.first().and_then(Operand::along).ok_or_else(|| UNKNOWN.to_owned())
}

/// Operators of one cell of each input: rows meet their like, and constants are the same for all.
fn cell_by_cell(inputs: &[Operand<'_>]) -> Result<Along, String> {
    let along = inputs.iter().find_map(Operand::along).ok_or(UNKNOWN)?;
    for input in inputs {
        match input.along() {
            Some(other) if other == along => {}
            Some(_) => return mixes(),
            // A constant that differs along the rows would be meant for rows of certain places.
            None if input.fact.shape.get(along.axis) == Some(&TDim::Val(1)) => {}
            None => return Err(PLACES.to_owned()),
        }
    }
    Ok(along)
}

/// A product of matrices: the axis of rows may be neither summed over nor crossed with itself.
fn product(einsum: &EinSum, inputs: &[Operand<'_>]) -> Result<Along, String> {
    let mut found: Option<(Along, usize)> = None;
    for (place, input) in inputs.iter().enumerate() {
        let Some(along) = input.along() else { continue };
        let axis = einsum.axes.axis((InOut::In(place), along.axis));
        let axis = axis.map_err(|error| error.to_string())?;
        let [output] = *axis.outputs[0].as_slice() else { return mixes() };
        let alone = inputs.iter().enumerate().all(|(other, operand)| {
            axis.inputs[other].iter().all(|position| match operand.along() {
                Some(along) => along.axis == *position,
                None => operand.fact.shape.get(*position) == Some(&TDim::Val(1)),
            })
        });
        let same = found.is_none_or(|(other, at)| other.each == along.each && at == output);
        if !alone || !same {
            return mixes();
        }
        found = Some((along, output));
    }
    let (along, axis) = found.ok_or(UNKNOWN)?;
    Ok(Along { axis, each: along.each })
}

/// `Gather`: constant places of each row, or places of each row in a constant.
fn gathered(gather: &Gather, inputs: &[Operand<'_>]) -> Result<Along, String> {
    let [data, places] = inputs else { return Err(UNKNOWN.to_owned()) };
    match (data.along(), places.along()) {
        (Some(along), None) if gather.axis == along.axis => mixes(),
        (Some(along), None) if gather.axis < along.axis => {
            Ok(Along { axis: along.axis + places.fact.rank() - 1, ..along })
        }
        (Some(along), None) => Ok(along),
        (None, Some(along)) => Ok(Along { axis: gather.axis + along.axis, ..along }),
        _ => mixes(),
    }
}

/// Operators that work along axes of their own: fine where that is not the axis of rows.
fn along_another_axis(node: &Context<'_>) -> Option<Result<Along, String>> {
    let op = node.op;
    let along = first(node).ok()?;
    let axes: Vec<usize> = if let Some(reduce) = op.downcast_ref::<Reduce>() {
        reduce.axes.to_vec()
    } else if let Some(softmax) = op.downcast_ref::<Softmax>() {
        softmax.axes.to_vec()
    } else if let Some(norm) = op.downcast_ref::<RmsNorm>() {
        vec![norm.axis]
    } else if let Some(sum) = op.downcast_ref::<CumSum>() {
        vec![sum.axis]
    } else if let Some(top) = op.downcast_ref::<Topk>() {
        vec![top.axis]
    } else if let Some(slice) = op.downcast_ref::<Slice>() {
        let whole = &node.inputs[0].fact.shape[slice.axis];
        let is_whole = slice.start == TDim::Val(0) && slice.end == *whole;
        if is_whole { vec![] } else { vec![slice.axis] }
    } else if let Some(slice) = op.downcast_ref::<StridedSlice>() {
        sliced(slice, node)
    } else if let Some(pad) = op.downcast_ref::<Pad>() {
        let padded = pad.pads.iter().enumerate().filter(|(_, pads)| **pads != (0, 0));
        padded.map(|(axis, _)| axis).collect()
    } else if let Some(tile) = op.downcast_ref::<Tile>() {
        let repeated = tile.multipliers.iter().enumerate();
        repeated.filter(|(_, times)| **times != TDim::Val(1)).map(|(axis, _)| axis).collect()
    } else if op.is::<Trilu>() {
        let rank = node.inputs[0].fact.rank();
        (rank.saturating_sub(2)..rank).collect()
    } else if let Some(broadcast) = op.downcast_ref::<MultiBroadcastTo>() {
        let (from, to) = (&node.inputs[0].fact.shape, &broadcast.shape);
        if from.rank() != to.rank() {
            return Some(Err(UNKNOWN.to_owned()));
        }
        (0..from.rank()).filter(|axis| from[*axis] != to[*axis]).collect()
    } else {
        return None;
    };
    let others = node.inputs[1..].iter().all(|input| input.value == Value::Constant);
    Some(if axes.contains(&along.axis) || !others { mixes() } else { Ok(along) })
}

/// The axes that a slice may cut: those that a constant names, else all.
fn sliced(slice: &StridedSlice, node: &Context<'_>) -> Vec<usize> {
    let rank = node.inputs[0].fact.rank();
    let named = || {
        let named = node.inputs.get(slice.optional_axes_input?)?.fact.konst.as_ref()?;
        let named = named.cast_to::<i64>().ok()?;
        let named = named.try_as_plain_ram().ok()?;
        let from_end = |axis: &i64| if *axis < 0 { axis + rank as i64 } else { *axis };
        let named = named.as_slice::<i64>().ok()?.iter().map(from_end);
        named.map(|axis| usize::try_from(axis).ok()).collect::<Option<Vec<_>>>()
    };
    named().unwrap_or_else(|| (0..rank).collect())
}

/// Operators that pick or put cells by places which each row may have of its own.
fn by_places(node: &Context<'_>) -> Option<Result<Along, String>> {
    let op = node.op;
    let alongs: Vec<_> = node.inputs.iter().map(Operand::along).collect();
    let all_same = alongs.windows(2).all(|pair| pair[0] == pair[1]);
    if let Some(one_hot) = op.downcast_ref::<OneHot>() {
        let along = alongs[0]?;
        let axis = if one_hot.axis <= along.axis { along.axis + 1 } else { along.axis };
        return Some(Ok(Along { axis, ..along }));
    }
    if let Some(gather) = op.downcast_ref::<GatherElements>() {
        return Some(match *alongs.as_slice() {
            [Some(along), Some(_)] if all_same && gather.axis != along.axis => Ok(along),
            [None, Some(along)] if gather.axis == along.axis => Ok(along),
            _ => mixes(),
        });
    }
    if let Some(scatter) = op.downcast_ref::<ScatterElements>() {
        return Some(match alongs[0] {
            Some(along) if all_same && scatter.axis != along.axis => Ok(along),
            _ => mixes(),
        });
    }
    if let Some(gather) = op.downcast_ref::<GatherNd>() {
        let last = node.inputs.get(1).map_or(0, |places| places.fact.rank().saturating_sub(1));
        return Some(match *alongs.as_slice() {
            [Some(along), Some(_)] if all_same && along.axis < gather.batch_dims => Ok(along),
            [None, Some(along)] if gather.batch_dims == 0 && along.axis < last => Ok(along),
            _ => mixes(),
        });
    }
    None
}

/// Operators of pictures, whose first axis is the pictures.
fn is_convolution(node: &Context<'_>) -> bool {
    let spec = if let Some(conv) = node.op.downcast_ref::<Conv>() {
        &conv.pool_spec
    } else if let Some(conv) = node.op.downcast_ref::<Deconv>() {
        &conv.pool_spec
    } else if let Some(pool) = node.op.downcast_ref::<MaxPool>() {
        &pool.pool_spec
    } else if let Some(pool) = node.op.downcast_ref::<SumPool>() {
        &pool.pool_spec
    } else {
        return false;
    };
    spec.data_format.has_n()
}
