//! From a graph to the steps of a program: copies are left out, scalers are folded into the trees
//! that read them, and nothing is computed for classes that are not the score.

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, NodeProto};

use super::depth::DeepValues;
use super::error::{OnnxError, node_name};
use super::ops::{self, Element, NodeContext, RowOperator, RowShape};

/// The most columns of a row: a file of some bytes must not ask for all memory by concatenating
/// rows with themselves.
const COLUMNS_MAX: usize = 1 << 16;

/// Where a step reads: the matrix of features, or what an earlier step writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Features,
    Step(usize),
    /// Some columns of the matrix: no step reads them until they are cut out by one.
    Columns {
        first: usize,
        count: usize,
        /// What their cells are, where that is not what the matrix's are.
        own: Option<Element>,
    },
}

/// An input of the graph: which columns of the matrix it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct InputColumns<'g> {
    pub(super) name: &'g str,
    pub(super) first: usize,
    pub(super) count: usize,
    /// What its cells are, where that is not what the matrix's are.
    pub(super) own: Option<Element>,
}

/// An operator with what it reads.
pub(super) struct PlannedStep<'g> {
    pub(super) node: &'g NodeProto,
    pub(super) operator: Box<dyn RowOperator>,
    pub(super) inputs: Vec<Source>,
    /// The shapes of the inputs.
    pub(super) shapes: Vec<RowShape>,
    pub(super) output: RowShape,
}

/// The steps of a program in their order; the last one makes the score.
pub(super) struct Planning<'g> {
    matrix: RowShape,
    pub(super) steps: Vec<PlannedStep<'g>>,
}

