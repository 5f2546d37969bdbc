//! Puts our own operators into tract's plans: the one place that knows both worlds.

#![allow(clippy::wildcard_imports, reason = "tract's macros need the names of its prelude")]

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core;
use tract_onnx::tract_hir::internal::*;

use super::ops::{
    self, Cells, CellsMut, Element, NodeContext, RowKernel, RowOperator, RowShape, Rows,
};
use super::{corrections, graph};
use crate::model::trees::KernelChoice;

/// tract with our operators in the place of its own.
pub(super) fn onnx() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    for (operator, _) in ops::MACHINE_LEARNING {
        onnx.op_register.insert(operator, parse);
    }
    corrections::register(&mut onnx);
    onnx
}

/// The builder of a node that one of our operators computes.
pub(super) fn parse(
    context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let graph = context.parent_graphs.last().context("a node without a graph")?;
    let parser = ops::parser(&node.op_type).context("an operator that is not ours")?;
    let ml_version = graph::ml_version(context.model);
    let node_context = NodeContext { node, graph, ml_version };
    let operator = parser(node_context).map_err(|error| anyhow!("{error}"))?.into();
    let named = node.input.iter().filter(|name| !name.is_empty());
    let inputs = named
        .enumerate()
        .filter(|(_, name)| graph::constant(graph, name).is_none())
        .map(|(place, _)| place)
        .collect();
    let name = node.op_type.clone();
    Ok((expand(Adapter { name, operator, inputs, choice: KernelChoice::Auto }), vec![]))
}

/// Has all tree ensembles of a model scored by this kernel.
pub(super) fn choose_kernel(model: &mut InferenceModel, choice: KernelChoice) {
    for node in model.nodes_mut() {
        if let Some(operator) = node.op_as_mut::<Box<dyn Expansion>>()
            && let Some(adapter) = operator.as_any_mut().downcast_mut::<Adapter>()
        {
            adapter.choice = choice;
        }
    }
}

/// One of our operators as a node of tract's.
#[derive(Debug, Clone)]
struct Adapter {
    name: String,
    operator: Arc<dyn RowOperator>,
    /// The places of the inputs that are no constants.
    inputs: Vec<usize>,
    choice: KernelChoice,
}

/// Whether tract's type is one of integers, its own type of dimensions included.
fn is_integer(data_type: DatumType) -> bool {
    data_type.is_integer() || data_type.is_tdim() || data_type == bool::datum_type()
}

fn datum_type(element: Element) -> DatumType {
    match element {
        Element::F32 => f32::datum_type(),
        Element::F64 => f64::datum_type(),
        Element::I64 => i64::datum_type(),
    }
}

impl Adapter {
    /// What cells of this type are to the operator, once they are converted.
    fn element(&self, data_type: DatumType) -> Element {
        if data_type == f64::datum_type() {
            Element::F64
        } else if !is_integer(data_type) {
            Element::F32
        } else if self.operator.reads_integers() {
            Element::I64
        } else {
            Element::F64
        }
    }

    /// What rows of this type and width are to the operator.
    fn row_shape(&self, data_type: DatumType, columns: &TDim) -> TractResult<RowShape> {
        let columns = columns.to_usize().context("the width of a row is not known")?;
        Ok(RowShape { columns, element: self.element(data_type) })
    }

    /// tract's type of what comes out where the operator makes `element` of `input`.
    fn output_type(&self, input: DatumType, element: Element) -> DatumType {
        let keeps = self.operator.keeps_type() && is_integer(input) && !input.is_tdim();
        if keeps { input } else { datum_type(element) }
    }

    fn output(&self, inputs: &[RowShape]) -> TractResult<RowShape> {
        self.operator.shape(inputs).map_err(|reason| anyhow!("{}: {reason}", self.name))
    }

    fn output_fact(&self, inputs: &[&TypedFact]) -> TractResult<TypedFact> {
        let mut shapes = TVec::new();
        for fact in inputs {
            ensure!(fact.rank() == 2, "{}: expected rows × columns, got {fact:?}", self.name);
            shapes.push(self.row_shape(fact.datum_type, &fact.shape[1])?);
        }
        let first = inputs.first().with_context(|| format!("{}: no input", self.name))?;
        let output = self.output(&shapes)?;
        let shape = [first.shape[0].clone(), output.columns.to_dim()];
        Ok(datum_type(output.element).fact(shape))
    }
}

