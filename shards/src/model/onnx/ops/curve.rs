//! Operators of one cell: `Sigmoid`, `Tanh`, `Relu`, `Exp`, `Abs`, `Neg`, `Sqrt`, and `Clip`.

use super::number::Number;
use super::{
    After, CellsMut, Flow, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape,
    Rows, only, only_floats,
};
use crate::features::Precision;
use crate::model::trees::{exponential, logistic};

#[derive(Debug, Clone, Copy)]
enum Curve {
    Sigmoid,
    Tanh,
    Relu,
    Exp,
    Abs,
    Neg,
    Sqrt,
    Clip { low: f64, high: f64 },
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    Ok(Box::new(match context.node.op_type.as_str() {
        "Sigmoid" => Curve::Sigmoid,
        "Tanh" => Curve::Tanh,
        "Relu" => Curve::Relu,
        "Exp" => Curve::Exp,
        "Abs" => Curve::Abs,
        "Neg" => Curve::Neg,
        "Sqrt" => Curve::Sqrt,
        "Clip" => Curve::Clip {
            low: bound(context, 1, "min", f64::NEG_INFINITY)?,
            high: bound(context, 2, "max", f64::INFINITY)?,
        },
        other => return Err(context.refuse(format!("{other} is no operator of one cell"))),
    }))
}

/// A bound is an input since opset 11, and was an attribute before.
fn bound(
    context: NodeContext<'_>,
    place: usize,
    attribute: &str,
    default: f64,
) -> Result<f64, OnnxError> {
    if context.node.input.get(place).is_none_or(String::is_empty) {
        return Ok(context.float(attribute)?.map_or(default, f64::from));
    }
    match context.constant(place).as_deref() {
        Some([bound]) => Ok(*bound),
        _ => Err(context.refuse("a bound that is not constant")),
    }
}

impl RowOperator for Curve {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        only_floats(inputs)
    }

    fn flow(&self) -> Flow {
        Flow::Along
    }

    fn after(&self, _columns: usize) -> After {
        match self {
            Self::Sigmoid | Self::Tanh | Self::Exp => After::Bent,
            Self::Neg => After::Line { factors: vec![-1.0], terms: vec![0.0] },
            Self::Relu | Self::Abs | Self::Sqrt | Self::Clip { .. } => After::Unknown,
        }
    }

    fn kernel(
        &self,
        inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        let precision = only(inputs)?.element.precision()?;
        Ok(Box::new(CurveKernel { curve: *self, precision }))
    }
}

#[derive(Debug, Clone)]
struct CurveKernel {
    curve: Curve,
    precision: Precision,
}

impl RowKernel for CurveKernel {
    fn name(&self) -> String {
        format!("{:?}", self.curve).to_lowercase()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        match self.precision {
            Precision::F32 => self.curve.bend::<f32>(inputs[0], output),
            Precision::F64 => self.curve.bend::<f64>(inputs[0], output),
        }
    }
}

impl Curve {
    /// In doubles, rounded once.
    fn bend<T: Number>(self, input: Rows<'_>, output: CellsMut<'_>) -> Result<(), String> {
        let (from, to) = (T::cells(input.cells)?, T::cells_mut(output)?);
        match self {
            Self::Sigmoid => each(from, to, logistic),
            Self::Tanh => each(from, to, tanh),
            // What is not above zero is zero, and NaN stays NaN.
            Self::Relu => each(from, to, |cell| if cell < 0.0 { 0.0 } else { cell }),
            Self::Exp => each(from, to, exponential),
            Self::Abs => each(from, to, f64::abs),
            Self::Neg => each(from, to, |cell| -cell),
            Self::Sqrt => each(from, to, f64::sqrt),
            Self::Clip { low, high } => each(from, to, |cell| {
                if cell < low {
                    low
                } else if cell > high {
                    high
                } else {
                    cell
                }
            }),
        }
        Ok(())
    }
}

fn each<T: Number>(from: &[T], to: &mut [T], curve: impl Fn(f64) -> f64) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = T::from_f64(curve(from.to_f64())));
}

/// Within some units in the last place of 1, for all `x`.
fn tanh(x: f64) -> f64 {
    let power = exponential(-2.0 * x.abs());
    ((1.0 - power) / (1.0 + power)).copysign(x)
}
