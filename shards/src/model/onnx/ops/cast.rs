//! `Cast` between floats and 64-bit integers, `Identity`, and `Reshape` to the columns that a row
//! has already.

use tract_onnx::pb::tensor_proto::DataType;

use super::{
    After, CellsMut, Element, Flow, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator,
    RowShape, Rows,
};

/// Copies its input.
#[derive(Debug, Clone)]
pub(super) struct Cast {
    /// The type of its output, if that is not the input's.
    to: Option<Element>,
    /// How many columns the input must have.
    columns: Option<usize>,
}

impl Cast {
    /// A conversion, or a plain copy.
    pub(super) fn new(to: Option<Element>) -> Self {
        Self { to, columns: None }
    }
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let mut cast = Cast::new(None);
    match context.node.op_type.as_str() {
        "Cast" => {
            cast.to = Some(match DataType::try_from(context.required_integer("to")? as i32) {
                Ok(DataType::Float) => Element::F32,
                Ok(DataType::Double) => Element::F64,
                Ok(DataType::Int64) => Element::I64,
                other => return Err(context.refuse(format!("a cast to {other:?}"))),
            });
        }
        "Reshape" => {
            cast.columns = Some(match context.constant(1).as_deref() {
                Some([-1.0 | 0.0, columns]) if *columns > 0.0 => *columns as usize,
                _ => return Err(context.refuse("another shape than rows of so many columns")),
            });
        }
        _ => {}
    }
    Ok(Box::new(cast))
}

impl RowOperator for Cast {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = super::only(inputs)?;
        if self.columns.is_some_and(|columns| columns != input.columns) {
            return Err(format!("{} columns in another shape", input.columns));
        }
        Ok(RowShape { element: self.to.unwrap_or(input.element), ..input })
    }

    fn reads_integers(&self) -> bool {
        true
    }

    fn is_copy(&self, input: RowShape) -> bool {
        self.to.is_none_or(|to| to == input.element)
    }

    fn flow(&self) -> Flow {
        Flow::Along
    }

    fn after(&self, _columns: usize) -> After {
        if self.to == Some(Element::I64) { After::Unknown } else { After::Same }
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
        mut output: CellsMut<'_>,
    ) -> Result<(), String> {
        let columns = inputs[0].columns;
        inputs[0].cells.place(columns, &mut output, 0, columns);
        Ok(())
    }
}
