//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: read here, scored by `model::trees`.

use std::borrow::Cow;
use std::str::FromStr;

use super::members::Members;
use super::tree_chains;
use super::{
    CellsMut, Element, FoundMargin, KernelChoice, Margin, NodeContext, OnnxError, Piece, RowKernel,
    RowOperator, RowShape, Rows, only, only_floats, wrong_type,
};
use crate::features::Precision;
use crate::model::explain::ExplainError;
use crate::model::trees::{
    Ensemble, EnsembleKind, EnsembleLimits, NodeMode, Outputs, PostTransform, Scaler, Scores,
    TreeAttributes, TreeKernel, UnknownWord,
};

/// The ensemble as the node spells it: which kernel it needs is known with its input's precision.
#[derive(Debug)]
pub(super) struct Trees {
    attributes: TreeAttributes,
    /// Its output has the type of its input; else it is 32 bits whatever the input.
    keeps_precision: bool,
    /// A scaler whose work the kernel does as it reads its input.
    scaler: Option<Scaler>,
    outputs: Outputs,
    /// The columns that tests of membership read.
    members: Members,
}

#[derive(Debug, Clone)]
struct TreesKernel {
    kernel: TreeKernel,
    trees: usize,
    /// The scores of a 64-bit ensemble before they are rounded to an output of 32 bits.
    wide: Vec<f64>,
    members: Members,
    /// Rows with the columns that tests of membership read.
    floats: Vec<f32>,
    doubles: Vec<f64>,
}

pub(super) fn parse_classifier(
    context: NodeContext<'_>,
) -> Result<Box<dyn RowOperator>, OnnxError> {
    let strings = context.strings("classlabels_strings")?.len();
    let labels = strings.max(context.integers("classlabels_int64s")?.len());
    let mut attributes = parse(context, EnsembleKind::Classifier { labels }, "class")?;
    if let Some(base) = base_of_probability(context, &attributes) {
        attributes.base_values = vec![base];
    }
    Ok(Box::new(Trees::rounding(attributes)))
}

/// The base value in log odds, of a classifier of two classes whose file has it as a probability.
///
/// `XGBoost`'s converter writes the probability itself where the first tree is a leaf of weight 0,
/// and log odds elsewhere. That is right in ONNX Runtime alone, and only while no weight is
/// negative, as that leaves LOGISTIC out then. Converters whose base values are always log odds
/// write `nodes_hitrates`.
fn base_of_probability(context: NodeContext<'_>, attributes: &TreeAttributes) -> Option<f64> {
    let [base] = *attributes.base_values.as_slice() else { return None };
    let has = |name: &str| context.node.attribute.iter().any(|known| known.name == name);
    let first = *attributes.nodes_treeids.first()?;
    let nodes = attributes.nodes_treeids.iter().filter(|tree| **tree == first).count();
    let mut weights = attributes.leaf_treeids.iter().zip(&attributes.leaf_weights);
    let is_its =
        |mode: &NodeMode| matches!(mode, NodeMode::Leaf | NodeMode::BranchLt | NodeMode::BranchEq);
    let is_probability = attributes.kind == EnsembleKind::Classifier { labels: 2 }
        && attributes.post_transform == PostTransform::Logistic
        && base > 0.0
        && base < 1.0
        && attributes.leaf_outputs.iter().all(|class| *class == 0)
        && nodes == 1
        && weights.all(|(tree, weight)| *tree != first || *weight == 0.0)
        && attributes.nodes_modes.iter().all(is_its)
        && !has("nodes_hitrates")
        && !has("nodes_hitrates_as_tensor");
    // Rounded as the library does, which computes in 32 bits.
    is_probability.then(|| f64::from((base / (1.0 - base)).ln() as f32))
}

