//! The block kernel for AVX-512: 16 rows a register, up to four registers a block.
//!
//! A count of leading zeros finds the leaf and a permutation fetches its value. 64-bit cells are
//! compared eight rows a register, and their values gathered.

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _CMP_GE_OQ, _CMP_UNORD_Q, _mm256_and_si256, _mm256_cmplt_epu32_mask,
    _mm256_loadu_si256, _mm256_lzcnt_epi32, _mm256_mask_add_epi32, _mm256_mask_and_epi32,
    _mm256_mask_test_epi32_mask, _mm256_maskz_loadu_epi32, _mm256_mmask_i32gather_epi32,
    _mm256_permutexvar_epi32, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_sllv_epi32,
    _mm256_srli_epi32, _mm256_test_epi32_mask, _mm512_add_pd, _mm512_add_ps, _mm512_and_epi32,
    _mm512_cmp_pd_mask, _mm512_cmp_ps_mask, _mm512_cmplt_epu32_mask, _mm512_cvttpd_epi32,
    _mm512_cvttps_epi32, _mm512_i32gather_pd, _mm512_i32gather_ps, _mm512_load_pd, _mm512_load_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_lzcnt_epi32, _mm512_mask_add_epi32,
    _mm512_mask_and_epi32, _mm512_mask_blend_ps, _mm512_mask_i32gather_epi32,
    _mm512_mask_test_epi32_mask, _mm512_maskz_loadu_epi32, _mm512_permutex2var_ps,
    _mm512_permutexvar_epi32, _mm512_permutexvar_ps, _mm512_set1_epi32, _mm512_set1_pd,
    _mm512_set1_ps, _mm512_setzero_si512, _mm512_sllv_epi32, _mm512_srli_epi32, _mm512_store_pd,
    _mm512_store_ps, _mm512_test_epi32_mask,
};

use super::block::{self, Instructions, Span};
use super::cells::Rows;
use super::finish::Finish;
use super::gather;
use super::plan::Plan;
use super::real::Real;
use super::transpose;
use super::vector::{self, Set, Vector};
use super::words::{BitOrder, Finder, LANES, Lanes, WORD};

/// The most words that are faster than a walk.
pub(super) const WORDS_MAX: usize = 8;

/// The steps of a block of 32-bit cells.
pub(super) const SINGLE: Instructions<f32> = Instructions {
    load: |from, columns, span, block| {
        assert!(is_available());
        // SAFETY: the CPU has the features.
        unsafe { transpose::load(from, columns, span, block) }
    },
    add_trees: |plan, block, parts, mixed, sums| {
        check(plan, block, parts, sums);
        // SAFETY: the CPU has the features, and all else is as `vector::add_trees` asks.
        unsafe { add_trees::<Single>(plan, block, parts, mixed, sums) }
    },
    finish: |how, sums, parts, values, scores| {
        assert!(is_available());
        // SAFETY: the CPU has the features.
        unsafe { finish(how, sums, parts, values, scores) }
    },
    entry_ns: 0.85,
    step_ns: 19.0,
};

/// The steps of a block of 64-bit cells.
pub(super) const DOUBLE: Instructions<f64> = Instructions {
    load: |from, columns, span, block| {
        assert!(is_available());
        // SAFETY: the CPU has the features.
        unsafe { load(from, columns, span, block) }
    },
    add_trees: |plan, block, parts, mixed, sums| {
        check(plan, block, parts, sums);
        // SAFETY: the CPU has the features, and all else is as `vector::add_trees` asks.
        unsafe { add_trees::<Double>(plan, block, parts, mixed, sums) }
    },
    finish: |how, sums, parts, values, scores| {
        assert!(is_available());
        // SAFETY: the CPU has the features.
        unsafe { finish(how, sums, parts, values, scores) }
    },
    entry_ns: 1.7,
    step_ns: 100.0,
};

/// Whether this CPU can run the kernel.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// # Panics
/// If the CPU, the plan or a length is not what `vector::add_trees` asks for.
fn check<T>(plan: &Plan<T>, block: &[Lanes<T>], parts: usize, sums: &[Lanes<T>]) {
    assert!(is_available());
    assert!(matches!(parts, 1 | 2 | 4));
    assert_eq!(plan.order(), BitOrder::HighestFirst);
    assert_eq!(block.len(), plan.columns().len() * parts);
    assert_eq!(sums.len(), plan.sums() * parts);
}

