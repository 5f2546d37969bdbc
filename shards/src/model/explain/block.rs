//! Takes a tree's steps for a block of rows: tests, values on the way up, weights on the way down.

use super::outline::SplitTest;
use super::program::{Before, Step, TreeProgram, Way};
use super::quadrature::Quadrature;
use super::wide::{Lanes, RowBits, Wide, row_bits};

/// How many points are computed at a time where a tree has more than there is code for.
pub(super) const CHUNK: usize = 16;

/// Room for one tree and one block.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    /// The rows that pass each step's test.
    passed: Vec<RowBits>,
    /// The rows that passed all tests of the step's column before it.
    came: Vec<RowBits>,
    /// Each step's value on the way up; its weight on the way down.
    values: Vec<Lanes>,
    /// Each step's `yes` value less its `no` value.
    gains: Vec<Lanes>,
}

impl Room {
    /// Room for each of `programs`.
    pub(super) fn for_all(programs: &[TreeProgram]) -> Self {
        let steps = programs.iter().map(|program| program.steps.len()).max().unwrap_or(0);
        let lanes = programs.iter().map(|p| p.steps.len() * p.points.min(CHUNK)).max();
        let lanes = vec![Lanes::default(); lanes.unwrap_or(0)];
        Self { passed: vec![0; steps], came: vec![0; steps], values: lanes.clone(), gains: lanes }
    }
}

/// Adds a tree's contributions to `sums`, one for each column that is read. `cells` are the
/// block's columns.
///
/// # Safety
/// As for [`Wide`].
#[inline(always)]
pub(super) unsafe fn add_tree<W: Wide>(
    program: &TreeProgram,
    rule: &Quadrature,
    cells: &[Lanes],
    room: &mut Room,
    sums: &mut [Lanes],
) {
    let steps = program.steps.len();
    let mut block =
        Block { program, passed: &mut room.passed[..steps], came: &mut room.came[..steps] };
    // SAFETY: as promised to this function.
    unsafe {
        run_tests::<W>(program, cells, block.passed);
        block.follow_columns();
        let (values, gains) = (&mut room.values, &mut room.gains);
        match program.points {
            1 => block.add::<W, 1>(0, rule, values, gains, sums),
            2 => block.add::<W, 2>(0, rule, values, gains, sums),
            3 => block.add::<W, 3>(0, rule, values, gains, sums),
            4 => block.add::<W, 4>(0, rule, values, gains, sums),
            5 => block.add::<W, 5>(0, rule, values, gains, sums),
            6 => block.add::<W, 6>(0, rule, values, gains, sums),
            7 => block.add::<W, 7>(0, rule, values, gains, sums),
            8 => block.add::<W, 8>(0, rule, values, gains, sums),
            12 => block.add::<W, 12>(0, rule, values, gains, sums),
            points => {
                for first in (0..points).step_by(CHUNK) {
                    block.add::<W, CHUNK>(first, rule, values, gains, sums);
                }
            }
        }
    }
}

/// # Safety
/// As for [`Wide`].
#[inline(always)]
unsafe fn run_tests<W: Wide>(program: &TreeProgram, cells: &[Lanes], passed: &mut [RowBits]) {
    for (step, passed) in program.steps.iter().zip(passed) {
        let cells = &cells[step.column as usize];
        *passed = match &step.test {
            // SAFETY: as promised to this function.
            SplitTest::AtMost(threshold) => unsafe { W::at_most(cells, *threshold) },
            other => row_bits(cells, |cell| other.passes(cell)),
        };
        if step.nan_is_yes {
            *passed |= row_bits(cells, f64::is_nan);
        }
    }
}

/// One tree's steps, and which rows pass them.
struct Block<'a> {
    program: &'a TreeProgram,
    passed: &'a mut [RowBits],
    came: &'a mut [RowBits],
}

/// A step's constants at the points from `first` on.
#[derive(Clone, Copy)]
pub(super) struct Constants<'a> {
    pub(super) all: &'a [f64],
    /// How many numbers a list has.
    pub(super) stride: usize,
    pub(super) first: usize,
}

impl<'a> Constants<'a> {
    /// The first is the weights of `yes` for rows that pass, then for those that don't, then the
    /// derivatives of both.
    #[inline(always)]
    pub(super) fn list<const N: usize>(self, number: usize) -> &'a [f64; N] {
        &self.all[number * self.stride + self.first..].as_chunks::<N>().0[0]
    }
}

