//! `SVMClassifier`: probabilities of the classes, or without `prob_a` the decision values of their
//! pairs.
//!
//! A pair's value is above 0 for the first of its classes, as in libsvm. Of two classes ONNX Runtime
//! writes it for the second, and its negative for the first; `onnx::decisions` turns them to what
//! the library says.

use super::pairwise::pairwise_coupling;
use super::svm::{Scratch, Vectors, doubles, each_row};
use super::{
    CellsMut, Element, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape,
    Rows, wrong_type,
};
use crate::model::trees::logistic;

#[derive(Debug, Clone)]
struct Classifier {
    vectors: Vectors,
    /// `classes - 1` rows of one coefficient for each support vector.
    coefficients: Vec<f64>,
    /// The support vectors lie class by class: where each class starts, and the end of the last.
    starts: Vec<usize>,
    /// One for each pair of classes.
    offsets: Vec<f64>,
    /// For each pair, the line through its probability's log odds; empty for decision values.
    lines: Vec<Line>,
    scratch: Scratch,
    /// The value of each pair.
    sums: Vec<f64>,
    pairwise: Vec<f64>,
    probabilities: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    intercept: f64,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let mut starts = vec![0_usize];
    for count in context.integers("vectors_per_class")? {
        let count = usize::try_from(*count).ok();
        let end = count.and_then(|count| count.checked_add(*starts.last()?));
        starts.push(end.ok_or_else(|| context.refuse("`vectors_per_class` is no count"))?);
    }
    let (classes, supports) = (starts.len() - 1, starts.last().copied().unwrap_or(0));
    if supports == 0 {
        return Err(context
            .refuse("it has no support vectors: export the linear model as a LinearClassifier"));
    }
    let lines = lines(context)?;
    let offsets = doubles(context, "rho")?;
    let pairs = classes * classes.saturating_sub(1) / 2;
    if classes < 2 || offsets.len() != pairs || !(lines.is_empty() || lines.len() == pairs) {
        return Err(context.refuse(format!(
            "`rho`, `prob_a` and `prob_b` need one value for each of the {pairs} pairs of classes"
        )));
    }
    let coefficients = doubles(context, "coefficients")?;
    if coefficients.len() != (classes - 1) * supports {
        return Err(context.refuse(format!(
            "{} coefficients for {classes} classes and {supports} support vectors",
            coefficients.len()
        )));
    }
    if lines.is_empty() {
        check_decisions(context, &coefficients, classes)?;
    }
    Ok(Box::new(Classifier {
        vectors: Vectors::parse(context, supports)?,
        coefficients,
        starts,
        offsets,
        lines,
        scratch: Scratch::default(),
        sums: Vec::new(),
        pairwise: Vec::new(),
        probabilities: Vec::new(),
    }))
}

fn lines(context: NodeContext<'_>) -> Result<Vec<Line>, OnnxError> {
    let (slopes, intercepts) = (doubles(context, "prob_a")?, doubles(context, "prob_b")?);
    if slopes.len() != intercepts.len() {
        return Err(context.refuse("`prob_a` and `prob_b` differ in length"));
    }
    let line = |(slope, intercept)| Line { slope, intercept };
    Ok(slopes.into_iter().zip(intercepts).map(line).collect())
}

/// Refuses decision values that ONNX Runtime changes before it writes them.
fn check_decisions(
    context: NodeContext<'_>,
    coefficients: &[f64],
    classes: usize,
) -> Result<(), OnnxError> {
    if context.string("post_transform")?.unwrap_or("NONE") != "NONE" {
        return Err(context.refuse(
            "decision values with a post_transform: export them without it, or train the model \
             with probability=True",
        ));
    }
    if classes == 2 && coefficients.iter().all(|coefficient| *coefficient >= 0.0) {
        return Err(context.refuse(
            "all of its coefficients are positive, which makes ONNX Runtime read its decision \
             values as probabilities: train it with probability=True",
        ));
    }
    Ok(())
}

impl RowOperator for Classifier {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        self.vectors.check(inputs)?;
        let classes = self.starts.len() - 1;
        let columns = if self.lines.is_empty() { self.offsets.len().max(2) } else { classes };
        Ok(RowShape { columns, element: Element::F32 })
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Classifier {
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
        let mut scratch = std::mem::take(&mut self.scratch);
        let scored = each_row(inputs[0], output, &mut scratch, |scratch, output| {
            self.vectors.compare(scratch);
            self.sum(&scratch.kernels);
            let values = match *self.sums {
                _ if !self.lines.is_empty() => {
                    self.estimate();
                    &self.probabilities
                }
                [sum] => {
                    output.copy_from_slice(&[-sum as f32, sum as f32]);
                    return;
                }
                _ => &self.sums,
            };
            for (cell, value) in output.iter_mut().zip(values) {
                *cell = *value as f32;
            }
        });
        self.scratch = scratch;
        scored
    }
}

/// The pairs of classes, in the order of their values.
fn pairs(classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..classes).flat_map(move |one| (one + 1..classes).map(move |other| (one, other)))
}

impl Classifier {
    /// The value of each pair of classes: above 0 for the first of them.
    fn sum(&mut self, kernels: &[f64]) {
        let Self { coefficients, starts, offsets, sums, .. } = self;
        let classes = starts.len() - 1;
        let supports = starts[classes];
        let part = |row: usize, class: usize| -> f64 {
            let span = starts[class]..starts[class + 1];
            let coefficients = &coefficients[row * supports..][span.clone()];
            coefficients.iter().zip(&kernels[span]).map(|(a, b)| a * b).sum()
        };
        sums.clear();
        sums.extend(
            pairs(classes)
                .zip(offsets.iter())
                .map(|((one, other), offset)| part(other - 1, one) + part(one, other) + offset),
        );
    }

    /// How probable each class is, by how probable each is against each other.
    fn estimate(&mut self) {
        let classes = self.starts.len() - 1;
        self.pairwise.clear();
        self.pairwise.resize(classes * classes, 0.0);
        self.probabilities.clear();
        self.probabilities.resize(classes, 0.0);
        for (((one, other), sum), line) in pairs(classes).zip(&self.sums).zip(&self.lines) {
            let probability = logistic(-(sum * line.slope + line.intercept));
            let probability = probability.clamp(1e-7, 1.0 - 1e-7);
            self.pairwise[one * classes + other] = probability;
            self.pairwise[other * classes + one] = 1.0 - probability;
        }
        pairwise_coupling(&self.pairwise, &mut self.probabilities);
    }
}
