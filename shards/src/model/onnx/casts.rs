//! Operators of tract's that take a number for an integer: `Cast` and `CastLike`, `Gather`,
//! `OneHot` and `Div`. Here NaN never becomes 0, an integer keeps all of its bits, a place beyond
//! the last one is no place of the next row, and an integer is not divided by zero.

#![allow(clippy::wildcard_imports, reason = "tract's macros need the names of its prelude")]

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};
use tract_onnx::tract_core::ops::math::Div;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::array::Gather;
use tract_onnx::tract_hir::ops::binary::InferenceBinOp;

use super::ops::{cast_to_i32, cast_to_i64, exact_i64};

type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// Puts the exact operators in the place of tract's.
pub(super) fn register(onnx: &mut Onnx) {
    onnx.op_register.insert("Cast", |_, node| {
        let to = node.get_attr::<DatumType>("to")?;
        Ok((expand(ExactCast { to: Some(to) }), vec![]))
    });
    onnx.op_register.insert("CastLike", |_, _| Ok((expand(ExactCast { to: None }), vec![])));
    onnx.op_register.insert("Div", |_, _| {
        let inner = Box::new(InferenceBinOp(Box::new(Div)));
        Ok((expand(Checked { inner, check: Check::Divisors }), vec![]))
    });
    onnx.op_register.insert("Gather", gather);
    onnx.op_register.insert("OneHot", one_hot);
}

/// `Cast`, or `CastLike` where the type is that of the second input.
#[derive(Debug, Clone)]
struct ExactCast {
    to: Option<DatumType>,
}

/// What tract's own type of dimensions becomes stays one: shapes are computed with it.
fn target(from: DatumType, to: DatumType) -> DatumType {
    if from.is_tdim() && to == i64::datum_type() { from } else { to }
}

impl Expansion for ExactCast {
    fn name(&self) -> StaticName {
        "Cast".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].shape, &inputs[0].shape)?;
        solver.given(&inputs[0].datum_type, move |solver, from| match self.to {
            Some(to) => solver.equals(&outputs[0].datum_type, target(from, to)),
            None => solver.given(&inputs[1].datum_type, move |solver, to| {
                solver.equals(&outputs[0].datum_type, target(from, to))
            }),
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let fact = model.outlet_fact(inputs[0])?;
        let (from, is_constant) = (fact.datum_type, fact.konst.is_some());
        let to = match self.to {
            Some(to) => to,
            None => model.outlet_fact(*inputs.get(1).context("no second input")?)?.datum_type,
        };
        let to = target(from, to);
        if !from.is_float() || !to.is_integer() {
            return model.wire_node(prefix, cast(to), &inputs[..1]);
        }
        if to == i64::datum_type() || to == i32::datum_type() {
            let cast = ElementWiseOp(Box::new(FloatToInteger { to }), None);
            return model.wire_node(prefix, cast, &inputs[..1]);
        }
        ensure!(
            is_constant,
            "a float that is NaN or too large becomes a number of {to:?} like any other: cast to \
             INT64 or INT32 instead"
        );
        model.wire_node(prefix, cast(to), &inputs[..1])
    }
}

/// Floats as integers; what none holds becomes the least one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FloatToInteger {
    to: DatumType,
}

impl ElementWiseMiniOp for FloatToInteger {
    fn name(&self) -> String {
        "FloatToInteger".to_owned()
    }

    fn output_type(&self, _input: DatumType) -> Option<DatumType> {
        Some(self.to)
    }

    fn eval_out_of_place(&self, input: &Tensor, _to: Option<DatumType>) -> TractResult<Tensor> {
        let doubles = input.cast_to::<f64>()?;
        let doubles = doubles.try_as_plain_ram()?;
        let doubles = doubles.as_slice::<f64>()?.iter();
        if self.to == i32::datum_type() {
            let cells: Vec<i32> = doubles.map(|cell| cast_to_i32(*cell)).collect();
            return Tensor::from_shape(input.shape(), &cells);
        }
        let cells: Vec<i64> = doubles.map(|cell| cast_to_i64(*cell)).collect();
        Tensor::from_shape(input.shape(), &cells)
    }
}

