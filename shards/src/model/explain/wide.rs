//! Eight rows' numbers at a time: the steps of a block, and the form that needs nothing of the
//! CPU. `avx2` and `avx512` take the same steps in registers.
//!
//! No step fuses a multiplication with an addition, so that every CPU gives the same bits.

/// Rows in a block.
pub(super) const ROWS: usize = 8;

/// One number for each row of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [f64; ROWS]);

/// The rows of a block that pass a test, a bit each.
pub(super) type RowBits = u8;

/// The numbers of a block's rows, on a CPU with certain features.
///
/// # Safety
/// All functions need the CPU's features, and to be inlined into a function that enables them.
pub(super) trait Wide {
    /// A number for each row.
    type Numbers: Copy;
    /// Which rows pass, in the form that the steps take.
    type Passing: Copy;

    /// The same number for all rows.
    unsafe fn splat(number: f64) -> Self::Numbers;
    unsafe fn load(lanes: &Lanes) -> Self::Numbers;
    unsafe fn store(numbers: Self::Numbers, lanes: &mut Lanes);
    unsafe fn add(one: Self::Numbers, other: Self::Numbers) -> Self::Numbers;
    unsafe fn subtract(one: Self::Numbers, other: Self::Numbers) -> Self::Numbers;
    unsafe fn multiply(one: Self::Numbers, other: Self::Numbers) -> Self::Numbers;
    unsafe fn passing(bits: RowBits) -> Self::Passing;
    /// `yes` for rows that pass, `no` for the others.
    unsafe fn select(
        passing: Self::Passing,
        yes: Self::Numbers,
        no: Self::Numbers,
    ) -> Self::Numbers;
    /// The rows whose cell is at most `threshold`; NaN is not.
    unsafe fn at_most(cells: &Lanes, threshold: f64) -> RowBits;
}

/// Plain arrays.
#[derive(Debug)]
pub(super) struct Portable;

impl Wide for Portable {
    type Numbers = Lanes;
    type Passing = [u64; ROWS];

    #[inline(always)]
    unsafe fn splat(number: f64) -> Lanes {
        Lanes([number; ROWS])
    }

    #[inline(always)]
    unsafe fn load(lanes: &Lanes) -> Lanes {
        *lanes
    }

    #[inline(always)]
    unsafe fn store(numbers: Lanes, lanes: &mut Lanes) {
        *lanes = numbers;
    }

    #[inline(always)]
    unsafe fn add(mut one: Lanes, other: Lanes) -> Lanes {
        for lane in 0..ROWS {
            one.0[lane] += other.0[lane];
        }
        one
    }

    #[inline(always)]
    unsafe fn subtract(mut one: Lanes, other: Lanes) -> Lanes {
        for lane in 0..ROWS {
            one.0[lane] -= other.0[lane];
        }
        one
    }

    #[inline(always)]
    unsafe fn multiply(mut one: Lanes, other: Lanes) -> Lanes {
        for lane in 0..ROWS {
            one.0[lane] *= other.0[lane];
        }
        one
    }

    #[inline(always)]
    unsafe fn passing(bits: RowBits) -> [u64; ROWS] {
        let mut passing = [0; ROWS];
        for (lane, passing) in passing.iter_mut().enumerate() {
            *passing = u64::from(bits >> lane & 1).wrapping_neg();
        }
        passing
    }

    #[inline(always)]
    unsafe fn select(passing: [u64; ROWS], yes: Lanes, no: Lanes) -> Lanes {
        let mut chosen = no;
        for (lane, passing) in passing.into_iter().enumerate() {
            let (yes, no) = (yes.0[lane].to_bits(), no.0[lane].to_bits());
            chosen.0[lane] = f64::from_bits(yes & passing | no & !passing);
        }
        chosen
    }

    #[inline(always)]
    unsafe fn at_most(cells: &Lanes, threshold: f64) -> RowBits {
        row_bits(cells, |cell| cell <= threshold)
    }
}

/// The rows whose cell passes.
#[inline(always)]
pub(super) fn row_bits(cells: &Lanes, passes: impl Fn(f64) -> bool) -> RowBits {
    let mut bits = 0;
    for (lane, cell) in cells.0.iter().enumerate() {
        bits |= RowBits::from(passes(*cell)) << lane;
    }
    bits
}