impl Expansion for Adapter {
    fn name(&self) -> StaticName {
        self.name.clone().into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        let read: Vec<&TensorProxy> =
            self.inputs.iter().filter_map(|&place| inputs.get(place)).collect();
        let Some(first) = read.first().copied() else { bail!("{}: no input", self.name) };
        let cells = self.operator.cells_of_each();
        solver.equals(&outputs[0].rank, if cells.is_some() { 3 } else { 2 })?;
        solver.equals(&outputs[0].shape[0], &first.shape[0])?;
        let types: Vec<_> = read.iter().map(|input| (&input.datum_type).bex()).collect();
        solver.given_all(types, move |solver, types: Vec<DatumType>| {
            let widths: Vec<_> = read.iter().map(|input| input.shape[1].bex()).collect();
            solver.given_all(widths, move |solver, widths: Vec<TDim>| {
                let shapes: TVec<RowShape> = types
                    .iter()
                    .zip(&widths)
                    .map(|(data_type, columns)| self.row_shape(*data_type, columns))
                    .collect::<TractResult<_>>()?;
                let output = self.output(&shapes)?;
                let made = self.output_type(types[0], output.element);
                solver.equals(&outputs[0].datum_type, made)?;
                let Some(cells) = cells else {
                    return solver.equals(&outputs[0].shape[1], output.columns.to_dim());
                };
                solver.equals(&outputs[0].shape[1], widths[0].clone())?;
                solver.equals(&outputs[0].shape[2], cells.to_dim())
            })
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let mut read = TVec::new();
        let mut first = None;
        for place in &self.inputs {
            let mut outlet = *inputs.get(*place).context("an input is missing")?;
            let data_type = model.outlet_fact(outlet)?.datum_type;
            first.get_or_insert(data_type);
            let read_as = datum_type(self.element(data_type));
            if data_type != read_as {
                let cast = tract_core::ops::cast::cast(read_as);
                outlet = model.wire_node(format!("{prefix}.cast{place}"), cast, &[outlet])?[0];
            }
            read.push(outlet);
        }
        let made = model.wire_node(prefix, RowNode(self.clone()), &read)?;
        if let Some(cells) = self.operator.cells_of_each() {
            let whole = model.outlet_fact(made[0])?.shape[1].clone();
            let columns = model.outlet_fact(read[0])?.shape[1].clone();
            let split = AxisOp::Reshape(1, tvec!(whole), tvec!(columns, cells.to_dim()));
            return model.wire_node(format!("{prefix}.cells"), split, &made);
        }
        let made_type = model.outlet_fact(made[0])?.datum_type;
        match first.filter(|_| self.operator.keeps_type()) {
            Some(first) if is_integer(first) && !first.is_tdim() && first != made_type => {
                let cast = tract_core::ops::cast::cast(first);
                model.wire_node(format!("{prefix}.cast"), cast, &made)
            }
            _ => Ok(made),
        }
    }
}

/// The typed node; its operator runs in the state, which may keep buffers.
#[derive(Debug, Clone)]
pub(super) struct RowNode(Adapter);

impl PartialEq for RowNode {
    /// Two nodes are never merged: an operator's parameters are not compared.
    fn eq(&self, _other: &Self) -> bool {
        false
    }
}

impl Eq for RowNode {}

impl Op for RowNode {
    fn name(&self) -> StaticName {
        self.0.name.clone().into()
    }

    op_as_typed_op!();
}

impl EvalOp for RowNode {
    not_out_of_plan!();

    fn state(&self, _context: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(RowState { adapter: self.0.clone(), kernel: None })))
    }
}

impl TypedOp for RowNode {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(self.0.output_fact(inputs)?))
    }
}

/// What computes the operator; made by the first run, when all shapes are known.
#[derive(Debug)]
struct RowState {
    adapter: Adapter,
    kernel: Option<(TVec<RowShape>, RowShape, Box<dyn RowKernel>)>,
}

impl Clone for RowState {
    /// A kernel belongs to one state.
    fn clone(&self) -> Self {
        Self { adapter: self.adapter.clone(), kernel: None }
    }
}

impl RowState {
    /// The shape of the output and the kernel for inputs of these shapes.
    fn kernel(
        &mut self,
        inputs: TVec<RowShape>,
    ) -> TractResult<(RowShape, &mut Box<dyn RowKernel>)> {
        if self.kernel.as_ref().is_none_or(|(known, ..)| *known != inputs) {
            let shape = self.adapter.output(&inputs)?;
            let kernel = self.adapter.operator.kernel(&inputs, self.adapter.choice);
            let kernel = kernel.map_err(|reason| anyhow!("{}: {reason}", self.adapter.name))?;
            self.kernel = Some((inputs, shape, kernel));
        }
        let (_, shape, kernel) = self.kernel.as_mut().context("a kernel was made")?;
        Ok((*shape, kernel))
    }
}

impl OpState for RowState {
    fn eval(
        &mut self,
        _context: &EvalContext,
        _op: &dyn Op,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        let mut rows = None;
        let mut read: TVec<Rows<'_>> = TVec::new();
        let mut shapes: TVec<RowShape> = TVec::new();
        for input in &inputs {
            let [count, columns] = *input.shape() else {
                bail!("{}: no matrix", self.adapter.name)
            };
            ensure!(
                *rows.get_or_insert(count) == count,
                "{}: row counts differ",
                self.adapter.name
            );
            let view = input.try_as_plain_ram()?;
            let (cells, element) = match input.datum_type() {
                DatumType::F64 => (Cells::F64(view.as_slice::<f64>()?), Element::F64),
                DatumType::I64 => (Cells::I64(view.as_slice::<i64>()?), Element::I64),
                _ => (Cells::F32(view.as_slice::<f32>()?), Element::F32),
            };
            read.push(Rows { cells, columns });
            shapes.push(RowShape { columns, element });
        }
        let rows = rows.unwrap_or(0);
        let (shape, kernel) = self.kernel(shapes)?;
        let mut output = Tensor::zero_dt(datum_type(shape.element), &[rows, shape.columns])?;
        let mut view = output.try_as_plain_ram_mut()?;
        let cells = match shape.element {
            Element::F32 => CellsMut::F32(view.as_slice_mut::<f32>()?),
            Element::F64 => CellsMut::F64(view.as_slice_mut::<f64>()?),
            Element::I64 => CellsMut::I64(view.as_slice_mut::<i64>()?),
        };
        kernel.run(rows, &read, cells).map_err(|reason| anyhow!("{reason}"))?;
        Ok(tvec!(output.into_tvalue()))
    }

    fn reset_lanes(&mut self, _lanes: &[tract_core::plan::LaneId]) -> TractResult<()> {
        // Nothing is kept from one run to the next but the capacity of buffers.
        Ok(())
    }
}
