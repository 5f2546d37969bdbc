//! A model read from its library's own file, ready to score.

use std::collections::HashSet;
use std::sync::Arc;

use super::{
    Linear, ModelColumn, NativeError, Objective, Preparation, PreparedRows, Program, Trained,
};
use crate::features::column::ColumnType;
use crate::features::inputs::{InputColumn, NanMeaning, Source as CellSource};
use crate::features::{Categories, Cells, FeatureMatrix, Precision};
use crate::model::answer::{ClassChoice, Kept, ScoreOutput};
use crate::model::explain::{ExplainError, Explainable};
use crate::model::trees::{
    Ensemble, EnsembleLimits, KernelChoice, OutputColumns, Outputs, Scores, TreeKernel,
};

/// The output that holds predictions: probabilities, or values on the target's scale.
const PREDICTION: &str = "prediction";
/// The output that holds the sums themselves: `raw_score`, `output_margin`, `RawFormulaVal`.
const MARGIN: &str = "margin";

/// One shard's own copy of a model that its library wrote.
#[derive(Debug, Clone)]
pub(in crate::model) struct NativeModel {
    engine: Engine,
    preparation: Option<Preparation>,
    pub(in crate::model) columns: Vec<ModelColumn>,
    /// What to read for each column, if the file has the names that the training data had.
    pub(in crate::model) input_columns: Option<Vec<InputColumn>>,
    /// For each column, the texts that it knows; empty where none is one of categories.
    pub(in crate::model) categories: Vec<Option<Arc<Categories>>>,
    pub(in crate::model) precision: Precision,
    pub(in crate::model) score_precision: Precision,
    pub(in crate::model) labels: Vec<String>,
    pub(in crate::model) objective: Objective,
    pub(in crate::model) output_name: &'static str,
    /// What the score is, for people.
    pub(in crate::model) score: String,
    /// Whether a class that has a name in the file is the score only by its place.
    pub(in crate::model) is_by_place: bool,
    pub(in crate::model) file_hash: u64,
    /// What is kept of the output, and how many columns that has.
    pub(in crate::model) kept: Kept,
    pub(in crate::model) output_width: usize,
    kernel_name: String,
    scratch: Scratch,
}

#[derive(Debug, Clone)]
enum Engine {
    Trees(Box<TreeKernel>),
    Linear(Box<LinearEngine>),
}

#[derive(Debug, Clone)]
struct LinearEngine {
    linear: Linear,
    finish: OutputColumns,
    sums: Vec<f32>,
}

/// Buffers that keep their size from batch to batch.
#[derive(Debug, Clone, Default)]
struct Scratch {
    prepared: PreparedRows,
    narrow: Vec<f32>,
}

/// A model, and what its explanations are made of where they are asked for.
pub(in crate::model) struct ReadNative {
    pub(in crate::model) model: NativeModel,
    pub(in crate::model) explainable: Option<Result<Explainable, ExplainError>>,
}

impl NativeModel {
    /// Makes a model of what a parser read; `hash` is that of the file.
    pub(in crate::model) fn build(
        trained: Trained,
        output: &ScoreOutput,
        choice: KernelChoice,
        hash: u64,
        explains: bool,
    ) -> Result<ReadNative, NativeError> {
        let sums = match &trained.program {
            Program::Forest(forest) => forest.sums(),
            Program::Linear(linear) => linear.starts.len(),
        };
        let (output_name, columns) = choose_output(&trained, output, sums)?;
        let width = columns.len();
        let labels = labels(&trained, width);
        let class = choose_class(output, output_name, width, &labels, &trained.objective)?;
        let kept = Kept::of(width, class, output.wants_all());
        let score = describe(output_name, class, width, &labels);
        let are_texts = labels.iter().any(|label| label.parse::<f64>().is_err());
        let is_by_place = output.class.is_none() && width > 1 && are_texts;
        let input_columns = trained.columns_are_named.then(|| as_inputs(&trained.columns));
        let categories = categories(&trained.columns, trained.unknown);
        let (engine, kernel_name, score_precision, explainable) = match trained.program {
            Program::Forest(forest) => {
                let limits = EnsembleLimits::default();
                let ensemble = Ensemble::plant(&forest, columns, &limits)?;
                let name = format!("{}, {} trees", trained.library, ensemble.trees());
                let precision = ensemble.precision();
                // All that the kernel needs of the forest it has now.
                drop(forest);
                let explainable = explains.then(|| {
                    let preparation = trained.preparation.as_ref();
                    let columns = trained.columns.len();
                    let of =
                        |output| Explainable::of_forest(&ensemble, output, preparation, columns);
                    Ok(of(class)?.with_outputs((0..kept.explained(width)).map(of)))
                });
                let outputs = match kept {
                    Kept::Only(column) => Outputs::Only(column),
                    Kept::All { .. } => Outputs::All,
                };
                let kernel = TreeKernel::new(&ensemble, choice, None, outputs)?;
                (Engine::Trees(Box::new(kernel)), name, precision, explainable)
            }
            Program::Linear(linear) => {
                let name = format!("{}, linear", trained.library);
                let sums = vec![0.0; linear.starts.len()];
                let explainable = explains.then(|| {
                    let of = |output| Ok(Explainable::of_linear(&linear, &columns, output));
                    Ok(of(class)?.with_outputs((0..kept.explained(width)).map(of)))
                });
                let finish = match kept {
                    Kept::Only(column) => columns.only(column),
                    Kept::All { .. } => columns,
                };
                let engine = LinearEngine { linear, finish, sums };
                (Engine::Linear(Box::new(engine)), name, Precision::F32, explainable)
            }
        };
        let model = Self {
            engine,
            preparation: trained.preparation,
            columns: trained.columns,
            input_columns,
            categories,
            precision: trained.input,
            score_precision,
            labels,
            objective: trained.objective,
            output_name,
            score,
            is_by_place,
            file_hash: hash,
            kept,
            output_width: width,
            kernel_name,
            scratch: Scratch::default(),
        };
        Ok(ReadNative { model, explainable })
    }

