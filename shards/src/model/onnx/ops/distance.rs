//! Distances from each row to the rows of a constant: `CDist` of com.microsoft, and what
//! `onnx::distances` makes of a `Scan` that says the same.

use super::lanes::{squared_distance, sum};
use super::{
    Cells, CellsMut, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape, Rows,
    only_floats, wrong_type,
};

/// What is said of a row that is infinitely far, or not known to be far or near.
const UNKNOWN: &str = "a value that is missing or infinite has no distance";

/// How differences are summed, without the root that may follow.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    /// The square root of the sum of squares.
    Euclidean,
    /// The sum of squares.
    Squared,
    /// The sum of magnitudes.
    Manhattan,
    /// The sum of powers of magnitudes.
    Powers(f64),
}

/// Sums are made in doubles, in an order that depends on nothing but the number of columns.
#[derive(Debug, Clone)]
struct Distances {
    metric: Metric,
    /// The constant's rows, one after the other.
    others: Vec<f64>,
    columns: usize,
    row: Vec<f64>,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let metric = match context.string("metric")?.unwrap_or("sqeuclidean") {
        "euclidean" => Metric::Euclidean,
        "sqeuclidean" => Metric::Squared,
        "cityblock" => Metric::Manhattan,
        "powers" => Metric::Powers(f64::from(context.float("p")?.unwrap_or(2.0))),
        other => return Err(context.refuse(format!("the metric `{other}` is not supported"))),
    };
    let shape = context.constant_shape(1);
    let (Some(others), [rows, columns]) = (context.constant(1), shape.as_slice()) else {
        return Err(context.refuse(
            "it compares rows of the batch with each other: export a model that compares them with \
             those of the training data",
        ));
    };
    if *rows == 0 || *columns == 0 || context.is_constant(0) {
        return Err(context.refuse("it compares nothing with the rows of the batch"));
    }
    Ok(Box::new(Distances { metric, others, columns: *columns, row: Vec::new() }))
}

impl RowOperator for Distances {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only_floats(inputs)?;
        if input.columns != self.columns {
            return Err(format!("{} columns, it compares {}", input.columns, self.columns));
        }
        Ok(RowShape { columns: self.others.len() / self.columns, element: input.element })
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Distances {
    fn name(&self) -> String {
        "distances".to_owned()
    }

    /// The nearest of rows that are all equally far would be some score.
    fn knows_some_rows_only(&self) -> bool {
        true
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let is_known = match (inputs[0].cells, output) {
            (Cells::F32(cells), CellsMut::F32(output)) => {
                self.compare(cells, output, |distance| distance as f32);
                output.iter().all(|distance| distance.is_finite())
            }
            (Cells::F64(cells), CellsMut::F64(output)) => {
                self.compare(cells, output, |distance| distance);
                output.iter().all(|distance| distance.is_finite())
            }
            _ => return Err(wrong_type()),
        };
        if is_known { Ok(()) } else { Err(UNKNOWN.to_owned()) }
    }
}

impl Distances {
    fn compare<T: Copy + Into<f64>>(
        &mut self,
        cells: &[T],
        output: &mut [T],
        rounded: impl Fn(f64) -> T,
    ) {
        let Self { metric, others, columns, row } = self;
        let count = others.len() / *columns;
        for (cells, output) in cells.chunks_exact(*columns).zip(output.chunks_exact_mut(count)) {
            row.clear();
            row.extend(cells.iter().map(|cell| (*cell).into()));
            for (distance, other) in output.iter_mut().zip(others.chunks_exact(*columns)) {
                *distance = rounded(metric.between(row, other));
            }
        }
    }
}

impl Metric {
    fn between(self, one: &[f64], other: &[f64]) -> f64 {
        match self {
            Self::Squared => squared_distance(one, other),
            Self::Euclidean => squared_distance(one, other).sqrt(),
            Self::Manhattan => sum(one, other, |a, b| (a - b).abs()),
            Self::Powers(power) => sum(one, other, |a, b| (a - b).abs().powf(power)),
        }
    }
}
