//! Takes a tree's steps for one row, all points at a time: `block` takes them for eight rows, and a
//! lone row would pay for all eight. The operations and their order are the same for each point, so
//! the bits are.
//!
//! Hardly anything branches on the row or on the tree's shape: a lone row's branches are new to the
//! CPU each time. Leaves have a value and a weight in the room, as steps have, and what a row's
//! tests say chooses constants by their place or by a mask.

use super::block::{CHUNK, Constants};
use super::outline::SplitTest;
use super::program::{Step, TreeProgram, Way};
use super::quadrature::Quadrature;

/// No step.
const NONE: u32 = u32::MAX;

/// What a lone row needs of a step.
#[derive(Debug, Clone)]
struct LoneStep {
    /// Of a test that is [`SplitTest::AtMost`].
    threshold: f64,
    share: f64,
    column: u32,
    credit: u32,
    /// The places of its children's values: steps first, then leaves.
    yes: u32,
    no: u32,
    constants: u32,
    /// The last step that tested the same column before.
    before: u32,
    took_yes: bool,
    nan_is_yes: bool,
    is_at_most: bool,
}

/// A tree's steps and leaves for a lone row.
#[derive(Debug, Clone)]
pub(super) struct LoneTree {
    steps: Vec<LoneStep>,
    leaves: Vec<f64>,
}

impl LoneTree {
    /// Those of `program`.
    pub(super) fn new(program: &TreeProgram) -> Self {
        let mut leaves = Vec::new();
        let steps = program.steps.len();
        let mut place = |way: Way| match way {
            Way::Step(step) => step,
            Way::Leaf(value) => {
                leaves.push(value);
                (steps + leaves.len() - 1) as u32
            }
        };
        let step = |step: &Step| {
            let threshold = match step.test {
                SplitTest::AtMost(threshold) => Some(threshold),
                _ => None,
            };
            LoneStep {
                threshold: threshold.unwrap_or(f64::NAN),
                share: step.share,
                column: step.column,
                credit: step.credit,
                yes: place(step.yes),
                no: place(step.no),
                constants: step.constants,
                before: step.before.map_or(NONE, |before| before.step),
                took_yes: step.before.is_some_and(|before| before.took_yes),
                nan_is_yes: step.nan_is_yes,
                is_at_most: threshold.is_some(),
            }
        };
        let steps = program.steps.iter().map(step).collect();
        Self { steps, leaves }
    }
}

/// Room for one tree and one row.
#[derive(Debug, Clone, Default)]
pub(super) struct LoneRoom {
    passed: Vec<bool>,
    /// All ones where the row passed all tests of the step's column before it.
    came: Vec<u64>,
    values: Vec<f64>,
    gains: Vec<f64>,
}

impl LoneRoom {
    /// Room for each of `programs`.
    pub(super) fn for_all(programs: &[TreeProgram]) -> Self {
        let steps = programs.iter().map(|program| program.steps.len()).max().unwrap_or(0);
        // A tree has one leaf more than it has steps.
        let numbers = programs.iter().map(|p| (2 * p.steps.len() + 1) * p.stride.min(CHUNK)).max();
        let numbers = vec![0.0; numbers.unwrap_or(0)];
        Self {
            passed: vec![false; steps],
            came: vec![0; steps],
            values: numbers.clone(),
            gains: numbers,
        }
    }
}

/// Adds a tree's contributions to `sums`, one for each place that contributions go to. `cells` are
/// the columns that are read.
#[inline(always)]
pub(super) fn add_tree(
    program: &TreeProgram,
    tree: &LoneTree,
    rule: &Quadrature,
    cells: &[f64],
    room: &mut LoneRoom,
    sums: &mut [f64],
) {
    let steps = tree.steps.len();
    let LoneRoom { passed, came, values, gains } = room;
    let (passed, came) = (&mut passed[..steps], &mut came[..steps]);
    for (place, step) in tree.steps.iter().enumerate() {
        let cell = cells[step.column as usize];
        let mut passes = cell <= step.threshold;
        if !step.is_at_most {
            passes = !cell.is_nan() && program.steps[place].test.passes(cell);
        }
        passed[place] = passes | (cell.is_nan() & step.nan_is_yes);
        came[place] = u64::MAX;
        if step.before != NONE {
            let before = step.before as usize;
            came[place] = came[before] & u64::from(passed[before] == step.took_yes).wrapping_neg();
        }
    }
    let row = Row { program, tree, passed, came };
    match program.points {
        1 => row.add::<1, 2>(0, rule, values, gains, sums),
        2 => row.add::<2, 2>(0, rule, values, gains, sums),
        3 => row.add::<3, 4>(0, rule, values, gains, sums),
        4 => row.add::<4, 4>(0, rule, values, gains, sums),
        5 => row.add::<5, 8>(0, rule, values, gains, sums),
        6 => row.add::<6, 8>(0, rule, values, gains, sums),
        7 => row.add::<7, 8>(0, rule, values, gains, sums),
        8 => row.add::<8, 8>(0, rule, values, gains, sums),
        12 => row.add::<12, 12>(0, rule, values, gains, sums),
        points => {
            for first in (0..points).step_by(CHUNK) {
                row.add::<CHUNK, CHUNK>(first, rule, values, gains, sums);
            }
        }
    }
}

