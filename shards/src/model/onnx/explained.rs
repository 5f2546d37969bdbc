//! What of a graph explanations are made of: the trees or the linear function that the score is
//! made of (`ops::Margin`), what is made of it (`ops::After`), and which column of the model each
//! column that they read was made of (`ops::Flow`).
//!
//! A graph is cut where its trees begin. What is before the cut runs as a program of its own.

use super::error::{OnnxError, node_name};
use super::graph::{self, ScoreGraph};
use super::inputs;
use super::ops::{After, Margin, RowShape};
use super::planning::{PlannedStep, Planning, Source};
use super::program::Program;
use crate::features::FeatureMatrix;
use crate::model::answer::{ClassChoice, Kept, ScoreOutput};
use crate::model::explain::{ExplainError, Explainable, Function, Origins};
use crate::model::onnx::graph::GraphInput;
use crate::model::trees::KernelChoice;

/// What is before the trees of a graph: one shard's own copy.
#[derive(Debug, Clone)]
pub(in crate::model) struct Front {
    program: Program,
    cells: Vec<f64>,
}

impl Front {
    /// The rows that the trees read, row-major.
    pub(in crate::model) fn run(&mut self, features: &FeatureMatrix) -> Result<&[f64], String> {
        self.cells.clear();
        self.program.run(features, &mut self.cells)?;
        Ok(&self.cells)
    }
}

/// Columns of the output, and how much each counts, whose sum is the margin.
pub(super) struct Wanted {
    parts: Vec<(usize, f64)>,
}

impl Wanted {
    /// The score alone, which is column `score` of `width`; of members that are calibrated, the
    /// mean of theirs. Members have one column where there are two classes, else one for each.
    pub(super) fn of(output: &ScoreOutput, score: usize, width: usize) -> Self {
        let Some(members) = output.members.filter(|members| *members > 0) else {
            return Self { parts: vec![(score, 1.0)] };
        };
        let classes = (width / members).max(1);
        let class = match &output.class {
            Some(ClassChoice::Index(class)) => *class,
            Some(ClassChoice::Label(label)) => {
                output.labels.iter().position(|known| known == label).unwrap_or(1)
            }
            None => 1,
        };
        let (class, sign) = match (classes, class) {
            (1, 0) => (0, -1.0),
            (1, _) => (0, 1.0),
            (_, class) => (class, 1.0),
        };
        let part = |member| (member * classes + class, sign / members as f64);
        Self { parts: (0..members).map(part).collect() }
    }

    /// Each column of the output by itself, of which `kept` are computed; of members that are
    /// calibrated, the mean of theirs.
    pub(super) fn outputs(output: &ScoreOutput, width: usize, kept: Kept) -> Vec<Self> {
        let members = output.members.unwrap_or(1).max(1);
        let of = |class: usize| {
            let class_choice = Some(ClassChoice::Index(class));
            Self::of(&ScoreOutput { class: class_choice, ..output.clone() }, class, width)
        };
        (0..kept.explained(width / members)).map(of).collect()
    }
}

/// What explains the columns `wanted` of a graph's output. `names` are those of the columns.
pub(super) fn explainable(
    graph: &ScoreGraph,
    graph_inputs: &[(GraphInput, usize)],
    matrix: RowShape,
    wanted: &Wanted,
    names: &[String],
) -> Result<Explainable, ExplainError> {
    let opaque = |what: String| ExplainError::Opaque { what };
    let has_texts = graph.texts.iter().any(Option::is_some);
    let planning = inputs::program_columns(graph_inputs, has_texts).and_then(|columns| {
        let proto = graph.graph().ok()?;
        let version = graph::ml_version(&graph.proto);
        Planning::of(proto, version, matrix, &columns, &graph.score).ok()?
    });
    let planning = planning.ok_or_else(|| {
        let others = graph.graph().ok().and_then(|graph| {
            graph.node.iter().find(|node| {
                node.op_type != "Constant" && super::ops::parser(&node.op_type).is_none()
            })
        });
        let node = others.map(|node| format!(" (`{}`, {})", node_name(node), node.op_type));
        opaque(format!("a graph that needs tract{}", node.unwrap_or_default()))
    })?;
    let mut joined: Option<(Source, Function)> = None;
    for (column, weight) in &wanted.parts {
        let found = trace(&planning.steps, *column, *weight)?;
        joined = Some(match joined {
            None => found,
            Some((source, function)) if source == found.0 => {
                (source, function.joined(found.1).map_err(|()| opaque("a mixture".to_owned()))?)
            }
            Some(_) => return Err(opaque("an average of members that read other rows".to_owned())),
        });
    }
    let (source, function) = joined.ok_or_else(|| opaque("nothing".to_owned()))?;
    cut(planning, matrix, source, function, names)
}

