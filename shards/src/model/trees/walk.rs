//! The plain walk: one row, one tree, one branch at a time. What every other kernel must equal.

use super::attributes::Aggregate;
use super::cells::Rows;
use super::ensemble::{Branch, Child, Ensemble, Linear, Test, Weight};
use super::real::Real;

/// Scores rows one by one; knows every aggregate and every test.
#[derive(Debug, Clone)]
pub(super) struct Walk<T> {
    ensemble: Ensemble,
    cells: Vec<T>,
    sums: Vec<T>,
    values: Vec<[T; 1]>,
}

impl<T: Real> Walk<T> {
    pub(super) fn new(ensemble: Ensemble) -> Self {
        Self {
            cells: vec![T::default(); ensemble.columns],
            sums: vec![T::default(); ensemble.sums],
            values: vec![[T::default()]; ensemble.finish.columns.len()],
            ensemble,
        }
    }

    /// Writes the scores of the first `rows` rows.
    pub(super) fn score(&mut self, from: &Rows<'_>, rows: usize, scores: &mut [T]) {
        let finish = &self.ensemble.finish;
        let outputs = finish.outputs();
        for (row, scores) in scores.chunks_exact_mut(outputs).take(rows).enumerate() {
            from.read(row, &mut self.cells);
            add_leaves(&self.ensemble, &self.cells, &mut self.sums);
            finish.rows(|sum| [self.sums[sum]], &mut self.values, 1, scores);
        }
    }
}

fn add_leaves<T: Real>(ensemble: &Ensemble, cells: &[T], sums: &mut [T]) {
    match ensemble.finish.aggregate {
        Aggregate::Sum | Aggregate::Average => {
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum = T::from_f64(ensemble.start(at));
            }
        }
        // No leaf yet.
        Aggregate::Min | Aggregate::Max => sums.fill(T::from_f64(f64::NAN)),
    }
    for tree in &ensemble.trees {
        let leaf = leaf_of(ensemble, tree.root, cells);
        let linear = ensemble.linear_of(leaf).and_then(|linear| value_of(linear, cells));
        for weight in ensemble.weights_of(leaf) {
            let value = linear.unwrap_or(weight.value);
            add(ensemble.finish.aggregate, Weight { value, ..*weight }, sums);
        }
    }
}

/// The value of a linear leaf; none if a cell that it reads is missing.
fn value_of<T: Real>(linear: &Linear, cells: &[T]) -> Option<f64> {
    let mut value = linear.constant;
    for (column, coefficient) in &linear.terms {
        let cell = cells[*column as usize].to_f64();
        if cell.is_nan() {
            return None;
        }
        value += coefficient * cell;
    }
    Some(value)
}

fn add<T: Real>(aggregate: Aggregate, weight: Weight, sums: &mut [T]) {
    let sum = &mut sums[weight.sum as usize];
    let value = T::from_f64(weight.value);
    match aggregate {
        Aggregate::Sum | Aggregate::Average => *sum = *sum + value,
        // Written so that the first leaf replaces the NaN that stands for none.
        Aggregate::Min if *sum <= value => {}
        Aggregate::Max if *sum >= value => {}
        Aggregate::Min | Aggregate::Max => *sum = value,
    }
}

/// The leaf that `cells` lead to.
fn leaf_of<T: Real>(ensemble: &Ensemble, root: Child, cells: &[T]) -> u32 {
    let mut at = root;
    loop {
        match at {
            Child::Leaf(leaf) => return leaf,
            Child::Branch(branch) => {
                let branch = &ensemble.branches[branch as usize];
                at = if passes(ensemble, branch, cells) { branch.yes } else { branch.no };
            }
        }
    }
}

#[expect(clippy::float_cmp, reason = "BRANCH_EQ is an exact comparison")]
fn passes<T: Real>(ensemble: &Ensemble, branch: &Branch, cells: &[T]) -> bool {
    // Widening is exact, so this is the comparison in the ensemble's own precision.
    let cell = cells[branch.column as usize].to_f64();
    let passed = match branch.test {
        Test::AtMost => cell <= branch.threshold,
        Test::Equal => cell == branch.threshold,
        Test::Member(set) => ensemble.sets.contains(set, cell),
    };
    passed || (branch.nan_is_yes && cell.is_nan())
}
