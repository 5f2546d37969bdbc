//! Every kernel gives a row of a library's own forest the same bits as the plain walk, which finds
//! the leaves that a walk written here finds: sets of categories, strict comparisons, sums that do
//! not start at zero, symmetric trees and linear leaves.

use crate::forest::{Random, cell, kernel_scores, value};
use proptest::prelude::*;
use shards::features::Precision;
use shards::model::forest::{Curve, Forest, LinearLeaf, Node, Objective, Test, Tree};
use shards::model::trees::{
    Ensemble, EnsembleLimits, KernelChoice, KernelError, OutputColumns, Outputs, TreeKernel,
};

const KERNELS: [KernelChoice; 5] = [
    KernelChoice::Walk,
    KernelChoice::Auto,
    KernelChoice::Portable,
    KernelChoice::Avx2,
    KernelChoice::Avx512,
];

/// What a curve makes of a sum.
type Bent = fn(f64) -> f64;

/// What a random forest looks like.
#[derive(Debug, Clone)]
struct Shape {
    precision: Precision,
    trees: usize,
    leaves_max: usize,
    columns: usize,
    sums: usize,
    /// All nodes of a level make the same test.
    symmetric: bool,
    linear: bool,
    /// The first category that cells below zero are cut to.
    cuts_below_zero: bool,
}

fn category(random: &mut Random) -> f64 {
    const ODD: [f64; 10] = [-1.0, -0.5, -0.0, 2.5, 31.999, 1e9, 3e9, -3e9, 1e300, f64::INFINITY];
    match random.below(5) {
        0 => ODD[random.below(ODD.len())],
        1 => f64::from(random.below(1_000) as u32),
        _ => f64::from(random.below(80) as u32),
    }
}

/// A cell of a column: odd columns hold categories.
fn cell_of(random: &mut Random, column: usize, precision: Precision) -> f64 {
    let cell = match column % 2 {
        1 if random.once_in(10) => f64::NAN,
        1 => category(random),
        _ => cell(random, precision),
    };
    match precision {
        Precision::F32 => f64::from(cell as f32),
        Precision::F64 => cell,
    }
}

fn test(random: &mut Random, forest: &mut Forest, column: usize) -> Test {
    if column % 2 == 1 {
        if random.once_in(4) {
            return Test::Equal(f64::from(random.below(80) as u32));
        }
        let size = 1 + random.below(30);
        let limit = [90, 90, 256, 1_000][random.below(4)];
        let members: Vec<_> = (0..size).map(|_| random.below(limit) as u32).collect();
        return Test::Member(forest.sets.add_members(members).expect("few words"));
    }
    let threshold = value(random, forest.precision);
    if random.once_in(2) { Test::AtMost(threshold) } else { Test::Less(threshold) }
}

fn forest(random: &mut Random, shape: &Shape) -> Forest {
    let mut forest = Forest::new(shape.precision, shape.columns, shape.sums);
    forest.sets.least = if shape.cuts_below_zero { (-1.0_f64).next_up() } else { 0.0 };
    if shape.cuts_below_zero && shape.precision == Precision::F32 {
        forest.sets.least = f64::from((-1.0_f32).next_up());
    }
    for start in &mut forest.starts {
        *start = f64::from(random.unit());
    }
    for number in 0..shape.trees {
        let tree = tree(random, shape, &mut forest, (number % shape.sums) as u32);
        forest.trees.push(tree);
    }
    forest
}

fn tree(random: &mut Random, shape: &Shape, forest: &mut Forest, sum: u32) -> Tree {
    let leaves = 1 + random.below(shape.leaves_max);
    let mut tree = Tree { nodes: vec![leaf(random, shape, forest, sum)] };
    let mut open = std::collections::VecDeque::from([(0_usize, 0_usize)]);
    let mut levels = Vec::new();
    while open.len() < leaves {
        let at = if shape.symmetric { 0 } else { random.below(open.len()) };
        let Some((node, depth)) = open.remove(at) else { break };
        if !shape.symmetric || depth == levels.len() {
            let column = random.below(shape.columns);
            levels.push((column, test(random, forest, column), random.once_in(2)));
        }
        let (column, test, missing_is_yes) =
            if shape.symmetric { levels[depth] } else { levels[levels.len() - 1] };
        let first = tree.nodes.len();
        for _ in 0..2 {
            let leaf = leaf(random, shape, forest, sum);
            open.push_back((tree.nodes.len(), depth + 1));
            tree.nodes.push(leaf);
        }
        let (yes, no) = (first as u32, first as u32 + 1);
        let column = column as u32;
        tree.nodes[node] = Node::Split { column, test, missing_is_yes, yes, no, cover: 0.0 };
    }
    tree
}

fn leaf(random: &mut Random, shape: &Shape, forest: &mut Forest, sum: u32) -> Node {
    let mut leaf = forest.leaf(sum, f64::from(random.unit()), 0.0);
    if shape.linear
        && random.once_in(2)
        && let Node::Leaf { linear, .. } = &mut leaf
    {
        *linear = Some(forest.linear.len() as u32);
        let constant = f64::from(random.unit());
        let column = random.below(shape.columns) as u32;
        forest.linear.push(LinearLeaf { constant, terms: vec![(column, 0.5)] });
    }
    leaf
}