/// # Safety
/// The CPU has the features; the rest as for `vector::add_trees`.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn add_trees<V: Vector>(
    plan: &Plan<V::Cell>,
    block: &[Lanes<V::Cell>],
    parts: usize,
    mixed: bool,
    sums: &mut [Lanes<V::Cell>],
) {
    // SAFETY: as promised to this function.
    unsafe { vector::add_trees::<V>(plan, block, parts, mixed, sums) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
fn load<T: Real>(from: &Rows<'_>, columns: &[u32], span: Span, block: &mut [Lanes<T>]) -> bool {
    block::load(from, columns, span, block)
}

#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
fn finish<T: Real>(
    how: &Finish,
    sums: &[Lanes<T>],
    parts: usize,
    values: &mut [[T; LANES]],
    scores: &mut [T],
) {
    block::finish(how, sums, parts, values, scores);
}

/// 32-bit cells, 16 a register.
struct Single;

impl Vector for Single {
    type Cell = f32;
    type Words = __m512i;
    const ROWS: usize = 16;

    #[inline(always)]
    unsafe fn splat(word: u32) -> __m512i {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn narrow<const FAILS: i32>(
        bits: __m512i,
        cells: *const f32,
        threshold: f32,
        keep: u32,
    ) -> __m512i {
        // SAFETY: as promised to this function.
        unsafe {
            let cells = _mm512_load_ps(cells);
            let fails = _mm512_cmp_ps_mask::<FAILS>(cells, _mm512_set1_ps(threshold));
            _mm512_mask_and_epi32(bits, fails, bits, _mm512_set1_epi32(keep as i32))
        }
    }

    #[inline(always)]
    unsafe fn narrow_to_members<const NAN_PASSES: bool>(
        bits: __m512i,
        cells: *const f32,
        set: Set<f32>,
        keep: u32,
    ) -> __m512i {
        // SAFETY: as promised to this function; only words of the set are read.
        unsafe {
            let cells = _mm512_load_ps(cells);
            // What does not fit becomes the largest place, which is in no set.
            let place = _mm512_cvttps_epi32(cells);
            let known = _mm512_cmplt_epu32_mask(place, _mm512_set1_epi32(set.bits as i32));
            let known = known & _mm512_cmp_ps_mask::<_CMP_GE_OQ>(cells, _mm512_set1_ps(set.least));
            let word = _mm512_srli_epi32::<5>(place);
            let words = if set.bits <= 512 {
                // All words fit a register.
                let all = (1_u32 << (set.bits / 32)) - 1;
                let all = _mm512_maskz_loadu_epi32(all as u16, set.words.cast());
                _mm512_permutexvar_epi32(word, all)
            } else {
                let zeros = _mm512_setzero_si512();
                _mm512_mask_i32gather_epi32::<4>(zeros, known, word, set.words.cast())
            };
            let bit = _mm512_sllv_epi32(
                _mm512_set1_epi32(1),
                _mm512_and_epi32(place, _mm512_set1_epi32(31)),
            );
            let mut passes = _mm512_mask_test_epi32_mask(known, words, bit);
            if NAN_PASSES {
                passes |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(cells, cells);
            }
            _mm512_mask_and_epi32(bits, !passes, bits, _mm512_set1_epi32(keep as i32))
        }
    }

    #[inline(always)]
    unsafe fn first_bit(bits: __m512i) -> __m512i {
        // SAFETY: the CPU has the features.
        unsafe { _mm512_lzcnt_epi32(bits) }
    }

    #[inline(always)]
    unsafe fn first_bit_or(bits: __m512i, start: u32, other: __m512i) -> __m512i {
        // SAFETY: the CPU has the features.
        unsafe {
            let start = _mm512_set1_epi32(start as i32);
            let any = _mm512_test_epi32_mask(bits, bits);
            _mm512_mask_add_epi32(other, any, start, _mm512_lzcnt_epi32(bits))
        }
    }

    #[inline(always)]
    unsafe fn add_values(sums: *mut f32, values: *const f32, finder: Finder, leaves: __m512i) {
        // SAFETY: as promised to this function.
        unsafe {
            let value = look_up(values, finder, leaves);
            _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), value));
        }
    }

    #[inline(always)]
    unsafe fn read(words: *const u32) -> __m512i {
        // SAFETY: as promised to this function.
        unsafe { _mm512_loadu_si512(words.cast()) }
    }

    #[inline(always)]
    unsafe fn walk<const GROUPS: usize, const MIXED: bool>(
        plan: &Plan<f32>,
        root: u32,
        block: &[Lanes<f32>],
    ) -> [__m512i; GROUPS] {
        // SAFETY: as promised to this function.
        unsafe {
            if plan.has_sets() {
                vector::walk::<Self, GROUPS, MIXED>(plan, root, block)
            } else {
                gather::walk::<GROUPS, MIXED>(plan.nodes(), root, block)
            }
        }
    }
}

/// 64-bit cells, eight a register.
struct Double;

