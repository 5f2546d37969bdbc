//! A tree ensemble as a model file could spell it, and all kernels against the plain walk.
//!
//! The bytes steer the growth of trees that pass the checks, then may damage the arrays. Whatever
//! is refused is refused by an error; whatever is accepted is scored with the same bits by every
//! kernel that this CPU has, in batches of any size.

use shards::features::{Cells, Precision};
use shards::model::trees::{
    Aggregate, Ensemble, EnsembleKind, EnsembleLimits, KernelChoice, KernelError, NodeMode,
    Outputs, PostTransform, Scaler, Scores, TreeAttributes, TreeKernel,
};

const COLUMNS: usize = 6;
const ROWS_MAX: usize = 70;
const DEPTH_MAX: usize = 10;

const MODES: [NodeMode; 6] = [
    NodeMode::BranchLeq,
    NodeMode::BranchLt,
    NodeMode::BranchGte,
    NodeMode::BranchGt,
    NodeMode::BranchEq,
    NodeMode::BranchNeq,
];

const NUMBERS: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    0.100_000_001_490_116_12,
    f32::EPSILON as f64,
    f32::MIN_POSITIVE as f64 / 2.0,
    16_777_217.0,
    -3.5,
    3.402_823_466_385_288_6e38,
    -1e300,
    1e-300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Bytes that decide; zero once they have run out.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn number(&mut self) -> f64 {
        match self.byte() {
            special @ 0..32 => NUMBERS[usize::from(special) % NUMBERS.len()],
            other => (f64::from(other) - 144.0) / 16.0,
        }
    }

    /// A number that a model file may hold: in the ensemble's precision.
    fn exact(&mut self, precision: Precision) -> f64 {
        match precision {
            Precision::F32 => f64::from(self.number() as f32),
            Precision::F64 => self.number(),
        }
    }
}

/// Builds the ensemble, scores rows by each kernel, and compares.
pub(crate) fn run(bytes: &[u8]) {
    let choices = &mut Choices(bytes);
    let mut attributes = grow(choices);
    damage(&mut attributes, choices);
    let limits = EnsembleLimits { depth_max: 64, ..EnsembleLimits::default() };
    let Ok(ensemble) = Ensemble::build(&attributes, &limits) else { return };
    if ensemble.columns() > COLUMNS {
        return;
    }
    let outputs = match choices.below(3) {
        0 => Outputs::Only(choices.below(ensemble.outputs())),
        _ => Outputs::All,
    };
    let scaler = (choices.below(4) == 0).then(|| {
        let offset = [0.5, -1.0, 0.0, 2.0, 1e10, -0.25];
        Scaler::new(&offset, &[2.0], COLUMNS).expect("one scale for all, one offset for each")
    });
    let rows = 1 + choices.below(ROWS_MAX);
    let cells: Vec<f64> = (0..rows * COLUMNS).map(|_| choices.number()).collect();
    compare(&ensemble, outputs, scaler.as_ref(), rows, &cells);
}

fn grow(choices: &mut Choices<'_>) -> TreeAttributes {
    let shape = choices.byte();
    let precision = if shape & 1 == 0 { Precision::F32 } else { Precision::F64 };
    let outputs = 1 + choices.below(3);
    let kind = if shape & 2 == 0 {
        EnsembleKind::Classifier { labels: outputs }
    } else {
        EnsembleKind::Regressor { targets: outputs }
    };
    let mut attributes = TreeAttributes::new(precision, kind);
    attributes.post_transform = [
        PostTransform::None,
        PostTransform::Logistic,
        PostTransform::Softmax,
        PostTransform::SoftmaxZero,
        PostTransform::Probit,
    ][choices.below(5)];
    attributes.aggregate =
        [Aggregate::Sum, Aggregate::Average, Aggregate::Min, Aggregate::Max][choices.below(4)];
    attributes.base_values =
        (0..choices.below(4)).map(|_| choices.exact(precision)).collect::<Vec<_>>();
    let modes = 1 + choices.below(MODES.len());
    for tree in 0..=choices.below(5) {
        grow_node(&mut attributes, choices, tree as i64, modes, 0, &mut 0);
    }
    attributes
}

