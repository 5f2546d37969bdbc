//! `Imputer`: puts a number in the place of a value that is missing.

use super::{
    Cells, CellsMut, Element, Flow, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator,
    RowShape, Rows, only, wrong_type,
};

/// Its output has the type of its input; the attributes of floats have 32 bits in the format
/// itself.
#[derive(Debug, Clone)]
enum Imputer {
    Floats {
        /// What is replaced; NaN: every NaN.
        missing: f32,
        /// What takes its place, for each column or for all.
        imputed: Vec<f32>,
    },
    Integers {
        missing: i64,
        imputed: Vec<i64>,
    },
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let floats = context.floats("imputed_value_floats")?;
    if !floats.is_empty() {
        let missing = context.float("replaced_value_float")?.unwrap_or(0.0);
        return Ok(Box::new(Imputer::Floats { missing, imputed: floats.to_vec() }));
    }
    let integers = context.integers("imputed_value_int64s")?;
    if !integers.is_empty() {
        let missing = context.integer("replaced_value_int64")?.unwrap_or(0);
        return Ok(Box::new(Imputer::Integers { missing, imputed: integers.to_vec() }));
    }
    Err(context.refuse(
        "attributes `imputed_value_floats` and `imputed_value_int64s` are missing: one is needed",
    ))
}

impl RowOperator for Imputer {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only(inputs)?;
        let (found, integers) = match self {
            Self::Floats { imputed, .. } => (imputed.len(), false),
            Self::Integers { imputed, .. } => (imputed.len(), true),
        };
        if (input.element == Element::I64) != integers {
            return Err("its input and what it imputes differ in type".to_owned());
        }
        if found != 1 && found != input.columns {
            return Err(format!("{found} imputed values for {} columns", input.columns));
        }
        Ok(input)
    }

    fn reads_integers(&self) -> bool {
        true
    }

    fn keeps_type(&self) -> bool {
        true
    }

    fn flow(&self) -> Flow {
        Flow::Along
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Imputer {
    fn name(&self) -> String {
        "imputer".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let columns = inputs[0].columns;
        match (&*self, inputs[0].cells, output) {
            (Self::Floats { missing, imputed }, Cells::F32(cells), CellsMut::F32(output)) => {
                let missing = f64::from(*missing);
                impute(cells, columns, output, imputed, |cell| {
                    is_missing(f64::from(cell), missing)
                });
            }
            (Self::Floats { missing, imputed }, Cells::F64(cells), CellsMut::F64(output)) => {
                let missing = f64::from(*missing);
                impute(cells, columns, output, imputed, |cell| is_missing(cell, missing));
            }
            (Self::Integers { missing, imputed }, Cells::I64(cells), CellsMut::I64(output)) => {
                impute(cells, columns, output, imputed, |cell| cell == *missing);
            }
            _ => return Err(wrong_type()),
        }
        Ok(())
    }
}

/// Whether a number is the one that stands for "missing": the same value, or NaN where it is NaN.
#[expect(clippy::float_cmp, reason = "only the number itself stands for a missing value")]
fn is_missing(cell: f64, missing: f64) -> bool {
    cell == missing || (missing.is_nan() && cell.is_nan())
}

fn impute<T: Copy + From<I>, I: Copy>(
    cells: &[T],
    columns: usize,
    output: &mut [T],
    imputed: &[I],
    is_missing: impl Fn(T) -> bool,
) {
    for (row, output) in cells.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
        for ((cell, made), imputed) in row.iter().zip(output).zip(imputed.iter().cycle()) {
            *made = if is_missing(*cell) { T::from(*imputed) } else { *cell };
        }
    }
}
