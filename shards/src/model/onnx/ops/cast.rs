//! `Cast` between floats, and `Identity`.

use tract_onnx::pb::tensor_proto::DataType;

use super::{
    CellsMut, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape, Rows,
};
use crate::features::{Cells, Precision};

/// Copies its input; `to` is `None` for `Identity`.
#[derive(Debug, Clone)]
struct Cast {
    to: Option<Precision>,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let node = context.node;
    if node.op_type == "Identity" {
        return Ok(Box::new(Cast { to: None }));
    }
    let to = match DataType::try_from(context.required_integer("to")? as i32) {
        Ok(DataType::Float) => Precision::F32,
        Ok(DataType::Double) => Precision::F64,
        other => return Err(OnnxError::unsupported(node, format!("a cast to {other:?}"))),
    };
    Ok(Box::new(Cast { to: Some(to) }))
}

impl RowOperator for Cast {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = super::only(inputs)?;
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
