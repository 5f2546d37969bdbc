//! Random forests and rows, for the tests and the benches of the tree kernels.

#![allow(dead_code, reason = "each test and bench uses its own part")]

use shards::features::{Cells, Precision};
use shards::model::trees::{
    EnsembleKind, NodeMode, PostTransform, Scores, TreeAttributes, TreeKernel,
};

/// A small generator of random numbers (xorshift64*): the same seed, the same forest, anywhere.
pub(crate) struct Random(u64);

impl Random {
    /// A generator for `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((bits * bound as u64) >> 32) as usize
    }

    /// A number from -1 to 1.
    pub(crate) fn unit(&mut self) -> f32 {
        self.below(2_000_001) as f32 / 1_000_000.0 - 1.0
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// How a tree grows to its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// To `leaves_max` leaves, level by level.
    Level,
    /// To `leaves_max` leaves, each time splitting any leaf.
    Leaf,
    /// To any number of leaves up to `leaves_max`, each time splitting any leaf.
    Any,
}

/// What a random forest looks like.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// How many trees.
    pub(crate) trees: usize,
    /// Most leaves of a tree.
    pub(crate) leaves_max: usize,
    /// How trees grow.
    pub(crate) growth: Growth,
    /// How many input columns.
    pub(crate) columns: usize,
    /// Classes or targets.
    pub(crate) kind: EnsembleKind,
    /// Which tests nodes make.
    pub(crate) modes: Vec<NodeMode>,
    /// NaN goes to the true child of about half of the nodes.
    pub(crate) tracks_nan: bool,
    /// Every leaf has a weight for every output, not just for one.
    pub(crate) dense_leaves: bool,
    /// The precision of input and sums.
    pub(crate) precision: Precision,
    /// The post transform.
    pub(crate) post_transform: PostTransform,
}

impl Shape {
    /// Boosted trees for two classes, as most libraries export them.
    pub(crate) fn boosted(trees: usize, leaves_max: usize, growth: Growth, columns: usize) -> Self {
        Self {
            trees,
            leaves_max,
            growth,
            columns,
            kind: EnsembleKind::Classifier { labels: 2 },
            modes: vec![NodeMode::BranchLeq],
            tracks_nan: false,
            dense_leaves: false,
            precision: Precision::F32,
            post_transform: PostTransform::Logistic,
        }
    }
}

/// A cell or a threshold: mostly ordinary, often one of a few values that others have too.
pub(crate) fn value(random: &mut Random, precision: Precision) -> f64 {
    const TIES: [f32; 9] = [0.0, -0.0, 0.25, -0.5, 1.0, 1e-45, -1e-40, f32::MIN_POSITIVE, 3e38];
    let ordinary = match precision {
        Precision::F32 => f64::from(random.unit()),
        Precision::F64 => f64::from(random.unit()) + f64::from(random.unit()) * 1e-9,
    };
    match random.below(8) {
        0 => f64::from(TIES[random.below(TIES.len())]),
        1 if random.once_in(4) => f64::INFINITY,
        2 if random.once_in(4) => f64::NEG_INFINITY,
        3 if precision == Precision::F32 => f64::from((random.below(5) as f32 * 0.2).next_up()),
        3 => (random.below(5) as f64 * 0.2).next_up(),
        4 => f64::from(random.below(5) as f32 * 0.2),
        _ => ordinary,
    }
}

/// A cell: [`value`], or NaN.
pub(crate) fn cell(random: &mut Random, precision: Precision) -> f64 {
    if random.once_in(12) { f64::NAN } else { value(random, precision) }
}

/// A random forest.
pub(crate) fn forest(random: &mut Random, shape: &Shape) -> TreeAttributes {
    let mut attributes = TreeAttributes::new(shape.precision, shape.kind);
    attributes.post_transform = shape.post_transform;
    for tree in 0..shape.trees {
        grow(random, shape, tree as i64, &mut attributes);
    }
    attributes
}

fn grow(random: &mut Random, shape: &Shape, tree: i64, attributes: &mut TreeAttributes) {
    let leaves = match shape.growth {
        Growth::Level | Growth::Leaf => shape.leaves_max,
        Growth::Any => 1 + random.below(shape.leaves_max),
    };
    let first = attributes.nodes_treeids.len();
    let mut open = std::collections::VecDeque::from([push_leaf(attributes, tree, 0)]);
    let mut count = 1;
    while open.len() < leaves {
        let at = if shape.growth == Growth::Level { 0 } else { random.below(open.len()) };
        let Some(node) = open.remove(at) else { break };
        attributes.nodes_modes[node] = shape.modes[random.below(shape.modes.len())];
        attributes.nodes_featureids[node] = random.below(shape.columns) as i64;
        attributes.nodes_values[node] = value(random, shape.precision);
        attributes.nodes_missing_value_tracks_true[node] =
            i64::from(shape.tracks_nan && random.once_in(2));
        attributes.nodes_truenodeids[node] = count;
        attributes.nodes_falsenodeids[node] = count + 1;
        open.push_back(push_leaf(attributes, tree, count));
        open.push_back(push_leaf(attributes, tree, count + 1));
        count += 2;
    }
    let outputs = match shape.kind {
        EnsembleKind::Classifier { labels: 2 } if !shape.dense_leaves => 1,
        EnsembleKind::Classifier { labels: outputs }
        | EnsembleKind::Regressor { targets: outputs } => outputs,
    };
    let own_output = tree as usize % outputs;
    for node in first..attributes.nodes_treeids.len() {
        if attributes.nodes_modes[node] == NodeMode::Leaf {
            let all = if shape.dense_leaves { 0..outputs } else { own_output..own_output + 1 };
            for output in all {
                attributes.leaf_treeids.push(tree);
                attributes.leaf_nodeids.push(attributes.nodes_nodeids[node]);
                attributes.leaf_outputs.push(output as i64);
                attributes.leaf_weights.push(f64::from(random.unit() * 0.1));
            }
        }
    }
}

fn push_leaf(attributes: &mut TreeAttributes, tree: i64, node: i64) -> usize {
    attributes.nodes_treeids.push(tree);
    attributes.nodes_nodeids.push(node);
    attributes.nodes_featureids.push(0);
    attributes.nodes_modes.push(NodeMode::Leaf);
    attributes.nodes_values.push(0.0);
    attributes.nodes_truenodeids.push(0);
    attributes.nodes_falsenodeids.push(0);
    attributes.nodes_missing_value_tracks_true.push(0);
    attributes.nodes_treeids.len() - 1
}

/// What a kernel makes of rows of `columns` cells, in its own precision.
pub(crate) fn kernel_scores(kernel: &mut TreeKernel, cells: &[f64], columns: usize) -> Vec<f64> {
    let rows = cells.len() / columns;
    match kernel.precision() {
        Precision::F32 => {
            let cells: Vec<f32> = cells.iter().map(|cell| *cell as f32).collect();
            let mut scores = vec![0.0; rows * kernel.outputs()];
            kernel.score(Cells::F32(&cells), rows, columns, Scores::F32(&mut scores)).unwrap();
            scores.into_iter().map(f64::from).collect()
        }
        Precision::F64 => {
            let mut scores = vec![0.0; rows * kernel.outputs()];
            kernel.score(Cells::F64(cells), rows, columns, Scores::F64(&mut scores)).unwrap();
            scores
        }
    }
}
