//! `ReduceLogSumExp` that neither overflows nor vanishes: tract sums the exponentials themselves, and
//! the logarithm of the likelihood of a row may be -500.

#![allow(clippy::wildcard_imports, reason = "tract's macros need the names of its prelude")]

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::math::{add, exp, ln, sub};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::nn::{Reduce, Reducer};

use super::constants::integers;
use super::graph;

/// The greatest term is taken out of the sum, and added to its logarithm.
#[derive(Debug, Clone)]
struct LogSumExp {
    axes: Option<Vec<i64>>,
    keep_dims: bool,
}

pub(super) fn parse(
    context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let mut axes: Option<Vec<i64>> = node.get_attr_opt_vec("axes")?;
    if let Some(name) = node.input.get(1).filter(|name| !name.is_empty()) {
        let graph = context.parent_graphs.last().context("a node without a graph")?;
        let tensor = graph::constant(graph, name).context("its axes are not constant")?;
        axes = Some(integers(tensor).context("its axes are no integers")?);
    }
    let keep_dims = node.get_attr_opt("keepdims")?.unwrap_or(1_i64) == 1;
    Ok((expand(LogSumExp { axes, keep_dims }), vec![]))
}

impl LogSumExp {
    fn reduce(&self, reducer: Reducer, keep_dims: bool) -> Reduce {
        Reduce::new(self.axes.clone(), keep_dims, reducer)
    }
}

impl Expansion for LogSumExp {
    fn name(&self) -> StaticName {
        "ReduceLogSumExp".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        ensure!(!inputs.is_empty(), "no input");
        solver.equals(&inputs[0].datum_type, &outputs[0].datum_type)?;
        solver.given(&inputs[0].shape, move |solver, shape| {
            let reduce = self.reduce(Reducer::Sum, self.keep_dims);
            solver.equals(&outputs[0].shape, reduce.output_shape(&shape))
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let read = &inputs[..1];
        let sum = self.reduce(Reducer::Sum, self.keep_dims);
        let greatest = self.reduce(Reducer::Max, true);
        let most = greatest.wire(&format!("{prefix}.most"), model, read)?;
        let less = model.wire_node(format!("{prefix}.less"), sub(), &[read[0], most[0]])?;
        let terms = model.wire_node(format!("{prefix}.exp"), exp(), &less)?;
        let summed = sum.wire(&format!("{prefix}.sum"), model, &terms)?;
        let log = model.wire_node(format!("{prefix}.ln"), ln(), &summed)?;
        let greatest = self.reduce(Reducer::Max, self.keep_dims);
        let most = greatest.wire(&format!("{prefix}.added"), model, read)?;
        model.wire_node(prefix, add(), &[log[0], most[0]])
    }
}