fn gather(_context: &ParsingContext, node: &NodeProto) -> Built {
    let axis = node.get_attr_opt("axis")?.unwrap_or(0);
    let inner = Box::new(Gather::new(axis));
    Ok((expand(Checked { inner, check: Check::Places { axis } }), vec![]))
}

/// An operator of tract's whose second input is looked at first.
#[derive(Debug, Clone)]
struct Checked {
    inner: Box<dyn Expansion>,
    check: Check,
}

/// What the second input has to be.
#[derive(Debug, Clone, Copy)]
enum Check {
    /// Places along this axis of the first: tract reads beyond the end of one row into the next.
    Places { axis: i64 },
    /// Divisors, of which no integer is zero: tract panics at one.
    Divisors,
}

impl Check {
    /// What looks at it, and the type that it is looked at in; `None` where there is nothing to see.
    fn of(
        self,
        first: &TypedFact,
        second: &TypedFact,
    ) -> TractResult<Option<(Box<dyn ElementWiseMiniOp>, DatumType)>> {
        match self {
            Self::Divisors => Ok(second
                .datum_type
                .is_integer()
                .then(|| (Box::new(DivisorCheck) as Box<_>, second.datum_type))),
            Self::Places { axis: given } => {
                let shape = &first.shape;
                let axis = if given < 0 { given + shape.rank() as i64 } else { given };
                let axis = usize::try_from(axis).ok().filter(|axis| *axis < shape.rank());
                let axis = axis.with_context(|| format!("axis {given} of {shape:?}"))?;
                // Of a length that is not known now nothing can be said: the proof of rows refuses it.
                let length = shape[axis].to_i64().ok();
                let check = |length| (Box::new(PlaceCheck { length }) as Box<_>, i64::datum_type());
                Ok(length.map(check))
            }
        }
    }
}

impl Expansion for Checked {
    fn name(&self) -> StaticName {
        self.inner.name()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.inner.rules(solver, inputs, outputs)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        ensure!(inputs.len() == 2, "{} inputs, expected 2", inputs.len());
        let (first, second) = (model.outlet_fact(inputs[0])?, model.outlet_fact(inputs[1])?);
        let Some((check, read_as)) = self.check.of(first, second)? else {
            return self.inner.wire(prefix, model, inputs);
        };
        let mut looked_at = inputs[1];
        if second.datum_type != read_as {
            let name = format!("{prefix}.as_{read_as:?}");
            looked_at = model.wire_node(name, cast(read_as), &[looked_at])?[0];
        }
        let check = ElementWiseOp(check, None);
        let seen = model.wire_node(format!("{prefix}.check"), check, &[looked_at])?[0];
        self.inner.wire(prefix, model, &[inputs[0], seen])
    }
}

/// Fails where a place is beyond the last of `length`, counted from the front or the back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PlaceCheck {
    length: i64,
}

impl ElementWiseMiniOp for PlaceCheck {
    fn name(&self) -> String {
        "PlaceCheck".to_owned()
    }

    fn eval_in_place(&self, places: &mut Tensor, _to: Option<DatumType>) -> TractResult<()> {
        let places = places.try_as_plain_ram()?;
        let known = -self.length..self.length;
        if let Some(place) = places.as_slice::<i64>()?.iter().find(|place| !known.contains(place)) {
            bail!("place {place} of {}", self.length);
        }
        Ok(())
    }
}

/// Fails where an integer is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DivisorCheck;

impl ElementWiseMiniOp for DivisorCheck {
    fn name(&self) -> String {
        "DivisorCheck".to_owned()
    }

    fn eval_in_place(&self, divisors: &mut Tensor, _to: Option<DatumType>) -> TractResult<()> {
        let integers = divisors.cast_to::<i64>()?;
        let integers = integers.try_as_plain_ram()?;
        ensure!(!integers.as_slice::<i64>()?.contains(&0), "an integer is divided by zero");
        Ok(())
    }
}

fn one_hot(_context: &ParsingContext, node: &NodeProto) -> Built {
    let axis = node.get_attr_opt("axis")?.unwrap_or(-1);
    Ok((expand(ExactOneHot { axis }), vec![]))
}

