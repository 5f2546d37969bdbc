//! Takes a tree's steps for one row, all points at a time: `block` takes them for eight rows, and a
//! lone row would pay for all eight. The operations and their order are the same for each point, so
//! the bits are.

use super::block::{CHUNK, Constants};
use super::program::{Before, Step, TreeProgram, Way};
use super::quadrature::Quadrature;

/// Room for one tree and one row.
#[derive(Debug, Clone, Default)]
pub(super) struct LoneRoom {
    passed: Vec<bool>,
    came: Vec<bool>,
    values: Vec<f64>,
    gains: Vec<f64>,
}

impl LoneRoom {
    /// Room for each of `programs`.
    pub(super) fn for_all(programs: &[TreeProgram]) -> Self {
        let steps = programs.iter().map(|program| program.steps.len()).max().unwrap_or(0);
        let numbers = programs.iter().map(|p| p.steps.len() * p.points.min(CHUNK)).max();
        let numbers = vec![0.0; numbers.unwrap_or(0)];
        let bits = vec![false; steps];
        Self { passed: bits.clone(), came: bits, values: numbers.clone(), gains: numbers }
    }
}

/// Adds a tree's contributions to `sums`, one for each place that contributions go to. `cells` are
/// the columns that are read.
#[inline(always)]
pub(super) fn add_tree(
    program: &TreeProgram,
    rule: &Quadrature,
    cells: &[f64],
    room: &mut LoneRoom,
    sums: &mut [f64],
) {
    let steps = program.steps.len();
    let LoneRoom { passed, came, values, gains } = room;
    let (passed, came) = (&mut passed[..steps], &mut came[..steps]);
    for (place, step) in program.steps.iter().enumerate() {
        let cell = cells[step.column as usize];
        passed[place] = if cell.is_nan() { step.nan_is_yes } else { step.test.passes(cell) };
        came[place] = match step.before {
            None => true,
            Some(Before { step, took_yes }) => {
                came[step as usize] && passed[step as usize] == took_yes
            }
        };
    }
    let row = Row { program, passed, came };
    match program.points {
        1 => row.add::<1>(0, rule, values, gains, sums),
        2 => row.add::<2>(0, rule, values, gains, sums),
        3 => row.add::<3>(0, rule, values, gains, sums),
        4 => row.add::<4>(0, rule, values, gains, sums),
        5 => row.add::<5>(0, rule, values, gains, sums),
        6 => row.add::<6>(0, rule, values, gains, sums),
        7 => row.add::<7>(0, rule, values, gains, sums),
        8 => row.add::<8>(0, rule, values, gains, sums),
        12 => row.add::<12>(0, rule, values, gains, sums),
        points => {
            for first in (0..points).step_by(CHUNK) {
                row.add::<CHUNK>(first, rule, values, gains, sums);
            }
        }
    }
}

/// One tree's steps, and which of them the row passes.
struct Row<'a> {
    program: &'a TreeProgram,
    passed: &'a [bool],
    came: &'a [bool],
}

impl Row<'_> {
    fn constants(&self, step: &Step, first: usize) -> Constants<'_> {
        let all = &self.program.constants[step.constants as usize..];
        Constants { all, points: self.program.points, first }
    }

    /// The weights of a step's `yes`, at each point.
    #[inline(always)]
    fn weights<const N: usize>(&self, place: usize, step: &Step, first: usize) -> [f64; N] {
        if !self.came[place] {
            // For a row that failed before, only the training rows' share counts.
            return [step.share; N];
        }
        *self.constants(step, first).list::<N>(usize::from(!self.passed[place]))
    }

    /// Adds what `N` points from `first` on give.
    #[inline(always)]
    fn add<const N: usize>(
        &self,
        first: usize,
        rule: &Quadrature,
        values: &mut [f64],
        gains: &mut [f64],
        sums: &mut [f64],
    ) {
        let steps = self.program.steps.len();
        let values = &mut values.as_chunks_mut::<N>().0[..steps];
        let gains = &mut gains.as_chunks_mut::<N>().0[..steps];
        self.go_up::<N>(first, values, gains);
        values[0] = rule.weights[first..].as_chunks::<N>().0[0];
        self.go_down::<N>(first, values, gains, sums);
    }

    /// Each step's value and gain, children before parents.
    #[inline(always)]
    fn go_up<const N: usize>(&self, first: usize, values: &mut [[f64; N]], gains: &mut [[f64; N]]) {
        for (place, step) in self.program.steps.iter().enumerate().rev() {
            let weights = self.weights::<N>(place, step, first);
            let value = |way: Way| match way {
                Way::Leaf(value) => [value; N],
                Way::Step(step) => values[step as usize],
            };
            let (yes, no) = (value(step.yes), value(step.no));
            for point in 0..N {
                let gain = yes[point] - no[point];
                gains[place][point] = gain;
                values[place][point] = no[point] + weights[point] * gain;
            }
        }
    }

    /// Each step's weight, parents before children, and what it adds to its column. The first
    /// step's weight is there.
    #[inline(always)]
    fn go_down<const N: usize>(
        &self,
        first: usize,
        weights: &mut [[f64; N]],
        gains: &[[f64; N]],
        sums: &mut [f64],
    ) {
        for (place, step) in self.program.steps.iter().enumerate() {
            let (all, gains) = (weights[place], &gains[place]);
            let mut products = [0.0; N];
            for point in 0..N {
                products[point] = all[point] * gains[point];
            }
            if step.before.is_some() {
                let which = 2 + usize::from(!self.passed[place]);
                let slopes = if self.came[place] {
                    *self.constants(step, first).list::<N>(which)
                } else {
                    [0.0; N]
                };
                for point in 0..N {
                    products[point] *= slopes[point];
                }
            }
            let mut sum = 0.0;
            for product in products {
                sum += product;
            }
            if step.before.is_none() {
                sum *= if self.passed[place] { 1.0 - step.share } else { -step.share };
            }
            sums[step.credit as usize] += sum;
            if let (Way::Leaf(_), Way::Leaf(_)) = (step.yes, step.no) {
                continue;
            }
            let weight = self.weights::<N>(place, step, first);
            let mut yes = [0.0; N];
            let mut no = [0.0; N];
            for point in 0..N {
                yes[point] = all[point] * weight[point];
                no[point] = all[point] - yes[point];
            }
            if let Way::Step(step) = step.yes {
                weights[step as usize] = yes;
            }
            if let Way::Step(step) = step.no {
                weights[step as usize] = no;
            }
        }
    }
}
