//! Operators that tract runs, but not for all that users bring: `Sigmoid` and `Tanh` of doubles,
//! and `ArrayFeatureExtractor` by one constant place, which keeps its column.

#![allow(clippy::wildcard_imports, reason = "tract's macros need the names of its prelude")]

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math::tanh;
use tract_onnx::tract_core::ops::nn::sigmoid;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::array::ArrayFeatureExtractor;

use super::graph;
use super::{adapter, casts, log_sum};
use crate::model::trees::logistic;

type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// Puts the corrected operators in the place of tract's.
pub(super) fn register(onnx: &mut Onnx) {
    onnx.op_register.insert("Sigmoid", |_, _| Ok((expand(Curve::Sigmoid), vec![])));
    onnx.op_register.insert("Tanh", |_, _| Ok((expand(Curve::Tanh), vec![])));
    onnx.op_register.insert("ArrayFeatureExtractor", extractor);
    onnx.op_register.insert("ReduceLogSumExp", log_sum::parse);
    casts::register(onnx);
}

fn extractor(context: &ParsingContext, node: &NodeProto) -> Built {
    let graph = context.parent_graphs.last().context("a node without a graph")?;
    let places = node.input.get(1).context("no places to pick")?;
    if graph::constant(graph, places).is_some() {
        return adapter::parse(context, node);
    }
    Ok((expand(ArrayFeatureExtractor), vec![]))
}

element_wise!(sigmoid_of_doubles, SigmoidOfDoubles,
    [f64] => |_, cells| {
        for cell in cells {
            *cell = logistic(*cell);
        }
        Ok(())
    }
);

element_wise!(tanh_of_doubles, TanhOfDoubles,
    [f64] => |_, cells| {
        for cell in cells {
            *cell = cell.tanh();
        }
        Ok(())
    }
);

/// An operator of one cell.
#[derive(Debug, Clone, Copy)]
enum Curve {
    Sigmoid,
    Tanh,
}

impl Expansion for Curve {
    fn name(&self) -> StaticName {
        match self {
            Self::Sigmoid => "Sigmoid".into(),
            Self::Tanh => "Tanh".into(),
        }
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].datum_type, &inputs[0].datum_type)?;
        solver.equals(&outputs[0].shape, &inputs[0].shape)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let doubles = model.outlet_fact(inputs[0])?.datum_type == f64::datum_type();
        let operator = match (self, doubles) {
            (Self::Sigmoid, false) => sigmoid(),
            (Self::Sigmoid, true) => sigmoid_of_doubles(),
            (Self::Tanh, false) => tanh(),
            (Self::Tanh, true) => tanh_of_doubles(),
        };
        model.wire_node(prefix, operator, inputs)
    }
}