/// `OneHot` of numbers of any type: what is no place leaves its cells off.
#[derive(Debug, Clone)]
struct ExactOneHot {
    axis: i64,
}

impl Expansion for ExactOneHot {
    fn name(&self) -> StaticName {
        "OneHot".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 3)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[2].datum_type, &outputs[0].datum_type)?;
        solver.equals(inputs[0].rank.bex() + 1, &outputs[0].rank)?;
        solver.given(&inputs[0].rank, move |solver, rank| {
            let axis = self.place(rank)?;
            for place in 0..axis {
                solver.equals(&inputs[0].shape[place], &outputs[0].shape[place])?;
            }
            for place in axis..rank as usize {
                solver.equals(&inputs[0].shape[place], &outputs[0].shape[place + 1])?;
            }
            solver.given(&inputs[1].value, move |solver, depth| {
                let depth = depth.cast_to_scalar::<i64>()?;
                solver.equals(&outputs[0].shape[axis], depth.to_dim())
            })
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let constant = |place: usize| {
            let constant = model.outlet_fact(inputs[place])?.konst.clone();
            constant.with_context(|| format!("its input {place} is not constant"))
        };
        let depth = constant(1)?;
        let depth = depth.cast_to::<i64>()?.try_as_plain_ram()?.as_slice::<i64>()?.first().copied();
        let depth = depth.and_then(|depth| i32::try_from(depth).ok()).filter(|depth| *depth > 0);
        let depth = depth.context("its depth is no count")?;
        let values = constant(2)?;
        ensure!(values.len() == 2, "{} values, expected 2", values.len());
        let axis = self.place(model.outlet_fact(inputs[0])?.rank() as i64)?;
        let places = ElementWiseOp(Box::new(OneHotPlace { depth }), None);
        let places = model.wire_node(format!("{prefix}.places"), places, &inputs[..1])?;
        // One more for what is no place, which is cut off again.
        let one_hot = tract_core::ops::array::OneHot {
            axis,
            dim: depth as usize + 1,
            off: values.nth(0)?.into_arc_tensor(),
            on: values.nth(1)?.into_arc_tensor(),
        };
        let made = model.wire_node(format!("{prefix}.wide"), one_hot, &places)?;
        let cut = tract_core::ops::array::Slice::new(axis, 0, depth as usize);
        model.wire_node(prefix, cut, &made)
    }
}

impl ExactOneHot {
    /// The new axis of an input of this rank.
    fn place(&self, rank: i64) -> TractResult<usize> {
        let axis = if self.axis < 0 { self.axis + rank + 1 } else { self.axis };
        let axis = usize::try_from(axis).ok().filter(|axis| *axis as i64 <= rank);
        axis.with_context(|| format!("axis {} of an input of rank {rank}", self.axis))
    }
}

/// Numbers as places below `depth`; what is none becomes `depth`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OneHotPlace {
    depth: i32,
}

impl OneHotPlace {
    fn place(&self, number: Option<i64>) -> i32 {
        let depth = i64::from(self.depth);
        match number {
            Some(number) if (0..depth).contains(&number) => number as i32,
            Some(number) if (-depth..0).contains(&number) => (number + depth) as i32,
            _ => self.depth,
        }
    }
}

impl ElementWiseMiniOp for OneHotPlace {
    fn name(&self) -> String {
        "OneHotPlace".to_owned()
    }

    fn output_type(&self, _input: DatumType) -> Option<DatumType> {
        Some(i32::datum_type())
    }

    fn eval_out_of_place(&self, input: &Tensor, _to: Option<DatumType>) -> TractResult<Tensor> {
        let cells: Vec<i32> = if input.datum_type().is_float() {
            let doubles = input.cast_to::<f64>()?;
            let doubles = doubles.try_as_plain_ram()?;
            doubles.as_slice::<f64>()?.iter().map(|cell| self.place(exact_i64(*cell))).collect()
        } else {
            let integers = input.cast_to::<i64>()?;
            let integers = integers.try_as_plain_ram()?;
            integers.as_slice::<i64>()?.iter().map(|cell| self.place(Some(*cell))).collect()
        };
        Tensor::from_shape(input.shape(), &cells)
    }
}
