//! What explanations are made of, before it is known which rows stand for the average one.

use super::explainer::{Before, Engine};
use super::interventional::InterventionalExplainer;
use super::linear::{LinearExplainer, LinearOutline};
use super::outline::{Origins, TreeOutline};
use super::trees::TreeExplainer;
use super::{ExplainError, Explainer, Function};
use crate::features::FeatureMatrix;
use crate::model::forest::{Linear, Preparation, PreparedRows};
use crate::model::onnx::Front;
use crate::model::trees::{Ensemble, KernelChoice, OutputColumns};

/// A model's margin in the form that explanations are made of.
#[derive(Debug, Clone)]
pub(in crate::model) struct Explainable {
    function: Function,
    before: Before,
    /// The margins of all columns of the output, where there is more to explain than the score.
    outputs: Vec<Explainable>,
}

impl Explainable {
    /// Of output `output` of a library's own trees, of a model of `columns` columns. `preparation`
    /// makes the rows that trees read.
    pub(in crate::model) fn of_forest(
        ensemble: &Ensemble,
        output: usize,
        preparation: Option<&Preparation>,
        columns: usize,
    ) -> Result<Self, ExplainError> {
        let mut outline = ensemble.outline(output)?;
        outline.columns = columns;
        let mut function = Function::Trees(outline);
        let Some(preparation) = preparation else {
            return Ok(Self::new(function, Before::Nothing));
        };
        function.set_origins(origins(preparation, columns));
        Ok(Self::new(function, Before::Preparation(preparation.clone())))
    }

    /// Of output `output` of a library's own linear model; `outputs` make outputs of its sums.
    pub(in crate::model) fn of_linear(
        linear: &Linear,
        outputs: &OutputColumns,
        output: usize,
    ) -> Self {
        let (sum, sign) = outputs.sum_of(output).unwrap_or((0, 0.0));
        let sums = linear.starts.len().max(1);
        let weights = linear.weights.chunks_exact(sums);
        let outline = LinearOutline {
            constant: linear.starts.get(sum).map_or(0.0, |start| f64::from(*start) * sign),
            weights: weights.map(|weights| f64::from(weights[sum]) * sign).collect(),
            origins: None,
            missing_is_zero: true,
        };
        Self::new(Function::Linear(outline), Before::Nothing)
    }

    /// Of a function in a graph, whose columns are made of the model's in `front`.
    pub(in crate::model) fn of_graph(
        mut function: Function,
        origins: Origins,
        front: Option<Front>,
    ) -> Self {
        function.set_origins(origins);
        let before = front.map_or(Before::Nothing, |front| Before::Graph(Box::new(front)));
        Self::new(function, before)
    }

    fn new(function: Function, before: Before) -> Self {
        Self { function, before, outputs: Vec::new() }
    }

    /// The score's, and those of all columns of its output, `outputs`. The score alone is explained
    /// where one of these cannot be.
    pub(in crate::model) fn with_outputs(
        self,
        outputs: impl Iterator<Item = Result<Self, ExplainError>>,
    ) -> Self {
        Self { outputs: outputs.collect::<Result<_, _>>().unwrap_or_default(), ..self }
    }

    /// The explainer whose average row is that of some rows of the model's, or of the trees' own
    /// covers where there are none.
    pub(in crate::model) fn ready(
        mut self,
        background: Option<&FeatureMatrix>,
        kernel: KernelChoice,
    ) -> Result<Explainer, ExplainError> {
        let outputs = std::mem::take(&mut self.outputs).into_iter();
        let outputs: Result<Vec<_>, _> =
            outputs.map(|output| output.ready(background, kernel)).collect();
        let explainer = match background {
            Some(features) => self.by_rows(features)?,
            None => self.by_covers(kernel)?,
        };
        Ok(explainer.with_outputs(outputs.unwrap_or_default()))
    }

    fn by_rows(mut self, features: &FeatureMatrix) -> Result<Explainer, ExplainError> {
        let mut prepared = PreparedRows::default();
        let (cells, rows) = (self.before.run(features, &mut prepared), features.rows());
        let cells = cells.map_err(ExplainError::BackgroundRun)?;
        let engine = match self.function {
            Function::Trees(outline) => {
                let trees = InterventionalExplainer::new(&outline, cells, rows)?;
                Engine::Interventional(Box::new(trees))
            }
            Function::Linear(outline) => {
                Engine::Linear(LinearExplainer::new(outline, Some((cells, rows))))
            }
        };
        Ok(Explainer::new(engine, self.before))
    }

    fn by_covers(self, kernel: KernelChoice) -> Result<Explainer, ExplainError> {
        let engine = match self.function {
            Function::Trees(outline) => {
                let has_covers = |tree: &TreeOutline| {
                    tree.nodes.len() < 2 || tree.covers.first().is_some_and(|cover| *cover > 0.0)
                };
                if !outline.trees.iter().all(has_covers) {
                    return Err(ExplainError::NoCovers);
                }
                Engine::Trees(Box::new(TreeExplainer::new(&outline, kernel)?))
            }
            Function::Linear(outline) if outline.missing_is_zero => {
                Engine::Linear(LinearExplainer::new(outline, None))
            }
            Function::Linear(_) => return Err(ExplainError::NoMeans),
        };
        Ok(Explainer::new(engine, self.before))
    }
}

/// Which columns each prepared one is made of. Those that are made of the same ones are known or
/// unknown together, and those made of several share what they contribute: so do `LightGBM` and
/// `CatBoost`, which know of no other columns.
fn origins(preparation: &Preparation, columns: usize) -> Origins {
    let mut shared: Vec<Vec<u32>> = (0..columns as u32).map(|column| vec![column]).collect();
    let of = (0..preparation.columns()).map(|prepared| {
        let sources = preparation.sources(prepared);
        let known = shared.iter().position(|known| *known == sources);
        known.unwrap_or_else(|| {
            shared.push(sources);
            shared.len() - 1
        }) as u32
    });
    let of = of.collect();
    Origins { of, shared, columns, are_joint: true }
}