impl Block<'_> {
    /// Finds, of each step whose column was tested before, the rows that passed.
    #[inline(always)]
    fn follow_columns(&mut self) {
        for (place, step) in self.program.steps.iter().enumerate() {
            if let Some(Before { step, took_yes }) = step.before {
                let step = step as usize;
                let flip = if took_yes { 0 } else { RowBits::MAX };
                self.came[place] = self.came[step] & (self.passed[step] ^ flip);
            } else {
                self.came[place] = RowBits::MAX;
            }
        }
    }

    fn constants(&self, step: &Step, first: usize) -> Constants<'_> {
        let all = &self.program.constants[step.constants as usize..];
        Constants { all, stride: self.program.stride, first }
    }

    /// Adds what `N` points from `first` on give.
    ///
    /// # Safety
    /// As for [`Wide`].
    #[inline(always)]
    unsafe fn add<W: Wide, const N: usize>(
        &self,
        first: usize,
        rule: &Quadrature,
        values: &mut [Lanes],
        gains: &mut [Lanes],
        sums: &mut [Lanes],
    ) {
        let steps = self.program.steps.len();
        let values = &mut values.as_chunks_mut::<N>().0[..steps];
        let gains = &mut gains.as_chunks_mut::<N>().0[..steps];
        // SAFETY: as promised to this function.
        unsafe {
            self.go_up::<W, N>(first, values, gains);
            let weights = &rule.weights[first..].as_chunks::<N>().0[0];
            for (value, weight) in values[0].iter_mut().zip(weights) {
                W::store(W::splat(*weight), value);
            }
            self.go_down::<W, N>(first, values, gains, sums);
        }
    }

    /// The weight of a step's `yes`, at a point.
    ///
    /// # Safety
    /// As for [`Wide`].
    #[inline(always)]
    unsafe fn weight<W: Wide>(
        step: &Step,
        passed: W::Passing,
        came: W::Passing,
        hit: f64,
        miss: f64,
    ) -> W::Numbers {
        // SAFETY: as promised to this function.
        unsafe {
            let known = W::select(passed, W::splat(hit), W::splat(miss));
            match step.before {
                None => known,
                // For rows that failed before, only the training rows' share counts.
                Some(_) => W::select(came, known, W::splat(step.share)),
            }
        }
    }

    /// Each step's value and gain, children before parents.
    ///
    /// # Safety
    /// As for [`Wide`].
    #[inline(always)]
    unsafe fn go_up<W: Wide, const N: usize>(
        &self,
        first: usize,
        values: &mut [[Lanes; N]],
        gains: &mut [[Lanes; N]],
    ) {
        for (place, step) in self.program.steps.iter().enumerate().rev() {
            let constants = self.constants(step, first);
            let (hits, misses) = (constants.list::<N>(0), constants.list::<N>(1));
            let (own, below) = values[place..].split_at_mut(1);
            let (own, gains) = (&mut own[0], &mut gains[place]);
            // SAFETY: as promised to this function.
            unsafe {
                let (passed, came) = (W::passing(self.passed[place]), W::passing(self.came[place]));
                for point in 0..N {
                    let yes = value_of::<W, N>(step.yes, below, place, point);
                    let no = value_of::<W, N>(step.no, below, place, point);
                    let weight = Self::weight::<W>(step, passed, came, hits[point], misses[point]);
                    let gain = W::subtract(yes, no);
                    W::store(gain, &mut gains[point]);
                    W::store(W::add(no, W::multiply(weight, gain)), &mut own[point]);
                }
            }
        }
    }

    /// Each step's weight, parents before children, and what it adds to its column. The first
    /// step's weight is there.
    ///
    /// # Safety
    /// As for [`Wide`].
    #[inline(always)]
    unsafe fn go_down<W: Wide, const N: usize>(
        &self,
        first: usize,
        weights: &mut [[Lanes; N]],
        gains: &[[Lanes; N]],
        sums: &mut [Lanes],
    ) {
        for (place, step) in self.program.steps.iter().enumerate() {
            let constants = self.constants(step, first);
            let (hits, misses) = (constants.list::<N>(0), constants.list::<N>(1));
            let (own, below) = weights[place..].split_at_mut(1);
            let (own, gains) = (&own[0], &gains[place]);
            let column = &mut sums[step.credit as usize];
            // SAFETY: as promised to this function.
            unsafe {
                let (passed, came) = (W::passing(self.passed[place]), W::passing(self.came[place]));
                let mut sum = W::splat(0.0);
                for point in 0..N {
                    let mut gain = W::multiply(W::load(&own[point]), W::load(&gains[point]));
                    if step.before.is_some() {
                        let (hits, misses) = (constants.list::<N>(2), constants.list::<N>(3));
                        let slope =
                            W::select(passed, W::splat(hits[point]), W::splat(misses[point]));
                        gain = W::multiply(gain, W::select(came, slope, W::splat(0.0)));
                    }
                    sum = W::add(sum, gain);
                }
                if step.before.is_none() {
                    let slope =
                        W::select(passed, W::splat(1.0 - step.share), W::splat(-step.share));
                    sum = W::multiply(sum, slope);
                }
                W::store(W::add(W::load(column), sum), column);
                if let (Way::Leaf(_), Way::Leaf(_)) = (step.yes, step.no) {
                    continue;
                }
                for point in 0..N {
                    let weight = Self::weight::<W>(step, passed, came, hits[point], misses[point]);
                    let all = W::load(&own[point]);
                    let yes = W::multiply(all, weight);
                    if let Way::Step(step) = step.yes {
                        W::store(yes, &mut below[step as usize - place - 1][point]);
                    }
                    if let Way::Step(step) = step.no {
                        let no = W::subtract(all, yes);
                        W::store(no, &mut below[step as usize - place - 1][point]);
                    }
                }
            }
        }
    }
}

/// The value of where a branch leads, at a point; `below` are the values of the steps after
/// `place`.
///
/// # Safety
/// As for [`Wide`].
#[inline(always)]
unsafe fn value_of<W: Wide, const N: usize>(
    way: Way,
    below: &[[Lanes; N]],
    place: usize,
    point: usize,
) -> W::Numbers {
    // SAFETY: as promised to this function.
    unsafe {
        match way {
            Way::Leaf(value) => W::splat(value),
            Way::Step(step) => W::load(&below[step as usize - place - 1][point]),
        }
    }
}
