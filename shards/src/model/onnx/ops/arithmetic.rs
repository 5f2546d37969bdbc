//! `Add`, `Sub`, `Mul`, `Div` and `Sum` of rows and constants, cell by cell.

use super::number::{Number, converted};
use super::{
    After, CellsMut, Flow, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape,
    Rows,
};
use crate::features::Precision;

#[derive(Debug, Clone, Copy)]
enum Sign {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Debug)]
struct Arithmetic {
    sign: Sign,
    /// In their order; `None` is the next input that is no constant.
    operands: Vec<Option<Vec<f64>>>,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let sign = match context.node.op_type.as_str() {
        "Sub" => Sign::Subtract,
        "Mul" => Sign::Multiply,
        "Div" => Sign::Divide,
        _ => Sign::Add,
    };
    let operand = |place| match context.constant_row(place) {
        None if context.is_constant(place) => {
            Err(context.refuse("a constant that is not the same for each row"))
        }
        operand => Ok(operand),
    };
    let operands = (0..context.node.input.len()).map(operand).collect::<Result<_, _>>()?;
    Ok(Box::new(Arithmetic { sign, operands }))
}

impl RowOperator for Arithmetic {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let first = inputs.first().ok_or("all of its inputs are constants")?;
        let widths = inputs.iter().map(|input| input.columns);
        let constants = self.operands.iter().flatten().map(Vec::len);
        let widths: Vec<_> = widths.chain(constants).collect();
        let columns = widths.iter().copied().max().unwrap_or(1);
        if widths.iter().any(|width| *width != 1 && *width != columns) {
            return Err(format!("rows of {widths:?} columns cannot be combined"));
        }
        first.element.precision()?;
        if inputs.iter().any(|input| input.element != first.element) {
            return Err("its inputs are of several types".to_owned());
        }
        if self.operands.iter().filter(|operand| operand.is_none()).count() != inputs.len() {
            return Err("an input is neither rows nor constant".to_owned());
        }
        Ok(RowShape { columns, element: first.element })
    }

    fn flow(&self) -> Flow {
        Flow::Along
    }

    fn after(&self, _columns: usize) -> After {
        let (ones, zeros) = (vec![1.0], vec![0.0]);
        let negated = |numbers: &[f64]| numbers.iter().map(|number| -number).collect();
        let (factors, terms) = match (self.sign, self.operands.as_slice()) {
            (Sign::Add, [None, Some(terms)] | [Some(terms), None]) => (ones, terms.clone()),
            (Sign::Subtract, [None, Some(terms)]) => (ones, negated(terms)),
            (Sign::Subtract, [Some(terms), None]) => (negated(&ones), terms.clone()),
            (Sign::Multiply, [None, Some(factors)] | [Some(factors), None]) => {
                (factors.clone(), zeros)
            }
            (Sign::Divide, [None, Some(factors)]) => {
                (factors.iter().map(|factor| 1.0 / factor).collect(), zeros)
            }
            _ => return After::Unknown,
        };
        After::Line { factors, terms }
    }

    fn kernel(
        &self,
        inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        let shape = self.shape(inputs)?;
        Ok(match shape.element.precision()? {
            Precision::F32 => Box::new(Combine::<f32>::new(self, shape.columns)),
            Precision::F64 => Box::new(Combine::<f64>::new(self, shape.columns)),
        })
    }
}

#[derive(Debug, Clone)]
struct Combine<T> {
    sign: Sign,
    operands: Vec<Option<Vec<T>>>,
    columns: usize,
}

impl<T: Number> Combine<T> {
    fn new(arithmetic: &Arithmetic, columns: usize) -> Self {
        let operands = arithmetic.operands.iter();
        let operands = operands.map(|operand| operand.as_deref().map(converted)).collect();
        Self { sign: arithmetic.sign, operands, columns }
    }
}

impl<T: Number> RowKernel for Combine<T> {
    fn name(&self) -> String {
        "arithmetic".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let output = T::cells_mut(output)?;
        let mut inputs = inputs.iter();
        for (place, operand) in self.operands.iter().enumerate() {
            let (cells, width) = if let Some(constant) = operand {
                (constant.as_slice(), constant.len())
            } else {
                let rows = inputs.next().ok_or("an input is missing")?;
                (T::cells(rows.cells)?, rows.columns)
            };
            let constant = operand.is_some();
            let from = Operand { cells, width, constant };
            match (place, self.sign) {
                (0, _) => from.each(output, self.columns, |_, cell| cell),
                (_, Sign::Add) => from.each(output, self.columns, |sum, cell| sum + cell),
                (_, Sign::Subtract) => from.each(output, self.columns, |sum, cell| sum - cell),
                (_, Sign::Multiply) => from.each(output, self.columns, |sum, cell| sum * cell),
                (_, Sign::Divide) => from.each(output, self.columns, |sum, cell| sum / cell),
            }
        }
        Ok(())
    }
}

struct Operand<'a, T> {
    cells: &'a [T],
    width: usize,
    constant: bool,
}

impl<T: Number> Operand<'_, T> {
    /// Combines each cell of `output` with the cell of this operand that belongs to it.
    fn each(&self, output: &mut [T], columns: usize, combine: impl Fn(T, T) -> T) {
        for (row, output) in output.chunks_exact_mut(columns).enumerate() {
            let start = if self.constant { 0 } else { row * self.width };
            let cells = &self.cells[start..start + self.width];
            if let [cell] = cells {
                for made in output {
                    *made = combine(*made, *cell);
                }
            } else {
                output.iter_mut().zip(cells).for_each(|(made, cell)| *made = combine(*made, *cell));
            }
        }
    }
}
