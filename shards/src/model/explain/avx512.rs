//! The steps of a block for AVX-512: one register.

use std::arch::x86_64::{
    __m512d, __mmask8, _CMP_LE_OQ, _mm512_add_pd, _mm512_cmp_pd_mask, _mm512_load_pd,
    _mm512_mask_blend_pd, _mm512_mul_pd, _mm512_set1_pd, _mm512_store_pd, _mm512_sub_pd,
};

use super::wide::{Lanes, RowBits, Wide};

/// Needs AVX-512 F and DQ.
#[derive(Debug)]
pub(super) struct Avx512;

/// Whether this CPU can take these steps.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")
}

// SAFETY of every block below: the caller has the CPU's features, as the trait asks; loads and
// stores go to `Lanes`, which are as long and as aligned as a register.
impl Wide for Avx512 {
    type Numbers = __m512d;
    type Passing = __mmask8;

    #[inline(always)]
    unsafe fn splat(number: f64) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_set1_pd(number) }
    }

    #[inline(always)]
    unsafe fn load(lanes: &Lanes) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_load_pd(lanes.0.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store(numbers: __m512d, lanes: &mut Lanes) {
        // SAFETY: see above.
        unsafe { _mm512_store_pd(lanes.0.as_mut_ptr(), numbers) }
    }

    #[inline(always)]
    unsafe fn add(one: __m512d, other: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_add_pd(one, other) }
    }

    #[inline(always)]
    unsafe fn subtract(one: __m512d, other: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_sub_pd(one, other) }
    }

    #[inline(always)]
    unsafe fn multiply(one: __m512d, other: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_mul_pd(one, other) }
    }

    #[inline(always)]
    unsafe fn passing(bits: RowBits) -> __mmask8 {
        bits
    }

    #[inline(always)]
    unsafe fn select(passing: __mmask8, yes: __m512d, no: __m512d) -> __m512d {
        // SAFETY: see above.
        unsafe { _mm512_mask_blend_pd(passing, no, yes) }
    }

    #[inline(always)]
    unsafe fn at_most(cells: &Lanes, threshold: f64) -> RowBits {
        // SAFETY: see above.
        unsafe { _mm512_cmp_pd_mask::<_CMP_LE_OQ>(Self::load(cells), _mm512_set1_pd(threshold)) }
    }
}
