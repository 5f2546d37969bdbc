//! A program that looks through one-hot encoders has the bits of the one that does not.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

use super::super::ops::{Element, RowShape};
use super::super::planning::{InputColumns, Planning};
use super::super::program::Program;
use crate::features::{FeatureMatrix, Precision};
use crate::model::answer::Kept;
use crate::model::trees::KernelChoice;

/// Columns of the matrix: a text of three categories, a number, and a text of four.
const MATRIX: RowShape = RowShape { columns: 3, element: Element::F32 };
/// The categories of both texts, one after the other, and between them the number.
const WIDTH: usize = 8;
const NUMBER: usize = 3;
const CATEGORIES: [&[i64]; 2] = [&[0, 1, 2], &[7, 0, -3, 2]];
const MODES: [&str; 6] =
    ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

fn node(op_type: &str, from: &[&str], to: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op_type.to_owned(),
        input: from.iter().map(|&name| name.to_owned()).collect(),
        output: vec![to.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

fn words(name: &str, words: &[&str]) -> AttributeProto {
    let strings = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let r#type = AttributeType::Strings as i32;
    AttributeProto { name: name.to_owned(), r#type, strings, ..AttributeProto::default() }
}

fn integers(name: &str, ints: Vec<i64>) -> AttributeProto {
    let r#type = AttributeType::Ints as i32;
    AttributeProto { name: name.to_owned(), r#type, ints, ..AttributeProto::default() }
}

fn integer(name: &str, i: i64) -> AttributeProto {
    let r#type = AttributeType::Int as i32;
    AttributeProto { name: name.to_owned(), r#type, i, ..AttributeProto::default() }
}

fn floats(name: &str, floats: Vec<f32>) -> AttributeProto {
    let r#type = AttributeType::Floats as i32;
    AttributeProto { name: name.to_owned(), r#type, floats, ..AttributeProto::default() }
}

/// Two encoders and a number, which `scales` sends through a step of its own, side by side, and what
/// reads them.
fn graph(last: NodeProto, scales: bool) -> GraphProto {
    let encoder = |place: usize| {
        vec![integers("cats_int64s", CATEGORIES[place].to_vec()), integer("zeros", 1)]
    };
    let scaler = vec![floats("offset", vec![0.25]), floats("scale", vec![3.0])];
    let mut nodes = vec![
        node("OneHotEncoder", &["a"], "deep a", encoder(0)),
        node("Reshape", &["deep a", "shape a"], "bits of a", Vec::new()),
        node("OneHotEncoder", &["b"], "deep b", encoder(1)),
        node("Reshape", &["deep b", "shape b"], "bits of b", Vec::new()),
    ];
    let shape = |name: &str, place: usize| TensorProto {
        name: name.to_owned(),
        dims: vec![2],
        data_type: DataType::Int64 as i32,
        int64_data: vec![-1, CATEGORIES[place].len() as i64],
        ..TensorProto::default()
    };
    let initializer = vec![shape("shape a", 0), shape("shape b", 1)];
    if scales {
        nodes.push(node("Scaler", &["x"], "scaled", scaler));
    }
    let number = if scales { "scaled" } else { "x" };
    let parts = ["bits of a", number, "bits of b"];
    nodes.push(node("Concat", &parts, "wide", vec![integer("axis", 1)]));
    nodes.push(last);
    GraphProto { node: nodes, initializer, ..GraphProto::default() }
}

/// The scores of some rows' bits, and the names of the kernels.
fn scores(
    graph: &GraphProto,
    rows: &[[f32; 3]],
    choice: KernelChoice,
    folds: bool,
) -> (Vec<u64>, Vec<String>) {
    let input = |(place, name)| InputColumns { name, first: place, count: 1, own: None };
    let inputs: Vec<_> = ["a", "x", "b"].into_iter().enumerate().map(input).collect();
    let planning = Planning::of(graph, 3, MATRIX, &inputs, "score");
    let mut planning = planning.expect("a plan").expect("all operators are ours");
    if folds {
        planning.look_through(16);
    }
    let kept = Kept::Only(planning.narrow(0));
    let program = Program::of_steps(planning.steps, MATRIX, kept, choice);
    let mut program = program.expect("a program");
    let mut matrix = FeatureMatrix::new(3, Precision::F32);
    matrix.reset(rows.len());
    for (place, row) in rows.iter().enumerate() {
        row.iter().enumerate().for_each(|(at, cell)| matrix.set(place, at, f64::from(*cell)));
    }
    let mut scores = Vec::new();
    program.run(&matrix, &mut scores).expect("scores");
    (scores.into_iter().map(f64::to_bits).collect(), program.kernels())
}

fn cells() -> impl Strategy<Value = Vec<[f32; 3]>> {
    let text = || select(vec![0.0, 1.0, 2.0, 7.0, -3.0, -1.0, 0.5, -0.0, f32::NAN, 1e30]);
    let number = select(vec![-1.0, -0.0, 0.5, 1.0, 2.5, f32::NAN, f32::INFINITY]);
    vec((text(), number, text()).prop_map(|(a, x, b)| [a, x, b]), 1..40)
}

/// A node's column, mode and threshold, such that a test of bits tells 0 from 1.
fn tests() -> impl Strategy<Value = (usize, &'static str, f32)> {
    (0..WIDTH, select(MODES.to_vec()), select(vec![-1.0_f32, 0.0, 0.5, 1.0])).prop_map(
        |(column, mode, threshold)| match (column, mode) {
            (NUMBER, _) => (column, mode, threshold),
            (_, "BRANCH_LEQ" | "BRANCH_GT") => (column, mode, 0.0),
            (_, "BRANCH_LT" | "BRANCH_GTE") => (column, mode, 1.0),
            (_, _) => (column, mode, threshold.max(0.0).ceil()),
        },
    )
}

/// Trees of three tests each.
fn trees(tests: &[(usize, &'static str, f32)], weights: &[f32], tracks: &[bool]) -> NodeProto {
    let (mut all, mut modes, mut values) = ([(); 5].map(|()| Vec::new()), Vec::new(), Vec::new());
    let (mut missing, mut targets) = (Vec::new(), [(); 3].map(|()| Vec::new()));
    for (tree, tests) in tests.chunks_exact(3).enumerate() {
        for id in 0..7 {
            let (column, mode, value) = *tests.get(id).unwrap_or(&(0, "LEAF", 0.0));
            let next = if id < 3 { [2 * id + 1, 2 * id + 2] } else { [0, 0] };
            let numbers = [tree, id, column, next[0], next[1]];
            all.iter_mut().zip(numbers).for_each(|(all, number)| all.push(number as i64));
            modes.push(mode);
            values.push(value);
            missing.push(i64::from(id < 3 && tracks[(3 * tree + id) % tracks.len()]));
            if id > 2 {
                let numbers = [tree, id, 0].map(|number| number as i64);
                targets.iter_mut().zip(numbers).for_each(|(all, number)| all.push(number));
            }
        }
    }
    let [trees, nodes, columns, yes, no] = all;
    let [target_trees, target_nodes, target_ids] = targets;
    let weights = weights.iter().copied().cycle().take(target_ids.len()).collect();
    let attributes = vec![
        integers("nodes_treeids", trees),
        integers("nodes_nodeids", nodes),
        integers("nodes_featureids", columns),
        integers("nodes_truenodeids", yes),
        integers("nodes_falsenodeids", no),
        integers("nodes_missing_value_tracks_true", missing),
        words("nodes_modes", &modes),
        floats("nodes_values", values),
        integers("target_treeids", target_trees),
        integers("target_nodeids", target_nodes),
        integers("target_ids", target_ids),
        floats("target_weights", weights),
        integer("n_targets", 1),
    ];
    node("TreeEnsembleRegressor", &["wide"], "score", attributes)
}

fn linear(weights: Vec<f32>) -> NodeProto {
    let attributes = vec![
        floats("coefficients", weights),
        floats("intercepts", vec![0.125]),
        integer("targets", 1),
    ];
    node("LinearRegressor", &["wide"], "score", attributes)
}

/// What is left of the program.
fn expected(last: &str, scales: bool) -> Vec<String> {
    // The scaler reads its column through a step that cuts it out.
    let before: &[&str] = if scales { &["columns", "scaler", "columns"] } else { &[] };
    before.iter().copied().chain([last]).map(str::to_owned).collect()
}

proptest! {
    #[test]
    fn trees_have_the_same_bits(
        rows in cells(),
        tests in vec(tests(), 3..30),
        weights in vec(-3.0_f32..3.0, 1..9),
        tracks in vec(any::<bool>(), 1..7),
        scales in any::<bool>(),
    ) {
        let graph = graph(trees(&tests, &weights, &tracks), scales);
        let last = format!("{} trees", tests.len() / 3);
        for choice in [KernelChoice::Walk, KernelChoice::Portable, KernelChoice::Auto] {
            let (plain, _) = scores(&graph, &rows, choice, false);
            let (folded, kernels) = scores(&graph, &rows, choice, true);
            prop_assert_eq!(&plain, &folded);
            prop_assert_eq!(kernels, expected(&last, scales));
        }
    }

    #[test]
    fn a_linear_part_has_the_same_bits(
        rows in cells(),
        weights in vec(prop_oneof![-3.0_f32..3.0, Just(-0.0), Just(1e30)], WIDTH),
        scales in any::<bool>(),
    ) {
        let graph = graph(linear(weights), scales);
        let (plain, _) = scores(&graph, &rows, KernelChoice::Auto, false);
        let (folded, kernels) = scores(&graph, &rows, KernelChoice::Auto, true);
        prop_assert_eq!(plain, folded);
        prop_assert_eq!(kernels, expected("linear", scales));
    }
}

/// Infinity times the 0 of a category that a row does not have is NaN, and a test that both 0 and 1
/// pass asks for no category.
#[test]
fn what_would_have_other_bits_is_left_alone() {
    let mut weights = vec![1.0; WIDTH];
    weights[1] = f32::INFINITY;
    let of_infinity = graph(linear(weights), false);
    let both_pass = [(0, "BRANCH_LEQ", 2.0), (1, "BRANCH_LEQ", 0.5), (2, "BRANCH_LEQ", 0.5)];
    let of_nothing = graph(trees(&both_pass, &[1.0, 2.0], &[false]), false);
    for graph in [of_infinity, of_nothing] {
        let rows = [[0.0, 1.0, 2.0], [9.0, 1.0, 9.0]];
        let (plain, _) = scores(&graph, &rows, KernelChoice::Auto, false);
        let (folded, kernels) = scores(&graph, &rows, KernelChoice::Auto, true);
        assert_eq!(plain, folded);
        assert!(kernels.iter().any(|kernel| kernel == "one-hot"), "{kernels:?}");
    }
}
