//! The steps of a block for AVX2: two registers of four rows.

use std::arch::x86_64::{
    __m256d, _CMP_LE_OQ, _mm256_add_pd, _mm256_and_si256, _mm256_blendv_pd, _mm256_castsi256_pd,
    _mm256_cmp_pd, _mm256_cmpeq_epi64, _mm256_load_pd, _mm256_movemask_pd, _mm256_mul_pd,
    _mm256_set1_epi64x, _mm256_set1_pd, _mm256_setr_epi64x, _mm256_store_pd, _mm256_sub_pd,
};

use super::wide::{Lanes, RowBits, Wide};

/// Needs AVX2.
#[derive(Debug)]
pub(super) struct Avx2;

/// Whether this CPU can take these steps.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// The first four rows and the last four.
type Halves = [__m256d; 2];

// SAFETY of every block below: the caller has the CPU's features, as the trait asks; loads and
// stores go to the halves of `Lanes`, which are as long and as aligned as a register.
impl Wide for Avx2 {
    type Numbers = Halves;
    type Passing = Halves;

    #[inline(always)]
    unsafe fn splat(number: f64) -> Halves {
        // SAFETY: see above.
        unsafe { [_mm256_set1_pd(number); 2] }
    }

    #[inline(always)]
    unsafe fn load(lanes: &Lanes) -> Halves {
        let start = lanes.0.as_ptr();
        // SAFETY: see above.
        unsafe { [_mm256_load_pd(start), _mm256_load_pd(start.add(4))] }
    }

    #[inline(always)]
    unsafe fn store(numbers: Halves, lanes: &mut Lanes) {
        let start = lanes.0.as_mut_ptr();
        // SAFETY: see above.
        unsafe {
            _mm256_store_pd(start, numbers[0]);
            _mm256_store_pd(start.add(4), numbers[1]);
        }
    }

    #[inline(always)]
    unsafe fn add(one: Halves, other: Halves) -> Halves {
        // SAFETY: see above.
        unsafe { [_mm256_add_pd(one[0], other[0]), _mm256_add_pd(one[1], other[1])] }
    }

    #[inline(always)]
    unsafe fn subtract(one: Halves, other: Halves) -> Halves {
        // SAFETY: see above.
        unsafe { [_mm256_sub_pd(one[0], other[0]), _mm256_sub_pd(one[1], other[1])] }
    }

    #[inline(always)]
    unsafe fn multiply(one: Halves, other: Halves) -> Halves {
        // SAFETY: see above.
        unsafe { [_mm256_mul_pd(one[0], other[0]), _mm256_mul_pd(one[1], other[1])] }
    }

    #[inline(always)]
    unsafe fn passing(bits: RowBits) -> Halves {
        // SAFETY: see above.
        unsafe {
            let bits = _mm256_set1_epi64x(i64::from(bits));
            let (first, last) =
                (_mm256_setr_epi64x(1, 2, 4, 8), _mm256_setr_epi64x(16, 32, 64, 128));
            [
                _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(bits, first), first)),
                _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(bits, last), last)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn select(passing: Halves, yes: Halves, no: Halves) -> Halves {
        // SAFETY: see above.
        unsafe {
            [
                _mm256_blendv_pd(no[0], yes[0], passing[0]),
                _mm256_blendv_pd(no[1], yes[1], passing[1]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn at_most(cells: &Lanes, threshold: f64) -> RowBits {
        // SAFETY: see above.
        unsafe {
            let (cells, threshold) = (Self::load(cells), _mm256_set1_pd(threshold));
            let [first, last] = [
                _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_LE_OQ>(cells[0], threshold)),
                _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_LE_OQ>(cells[1], threshold)),
            ];
            (first | last << 4) as RowBits
        }
    }
}
