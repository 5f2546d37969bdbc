//! Explains rows of a model's own columns.

use super::interventional::InterventionalExplainer;
use super::linear::LinearExplainer;
use super::trees::TreeExplainer;
use crate::features::{Cells, FeatureMatrix};
use crate::model::forest::{Preparation, PreparedRows};
use crate::model::onnx::Front;

/// One shard's own copy of what explains a model's scores.
///
/// Contributions are exact Shapley values of the score's margin: that of the class that `[output]`
/// chose, before any curve. A row's margin is [`Explainer::base`] plus its contributions.
#[derive(Debug, Clone)]
pub struct Explainer {
    engine: Engine,
    before: Before,
    prepared: PreparedRows,
    /// Those of all columns of the output, where more is explained than the score.
    outputs: Vec<Explainer>,
}

/// What makes the rows that are explained of those of the model.
#[derive(Debug, Clone)]
pub(super) enum Before {
    Nothing,
    /// A library's own preparation.
    Preparation(Preparation),
    /// A part of a graph.
    Graph(Box<Front>),
}

/// What computes contributions.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    Trees(Box<TreeExplainer>),
    Interventional(Box<InterventionalExplainer>),
    Linear(LinearExplainer),
}

impl Before {
    /// The rows that are explained.
    pub(super) fn run<'a>(
        &'a mut self,
        features: &'a FeatureMatrix,
        prepared: &'a mut PreparedRows,
    ) -> Result<Cells<'a>, String> {
        Ok(match self {
            Self::Nothing => features.cells(),
            Self::Preparation(preparation) => prepared.fill(features, preparation),
            Self::Graph(front) => Cells::F64(front.run(features)?),
        })
    }
}

impl Explainer {
    pub(super) fn new(engine: Engine, before: Before) -> Self {
        Self { engine, before, prepared: PreparedRows::default(), outputs: Vec::new() }
    }

    pub(super) fn with_outputs(self, outputs: Vec<Self>) -> Self {
        Self { outputs, ..self }
    }

    /// What explains each column of the model's output, in order: of a model that computes more
    /// than two. Of others the score is all that is explained, and there are none.
    pub fn outputs(&mut self) -> &mut [Self] {
        &mut self.outputs
    }

    /// How many there are.
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// The margin of the average row.
    pub fn base(&self) -> f64 {
        match &self.engine {
            Engine::Trees(trees) => trees.base(),
            Engine::Interventional(trees) => trees.base(),
            Engine::Linear(linear) => linear.base(),
        }
    }

    /// How many columns a row has, and how many contributions.
    pub fn columns(&self) -> usize {
        match &self.engine {
            Engine::Trees(trees) => trees.width(),
            Engine::Interventional(trees) => trees.width(),
            Engine::Linear(linear) => linear.width(),
        }
    }

    /// Replaces `contributions` by those of each row to its margin, `rows × columns`, row-major. A
    /// row has the same bits in any batch, at any position and on any CPU.
    ///
    /// # Errors
    /// The matrix is not one that the model reads; `contributions` is empty then.
    pub fn explain(
        &mut self,
        features: &FeatureMatrix,
        contributions: &mut Vec<f64>,
    ) -> Result<(), String> {
        contributions.clear();
        let (rows, columns) = (features.rows(), features.columns());
        if columns != self.columns() {
            return Err(format!("a matrix of {columns} columns, expected {}", self.columns()));
        }
        let cells = self.before.run(features, &mut self.prepared)?;
        contributions.resize(rows * columns, 0.0);
        match &mut self.engine {
            Engine::Trees(trees) => trees.explain(cells, rows, contributions),
            Engine::Interventional(trees) => trees.explain(cells, contributions),
            Engine::Linear(linear) => linear.explain(cells, contributions),
        }
        Ok(())
    }

    /// The same for another shard, which shares nothing with this one.
    #[must_use]
    pub fn of_another_shard(&self) -> Self {
        self.clone()
    }
}
