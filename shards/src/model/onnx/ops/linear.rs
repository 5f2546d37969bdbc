//! `LinearClassifier` and `LinearRegressor`: each output is a dot product plus an intercept.

use super::lanes::dot;
use super::linear_lookup::Terms;
use super::transform::Transform;
use super::{
    Cells, CellsMut, Element, FoundMargin, KernelChoice, Margin, NodeContext, OnnxError, Piece,
    RowKernel, RowOperator, RowShape, Rows, only_floats, wrong_type,
};
use crate::model::explain::LinearOutline;

/// Sums are made in doubles, four columns apart, in an order that depends on nothing but the
/// number of columns: a row has the same bits wherever it stands in a batch.
#[derive(Debug, Clone)]
struct Linear {
    /// One row of coefficients for each output of the dot products.
    coefficients: Vec<f64>,
    columns: usize,
    intercepts: Vec<f64>,
    transform: Transform,
    /// A classifier of two classes with one row of coefficients: the other score is made from it.
    complements: bool,
    /// What it reads in place of the columns of a one-hot encoder.
    terms: Option<Terms>,
    /// The scores of one row.
    sums: Vec<f64>,
}

pub(super) fn parse_classifier(
    context: NodeContext<'_>,
) -> Result<Box<dyn RowOperator>, OnnxError> {
    let strings = context.strings("classlabels_strings")?.len();
    let labels = strings.max(context.integers("classlabels_ints")?.len());
    let intercepts = context.floats("intercepts")?;
    let outputs = if intercepts.is_empty() { labels } else { intercepts.len() };
    parse(context, outputs, labels == 2 && outputs == 1)
}

pub(super) fn parse_regressor(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let targets = context.integer("targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).unwrap_or(0);
    parse(context, targets, false)
}

fn parse(
    context: NodeContext<'_>,
    outputs: usize,
    complements: bool,
) -> Result<Box<dyn RowOperator>, OnnxError> {
    let coefficients = context.floats("coefficients")?;
    let intercepts = context.floats("intercepts")?;
    let transform = Transform::parse(context)?;
    let whole = outputs > 0 && !coefficients.is_empty() && coefficients.len() % outputs == 0;
    if !whole || !(intercepts.is_empty() || intercepts.len() == outputs) {
        return Err(context.refuse(format!(
            "{} coefficients and {} intercepts do not make {outputs} outputs",
            coefficients.len(),
            intercepts.len()
        )));
    }
    let mut intercepts: Vec<f64> = intercepts.iter().copied().map(f64::from).collect();
    intercepts.resize(outputs, 0.0);
    Ok(Box::new(Linear {
        coefficients: coefficients.iter().copied().map(f64::from).collect(),
        columns: coefficients.len() / outputs,
        intercepts,
        transform,
        complements,
        terms: None,
        sums: Vec::new(),
    }))
}

impl RowOperator for Linear {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only_floats(inputs)?;
        if input.columns != self.columns {
            return Err(format!("{} columns, its coefficients: {}", input.columns, self.columns));
        }
        let columns = self.intercepts.len() + usize::from(self.complements);
        Ok(RowShape { columns, element: Element::F32 })
    }

    fn read_through(&mut self, pieces: &[Piece<usize>]) -> bool {
        let is_finite = self.coefficients.iter().all(|weight| weight.is_finite());
        if self.terms.is_some() || !is_finite || pieces.len() != self.columns {
            return false;
        }
        self.terms = Some(Terms::new(pieces));
        true
    }

    fn narrow(&mut self, column: usize) -> bool {
        if self.complements || self.transform == Transform::Softmax {
            return false;
        }
        self.coefficients =
            self.coefficients[column * self.columns..(column + 1) * self.columns].to_vec();
        self.intercepts = vec![self.intercepts[column]];
        true
    }

    fn margin(&self, _inputs: &[RowShape], column: usize) -> Option<FoundMargin> {
        // Of two classes with one row of coefficients, the first has the other one's negated.
        let (place, sign) = match (self.complements, column) {
            (true, 0) => (0, -1.0),
            (true, _) => (0, 1.0),
            (false, column) => (column, 1.0),
        };
        let weights = &self.coefficients[place * self.columns..][..self.columns];
        let outline = LinearOutline {
            constant: self.intercepts[place] * sign,
            weights: weights.iter().map(|weight| weight * sign).collect(),
            ..LinearOutline::default()
        };
        Some(Ok(Margin::Linear { outline, is_bent: self.transform != Transform::None }))
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Linear {
    fn name(&self) -> String {
        "linear".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let CellsMut::F32(output) = output else { return Err(wrong_type()) };
        match inputs[0].cells {
            Cells::F32(cells) => self.score(cells, inputs[0].columns, output),
            Cells::F64(cells) => self.score(cells, inputs[0].columns, output),
            Cells::I64(_) => return Err(wrong_type()),
        }
        Ok(())
    }
}

impl Linear {
    fn score<T: Copy + Into<f64>>(&mut self, cells: &[T], width: usize, output: &mut [f32]) {
        let outputs = self.intercepts.len() + usize::from(self.complements);
        for (row, output) in cells.chunks_exact(width).zip(output.chunks_exact_mut(outputs)) {
            self.sums.clear();
            let weights = self.coefficients.chunks_exact(self.columns).zip(&self.intercepts);
            if let Some(terms) = &mut self.terms {
                terms.read(row);
                self.sums.extend(weights.map(|(weights, start)| terms.dot(weights) + start));
            } else {
                self.sums.extend(weights.map(|(weights, start)| dot(row, weights) + start));
            }
            if self.complements {
                self.complement();
            } else {
                self.transform.apply(&mut self.sums);
            }
            for (cell, sum) in output.iter_mut().zip(&self.sums) {
                *cell = *sum as f32;
            }
        }
    }

    /// Makes the scores of both classes from that of the second.
    fn complement(&mut self) {
        let sum = self.sums[0];
        self.sums.clear();
        match self.transform {
            Transform::Logistic => {
                self.sums.extend([-sum, sum]);
                self.transform.apply(&mut self.sums);
            }
            transform => {
                self.sums.push(sum);
                transform.apply(&mut self.sums);
                self.sums.insert(0, 1.0 - self.sums[0]);
            }
        }
    }
}
