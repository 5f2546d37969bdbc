//! `Cast` between floats, `Identity`, and `Reshape` to the columns that a row has already.

use tract_onnx::pb::tensor_proto::DataType;

use super::{
    CellsMut, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape, Rows,
};
use crate::features::{Cells, Precision};

/// Copies its input.
#[derive(Debug, Clone)]
struct Cast {
    /// The type of its output, if that is not the input's.
    to: Option<Precision>,
    /// How many columns the input must have.
    columns: Option<usize>,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let (mut to, mut columns) = (None, None);
    match context.node.op_type.as_str() {
        "Cast" => {
            to = Some(match DataType::try_from(context.required_integer("to")? as i32) {
                Ok(DataType::Float) => Precision::F32,
                Ok(DataType::Double) => Precision::F64,
                other => return Err(context.refuse(format!("a cast to {other:?}"))),
            });
        }
        "Reshape" => {
            columns = Some(match context.constant(1).as_deref() {
                Some([-1.0 | 0.0, columns]) if *columns > 0.0 => *columns as usize,
                _ => return Err(context.refuse("another shape than rows of so many columns")),
            });
        }
        _ => {}
    }
    Ok(Box::new(Cast { to, columns }))
}

impl RowOperator for Cast {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = super::only(inputs)?;
        if self.columns.is_some_and(|columns| columns != input.columns) {
            return Err(format!("{} columns in another shape", input.columns));
        }
        Ok(RowShape { precision: self.to.unwrap_or(input.precision), ..input })
    }

    fn is_copy(&self, input: RowShape) -> bool {
        self.to.is_none_or(|to| to == input.precision)
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Cast {
    fn name(&self) -> String {
        "cast".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        match (inputs[0].cells, output) {
            (Cells::F32(from), CellsMut::F32(to)) => to.copy_from_slice(from),
            (Cells::F64(from), CellsMut::F64(to)) => to.copy_from_slice(from),
            (Cells::F32(from), CellsMut::F64(to)) => {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = f64::from(*from));
            }
            (Cells::F64(from), CellsMut::F32(to)) => {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
            }
        }
        Ok(())
    }
}
