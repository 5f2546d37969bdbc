//! `SVMRegressor`: a sum over support vectors, in doubles; and what `SVMClassifier` shares with it.

use super::lanes::{dot, squared_distance};
use super::{
    CellsMut, Element, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape,
    Rows, only_floats, wrong_type,
};
use crate::features::Cells;
use crate::model::trees::exponential;

/// `kernel_type`, with the `kernel_params` that it uses.
#[derive(Debug, Clone, Copy)]
enum Kernel {
    Linear,
    Polynomial { gamma: f64, offset: f64, degree: f64 },
    Radial { gamma: f64 },
    Sigmoid { gamma: f64, offset: f64 },
}

/// The support vectors and how a row is compared with them.
#[derive(Debug, Clone)]
pub(super) struct Vectors {
    kernel: Kernel,
    /// Row-major, one row for each support vector.
    cells: Vec<f64>,
    columns: usize,
}

#[derive(Debug, Clone)]
struct Regressor {
    vectors: Vectors,
    /// One for each support vector.
    coefficients: Vec<f64>,
    offset: f64,
    one_class: bool,
    scratch: Scratch,
}

/// Buffers of one row.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    row: Vec<f64>,
    /// What each support vector makes of the row.
    pub(super) kernels: Vec<f64>,
}

pub(super) fn parse_regressor(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let coefficients = doubles(context, "coefficients")?;
    let [offset] = context.floats("rho")? else {
        return Err(context.refuse("attribute `rho` has not one value"));
    };
    if context.string("post_transform")?.unwrap_or("NONE") != "NONE" {
        return Err(context.refuse("a post_transform is not supported: export without it"));
    }
    let supports = context.integer("n_supports")?.unwrap_or(0);
    let vectors = if supports > 0 {
        Vectors::parse(context, coefficients.len())?
    } else {
        // Without support vectors the coefficients are those of a linear model: one vector.
        let columns = coefficients.len();
        Vectors { kernel: Kernel::Linear, cells: coefficients.clone(), columns }
    };
    let coefficients = if supports > 0 { coefficients } else { vec![1.0] };
    let one_class = context.integer("one_class")?.unwrap_or(0) != 0;
    let (offset, scratch) = (f64::from(*offset), Scratch::default());
    Ok(Box::new(Regressor { vectors, coefficients, offset, one_class, scratch }))
}

/// An attribute of floats, as doubles.
pub(super) fn doubles(context: NodeContext<'_>, name: &str) -> Result<Vec<f64>, OnnxError> {
    Ok(context.floats(name)?.iter().copied().map(f64::from).collect())
}

impl Vectors {
    pub(super) fn parse(context: NodeContext<'_>, supports: usize) -> Result<Self, OnnxError> {
        let cells = doubles(context, "support_vectors")?;
        if supports == 0 || cells.is_empty() || cells.len() % supports != 0 {
            return Err(context.refuse(format!(
                "{} numbers in `support_vectors` for {supports} support vectors",
                cells.len()
            )));
        }
        let [gamma, offset, degree] = match context.floats("kernel_params")? {
            [gamma, offset, degree] => [*gamma, *offset, *degree].map(f64::from),
            _ => [0.0; 3],
        };
        let kernel = match context.string("kernel_type")?.unwrap_or("LINEAR") {
            "LINEAR" => Kernel::Linear,
            "POLY" => Kernel::Polynomial { gamma, offset, degree },
            "RBF" => Kernel::Radial { gamma },
            "SIGMOID" => Kernel::Sigmoid { gamma, offset },
            other => return Err(context.refuse(format!("kernel_type `{other}` is unknown"))),
        };
        Ok(Self { kernel, columns: cells.len() / supports, cells })
    }

    pub(super) fn check(&self, inputs: &[RowShape]) -> Result<(), String> {
        let found = only_floats(inputs)?.columns;
        if found == self.columns {
            return Ok(());
        }
        Err(format!("{found} columns, its support vectors have {}", self.columns))
    }

    /// Compares the row in `scratch` with each support vector.
    pub(super) fn compare(&self, scratch: &mut Scratch) {
        let row = scratch.row.as_slice();
        let vectors = self.cells.chunks_exact(self.columns);
        let dots = || vectors.clone().map(|vector| dot(row, vector));
        let kernels = &mut scratch.kernels;
        kernels.clear();
        match self.kernel {
            Kernel::Linear => kernels.extend(dots()),
            Kernel::Polynomial { gamma, offset, degree } => {
                let power = power_of(degree);
                kernels.extend(dots().map(|dot| power(gamma * dot + offset, degree)));
            }
            Kernel::Radial { gamma } => {
                let distances = vectors.map(|vector| squared_distance(row, vector));
                kernels.extend(distances.map(|distance| exponential(-gamma * distance)));
            }
            Kernel::Sigmoid { gamma, offset } => {
                kernels.extend(dots().map(|dot| hyperbolic_tangent(gamma * dot + offset)));
            }
        }
    }
}

/// What raises to the power of a degree: by products where it is a small whole number.
fn power_of(degree: f64) -> fn(f64, f64) -> f64 {
    match degree {
        1.0 => |x, _| x,
        2.0 => |x, _| x * x,
        3.0 => |x, _| x * x * x,
        4.0 => |x, _| (x * x) * (x * x),
        _ => f64::powf,
    }
}

/// To 1e-16, which is all that a sum of kernels needs.
fn hyperbolic_tangent(x: f64) -> f64 {
    1.0 - 2.0 / (exponential(2.0 * x) + 1.0)
}

/// Calls `score` for each row, which it finds in the scratch buffers, with its cells of output.
pub(super) fn each_row(
    input: Rows<'_>,
    output: &mut [f32],
    scratch: &mut Scratch,
    mut score: impl FnMut(&mut Scratch, &mut [f32]),
) -> Result<(), String> {
    let cells = input.cells.floats()?;
    let rows = match cells {
        Cells::F32(cells) => cells.len() / input.columns,
        Cells::F64(cells) => cells.len() / input.columns,
    };
    for (row, output) in output.chunks_exact_mut(output.len() / rows.max(1)).enumerate() {
        let range = row * input.columns..(row + 1) * input.columns;
        scratch.row.clear();
        match cells {
            Cells::F32(cells) => {
                scratch.row.extend(cells[range].iter().copied().map(f64::from));
            }
            Cells::F64(cells) => scratch.row.extend_from_slice(&cells[range]),
        }
        score(scratch, output);
    }
    Ok(())
}

impl RowOperator for Regressor {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        self.vectors.check(inputs)?;
        Ok(RowShape { columns: 1, element: Element::F32 })
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Regressor {
    fn name(&self) -> String {
        "support vectors".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let CellsMut::F32(output) = output else { return Err(wrong_type()) };
        let Self { vectors, coefficients, offset, one_class, scratch } = self;
        each_row(inputs[0], output, scratch, |scratch, output| {
            vectors.compare(scratch);
            let products = coefficients.iter().zip(&scratch.kernels).map(|(a, b)| a * b);
            let sum = products.sum::<f64>() + *offset;
            output[0] = match (*one_class, sum > 0.0) {
                (false, _) => sum as f32,
                (true, true) => 1.0,
                (true, false) => -1.0,
            };
        })
    }
}
