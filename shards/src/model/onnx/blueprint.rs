//! A file that was read, decoded and tried once, and the models that shards make of it.
//!
//! Each shard owns what it scores with: the tables of our own operators are copied, and a plan of
//! tract's is made anew, as its constants count who holds them, and shards must not share that.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::error::OnnxError;
use super::explained::{self, Wanted};
use super::file::OnnxFile;
use super::graph::{GraphInput, ScoreGraph};
use super::ops::RowShape;
use super::plan::TractPlan;
use super::program::Program;
use super::trial::Described;
use super::{Engine, OnnxFacts, OnnxModel, inputs, trial};
use crate::features::FeatureMatrix;
use crate::features::inputs::InputColumn;
use crate::model::answer::{Kept, ScoreOutput};
use crate::model::explain::{ExplainError, Explainable};
use crate::model::scorer::LoadOptions;
use crate::model::trees::KernelChoice;

/// A file as every shard's model of it begins.
#[derive(Debug)]
pub(in crate::model) struct Blueprint {
    facts: OnnxFacts,
    made: Made,
    /// What explanations are made of, or why there are none; taken once.
    pub(in crate::model) explained: Option<Result<Explainable, ExplainError>>,
}

#[derive(Debug)]
enum Made {
    /// To be copied.
    Program(Program),
    /// To be planned again.
    Plan(Box<Planned>),
}

/// What a plan is made of.
struct Planned {
    graph: ScoreGraph,
    inputs: Vec<(GraphInput, usize)>,
    choice: KernelChoice,
    kept: Kept,
    /// What it is tried on.
    rows: FeatureMatrix,
    /// The first, for the shard that comes first.
    first: Mutex<Option<Box<TractPlan>>>,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Planned").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl Blueprint {
    /// Reads the file at `path`; `described` are the columns that the manifest names, if it does.
    pub(in crate::model) fn read(
        path: &Path,
        output: &ScoreOutput,
        described: Option<&[InputColumn]>,
        options: &LoadOptions,
        explains: bool,
    ) -> Result<Self, OnnxError> {
        let file = OnnxFile::read(path, options.limits)?;
        let graph = ScoreGraph::select(file.proto, output)?;
        let inputs = inputs::widths(&graph.inputs, described.map(<[_]>::len))?;
        let columns = inputs.iter().map(|(_, width)| width).sum();
        let precision = inputs::precision(&graph.inputs);
        let (classes, wanted) = (&graph.classes, output.class.as_ref());
        let chosen = Cell::new((0, 0, Kept::Only(0)));
        let keep = |width| {
            // The columns of a calibrated ensemble are its members', and no classes.
            let column = if output.members.is_some() {
                0
            } else {
                classes.choose(output.class_of(width).as_ref(), width)?
            };
            let kept = Kept::of(width, column, output.wants_all());
            chosen.set((column, width, kept));
            Ok(kept)
        };
        let shape = RowShape { columns, element: precision.into() };
        let mut engine = Engine::build(&graph, &inputs, shape, options.kernel, keep)?;
        let (column, width, kept) = chosen.get();
        let integers = inputs::integers(&inputs);
        let categories = inputs::categories(&inputs, &graph.texts);
        let known = Described {
            columns: described.unwrap_or_default(),
            integers: &integers,
            categories: &categories,
        };
        let rows = trial::rows(columns, precision, &known);
        engine.settle(&graph, &rows)?;
        let facts = OnnxFacts {
            columns,
            precision,
            integers,
            categories,
            score_precision: match &engine {
                Engine::Program(program) => program.precision(),
                Engine::Tract(plan) => plan.precision(),
            },
            score: classes.describe(column, width),
            is_by_place: classes.is_by_place(wanted, width),
            input_names: graph.inputs.iter().map(|input| input.name.clone()).collect(),
            input_widths: inputs.iter().map(|(_, width)| *width).collect(),
            labels: classes.known(width).to_vec(),
            output_name: graph.output.clone(),
            file_hash: file.hash,
            kept,
            output_width: width,
            is_classifier: classes.are_probabilities(),
        };
        let explained = explains.then(|| {
            let names = described.unwrap_or_default().iter().map(|it| it.name.clone());
            let names: Vec<_> = names.collect();
            let of =
                |wanted: &Wanted| explained::explainable(&graph, &inputs, shape, wanted, &names);
            let outputs = Wanted::outputs(output, width, kept);
            let score = of(&Wanted::of(output, column, width))?;
            Ok(score.with_outputs(outputs.iter().map(of)))
        });
        let made = match engine {
            Engine::Program(program) => Made::Program(program),
            Engine::Tract(plan) => Made::Plan(Box::new(Planned {
                graph,
                inputs,
                choice: options.kernel,
                kept,
                rows,
                first: Mutex::new(Some(plan)),
            })),
        };
        Ok(Self { facts, made, explained })
    }

    /// What is known of the file.
    pub(in crate::model) fn facts(&self) -> &OnnxFacts {
        &self.facts
    }

    /// A model of a shard's own.
    pub(in crate::model) fn model(&self) -> Result<OnnxModel, OnnxError> {
        let engine = match &self.made {
            Made::Program(program) => Engine::Program(program.clone()),
            Made::Plan(planned) => Engine::Tract(planned.plan()?),
        };
        Ok(OnnxModel { engine, facts: self.facts.of_another_shard() })
    }

    /// The last model that is made of it.
    pub(in crate::model) fn into_model(self) -> Result<OnnxModel, OnnxError> {
        let engine = match self.made {
            Made::Program(program) => Engine::Program(program),
            Made::Plan(planned) => Engine::Tract(planned.plan()?),
        };
        Ok(OnnxModel { engine, facts: self.facts })
    }
}

impl Planned {
    /// The first plan to who comes first, and another one to each other.
    #[expect(clippy::disallowed_methods, reason = "once for a model that is loaded")]
    fn plan(&self) -> Result<Box<TractPlan>, OnnxError> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first) = first {
            return Ok(first);
        }
        let keep = |_| Ok(self.kept);
        let mut plan = TractPlan::build(&self.graph, &self.inputs, self.choice, keep)?;
        plan.settle(&self.graph, &self.rows)?;
        Ok(Box::new(plan))
    }
}
