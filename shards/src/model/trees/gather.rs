//! Walking deep trees with AVX-512: 16 rows a register, each step four gathers.

use std::arch::x86_64::{
    __m512i, __mmask16, _CMP_NEQ_UQ, _CMP_NLE_UQ, _CMP_UNORD_Q, _mm512_add_epi32, _mm512_and_epi32,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cmpneq_epi32_mask, _mm512_i32gather_epi32,
    _mm512_i32gather_ps, _mm512_mask_sub_epi32, _mm512_mullo_epi32, _mm512_set1_epi32,
    _mm512_setr_epi32, _mm512_slli_epi32, _mm512_test_epi32_mask, _mm512_testn_epi32_mask,
};

use super::deep::{COLUMN, DeepNode, EQUAL, NAN_PASSES};
use super::words::{LANES, Lanes};

/// Walks 16 rows a register down a tree until none moves any more.
///
/// # Safety
/// The CPU has the features; `root` and the children of all nodes are in `nodes`; `block` has `GROUPS` lane groups for each
/// column that a node names.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
pub(super) unsafe fn walk<const GROUPS: usize, const MIXED: bool>(
    nodes: &[DeepNode<f32>],
    root: u32,
    block: &[Lanes<f32>],
) -> [__m512i; GROUPS] {
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut at = [_mm512_set1_epi32(root as i32); GROUPS];
    loop {
        let mut moved: __mmask16 = 0;
        for (part, at) in at.iter_mut().enumerate() {
            let lanes = _mm512_add_epi32(lane, _mm512_set1_epi32((part * LANES) as i32));
            // SAFETY: as promised to this function.
            let next = unsafe { step::<GROUPS, MIXED>(nodes.as_ptr(), *at, block.as_ptr(), lanes) };
            moved |= _mm512_cmpneq_epi32_mask(next, *at);
            *at = next;
        }
        if moved == 0 {
            break;
        }
    }
    for at in &mut at {
        // SAFETY: `at` holds places of nodes.
        *at = unsafe { field::<3>(nodes.as_ptr(), *at) };
    }
    at
}

/// Where rows at nodes `at` go next.
///
/// # Safety
/// As [`walk`]; `lanes` are the rows' places in a column of the block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn step<const GROUPS: usize, const MIXED: bool>(
    nodes: *const DeepNode<f32>,
    at: __m512i,
    block: *const Lanes<f32>,
    lanes: __m512i,
) -> __m512i {
    // SAFETY: as promised to this function.
    unsafe {
        let threshold = _mm512_castsi512_ps(field::<0>(nodes, at));
        let column = field::<1>(nodes, at);
        let yes = field::<2>(nodes, at);
        let place = _mm512_and_epi32(column, _mm512_set1_epi32(COLUMN as i32));
        let place = _mm512_mullo_epi32(place, _mm512_set1_epi32((GROUPS * LANES) as i32));
        let place = _mm512_add_epi32(place, lanes);
        let cells = _mm512_i32gather_ps::<4>(place, block.cast::<f32>());
        let fails = if MIXED {
            let above = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(cells, threshold);
            let other = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(cells, threshold);
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(cells, cells);
            let equal = _mm512_test_epi32_mask(column, _mm512_set1_epi32(EQUAL as i32));
            let nan_fails = _mm512_testn_epi32_mask(column, _mm512_set1_epi32(NAN_PASSES as i32));
            ((above & !equal) | (other & equal)) & (!nan | nan_fails)
        } else {
            // No NaN in the block, or none that passes; a leaf is infinite, which NaN must pass.
            _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(cells, threshold)
        };
        // Minus minus one is plus one.
        _mm512_mask_sub_epi32(yes, fails, yes, _mm512_set1_epi32(-1))
    }
}

/// The `FIELD`th 32-bit word of 16 nodes.
///
/// # Safety
/// `at` are places in `nodes`, below 2^29.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn field<const FIELD: usize>(nodes: *const DeepNode<f32>, at: __m512i) -> __m512i {
    const { assert!(size_of::<DeepNode<f32>>() == 16) };
    let words = _mm512_slli_epi32::<2>(at);
    // SAFETY: a node has four words, and `at` are nodes.
    unsafe { _mm512_i32gather_epi32::<4>(words, nodes.cast::<i32>().add(FIELD)) }
}