/// Adds a node and all below it; returns its id. `next_id` counts the ids of this tree.
fn grow_node(
    attributes: &mut TreeAttributes,
    choices: &mut Choices<'_>,
    tree: i64,
    modes: usize,
    depth: usize,
    next_id: &mut i64,
) -> i64 {
    let id = *next_id;
    *next_id += 1;
    let precision = attributes.precision;
    let at = attributes.nodes_treeids.len();
    attributes.nodes_treeids.push(tree);
    attributes.nodes_nodeids.push(id);
    attributes.nodes_missing_value_tracks_true.push(choices.below(2) as i64);
    attributes.nodes_featureids.push(choices.below(COLUMNS) as i64);
    attributes.nodes_values.push(0.0);
    attributes.nodes_truenodeids.push(0);
    attributes.nodes_falsenodeids.push(0);
    let is_leaf = depth == DEPTH_MAX || choices.below(5) == 0;
    if is_leaf {
        attributes.nodes_modes.push(NodeMode::Leaf);
        for _ in 0..choices.below(3) {
            attributes.leaf_treeids.push(tree);
            attributes.leaf_nodeids.push(id);
            attributes.leaf_outputs.push(choices.below(3) as i64);
            attributes.leaf_weights.push(choices.exact(precision));
        }
    } else {
        attributes.nodes_modes.push(MODES[choices.below(modes)]);
        attributes.nodes_values[at] = choices.exact(precision);
        for side in 0..2 {
            let child = grow_node(attributes, choices, tree, modes, depth + 1, next_id);
            let children = if side == 0 {
                &mut attributes.nodes_truenodeids
            } else {
                &mut attributes.nodes_falsenodeids
            };
            children[at] = child;
        }
    }
    id
}

/// Overwrites a few entries, as a broken or hostile file would.
fn damage(attributes: &mut TreeAttributes, choices: &mut Choices<'_>) {
    if choices.below(4) != 0 {
        return;
    }
    for _ in 0..choices.below(4) {
        let value = [0, 1, -1, 7, i64::MAX, i64::MIN, 1 << 40, 2][choices.below(8)];
        let array = match choices.below(9) {
            0 => &mut attributes.nodes_treeids,
            1 => &mut attributes.nodes_nodeids,
            2 => &mut attributes.nodes_featureids,
            3 => &mut attributes.nodes_truenodeids,
            4 => &mut attributes.nodes_falsenodeids,
            5 => &mut attributes.leaf_treeids,
            6 => &mut attributes.leaf_nodeids,
            7 => &mut attributes.leaf_outputs,
            _ => &mut attributes.nodes_missing_value_tracks_true,
        };
        if choices.below(8) == 0 {
            array.pop();
        } else if !array.is_empty() {
            let at = choices.below(array.len());
            array[at] = value;
        }
    }
}

fn compare(
    ensemble: &Ensemble,
    outputs: Outputs,
    scaler: Option<&Scaler>,
    rows: usize,
    cells: &[f64],
) {
    let kernel = |choice| TreeKernel::new(ensemble, choice, scaler, outputs);
    let mut walk = kernel(KernelChoice::Walk).expect("the walk takes any ensemble");
    let expected = score(&mut walk, rows, cells);
    let last = (rows - 1) * COLUMNS;
    let of_row = expected.len() / rows;
    let choices =
        [KernelChoice::Auto, KernelChoice::Portable, KernelChoice::Avx2, KernelChoice::Avx512];
    for choice in choices {
        let mut kernel = match kernel(choice) {
            Ok(kernel) => kernel,
            Err(KernelError::Unavailable { .. }) => continue,
            Err(error) => panic!("{choice:?}: {error}"),
        };
        assert_eq!(score(&mut kernel, rows, cells), expected, "{choice:?}, {rows} rows");
        let alone = score(&mut kernel, 1, &cells[last..]);
        assert_eq!(alone, expected[expected.len() - of_row..], "{choice:?}, the last row alone");
    }
}

/// The scores' bits; those of all NaNs are one.
fn score(kernel: &mut TreeKernel, rows: usize, cells: &[f64]) -> Vec<u64> {
    let length = rows * kernel.outputs();
    let bits = |score: f64| if score.is_nan() { f64::NAN.to_bits() } else { score.to_bits() };
    match kernel.precision() {
        Precision::F32 => {
            let mut scores = vec![0.0; length];
            let cells: Vec<f32> = cells.iter().map(|cell| *cell as f32).collect();
            let scored = kernel.score(Cells::F32(&cells), rows, COLUMNS, Scores::F32(&mut scores));
            scored.expect("a matrix of the right size");
            scores.into_iter().map(|score| bits(f64::from(score))).collect()
        }
        Precision::F64 => {
            let mut scores = vec![0.0; length];
            let scored = kernel.score(Cells::F64(cells), rows, COLUMNS, Scores::F64(&mut scores));
            scored.expect("a matrix of the right size");
            scores.into_iter().map(bits).collect()
        }
    }
}
