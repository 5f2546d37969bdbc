//! `ArrayFeatureExtractor`, `Gather` and `Slice`: pick columns by a constant list of their places.

use std::ops::Range;

use super::{
    After, Cells, CellsMut, Flow, KernelChoice, NodeContext, OnnxError, Origin, Piece, RowKernel,
    RowOperator, RowShape, Rows, only, wrong_type,
};

/// A slice that ends further on ends with the row, whose width is not known here: not ours.
const COLUMNS_MAX: f64 = 65_536.0;

#[derive(Debug, Clone)]
pub(super) struct Extractor {
    places: Vec<usize>,
}

impl Extractor {
    /// Picks these columns.
    pub(super) fn new(places: Range<usize>) -> Self {
        Self { places: places.collect() }
    }
}

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let places = context
        .constant(1)
        .ok_or_else(|| context.refuse("the columns that it picks are not constant"))?;
    let place = |place: &f64| (*place >= 0.0).then_some(*place as usize);
    let places: Option<Vec<_>> = places.iter().map(place).collect();
    let places = places.ok_or_else(|| context.refuse("a column's place is negative"))?;
    Ok(Box::new(Extractor { places }))
}

/// `Gather` of columns.
pub(super) fn parse_gather(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    // A single place that is no list takes the axis away.
    let is_list = context.constant_shape(1).len() == 1;
    match context.integer("axis")? {
        // The last axis, of values with one more axis of length 1 too.
        Some(1 | 2 | -1) if is_list => parse(context),
        _ => Err(context.refuse("no list of columns")),
    }
}

/// `Slice` of columns, one after the other.
pub(super) fn parse_slice(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let one = |place| match context.constant(place).as_deref() {
        Some([number]) => Some(*number),
        _ => None,
    };
    let step = if context.node.input.len() > 4 { one(4) } else { Some(1.0) };
    match (one(1), one(2), one(3), step) {
        (Some(start), Some(end), Some(1.0 | -1.0), Some(1.0))
            if start >= 0.0 && end > start && end < COLUMNS_MAX =>
        {
            Ok(Box::new(Extractor { places: (start as usize..end as usize).collect() }))
        }
        _ => Err(context.refuse("no slice of adjacent columns")),
    }
}

impl RowOperator for Extractor {
    fn reads_integers(&self) -> bool {
        true
    }

    fn keeps_type(&self) -> bool {
        true
    }

    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only(inputs)?;
        if self.places.is_empty() {
            return Err("it picks no column".to_owned());
        }
        if let Some(place) = self.places.iter().find(|place| **place >= input.columns) {
            return Err(format!("it picks column {place} of {}", input.columns));
        }
        Ok(RowShape { columns: self.places.len(), ..input })
    }

    fn flow(&self) -> Flow {
        Flow::Picked(self.places.clone())
    }

    fn after(&self, _columns: usize) -> After {
        After::Same
    }

    fn pieces(
        &self,
        inputs: &[Vec<Piece<Origin>>],
        _shapes: &[RowShape],
    ) -> Option<Vec<Piece<Origin>>> {
        let [input] = inputs else { return None };
        self.places.iter().map(|place| input.get(*place).copied()).collect()
    }

    fn kernel(
        &self,
        _inputs: &[RowShape],
        _choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl RowKernel for Extractor {
    fn name(&self) -> String {
        "columns".to_owned()
    }

    fn run(
        &mut self,
        _rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let columns = inputs[0].columns;
        match (inputs[0].cells, output) {
            (Cells::F32(cells), CellsMut::F32(output)) => self.pick(cells, columns, output),
            (Cells::F64(cells), CellsMut::F64(output)) => self.pick(cells, columns, output),
            (Cells::I64(cells), CellsMut::I64(output)) => self.pick(cells, columns, output),
            _ => return Err(wrong_type()),
        }
        Ok(())
    }
}

impl Extractor {
    fn pick<T: Copy>(&self, cells: &[T], columns: usize, output: &mut [T]) {
        let rows = cells.chunks_exact(columns).zip(output.chunks_exact_mut(self.places.len()));
        for (row, output) in rows {
            for (made, place) in output.iter_mut().zip(&self.places) {
                *made = row[*place];
            }
        }
    }
}
