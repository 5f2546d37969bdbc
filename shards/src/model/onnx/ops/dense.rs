//! `MatMul` and `Gemm` of rows with a constant matrix of moderate size.

use super::number::{Number, converted};
use super::{
    CellsMut, FoundMargin, KernelChoice, Margin, NodeContext, OnnxError, RowKernel, RowOperator,
    RowShape, Rows, only, only_floats,
};
use crate::features::Precision;
use crate::model::explain::LinearOutline;

/// Larger matrices are left to tract, whose kernels are faster at them.
const WEIGHTS_MAX: usize = 1 << 14;

/// `input × weights + bias`, summed in the order of the columns: the same bits for any batch.
#[derive(Debug)]
struct Dense {
    /// One row for each input column.
    weights: Vec<f64>,
    inputs: usize,
    outputs: usize,
    bias: Option<Vec<f64>>,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let weights = context.constant(1).ok_or_else(|| context.refuse("no constant matrix"))?;
    let [rows, columns] = *context.constant_shape(1).as_slice() else {
        return Err(context.refuse("its constant is no matrix"));
    };
    if weights.len() > WEIGHTS_MAX || weights.is_empty() {
        return Err(context.refuse("a large matrix"));
    }
    if context.node.op_type == "MatMul" {
        let (inputs, outputs) = (rows, columns);
        return Ok(Box::new(Dense { weights, inputs, outputs, bias: None }));
    }
    let factor = |name| Ok::<_, OnnxError>(context.float(name)?.map_or(1.0, f64::from));
    let (alpha, beta): (f64, f64) = (factor("alpha")?, factor("beta")?);
    let ones = (alpha - 1.0).abs() + (beta - 1.0).abs() == 0.0;
    if !ones || context.integer("transA")?.unwrap_or(0) != 0 {
        return Err(context.refuse("a scaled or transposed product"));
    }
    let (weights, inputs, outputs) = if context.integer("transB")?.unwrap_or(0) == 0 {
        (weights, rows, columns)
    } else {
        (transposed(&weights, rows, columns), columns, rows)
    };
    let has_bias = context.node.input.get(2).is_some_and(|name| !name.is_empty());
    let bias = has_bias.then(|| bias(context, outputs)).transpose()?;
    Ok(Box::new(Dense { weights, inputs, outputs, bias }))
}

fn bias(context: NodeContext<'_>, outputs: usize) -> Result<Vec<f64>, OnnxError> {
    let mut bias = context.constant_row(2).ok_or_else(|| context.refuse("no constant bias"))?;
    if let [one] = *bias.as_slice() {
        bias.resize(outputs, one);
    }
    if bias.len() == outputs {
        Ok(bias)
    } else {
        Err(context.refuse("its bias is of another width"))
    }
}

fn transposed(cells: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let cell = |place: usize| cells[place % rows * columns + place / rows];
    (0..rows * columns).map(cell).collect()
}

impl RowOperator for Dense {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only_floats(inputs)?;
        if input.columns != self.inputs {
            return Err(format!("{} columns, its matrix reads {}", input.columns, self.inputs));
        }
        Ok(RowShape { columns: self.outputs, ..input })
    }

    fn margin(&self, _inputs: &[RowShape], column: usize) -> Option<FoundMargin> {
        let outline = LinearOutline {
            constant: self.bias.as_ref().map_or(0.0, |bias| bias[column]),
            weights: self.weights.chunks_exact(self.outputs).map(|row| row[column]).collect(),
            ..LinearOutline::default()
        };
        Some(Ok(Margin::Linear { outline, is_bent: false }))
    }

    fn kernel(
        &self,
        inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(match only(inputs)?.element.precision()? {
            Precision::F32 => Box::new(DenseKernel::<f32>::new(self)),
            Precision::F64 => Box::new(DenseKernel::<f64>::new(self)),
        })
    }
}

#[derive(Debug, Clone)]
struct DenseKernel<T> {
    weights: Vec<T>,
    outputs: usize,
    bias: Option<Vec<T>>,
}

impl<T: Number> DenseKernel<T> {
    fn new(dense: &Dense) -> Self {
        let bias = dense.bias.as_deref().map(converted);
        Self { weights: converted(&dense.weights), outputs: dense.outputs, bias }
    }
}

impl<T: Number> RowKernel for DenseKernel<T> {
    fn name(&self) -> String {
        "matrix".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let input = inputs[0];
        let rows = T::cells(input.cells)?.chunks_exact(input.columns);
        for (row, output) in rows.zip(T::cells_mut(output)?.chunks_exact_mut(self.outputs)) {
            output.fill(T::ZERO);
            for (cell, weights) in row.iter().zip(self.weights.chunks_exact(self.outputs)) {
                for (sum, weight) in output.iter_mut().zip(weights) {
                    *sum = *sum + *cell * *weight;
                }
            }
            for (sum, bias) in output.iter_mut().zip(self.bias.iter().flatten()) {
                *sum = *sum + *bias;
            }
        }
        Ok(())
    }
}