impl Vector for Double {
    type Cell = f64;
    type Words = __m256i;
    const ROWS: usize = 8;

    #[inline(always)]
    unsafe fn splat(word: u32) -> __m256i {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn narrow<const FAILS: i32>(
        bits: __m256i,
        cells: *const f64,
        threshold: f64,
        keep: u32,
    ) -> __m256i {
        // SAFETY: as promised to this function.
        unsafe {
            let cells = _mm512_load_pd(cells);
            let fails = _mm512_cmp_pd_mask::<FAILS>(cells, _mm512_set1_pd(threshold));
            _mm256_mask_and_epi32(bits, fails, bits, _mm256_set1_epi32(keep as i32))
        }
    }

    #[inline(always)]
    unsafe fn narrow_to_members<const NAN_PASSES: bool>(
        bits: __m256i,
        cells: *const f64,
        set: Set<f64>,
        keep: u32,
    ) -> __m256i {
        // SAFETY: as promised to this function; only words of the set are read.
        unsafe {
            let cells = _mm512_load_pd(cells);
            // What does not fit becomes the largest place, which is in no set.
            let place = _mm512_cvttpd_epi32(cells);
            let known = _mm256_cmplt_epu32_mask(place, _mm256_set1_epi32(set.bits as i32));
            let known = known & _mm512_cmp_pd_mask::<_CMP_GE_OQ>(cells, _mm512_set1_pd(set.least));
            let word = _mm256_srli_epi32::<5>(place);
            let words = if set.bits <= 256 {
                // All words fit a register.
                let all = (1_u32 << (set.bits / 32)) - 1;
                let all = _mm256_maskz_loadu_epi32(all as u8, set.words.cast());
                _mm256_permutexvar_epi32(word, all)
            } else {
                let zeros = _mm256_setzero_si256();
                _mm256_mmask_i32gather_epi32::<4>(zeros, known, word, set.words.cast())
            };
            let bit = _mm256_sllv_epi32(
                _mm256_set1_epi32(1),
                _mm256_and_si256(place, _mm256_set1_epi32(31)),
            );
            let mut passes = _mm256_mask_test_epi32_mask(known, words, bit);
            if NAN_PASSES {
                passes |= _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(cells, cells);
            }
            _mm256_mask_and_epi32(bits, !passes, bits, _mm256_set1_epi32(keep as i32))
        }
    }

    #[inline(always)]
    unsafe fn first_bit(bits: __m256i) -> __m256i {
        // SAFETY: the CPU has the features.
        unsafe { _mm256_lzcnt_epi32(bits) }
    }

    #[inline(always)]
    unsafe fn first_bit_or(bits: __m256i, start: u32, other: __m256i) -> __m256i {
        // SAFETY: the CPU has the features.
        unsafe {
            let start = _mm256_set1_epi32(start as i32);
            let any = _mm256_test_epi32_mask(bits, bits);
            _mm256_mask_add_epi32(other, any, start, _mm256_lzcnt_epi32(bits))
        }
    }

    #[inline(always)]
    unsafe fn add_values(sums: *mut f64, values: *const f64, _: Finder, leaves: __m256i) {
        // SAFETY: as promised to this function.
        unsafe {
            let value = _mm512_i32gather_pd::<8>(leaves, values);
            _mm512_store_pd(sums, _mm512_add_pd(_mm512_load_pd(sums), value));
        }
    }

    #[inline(always)]
    unsafe fn read(words: *const u32) -> __m256i {
        // SAFETY: as promised to this function.
        unsafe { _mm256_loadu_si256(words.cast()) }
    }
}

/// The values of 16 leaves.
///
/// # Safety
/// `values` points to as many values as `finder` can name, and it can name each of `leaves`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn look_up(values: *const f32, finder: Finder, leaves: __m512i) -> __m512 {
    // SAFETY: as promised to this function.
    unsafe {
        let of = |at: usize| _mm512_loadu_ps(values.add(at * LANES));
        match finder {
            Finder::HalfWord(_) => _mm512_permutexvar_ps(leaves, of(0)),
            Finder::OneWord(_) => _mm512_permutex2var_ps(of(0), leaves, of(1)),
            Finder::TwoWords(_) => {
                let second = _mm512_test_epi32_mask(leaves, _mm512_set1_epi32(WORD as i32));
                let from_second = _mm512_permutex2var_ps(of(2), leaves, of(3));
                let from_first = _mm512_permutex2var_ps(of(0), leaves, of(1));
                _mm512_mask_blend_ps(second, from_first, from_second)
            }
            Finder::Words(..) | Finder::Walk(_) => _mm512_i32gather_ps::<4>(leaves, values),
        }
    }
}
