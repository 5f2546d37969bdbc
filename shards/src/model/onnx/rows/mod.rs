//! The proof that no row of a batch has a say in the score of another.
//!
//! A pass over the plan's values, before it is optimised, says of each whether one of its axes
//! still is "the rows, each by itself" ([`Value`]). `rules` say so operator by operator, `reshape`
//! follows the rows through a change of shape. An operator that has no rule, or mixes rows, is an
//! error that names its node: what cannot be proved is not served.
//!
//! What is *not* here: whether a row has the same bits in any batch, which is tried when a model
//! is loaded (`super::trial`), as it is about rounding.

mod reshape;
mod rules;

use tract_onnx::tract_hir::internal::{
    OutletId, Symbol, TDim, TypedFact, TypedModel, TypedNode, TypedOp,
};

/// How a value depends on the rows of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// It is the same whatever the batch.
    Constant,
    /// It depends on how many rows there are, and on nothing else of them.
    Count,
    /// Each row has a part of its own.
    Rows(Along),
}

/// Where a value's rows lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Along {
    /// The axis.
    axis: usize,
    /// How many elements of the axis belong to one row.
    each: usize,
}

/// Why a node is not proved to leave rows alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unproved {
    /// Its name in the plan, which begins with that of the file's node.
    pub(super) node: String,
    /// Why, and what to do.
    pub(super) reason: String,
}

/// What a rule says: the outputs' values, or why there is no telling.
type Ruled = Result<Value, String>;

/// Proves that each row of the model's output is made of the same row of its inputs alone. `rows`
/// is the number of rows.
pub(super) fn prove(model: &TypedModel, rows: &Symbol) -> Result<(), Unproved> {
    let unproved = |node: &TypedNode, reason: String| Unproved { node: node.name.clone(), reason };
    let order = model.eval_order().map_err(|error| Unproved {
        node: String::new(),
        reason: format!("its nodes have no order: {error}"),
    })?;
    let mut values: Vec<Option<Value>> = vec![None; model.nodes().len()];
    for place in order {
        let node = model.node(place);
        let found = value(model, node, rows, &values).map_err(|reason| unproved(node, reason))?;
        values[place] = Some(found);
    }
    let Ok([output]) = model.output_outlets() else {
        return Err(Unproved { node: String::new(), reason: "it has not one output".to_owned() });
    };
    let node = model.node(output.node);
    match values[output.node] {
        Some(Value::Rows(Along { axis: 0, each: 1 })) => Ok(()),
        Some(Value::Rows(Along { axis, each })) => Err(unproved(
            node,
            format!(
                "its rows lie along axis {axis}, {each} elements each: export the model so that \
                 its output has one row for each of the input"
            ),
        )),
        _ => Err(unproved(node, "its output does not depend on the input's rows".to_owned())),
    }
}

/// An input or output of a node: what is known of its shape, and of its rows.
#[derive(Debug, Clone, Copy)]
struct Operand<'m> {
    fact: &'m TypedFact,
    value: Value,
}

impl Operand<'_> {
    fn along(&self) -> Option<Along> {
        match self.value {
            Value::Rows(along) => Some(along),
            Value::Constant | Value::Count => None,
        }
    }
}

/// A node with what goes in and comes out.
struct Context<'m> {
    op: &'m dyn TypedOp,
    rows: &'m Symbol,
    inputs: Vec<Operand<'m>>,
    outputs: Vec<&'m TypedFact>,
}

/// What all outputs of a node are.
fn value(model: &TypedModel, node: &TypedNode, rows: &Symbol, values: &[Option<Value>]) -> Ruled {
    let operand = |outlet: &OutletId| {
        let fact = model.outlet_fact(*outlet).map_err(|error| error.to_string())?;
        let value = values[outlet.node].ok_or("it depends on itself")?;
        Ok(Operand { fact, value })
    };
    let inputs = node.inputs.iter().map(operand).collect::<Result<Vec<_>, String>>()?;
    let outputs: Vec<_> = node.outputs.iter().map(|output| &output.fact).collect();
    let found = rules::of(&Context { op: node.op.as_ref(), rows, inputs, outputs })?;
    for output in &node.outputs {
        check(&output.fact, found, rows)?;
    }
    Ok(found)
}

/// A rule that were wrong about shapes would be wrong about rows.
fn check(fact: &TypedFact, value: Value, rows: &Symbol) -> Result<(), String> {
    for (axis, dim) in fact.shape.iter().enumerate() {
        let expected = match value {
            Value::Rows(along) if along.axis == axis => Some(along.each),
            _ => None,
        };
        if has(dim, rows) != expected.is_some() || each(dim, rows) != expected {
            return Err(format!("the length of its axis {axis} is {dim} for {rows} rows"));
        }
    }
    Ok(())
}

/// Whether a length depends on the number of rows.
fn has(dim: &TDim, rows: &Symbol) -> bool {
    dim.symbols().contains(rows)
}

/// How many elements of an axis of this length belong to one row, if that is a number.
fn each(dim: &TDim, rows: &Symbol) -> Option<usize> {
    if !has(dim, rows) {
        return None;
    }
    let of_one = dim.substitute(rows, &TDim::Val(1)).ok()?;
    let of_none = dim.substitute(rows, &TDim::Val(0)).ok()?;
    let of_two = dim.substitute(rows, &TDim::Val(2)).ok()?;
    let [none, one, two] =
        [of_none, of_one, of_two].map(|dim| dim.simplify().to_i64().unwrap_or(-1));
    (none == 0 && one > 0 && two == 2 * one).then_some(one as usize)
}
