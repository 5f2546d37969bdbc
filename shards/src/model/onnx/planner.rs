//! From a graph to a plan of tract's, or to the node that there is none for.

#![allow(clippy::wildcard_imports, reason = "tract's macros need the names of its prelude")]

use std::panic::{self, AssertUnwindSafe};

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_hir::internal::*;

use super::error::{OnnxError, node_name};
use super::graph::{GraphInput, ScoreGraph};
use super::inputs::integers_of;
use super::plan::PlanInput;
use super::rows::{self, Unproved};
use super::{adapter, bounds};
use crate::model::trees::KernelChoice;

/// The most cells that a tensor of the plan may have for one row.
const CELLS_MAX: i64 = 1 << 24;

/// The largest file whose nodes are tried one after the other to find the one that fails.
const BLAMED_BYTES_MAX: usize = 1 << 24;

/// The longest text of tract's that an error repeats, in characters.
const REASON_CHARS_MAX: usize = 200;

/// A plan, and what was found out about it.
pub(super) struct Planned {
    pub(super) plan: Arc<TypedSimplePlan>,
    pub(super) inputs: Vec<PlanInput>,
    /// Cells of its largest tensor, for one row.
    pub(super) cells: usize,
    /// Whether it computes one row at a time.
    pub(super) is_one_row: bool,
}

/// What a plan is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Any number of rows, each by itself.
    Rows,
    /// One row.
    OneRow,
    /// Any number of rows, whatever they do to each other.
    None,
}

/// Why there is no plan.
enum Failure {
    /// A node is refused.
    Refused(OnnxError),
    /// tract failed or panicked.
    Tract(String),
}

impl From<TractError> for Failure {
    fn from(error: TractError) -> Self {
        Self::Tract(error.root_cause().to_string())
    }
}

/// Plans a graph whose inputs have their widths.
pub(super) fn plan(
    graph: &ScoreGraph,
    inputs: &[(GraphInput, usize)],
    choice: KernelChoice,
) -> Result<Planned, OnnxError> {
    bounds::check(graph.graph()?)?;
    let mut attempted = attempt(&graph.proto, inputs, choice, Proof::Rows);
    if attempted.is_err() && inputs.iter().all(|(input, _)| input.is_one_row || !input.used) {
        // A file for one row at a time is served row by row.
        attempted = attempt(&graph.proto, inputs, choice, Proof::OneRow).or(attempted);
    }
    match attempted {
        Ok(planned) => Ok(planned),
        Err(Failure::Refused(error)) => Err(error),
        Err(Failure::Tract(reason)) => Err(blame(graph.graph()?, &graph.proto, inputs, &reason)),
    }
}

/// tract panics on some graphs where it should return an error; a panic while a model is loaded
/// leaves nothing behind but the memory that unwinding frees.
fn attempt(
    proto: &ModelProto,
    inputs: &[(GraphInput, usize)],
    choice: KernelChoice,
    proof: Proof,
) -> Result<Planned, Failure> {
    let built = panic::catch_unwind(AssertUnwindSafe(|| try_plan(proto, inputs, choice, proof)));
    built.unwrap_or_else(|_| Err(Failure::Tract("it panics".to_owned())))
}

fn try_plan(
    proto: &ModelProto,
    inputs: &[(GraphInput, usize)],
    choice: KernelChoice,
    proof: Proof,
) -> Result<Planned, Failure> {
    let mut model = adapter::onnx().model_for_proto_model(proto)?;
    adapter::choose_kernel(&mut model, choice);
    let symbol = model.symbols.sym("N");
    let rows = if proof == Proof::OneRow { 1.to_dim() } else { symbol.to_dim() };
    let mut plan_inputs = Vec::new();
    let mut first_column = 0;
    for (input, columns) in inputs {
        if input.used {
            let data_type = DatumType::try_from(input.data_type)?;
            let shape: TVec<TDim> =
                [rows.clone(), columns.to_dim()].into_iter().take(input.rank).collect();
            let place = plan_inputs.len();
            model.set_input_fact(place, InferenceFact::dt_shape(data_type, shape))?;
            let (columns, rank) = (*columns, input.rank);
            let integers = integers_of(input.data_type);
            plan_inputs.push(PlanInput { first_column, columns, rank, data_type, integers });
        }
        first_column += columns;
    }
    let typed = model.into_typed()?;
    let graph = proto.graph.as_ref();
    let cells = widest(&typed, &symbol).map_err(|(node, cells)| {
        let advice = format!("{cells} cells for one row, the limit is {CELLS_MAX}");
        Failure::Refused(refusal(graph, &Unproved { node, reason: advice }))
    })?;
    if proof == Proof::Rows {
        rows::prove(&typed, &symbol)
            .map_err(|unproved| Failure::Refused(refusal(graph, &unproved)))?;
    }
    let plan = typed.into_optimized()?.into_runnable()?;
    Ok(Planned { plan, inputs: plan_inputs, cells, is_one_row: proof == Proof::OneRow })
}

