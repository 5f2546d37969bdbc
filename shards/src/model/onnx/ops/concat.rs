//! `Concat` of columns, and `FeatureVectorizer`, which makes 32-bit floats of them.

use super::{
    After, CellsMut, Element, Flow, KernelChoice, NodeContext, OnnxError, Origin, Piece, RowKernel,
    RowOperator, RowShape, Rows,
};

#[derive(Debug, Clone, Copy)]
struct Concat {
    /// What the output is made of, where that is not the type of the inputs.
    element: Option<Element>,
    parts: usize,
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let parts = context.node.input.len();
    if context.node.op_type == "FeatureVectorizer" {
        return Ok(Box::new(Concat { element: Some(Element::F32), parts }));
    }
    match context.required_integer("axis")? {
        // The last axis, of values with one more axis of length 1 too.
        1 | 2 | -1 => Ok(Box::new(Concat { element: None, parts })),
        axis => Err(context.refuse(format!("axis {axis}"))),
    }
}

impl RowOperator for Concat {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let first = inputs.first().ok_or("no input")?;
        if inputs.len() != self.parts {
            return Err("a part of it is constant".to_owned());
        }
        let element = self.element.unwrap_or(first.element);
        if self.element.is_none() && inputs.iter().any(|input| input.element != element) {
            return Err("its inputs are of several types".to_owned());
        }
        Ok(RowShape { columns: inputs.iter().map(|input| input.columns).sum(), element })
    }

    fn joins(&self, inputs: &[RowShape]) -> bool {
        let keeps = |input: &RowShape| self.element.is_none_or(|element| element == input.element);
        inputs.len() == self.parts && inputs.iter().all(keeps)
    }

    fn pieces(
        &self,
        inputs: &[Vec<Piece<Origin>>],
        shapes: &[RowShape],
    ) -> Option<Vec<Piece<Origin>>> {
        self.joins(shapes).then(|| inputs.concat())
    }

    fn reads_integers(&self) -> bool {
        true
    }

    fn flow(&self) -> Flow {
        Flow::Joined
    }

    fn after(&self, _columns: usize) -> After {
        After::Same
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(*self))
    }
}

impl RowKernel for Concat {
    fn name(&self) -> String {
        "concat".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        mut output: CellsMut<'_>,
    ) -> Result<(), String> {
        let width = inputs.iter().map(|input| input.columns).sum();
        let mut start = 0;
        for input in inputs {
            input.cells.place(input.columns, &mut output, start, width);
            start += input.columns;
        }
        Ok(())
    }
}