/// The function that makes column `column` of the last step, and what it reads.
fn trace(
    steps: &[PlannedStep<'_>],
    mut column: usize,
    weight: f64,
) -> Result<(Source, Function), ExplainError> {
    // The margin is `factor × sum + term`; what is after a curve counts only by its sign.
    let (mut factor, mut term) = (1.0, 0.0);
    let mut at = steps.len().saturating_sub(1);
    while let Some(step) = steps.get(at) {
        if let Some(margin) = step.operator.margin(&step.shapes, column) {
            let (mut function, is_bent) = match margin? {
                Margin::Trees { outline, is_bent } => (Function::Trees(outline), is_bent),
                Margin::Linear { outline, is_bent } => (Function::Linear(outline), is_bent),
            };
            if is_bent {
                (factor, term) = (f64::signum(factor), 0.0);
            }
            function.scale(factor * weight, term * weight);
            return Ok((step.inputs[0], function));
        }
        let sources = step.operator.flow().sources(column, &step.shapes);
        let mut next = match sources[..] {
            [(input, column)] => Some((step.inputs[input], column)),
            _ => None,
        };
        match step.operator.after(step.output.columns) {
            After::Same => {}
            After::Bent => {
                (factor, term) = (f64::signum(factor), 0.0);
                next = step.inputs.first().map(|input| (*input, column));
            }
            After::Line { factors, terms } => {
                let of = |numbers: &[f64]| numbers.get(column).or(numbers.first()).copied();
                term += factor * of(&terms).unwrap_or(0.0);
                factor *= of(&factors).unwrap_or(1.0);
            }
            After::Unknown => next = None,
        }
        let Some((Source::Step(before), from)) = next else {
            let what = format!("`{}` ({})", node_name(step.node), step.node.op_type);
            return Err(ExplainError::Opaque { what });
        };
        (at, column) = (before, from);
    }
    Err(ExplainError::Opaque { what: "a copy of its input".to_owned() })
}

/// The columns that a column is made of; the node that first mixed several.
#[derive(Debug, Clone, Default)]
struct Made {
    of: Vec<u32>,
    by: String,
}

/// How many columns are named of those that were mixed.
const NAMED_MAX: usize = 8;

/// The columns of the model that each column of `source` is made of.
fn made_of(steps: &[PlannedStep<'_>], matrix: RowShape, source: Source) -> Vec<Made> {
    let features: Vec<_> = (0..matrix.columns as u32)
        .map(|column| Made { of: vec![column], by: String::new() })
        .collect();
    let mut made: Vec<Vec<Made>> = Vec::with_capacity(steps.len());
    for step in steps {
        let flow = step.operator.flow();
        let column = |column: usize| {
            let mut union = Made::default();
            for (input, from) in flow.sources(column, &step.shapes) {
                let read = match step.inputs[input] {
                    Source::Step(before) => &made[before][from],
                    Source::Features | Source::Columns { .. } => &features[from],
                };
                if union.of != read.of {
                    union.of.extend(&read.of);
                    union.of.sort_unstable();
                    union.of.dedup();
                    union.of.truncate(NAMED_MAX);
                }
                if union.by.is_empty() {
                    union.by.clone_from(&read.by);
                }
            }
            if union.of.len() > 1 && union.by.is_empty() {
                union.by = format!("`{}` ({})", node_name(step.node), step.node.op_type);
            }
            union
        };
        made.push((0..step.output.columns).map(column).collect());
    }
    match source {
        Source::Step(step) => made.swap_remove(step),
        Source::Features | Source::Columns { .. } => features,
    }
}

/// Cuts the graph at `source`, what `function` reads.
fn cut(
    mut planning: Planning<'_>,
    matrix: RowShape,
    source: Source,
    function: Function,
    names: &[String],
) -> Result<Explainable, ExplainError> {
    let made = made_of(&planning.steps, matrix, source);
    let is_read = function.columns_read(made.len());
    let mut of = Vec::with_capacity(made.len());
    for (made, is_read) in made.iter().zip(is_read) {
        if is_read && made.of.len() > 1 {
            let name = |column: &u32| {
                let name = names.get(*column as usize).cloned();
                name.unwrap_or_else(|| format!("column {column}"))
            };
            let columns = made.of.iter().map(name).collect();
            return Err(ExplainError::Mixed { what: made.by.clone(), columns });
        }
        // What is made of no column at all never differs from the average.
        of.push(made.of.first().copied().unwrap_or(0));
    }
    let shared = (0..matrix.columns as u32).map(|column| vec![column]).collect();
    let origins = Origins { of, shared, columns: matrix.columns, are_joint: false };
    let front = match source {
        Source::Step(last) => {
            planning.steps.truncate(last + 1);
            planning.fold();
            let kept = Kept::All { width: made.len(), score: 0 };
            let program = Program::of_steps(planning.steps, matrix, kept, KernelChoice::Auto);
            let program = program.map_err(|error: OnnxError| ExplainError::Opaque {
                what: format!("what is before its trees ({error})"),
            })?;
            Some(Front { program, cells: Vec::new() })
        }
        Source::Features | Source::Columns { .. } => None,
    };
    Ok(Explainable::of_graph(function, origins, front))
}
