//! Contributions of tree ensembles equal Shapley values by their definition: every subset of
//! columns, with the tests of the others followed by the share of training rows.

use proptest::prelude::*;
use shards::features::Cells;
use shards::model::explain::{Node, Outline, SplitTest, TreeExplainer, TreeOutline};
use shards::model::trees::KernelChoice;

const COLUMNS: usize = 4;
const DEEP_COLUMNS: usize = 32;

/// A tree that grows from a list of choices; thresholds and cells are small integers, so that
/// ties are common.
fn grow(
    choices: &mut impl Iterator<Item = u8>,
    (columns, depth): (usize, usize),
    tree: &mut TreeOutline,
    cover: f64,
) {
    let place = tree.nodes.len();
    let choice = choices.next().unwrap_or(0);
    tree.covers.push(cover);
    if depth == 0 || choice < 40 {
        tree.nodes.push(Node::Leaf(f64::from(choice) / 16.0 - 3.0));
        return;
    }
    let threshold = f64::from(choices.next().unwrap_or(0) % 5);
    let test = match choice % 4 {
        0 => SplitTest::AtMost(threshold),
        1 => SplitTest::Equal(threshold),
        2 => SplitTest::AnyOf(Box::new([threshold, threshold + 2.0])),
        _ => SplitTest::InSet { words: Box::new([u64::from(choice)]), least: 0.0 },
    };
    let column = u32::from(choice) % columns as u32;
    tree.nodes.push(Node::Leaf(0.0));
    let share = f64::from(choices.next().unwrap_or(0) % 5) / 4.0;
    let yes = tree.nodes.len() as u32;
    grow(choices, (columns, depth - 1), tree, cover * share);
    let no = tree.nodes.len() as u32;
    grow(choices, (columns, depth - 1), tree, cover * (1.0 - share));
    let nan_is_yes = choice.is_multiple_of(2);
    tree.nodes[place] = Node::Branch { column, test, nan_is_yes, yes, no };
}

fn passes(test: &SplitTest, nan_is_yes: bool, cell: f64) -> bool {
    match test {
        _ if cell.is_nan() => nan_is_yes,
        SplitTest::AtMost(threshold) => cell <= *threshold,
        SplitTest::Equal(value) => (cell - value).abs() < f64::EPSILON,
        SplitTest::InSet { words, .. } => words[0] >> (cell as u64) & 1 == 1,
        SplitTest::AnyOf(numbers) => numbers.iter().any(|one| (cell - one).abs() < f64::EPSILON),
    }
}

/// The tree's mean over the training rows, with the columns of `known` as in `row`.
fn expected(tree: &TreeOutline, node: u32, row: &[f64], known: u32) -> f64 {
    match &tree.nodes[node as usize] {
        Node::Leaf(value) => *value,
        Node::Branch { column, test, nan_is_yes, yes, no } => {
            let [of_yes, of_no] = [*yes, *no].map(|child| expected(tree, child, row, known));
            if known >> column & 1 == 1 {
                let passed = passes(test, *nan_is_yes, row[*column as usize]);
                return if passed { of_yes } else { of_no };
            }
            let [yes, no] = [*yes, *no].map(|child| tree.covers[child as usize]);
            let share = if yes + no > 0.0 { yes / (yes + no) } else { 0.5 };
            share * of_yes + (1.0 - share) * of_no
        }
    }
}

fn shapley(trees: &[TreeOutline], row: &[f64]) -> Vec<f64> {
    let value = |known: u32| trees.iter().map(|tree| expected(tree, 0, row, known)).sum::<f64>();
    let factorial = |n: usize| (1..=n).product::<usize>() as f64;
    (0..COLUMNS)
        .map(|column| {
            let others = (0..1 << COLUMNS).filter(|known| known >> column & 1 == 0);
            let gain = |known: u32| {
                let size = known.count_ones() as usize;
                let weight = factorial(size) * factorial(COLUMNS - size - 1) / factorial(COLUMNS);
                weight * (value(known | 1 << column) - value(known))
            };
            others.map(gain).sum()
        })
        .collect()
}

/// Explains one row at a time by each kernel, so that each stands elsewhere in its block.
fn each_alone_has_the_same_bits(
    outline: &Outline,
    rows: &[Vec<f64>],
    found: &[f64],
) -> Result<(), TestCaseError> {
    let bits = |numbers: &[f64]| -> Vec<_> { numbers.iter().map(|it| it.to_bits()).collect() };
    for kernel in [KernelChoice::Portable, KernelChoice::Avx2, KernelChoice::Avx512] {
        let mut explainer = TreeExplainer::new(outline, kernel).unwrap();
        for (row, found) in rows.iter().zip(found.chunks(outline.columns)) {
            let mut alone = vec![0.0; outline.columns];
            explainer.explain(Cells::F64(row), 1, &mut alone);
            prop_assert_eq!(bits(&alone), bits(found), "{:?}", kernel);
        }
    }
    Ok(())
}

fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![9 => (0..6_u8).prop_map(f64::from), 1 => Just(f64::NAN)]
}

proptest! {
    #[test]
    fn of_random_forests(
        choices in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..4),
        rows in prop::collection::vec(prop::collection::vec(cell(), COLUMNS), 1..20),
    ) {
        let trees: Vec<_> = choices.into_iter().map(|choices| {
            let mut tree = TreeOutline::default();
            grow(&mut choices.into_iter(), (COLUMNS, 6), &mut tree, 16.0);
            tree
        }).collect();
        let (trees_of, base) = (trees.clone(), 0.25);
        let outline = Outline { columns: COLUMNS, base, trees: trees_of, ..Outline::default() };
        let mut explainer = TreeExplainer::new(&outline, KernelChoice::Auto).unwrap();
        let mut found = vec![0.0; rows.len() * COLUMNS];
        explainer.explain(Cells::F64(&rows.concat()), rows.len(), &mut found);
        each_alone_has_the_same_bits(&outline, &rows, &found)?;
        for (row, found) in rows.iter().zip(found.chunks(COLUMNS)) {
            let wanted = shapley(&trees, row);
            for (found, wanted) in found.iter().zip(&wanted) {
                prop_assert!((found - wanted).abs() < 1e-12, "{row:?}: {found} for {wanted}");
            }
            let margin: f64 = trees.iter().map(|tree| expected(tree, 0, row, u32::MAX)).sum();
            let sum = explainer.base() + found.iter().sum::<f64>();
            prop_assert!((0.25 + margin - sum).abs() < 1e-12, "{margin} + 0.25 for {sum}");
        }
    }

    /// Paths of up to 32 distinct columns, so of up to 16 quadrature points.
    #[test]
    fn of_deep_trees_have_the_same_bits_alone(
        choices in prop::collection::vec(prop::collection::vec(30_u8.., 0..400), 1..3),
        rows in prop::collection::vec(prop::collection::vec(cell(), DEEP_COLUMNS), 1..20),
    ) {
        let trees = choices.into_iter().map(|choices| {
            let mut tree = TreeOutline::default();
            grow(&mut choices.into_iter(), (DEEP_COLUMNS, 40), &mut tree, 16.0);
            tree
        }).collect();
        let outline = Outline { columns: DEEP_COLUMNS, base: 0.25, trees, ..Outline::default() };
        let mut explainer = TreeExplainer::new(&outline, KernelChoice::Auto).unwrap();
        let mut found = vec![0.0; rows.len() * DEEP_COLUMNS];
        explainer.explain(Cells::F64(&rows.concat()), rows.len(), &mut found);
        each_alone_has_the_same_bits(&outline, &rows, &found)?;
    }
}