/// One tree's steps, and which of them the row passes.
struct Row<'a> {
    program: &'a TreeProgram,
    tree: &'a LoneTree,
    passed: &'a [bool],
    came: &'a [u64],
}

impl Row<'_> {
    #[inline(always)]
    fn constants(&self, step: &LoneStep, first: usize) -> Constants<'_> {
        let all = &self.program.constants[step.constants as usize..];
        Constants { all, stride: self.program.stride, first }
    }

    /// The weights of a step's `yes`, at each point. For a row that failed before, only the training
    /// rows' share counts.
    #[inline(always)]
    fn weights<const L: usize>(&self, place: usize, step: &LoneStep, first: usize) -> [f64; L] {
        let known = self.constants(step, first).list::<L>(usize::from(!self.passed[place]));
        let came = self.came[place];
        let share = step.share.to_bits() & !came;
        let mut weights = [0.0; L];
        for point in 0..L {
            weights[point] = f64::from_bits(known[point].to_bits() & came | share);
        }
        weights
    }

    /// Adds what `N` points from `first` on give; `L` of them are computed.
    #[inline(always)]
    fn add<const N: usize, const L: usize>(
        &self,
        first: usize,
        rule: &Quadrature,
        values: &mut [f64],
        gains: &mut [f64],
        sums: &mut [f64],
    ) {
        let (steps, leaves) = (self.tree.steps.len(), &self.tree.leaves);
        let values = &mut values.as_chunks_mut::<L>().0[..steps + leaves.len()];
        let gains = &mut gains.as_chunks_mut::<L>().0[..steps];
        for (value, leaf) in values[steps..].iter_mut().zip(leaves) {
            *value = [*leaf; L];
        }
        self.go_up::<L>(first, values, gains);
        let mut weights = [0.0; L];
        weights[..N].copy_from_slice(&rule.weights[first..first + N]);
        values[0] = weights;
        self.go_down::<N, L>(first, values, gains, sums);
    }

    /// Each step's value and gain, children before parents.
    #[inline(always)]
    fn go_up<const L: usize>(&self, first: usize, values: &mut [[f64; L]], gains: &mut [[f64; L]]) {
        for (place, step) in self.tree.steps.iter().enumerate().rev() {
            let weights = self.weights::<L>(place, step, first);
            let (yes, no) = (values[step.yes as usize], values[step.no as usize]);
            let (mut gain, mut own) = ([0.0; L], [0.0; L]);
            for point in 0..L {
                gain[point] = yes[point] - no[point];
                own[point] = no[point] + weights[point] * gain[point];
            }
            gains[place] = gain;
            values[place] = own;
        }
    }

    /// Each step's weight, parents before children, and what it adds to its column. The first
    /// step's weight is there.
    #[inline(always)]
    fn go_down<const N: usize, const L: usize>(
        &self,
        first: usize,
        weights: &mut [[f64; L]],
        gains: &[[f64; L]],
        sums: &mut [f64],
    ) {
        for (place, step) in self.tree.steps.iter().enumerate() {
            let (all, gains) = (weights[place], &gains[place]);
            let mut products = [0.0; L];
            for point in 0..L {
                products[point] = all[point] * gains[point];
            }
            let is_first = step.before == NONE;
            if !is_first {
                let which = 2 + usize::from(!self.passed[place]);
                let slopes = self.constants(step, first).list::<L>(which);
                let came = self.came[place];
                for point in 0..L {
                    products[point] *= f64::from_bits(slopes[point].to_bits() & came);
                }
            }
            let mut sum = 0.0;
            for product in &products[..N] {
                sum += product;
            }
            if is_first {
                // A choice between two numbers might become a branch.
                sum *= f64::from(u8::from(self.passed[place])) - step.share;
            }
            sums[step.credit as usize] += sum;
            // Both children are leaves.
            if step.yes.min(step.no) as usize >= self.tree.steps.len() {
                continue;
            }
            let weight = self.weights::<L>(place, step, first);
            let (mut yes, mut no) = ([0.0; L], [0.0; L]);
            for point in 0..L {
                yes[point] = all[point] * weight[point];
                no[point] = all[point] - yes[point];
            }
            weights[step.yes as usize] = yes;
            weights[step.no as usize] = no;
        }
    }
}