impl<'g> Planning<'g> {
    /// The steps of a graph whose inputs are these columns of a matrix of the shape `matrix`, or
    /// `None` if one of its operators is not ours.
    pub(super) fn of(
        graph: &'g GraphProto,
        ml_version: i64,
        matrix: RowShape,
        inputs: &[InputColumns<'g>],
        score: &str,
    ) -> Result<Option<Self>, OnnxError> {
        let mut planning = Self { matrix, steps: Vec::new() };
        let source = |input: &InputColumns<'g>| {
            (input.name, planning.columns_from(input.first, input.count, input.own))
        };
        let mut sources: HashMap<_, _> = inputs.iter().map(source).collect();
        let mut deep = DeepValues::default();
        for node in graph.node.iter().filter(|node| node.op_type != "Constant") {
            let (Some(parser), [output]) = (ops::parser(&node.op_type), node.output.as_slice())
            else {
                return Ok(None);
            };
            let inputs: Vec<_> =
                node.input.iter().filter_map(|name| sources.get(name.as_str())).copied().collect();
            let context = NodeContext { node, graph, ml_version };
            let shapes: Vec<_> = inputs.iter().map(|source| planning.shape(*source)).collect();
            if !deep.follow(context, &shapes) {
                return Ok(None);
            }
            let operator = parser(context);
            let added = operator.and_then(|operator| planning.add(node, operator, inputs));
            match added {
                Ok(source) => sources.insert(output, source),
                // What we do not run of an operator of ONNX itself, tract may.
                Err(OnnxError::Unsupported { .. }) if !ops::is_ours_alone(&node.op_type) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
        }
        // The score is what the last step makes, or the plan is none: a bare copy of the input.
        match sources.get(score) {
            _ if deep.has(score) => Ok(None),
            Some(Source::Step(step)) if step + 1 == planning.steps.len() => Ok(Some(planning)),
            _ => Ok(None),
        }
    }

    /// Adds a step and says where its output is found.
    fn add(
        &mut self,
        node: &'g NodeProto,
        operator: Box<dyn RowOperator>,
        mut inputs: Vec<Source>,
    ) -> Result<Source, OnnxError> {
        let shapes: Vec<_> = inputs.iter().map(|source| self.shape(*source)).collect();
        if operator.joins(&shapes)
            && let Some(joined) = self.joined(&inputs)
        {
            return Ok(joined);
        }
        for source in &mut inputs {
            if let Source::Columns { first, count, own } = *source {
                let columns = first..first + count;
                let cut = match own {
                    None => ops::columns(columns),
                    Some(element) => ops::typed_columns(columns, element),
                };
                *source = self.add(node, cut, vec![Source::Features])?;
            }
        }
        if !operator.reads_integers() && ops::is_ours_alone(&node.op_type) {
            for source in &mut inputs {
                if self.shape(*source).element == Element::I64 {
                    *source = self.add(node, ops::conversion(Element::F64), vec![*source])?;
                }
            }
        }
        let shapes: Vec<_> = inputs.iter().map(|source| self.shape(*source)).collect();
        let output = operator.shape(&shapes).map_err(|why| OnnxError::unsupported(node, why))?;
        if output.columns > COLUMNS_MAX {
            return Err(OnnxError::TooWide {
                node: node_name(node).to_owned(),
                columns: output.columns,
                columns_max: COLUMNS_MAX,
            });
        }
        if let [source] = inputs.as_slice()
            && operator.is_copy(shapes[0])
        {
            return Ok(*source);
        }
        self.steps.push(PlannedStep { node, operator, inputs, shapes, output });
        Ok(Source::Step(self.steps.len() - 1))
    }

    pub(super) fn shape(&self, source: Source) -> RowShape {
        match source {
            Source::Features => self.matrix,
            Source::Step(step) => self.steps[step].output,
            Source::Columns { count, own, .. } => {
                RowShape { columns: count, element: own.unwrap_or(self.matrix.element) }
            }
        }
    }

    /// Some columns of the matrix, or all of it.
    fn columns_from(&self, first: usize, count: usize, own: Option<Element>) -> Source {
        if count == self.matrix.columns && own.is_none() {
            Source::Features
        } else {
            Source::Columns { first, count, own }
        }
    }

    /// What columns of the matrix are together, if each follows the one before.
    fn joined(&self, inputs: &[Source]) -> Option<Source> {
        let mut joined: Option<(usize, usize, Option<Element>)> = None;
        for input in inputs {
            let Source::Columns { first, count, own } = *input else { return None };
            joined = Some(match joined {
                None => (first, count, own),
                Some((start, before, same)) if start + before == first && same == own => {
                    (start, before + count, own)
                }
                Some(_) => return None,
            });
        }
        joined.map(|(first, count, own)| self.columns_from(first, count, own))
    }

    /// Folds each step into the only one that reads it, where that one can do the work of both.
    pub(super) fn fold(&mut self) {
        let mut place = 0;
        while place < self.steps.len() {
            let folded = match *self.steps[place].inputs.as_slice() {
                [Source::Step(before)] if self.readers(before) == 1 => {
                    self.fold_into(before, place)
                }
                _ => false,
            };
            if !folded {
                place += 1;
            }
        }
    }

    pub(super) fn readers(&self, step: usize) -> usize {
        let inputs = self.steps.iter().flat_map(|step| &step.inputs);
        inputs.filter(|source| **source == Source::Step(step)).count()
    }

    fn fold_into(&mut self, before: usize, place: usize) -> bool {
        let (earlier, later) = self.steps.split_at_mut(place);
        let (first, second) = (&earlier[before], &mut later[0]);
        if !second.operator.absorb(first.operator.as_ref(), &first.shapes) {
            return false;
        }
        second.inputs.clone_from(&first.inputs);
        second.shapes.clone_from(&first.shapes);
        self.remove(before);
        true
    }

    /// Leaves out a step that nobody reads.
    pub(super) fn remove(&mut self, before: usize) {
        self.steps.remove(before);
        for source in self.steps.iter_mut().flat_map(|step| &mut step.inputs) {
            if let Source::Step(step) = source
                && *step > before
            {
                *step -= 1;
            }
        }
    }

    /// Columns of the output that holds the score.
    pub(super) fn columns(&self) -> usize {
        self.steps.last().map_or(0, |step| step.output.columns)
    }

    /// Leaves out of the last step what column `class` does not need; returns where it is then.
    pub(super) fn narrow(&mut self, class: usize) -> usize {
        if let Some(last) = self.steps.last_mut()
            && last.output.columns > 1
            && last.operator.narrow(class)
        {
            last.output.columns = 1;
            return 0;
        }
        class
    }
}