pub(super) fn parse_regressor(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let targets = context.integer("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets)
        .map_err(|_| context.refuse(format!("attribute `n_targets` is {targets}")))?;
    let attributes = parse(context, EnsembleKind::Regressor { targets }, "target")?;
    Ok(Box::new(Trees::rounding(attributes)))
}

fn parse(
    context: NodeContext<'_>,
    kind: EnsembleKind,
    leaf: &str,
) -> Result<TreeAttributes, OnnxError> {
    let integers = |name: &str| context.integers(name).map(<[i64]>::to_vec);
    let modes = context.strings("nodes_modes")?;
    let modes: Result<_, _> = modes.into_iter().map(FromStr::from_str).collect();
    Ok(TreeAttributes {
        nodes_treeids: integers("nodes_treeids")?,
        nodes_nodeids: integers("nodes_nodeids")?,
        nodes_featureids: integers("nodes_featureids")?,
        nodes_modes: modes.map_err(|error: UnknownWord| context.refuse(error.to_string()))?,
        nodes_values: numbers(context, "nodes_values")?,
        nodes_truenodeids: integers("nodes_truenodeids")?,
        nodes_falsenodeids: integers("nodes_falsenodeids")?,
        nodes_missing_value_tracks_true: integers("nodes_missing_value_tracks_true")?,
        nodes_hitrates: covers(context)?,
        leaf_treeids: integers(&format!("{leaf}_treeids"))?,
        leaf_nodeids: integers(&format!("{leaf}_nodeids"))?,
        leaf_outputs: integers(&format!("{leaf}_ids"))?,
        leaf_weights: numbers(context, &format!("{leaf}_weights"))?,
        base_values: numbers(context, "base_values")?,
        aggregate: word(context, "aggregate_function", "SUM")?,
        post_transform: word(context, "post_transform", "NONE")?,
        ..TreeAttributes::new(Precision::F32, kind)
    })
}

/// How many rows reached each node; empty where the converter didn't know, which writes ones then.
fn covers(context: NodeContext<'_>) -> Result<Vec<f64>, OnnxError> {
    let covers = numbers(context, "nodes_hitrates")?;
    let is_known = covers.iter().any(|cover| (cover - 1.0).abs() > 0.0);
    let nodes = context.integers("nodes_treeids")?.len();
    Ok(if is_known && covers.len() == nodes { covers } else { Vec::new() })
}

/// An attribute's numbers, which lie in a list of floats or, since ai.onnx.ml 3, in a tensor.
fn numbers(context: NodeContext<'_>, name: &str) -> Result<Vec<f64>, OnnxError> {
    if let Some(numbers) = context.tensor(&format!("{name}_as_tensor"))? {
        return Ok(numbers);
    }
    Ok(context.floats(name)?.iter().copied().map(f64::from).collect())
}

fn word<T: FromStr<Err = UnknownWord>>(
    context: NodeContext<'_>,
    name: &str,
    default: &str,
) -> Result<T, OnnxError> {
    let word = context.string(name)?.unwrap_or(default);
    word.parse().map_err(|error: UnknownWord| context.refuse(error.to_string()))
}

impl Trees {
    /// An ensemble whose scores have 32 bits whatever its input.
    fn rounding(mut attributes: TreeAttributes) -> Self {
        let members = tree_chains::merge(&mut attributes).unwrap_or_default();
        Self { keeps_precision: false, ..Self::keeping_precision(attributes, members) }
    }

    /// An ensemble whose scores have the type of its input.
    pub(super) fn keeping_precision(attributes: TreeAttributes, members: Members) -> Self {
        let outputs = Outputs::All;
        Self { attributes, keeps_precision: true, scaler: None, outputs, members }
    }
}

impl RowOperator for Trees {
    fn shape(&self, inputs: &[RowShape]) -> Result<RowShape, String> {
        let input = only_floats(inputs)?;
        let element = if self.keeps_precision { input.element } else { Element::F32 };
        let columns = match (self.outputs, self.attributes.kind) {
            (Outputs::Only(_), _) => 1,
            (Outputs::All, EnsembleKind::Classifier { labels }) => labels,
            (Outputs::All, EnsembleKind::Regressor { targets }) => targets,
        };
        Ok(RowShape { columns, element })
    }

    fn absorb(&mut self, before: &dyn RowOperator, shapes: &[RowShape]) -> bool {
        let (Some((offsets, scales)), None, Ok(input), true) =
            (before.as_scaler(), &self.scaler, only(shapes), self.members.is_empty())
        else {
            return false;
        };
        self.scaler = Scaler::new(offsets, scales, input.columns).ok();
        self.scaler.is_some()
    }

    fn read_through(&mut self, pieces: &[Piece<usize>]) -> bool {
        if self.scaler.is_some() || !self.members.is_empty() {
            return false;
        }
        let read = super::trees_fold::read_through(&self.attributes, pieces);
        let Some(attributes) = read else { return false };
        self.attributes = attributes;
        true
    }

    fn narrow(&mut self, column: usize) -> bool {
        self.outputs = Outputs::Only(column);
        true
    }

    fn margin(&self, inputs: &[RowShape], column: usize) -> Option<FoundMargin> {
        let input = only(inputs).ok()?;
        let precision = input.element.precision().ok()?;
        let mut attributes = TreeAttributes { precision, ..self.attributes.clone() };
        if !self.members.is_empty() {
            self.members.point(&mut attributes, input.columns).ok()?;
        }
        let ensemble = Ensemble::build(&attributes, &EnsembleLimits::default()).ok()?;
        let is_bent = attributes.post_transform != PostTransform::None;
        let outline = ensemble.outline(column).map_err(ExplainError::from);
        Some(outline.map(|mut outline| {
            self.members.name(&mut outline, input.columns);
            Margin::Trees { outline, is_bent }
        }))
    }

    fn kernel(
        &self,
        inputs: &[RowShape],
        choice: KernelChoice,
    ) -> Result<Box<dyn RowKernel>, String> {
        let input = only(inputs)?;
        // A scaler's output has 32 bits whatever it reads.
        let precision = match self.scaler {
            Some(_) => Precision::F32,
            None => input.element.precision()?,
        };
        // Of a large ensemble a copy takes as much as its file.
        let attributes = if precision == self.attributes.precision && self.members.is_empty() {
            Cow::Borrowed(&self.attributes)
        } else {
            let mut own = TreeAttributes { precision, ..self.attributes.clone() };
            if !self.members.is_empty() {
                self.members.point(&mut own, input.columns)?;
            }
            Cow::Owned(own)
        };
        let ensemble = Ensemble::build(&attributes, &EnsembleLimits::default())
            .map_err(|error| error.to_string())?;
        if ensemble.columns() > input.columns + self.members.len() {
            let (needed, found) = (ensemble.columns(), input.columns);
            return Err(format!("its trees read {needed} columns, its input has {found}"));
        }
        let kernel = TreeKernel::new(&ensemble, choice, self.scaler.as_ref(), self.outputs)
            .map_err(|error| error.to_string())?;
        Ok(Box::new(TreesKernel {
            kernel,
            trees: ensemble.trees(),
            wide: Vec::new(),
            members: self.members.clone(),
            floats: Vec::new(),
            doubles: Vec::new(),
        }))
    }
}

impl RowKernel for TreesKernel {
    fn name(&self) -> String {
        format!("{} trees", self.trees)
    }

    fn run(
        &mut self,
        rows: usize,
        inputs: &[Rows<'_>],
        output: CellsMut<'_>,
    ) -> Result<(), String> {
        let Rows { cells, mut columns } = inputs[0];
        let mut cells = cells.floats()?;
        let Self { members, floats, doubles, .. } = self;
        if !members.is_empty() {
            cells = members.widen(cells, columns, floats, doubles);
            columns += members.len();
        }
        let scored = match (self.kernel.precision(), output) {
            (Precision::F32, CellsMut::F32(output)) => {
                self.kernel.score(cells, rows, columns, Scores::F32(output))
            }
            (Precision::F64, CellsMut::F64(output)) => {
                self.kernel.score(cells, rows, columns, Scores::F64(output))
            }
            (Precision::F64, CellsMut::F32(output)) => {
                self.wide.resize(output.len(), 0.0);
                let scored = self.kernel.score(cells, rows, columns, Scores::F64(&mut self.wide));
                for (cell, score) in output.iter_mut().zip(&self.wide) {
                    *cell = *score as f32;
                }
                scored
            }
            (_, CellsMut::I64(_)) | (Precision::F32, CellsMut::F64(_)) => {
                return Err(wrong_type());
            }
        };
        scored.map_err(|error| error.to_string())
    }
}