/// The sums of a row by a walk of the forest as it was made.
fn sums(forest: &Forest, cells: &[f64]) -> Vec<f64> {
    let round = |value: f64| match forest.precision {
        Precision::F32 => f64::from(value as f32),
        Precision::F64 => value,
    };
    let mut sums = forest.starts.clone();
    for tree in &forest.trees {
        let mut at = 0;
        loop {
            match tree.nodes[at] {
                Node::Leaf { first, linear, .. } => {
                    let weight = forest.weights[first as usize];
                    let part = linear.map(|linear| &forest.linear[linear as usize]);
                    let whole = part.map(|part| {
                        part.terms.iter().fold(part.constant, |value, (column, factor)| {
                            value + factor * cells[*column as usize]
                        })
                    });
                    let value = whole.filter(|value| !value.is_nan()).unwrap_or(weight.value);
                    let sum = &mut sums[weight.sum as usize];
                    *sum = round(*sum + value);
                    break;
                }
                Node::Split { column, test, missing_is_yes, yes, no, .. } => {
                    let cell = cells[column as usize];
                    let passes = match test {
                        _ if cell.is_nan() => missing_is_yes,
                        Test::AtMost(threshold) => cell <= threshold,
                        Test::Less(threshold) => cell < threshold,
                        Test::Equal(threshold) => {
                            cell.total_cmp(&threshold).is_eq()
                                || (cell.abs() + threshold.abs()).to_bits() == 0
                        }
                        Test::Member(set) => forest.sets.contains(set, cell),
                    };
                    at = if passes { yes } else { no } as usize;
                }
            }
        }
    }
    sums
}

fn bits(scores: &[f64]) -> Vec<u64> {
    let of = |score: &f64| if score.is_nan() { f64::NAN.to_bits() } else { score.to_bits() };
    scores.iter().map(of).collect()
}

fn check(seed: u64, shape: &Shape, rows: usize) {
    let mut random = Random::new(seed);
    let forest = forest(&mut random, shape);
    let columns = shape.columns;
    let cells: Vec<f64> =
        (0..rows * columns).map(|at| cell_of(&mut random, at % columns, shape.precision)).collect();
    let expected: Vec<f64> =
        cells.chunks_exact(columns).flat_map(|cells| sums(&forest, cells)).collect();
    let margins = OutputColumns::margins(shape.sums);
    let ensemble = Ensemble::plant(&forest, margins, &EnsembleLimits::default()).unwrap();
    for choice in KERNELS {
        let kernel = TreeKernel::new(&ensemble, choice, None, Outputs::All);
        let mut kernel = match kernel {
            Ok(kernel) => kernel,
            Err(KernelError::Unavailable { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        let found = kernel_scores(&mut kernel, &cells, columns);
        assert_eq!(bits(&found), bits(&expected), "{choice:?}");
        let alone = kernel_scores(&mut kernel, &cells[..columns], columns);
        assert_eq!(bits(&alone), bits(&expected[..shape.sums]), "{choice:?}, the first row alone");
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let precisions = prop_oneof![Just(Precision::F32), Just(Precision::F64)];
    let leaves = prop_oneof![2..17_usize, 17..33_usize, 33..65_usize, 65..300_usize];
    let size = (1..30_usize, leaves, 2..9_usize, 1..4_usize);
    (precisions, size, any::<[bool; 2]>(), 0..8_u8).prop_map(
        |(precision, (trees, leaves_max, columns, sums), [symmetric, cuts], linear)| Shape {
            precision,
            trees,
            leaves_max,
            columns,
            sums,
            symmetric,
            // The library that has linear leaves sums in 64 bits.
            linear: linear == 0 && precision == Precision::F64,
            cuts_below_zero: cuts,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn for_random_forests(seed in any::<u64>(), shape in shapes(), rows in 1..140_usize) {
        check(seed, &shape, rows);
    }
}

#[test]
fn predictions_are_the_curves_of_the_sums() {
    let shape = Shape {
        precision: Precision::F64,
        trees: 4,
        leaves_max: 9,
        columns: 4,
        sums: 2,
        symmetric: false,
        linear: false,
        cuts_below_zero: false,
    };
    let mut random = Random::new(3);
    let forest = forest(&mut random, &shape);
    let cells: Vec<f64> = (0..4).map(|at| cell_of(&mut random, at, shape.precision)).collect();
    let margins = sums(&forest, &cells);
    let cases: [(Curve, Bent); 7] = [
        (Curve::Identity, |x| x),
        (Curve::Sigmoid { scale: 2.0 }, |x| 1.0 / (1.0 + (-2.0 * x).exp())),
        (Curve::Exponential, f64::exp),
        (Curve::ExponentialOfTwice, |x| (2.0 * x).exp()),
        (Curve::SignedSquare, |x| x * x.abs()),
        (Curve::SoftPlus, |x| x.exp().ln_1p()),
        (Curve::Step, |x| if x > 0.0 { 1.0 } else { 0.0 }),
    ];
    for (curve, expected) in cases {
        let columns = OutputColumns::predictions(&Objective::each("any", curve), 2);
        let ensemble = Ensemble::plant(&forest, columns, &EnsembleLimits::default()).unwrap();
        let kernel = TreeKernel::new(&ensemble, KernelChoice::Auto, None, Outputs::All);
        let found = kernel_scores(&mut kernel.unwrap(), &cells, 4);
        for (found, margin) in found.iter().zip(&margins) {
            assert!((found - expected(*margin)).abs() <= 1e-12, "{curve:?} {margin}");
        }
    }
}