/// Cells of the largest tensor for one row, weights apart, or the node that makes one beyond the limit: nothing of
/// that size is allocated.
fn widest(model: &TypedModel, rows: &Symbol) -> Result<usize, (String, i64)> {
    let mut widest = 1;
    for node in model.nodes().iter().filter(|node| !node.op.is::<Const>()) {
        for output in &node.outputs {
            let mut cells = 1_i64;
            for dim in output.fact.shape.iter() {
                let dim = dim.substitute(rows, &1.to_dim()).ok().and_then(|dim| dim.to_i64().ok());
                cells = cells.saturating_mul(dim.unwrap_or(1).max(1));
            }
            if cells > CELLS_MAX {
                return Err((node.name.clone(), cells));
            }
            widest = widest.max(cells);
        }
    }
    Ok(widest as usize)
}

/// The error that names the file's node which a node of the plan was made of.
fn refusal(graph: Option<&GraphProto>, unproved: &Unproved) -> OnnxError {
    let Unproved { node, reason } = unproved;
    match graph.and_then(|graph| node_of(graph, node)) {
        Some(node) => OnnxError::unsupported(node, reason.clone()),
        None => OnnxError::Graph { reason: format!("`{node}`: {reason}") },
    }
}

/// The node that a node of the plan was made of: its name begins with the former's.
pub(super) fn node_of<'g>(graph: &'g GraphProto, planned: &str) -> Option<&'g NodeProto> {
    let is_its = |node: &&NodeProto| {
        let rest = planned.strip_prefix(node_name(node));
        !node_name(node).is_empty()
            && rest.is_some_and(|rest| {
                rest.chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_')
            })
    };
    graph.node.iter().filter(is_its).max_by_key(|node| node_name(node).len())
}

/// Finds the first node that tract fails on, by planning ever smaller parts of the graph.
fn blame(
    graph: &GraphProto,
    proto: &ModelProto,
    inputs: &[(GraphInput, usize)],
    reason: &str,
) -> OnnxError {
    let unknown = || OnnxError::Plan { reason: short(reason) };
    let bytes: usize = graph.initializer.iter().map(|tensor| tensor.raw_data.len()).sum();
    if bytes > BLAMED_BYTES_MAX {
        return unknown();
    }
    let fails = |nodes: usize| match attempt(
        &part(proto, nodes),
        inputs,
        KernelChoice::Auto,
        Proof::None,
    ) {
        Err(Failure::Tract(reason)) => Some(reason),
        _ => None,
    };
    // `good` nodes can be planned, `bad` cannot.
    let (mut good, mut bad, mut said) = (0, graph.node.len(), reason.to_owned());
    while bad - good > 1 {
        let middle = usize::midpoint(good, bad);
        match fails(middle) {
            Some(reason) => (bad, said) = (middle, reason),
            None => good = middle,
        }
    }
    let Some(node) = bad.checked_sub(1).and_then(|last| graph.node.get(last)) else {
        return unknown();
    };
    let advice = format!(
        "it cannot be planned ({}): export the model without it, or serve it by a remote backend",
        short(&said)
    );
    OnnxError::unsupported(node, advice)
}

/// The first nodes of a graph, which follow what they read; its outputs are what none of them
/// reads.
fn part(proto: &ModelProto, nodes: usize) -> ModelProto {
    let mut part = proto.clone();
    if let Some(graph) = &mut part.graph {
        graph.node.truncate(nodes);
        let is_read = |name: &String| graph.node.iter().any(|node| node.input.contains(name));
        let made = graph.node.iter().flat_map(|node| &node.output);
        let open = made.filter(|name| !name.is_empty() && !is_read(name));
        graph.output = open
            .map(|name| tract_onnx::pb::ValueInfoProto { name: name.clone(), ..Default::default() })
            .collect();
    }
    part
}

/// The first line of a text, cut to what an error has room for.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
