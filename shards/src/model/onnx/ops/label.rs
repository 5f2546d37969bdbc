//! The label of a classifier, where a score depends on it: the class with the greatest score, the
//! first of equal ones. `onnx::labels` makes such nodes of a classifier's first output.

use super::{
    CellsMut, Element, KernelChoice, NodeContext, OnnxError, RowKernel, RowOperator, RowShape,
    Rows, linear, trees, wrong_type,
};

#[derive(Debug)]
struct Label {
    scores: Box<dyn RowOperator>,
    labels: Vec<i64>,
}

#[derive(Debug, Clone)]
struct LabelKernel {
    kernel: Box<dyn RowKernel>,
    labels: Vec<i64>,
    scores: Vec<f32>,
}

pub(super) fn parse_linear(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let labels = context.integers("classlabels_ints")?.to_vec();
    if context.floats("intercepts")?.len() == 1 {
        return Err(no_label(context));
    }
    of_scores(context, linear::parse_classifier(context)?, labels)
}

pub(super) fn parse_trees(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let labels = context.integers("classlabels_int64s")?.to_vec();
    let classes = context.integers("class_ids")?;
    // Of two classes one may have no weights: then its rule for the label is another one.
    if classes.iter().all(|class| Some(class) == classes.first()) {
        return Err(no_label(context));
    }
    of_scores(context, trees::parse_classifier(context)?, labels)
}

fn no_label(context: NodeContext<'_>) -> OnnxError {
    context.refuse(
        "the score depends on its label, which is not computed of one score for two classes: \
         choose an output made from its probabilities",
    )
}

fn of_scores(
    context: NodeContext<'_>,
    scores: Box<dyn RowOperator>,
    labels: Vec<i64>,
) -> Result<Box<dyn RowOperator>, OnnxError> {
    if labels.len() < 2 {
        return Err(context.refuse(
            "the score depends on its label, which is a text: choose an output made from its \
             probabilities",
        ));
    }
    Ok(Box::new(Label { scores, labels }))
}

impl RowOperator for Label {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let scores = self.scores.shape(inputs)?;
        if scores != (RowShape { columns: self.labels.len(), element: Element::F32 }) {
            return Err(format!("{} scores for {} labels", scores.columns, self.labels.len()));
        }
        Ok(RowShape { columns: 1, element: Element::I64 })
    }

    fn kernel(
        &self,
        inputs: &[RowShape],
        choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        let kernel = self.scores.kernel(inputs, choice)?;
        Ok(Box::new(LabelKernel { kernel, labels: self.labels.clone(), scores: Vec::new() }))
    }
}

impl RowKernel for LabelKernel {
    fn name(&self) -> String {
        format!("label of {}", self.kernel.name())
    }

    fn run(
        &mut self,
        rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let CellsMut::I64(output) = output else { return Err(wrong_type()) };
        self.scores.resize(rows * self.labels.len(), 0.0);
        self.kernel.run(rows, inputs, CellsMut::F32(&mut self.scores))?;
        for (label, scores) in output.iter_mut().zip(self.scores.chunks_exact(self.labels.len())) {
            let mut greatest = 0;
            for (place, score) in scores.iter().enumerate() {
                if *score > scores[greatest] {
                    greatest = place;
                }
            }
            *label = self.labels[greatest];
        }
        Ok(())
    }
}