    /// The same for another shard, which shares nothing with this one.
    pub(in crate::model) fn of_another_shard(&self) -> Self {
        let own =
            |it: &Option<Arc<Categories>>| it.as_ref().map(|it| Arc::new(it.of_another_shard()));
        Self { categories: self.categories.iter().map(own).collect(), ..self.clone() }
    }

    /// Whether its output has the probabilities of classes.
    pub(in crate::model) fn gives_probabilities(&self) -> bool {
        self.objective.is_classifier && self.output_name == PREDICTION
    }

    /// What computes the scores.
    pub(in crate::model) fn kernel(&self) -> &str {
        &self.kernel_name
    }

    /// Appends the kept values of each row to `values`; the matrix has the shape that the model
    /// reads.
    pub(in crate::model) fn compute(
        &mut self,
        features: &FeatureMatrix,
        values: &mut Vec<f64>,
    ) -> Result<(), String> {
        let (rows, width) = (features.rows(), self.kept.values());
        let scratch = &mut self.scratch;
        let (cells, columns) = match &mut self.preparation {
            Some(preparation) => {
                let columns = preparation.columns();
                (scratch.prepared.fill(features, preparation), columns)
            }
            None => (features.cells(), features.columns()),
        };
        let first = values.len();
        match &mut self.engine {
            Engine::Trees(kernel) if kernel.precision() == Precision::F64 => {
                values.resize(first + rows * width, 0.0);
                let values = Scores::F64(&mut values[first..]);
                kernel.score(cells, rows, columns, values).map_err(|error| error.to_string())
            }
            Engine::Trees(kernel) => {
                scratch.narrow.resize(rows * width, 0.0);
                let narrow = Scores::F32(&mut scratch.narrow);
                kernel.score(cells, rows, columns, narrow).map_err(|error| error.to_string())?;
                values.extend(scratch.narrow.iter().map(|value| f64::from(*value)));
                Ok(())
            }
            Engine::Linear(engine) => {
                let Cells::F32(cells) = cells else {
                    return Err("a linear model reads 32-bit cells".to_owned());
                };
                for row in cells.chunks_exact(columns) {
                    engine.compute(row, values);
                }
                Ok(())
            }
        }
    }
}

impl LinearEngine {
    fn compute(&mut self, row: &[f32], values: &mut Vec<f64>) {
        self.linear.add(row.iter().copied(), &mut self.sums);
        self.finish.append(&self.sums, values);
    }
}

/// For each column, the texts that it knows; empty where none is one of categories.
fn categories(columns: &[ModelColumn], unknown: Option<f64>) -> Vec<Option<Arc<Categories>>> {
    let all = columns.iter().map(|column| column.categories(unknown).map(Arc::new));
    let all: Vec<_> = all.collect();
    if all.iter().all(Option::is_none) { Vec::new() } else { all }
}

/// Which output is wanted, and how its columns come out of the sums.
fn choose_output(
    trained: &Trained,
    output: &ScoreOutput,
    sums: usize,
) -> Result<(&'static str, OutputColumns), NativeError> {
    let objective = &trained.objective;
    match output.tensor.as_deref() {
        None | Some(PREDICTION) => match &objective.unknown {
            Some(reason) => Err(NativeError::Output { reason: reason.clone() }),
            None => Ok((PREDICTION, OutputColumns::predictions(objective, sums))),
        },
        Some(MARGIN) => Ok((MARGIN, OutputColumns::margins(sums))),
        Some(other) => Err(NativeError::Output {
            reason: format!(
                "[output] tensor = \"{other}\": expected \"{PREDICTION}\" (the default) or \
                 \"{MARGIN}\" (the raw sum)"
            ),
        }),
    }
}

/// What column `class` of an output of `width` columns is, for people: `P(class "bad")`.
fn describe(output: &str, class: usize, width: usize, labels: &[String]) -> String {
    match labels.get(class) {
        Some(label) if output == PREDICTION => format!("P(class \"{label}\")"),
        Some(label) => format!("margin of class \"{label}\""),
        None if width > 1 => format!("column {class} of output \"{output}\""),
        None => format!("output \"{output}\""),
    }
}

/// The type that a column is read as: text, where its categories are. Of numbers whatever the store
/// holds is read, as the matrix has the model's own precision.
fn type_of(column: &ModelColumn) -> ColumnType {
    match column.categories(None) {
        Some(known) if !known.takes_numbers() || known.texts().is_empty() => ColumnType::Text,
        _ => ColumnType::Double,
    }
}

/// The columns as they are read where `model.toml` has none: each by its name from the store, and
/// missing where it is not known.
fn as_inputs(columns: &[ModelColumn]) -> Vec<InputColumn> {
    let input = |column: &ModelColumn| InputColumn {
        name: column.name.clone(),
        column_type: type_of(column),
        source: CellSource::Store,
        default: f64::NAN,
        nan: NanMeaning::Missing,
        ..InputColumn::default()
    };
    columns.iter().map(input).collect()
}

/// The labels of an output's columns: the file's, or the classes counted from 0.
fn labels(trained: &Trained, width: usize) -> Vec<String> {
    if trained.labels.len() == width {
        return trained.labels.clone();
    }
    if trained.objective.is_classifier && width > 1 {
        return (0..width).map(|class| class.to_string()).collect();
    }
    Vec::new()
}

/// The column of the output that is the score.
fn choose_class(
    output: &ScoreOutput,
    name: &str,
    width: usize,
    labels: &[String],
    objective: &Objective,
) -> Result<usize, NativeError> {
    let known = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
    let reason = match &output.class_of(width) {
        None if width == 1 => return Ok(0),
        None if width == 2 && objective.is_classifier => return Ok(1),
        None => format!(
            "output `{name}` has {width} columns: name the one that is the score in model.toml \
             with [output] class = INDEX or \"LABEL\" (labels: {known})"
        ),
        Some(ClassChoice::Index(index)) if *index < width => return Ok(*index),
        Some(ClassChoice::Index(index)) => {
            format!("[output] class = {index}: output `{name}` has {width} columns, counted from 0")
        }
        Some(ClassChoice::Label(label)) => {
            match labels.iter().position(|candidate| candidate == label) {
                Some(place) => return Ok(place),
                None => format!("[output] class = \"{label}\": the model's labels are: {known}"),
            }
        }
    };
    Err(NativeError::Output { reason })
}

/// Refuses columns of `model.toml` that are others than the file's; `named` are theirs in order.
pub(in crate::model) fn check_columns(
    columns: &[ModelColumn],
    are_named: bool,
    named: &[&str],
) -> Result<(), NativeError> {
    if named.len() != columns.len() {
        let (found, expected) = (named.len(), columns.len());
        let reason = format!("it reads {expected} columns, model.toml names {found}");
        return Err(NativeError::Columns { reason });
    }
    let differ = named.iter().zip(columns).position(|(name, column)| *name != column.name);
    let Some(place) = differ.filter(|_| are_named) else { return Ok(()) };
    // Other names are other names; the same ones in another order are a mistake.
    let names: HashSet<&str> = named.iter().copied().collect();
    if columns.iter().all(|column| names.contains(column.name.as_str())) {
        let reason = format!(
            "model.toml names the file's columns in another order: [[columns]] number {place} \
             (from 0) is `{}`, the file's is `{}`; put them in the file's order",
            named[place], columns[place].name
        );
        return Err(NativeError::Columns { reason });
    }
    Ok(())
}
