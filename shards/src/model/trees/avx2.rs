//! The block kernel for AVX2: eight rows a register, up to eight registers a block.
//!
//! A masked AND is an AND and an AND NOT. The lowest bit left is found through the exponent of
//! its conversion to a float, its value by permutations or a gather. 64-bit cells are compared
//! four rows a register, and two results packed into one.

use std::arch::x86_64::{
    __m256, __m256d, __m256i, _CMP_GE_OQ, _CMP_UNORD_Q, _mm256_add_epi32, _mm256_add_pd,
    _mm256_add_ps, _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_blendv_ps,
    _mm256_castpd_ps, _mm256_castps_pd, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_castsi256_si128, _mm256_cmp_pd, _mm256_cmp_ps, _mm256_cmpeq_epi32, _mm256_cmpgt_epi32,
    _mm256_cvtepi32_ps, _mm256_cvttpd_epi32, _mm256_cvttps_epi32, _mm256_extracti128_si256,
    _mm256_i32gather_pd, _mm256_i32gather_ps, _mm256_load_pd, _mm256_load_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_mask_i32gather_epi32, _mm256_maskload_epi32, _mm256_max_epu32,
    _mm256_or_si256, _mm256_permute4x64_pd, _mm256_permutevar8x32_epi32, _mm256_permutevar8x32_ps,
    _mm256_set_m128i, _mm256_set1_epi32, _mm256_set1_pd, _mm256_set1_ps, _mm256_setr_epi32,
    _mm256_setzero_si256, _mm256_shuffle_ps, _mm256_slli_epi32, _mm256_sllv_epi32,
    _mm256_srli_epi32, _mm256_store_pd, _mm256_store_ps, _mm256_sub_epi32,
};

use super::block::{self, Instructions, Span};
use super::cells::Rows;
use super::finish::Finish;
use super::plan::Plan;
use super::real::Real;
use super::vector::{self, Set, Vector};
use super::words::{BitOrder, Finder, LANES, Lanes, WORD};

/// The most words that are faster than a walk.
pub(super) const WORDS_MAX: usize = 4;

/// The steps of a block of 32-bit cells.
pub(super) const SINGLE: Instructions<f32> = Instructions {
    load: |from, columns, span, block| {
        assert!(is_available());
        // SAFETY: the CPU has the feature.
        unsafe { load(from, columns, span, block) }
    },
    add_trees: |plan, block, parts, mixed, sums| {
        check(plan, block, parts, sums);
        // SAFETY: the CPU has the feature, and all else is as `vector::add_trees` asks.
        unsafe { add_trees::<Single>(plan, block, parts, mixed, sums) }
    },
    finish: |how, sums, parts, values, scores| {
        assert!(is_available());
        // SAFETY: the CPU has the feature.
        unsafe { finish(how, sums, parts, values, scores) }
    },
    entry_ns: 1.1,
    step_ns: 100.0,
};

/// The steps of a block of 64-bit cells.
pub(super) const DOUBLE: Instructions<f64> = Instructions {
    load: |from, columns, span, block| {
        assert!(is_available());
        // SAFETY: the CPU has the feature.
        unsafe { load(from, columns, span, block) }
    },
    add_trees: |plan, block, parts, mixed, sums| {
        check(plan, block, parts, sums);
        // SAFETY: the CPU has the feature, and all else is as `vector::add_trees` asks.
        unsafe { add_trees::<Double>(plan, block, parts, mixed, sums) }
    },
    finish: |how, sums, parts, values, scores| {
        assert!(is_available());
        // SAFETY: the CPU has the feature.
        unsafe { finish(how, sums, parts, values, scores) }
    },
    entry_ns: 2.0,
    step_ns: 100.0,
};

/// Whether this CPU can run the kernel.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// # Panics
/// If the CPU, the plan or a length is not what `vector::add_trees` asks for.
fn check<T>(plan: &Plan<T>, block: &[Lanes<T>], parts: usize, sums: &[Lanes<T>]) {
    assert!(is_available());
    assert!(matches!(parts, 1 | 2 | 4));
    assert_eq!(plan.order(), BitOrder::LowestFirst);
    assert_eq!(block.len(), plan.columns().len() * parts);
    assert_eq!(sums.len(), plan.sums() * parts);
}

/// # Safety
/// The CPU has the feature; the rest as for `vector::add_trees`.
#[target_feature(enable = "avx2")]
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

#[target_feature(enable = "avx2")]
fn load<T: Real>(from: &Rows<'_>, columns: &[u32], span: Span, block: &mut [Lanes<T>]) -> bool {
    block::load(from, columns, span, block)
}

#[target_feature(enable = "avx2")]
fn finish<T: Real>(
    how: &Finish,
    sums: &[Lanes<T>],
    parts: usize,
    values: &mut [[T; LANES]],
    scores: &mut [T],
) {
    block::finish(how, sums, parts, values, scores);
}

/// 32-bit cells, eight a register.
struct Single;

impl Vector for Single {
    type Cell = f32;
    type Words = __m256i;
    const ROWS: usize = 8;

    #[inline(always)]
    unsafe fn splat(word: u32) -> __m256i {
        // SAFETY: the CPU has the feature.
        unsafe { _mm256_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn narrow<const FAILS: i32>(
        bits: __m256i,
        cells: *const f32,
        threshold: f32,
        keep: u32,
    ) -> __m256i {
        // SAFETY: as promised to this function.
        unsafe {
            let fails = _mm256_cmp_ps::<FAILS>(_mm256_load_ps(cells), _mm256_set1_ps(threshold));
            let lost = _mm256_set1_epi32(!keep as i32);
            _mm256_andnot_si256(_mm256_and_si256(_mm256_castps_si256(fails), lost), bits)
        }
    }

    #[inline(always)]
    unsafe fn narrow_to_members<const NAN_PASSES: bool>(
        bits: __m256i,
        cells: *const f32,
        set: Set<f32>,
        keep: u32,
    ) -> __m256i {
        // SAFETY: as promised to this function.
        unsafe {
            let cells = _mm256_load_ps(cells);
            let least = _mm256_set1_ps(set.least);
            let at_least = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(cells, least));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(cells, cells));
            // What does not fit becomes the largest place, which is in no set.
            let place = _mm256_cvttps_epi32(cells);
            let mut passes = members(place, at_least, set.words, set.bits);
            if NAN_PASSES {
                passes = _mm256_or_si256(passes, nan);
            }
            let lost = _mm256_andnot_si256(passes, _mm256_set1_epi32(!keep as i32));
            _mm256_andnot_si256(lost, bits)
        }
    }

    #[inline(always)]
    unsafe fn first_bit(bits: __m256i) -> __m256i {
        // SAFETY: the CPU has the feature.
        unsafe { lowest_bit(bits) }
    }

    #[inline(always)]
    unsafe fn first_bit_or(bits: __m256i, start: u32, other: __m256i) -> __m256i {
        // SAFETY: the CPU has the feature.
        unsafe { lowest_bit_or(bits, start, other) }
    }

    #[inline(always)]
    unsafe fn add_values(sums: *mut f32, values: *const f32, finder: Finder, leaves: __m256i) {
        // SAFETY: as promised to this function.
        unsafe {
            let value = look_up(values, finder, leaves);
            _mm256_store_ps(sums, _mm256_add_ps(_mm256_load_ps(sums), value));
        }
    }

    #[inline(always)]
    unsafe fn read(words: *const u32) -> __m256i {
        // SAFETY: as promised to this function.
        unsafe { _mm256_loadu_si256(words.cast()) }
    }
}

/// 64-bit cells, four a register.
struct Double;

impl Vector for Double {
    type Cell = f64;
    type Words = __m256i;
    const ROWS: usize = 8;

    #[inline(always)]
    unsafe fn splat(word: u32) -> __m256i {
        // SAFETY: the CPU has the feature.
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
            let threshold = _mm256_set1_pd(threshold);
            let low = _mm256_cmp_pd::<FAILS>(_mm256_load_pd(cells), threshold);
            let high = _mm256_cmp_pd::<FAILS>(_mm256_load_pd(cells.add(4)), threshold);
            let lost = _mm256_set1_epi32(!keep as i32);
            _mm256_andnot_si256(_mm256_and_si256(packed(low, high), lost), bits)
        }
    }

    #[inline(always)]
    unsafe fn narrow_to_members<const NAN_PASSES: bool>(
        bits: __m256i,
        cells: *const f64,
        set: Set<f64>,
        keep: u32,
    ) -> __m256i {
        // SAFETY: as promised to this function.
        unsafe {
            let (low, high) = (_mm256_load_pd(cells), _mm256_load_pd(cells.add(4)));
            let least = _mm256_set1_pd(set.least);
            let at_least = packed(
                _mm256_cmp_pd::<_CMP_GE_OQ>(low, least),
                _mm256_cmp_pd::<_CMP_GE_OQ>(high, least),
            );
            let nan = packed(
                _mm256_cmp_pd::<_CMP_UNORD_Q>(low, low),
                _mm256_cmp_pd::<_CMP_UNORD_Q>(high, high),
            );
            // What does not fit becomes the largest place, which is in no set.
            let place = _mm256_set_m128i(_mm256_cvttpd_epi32(high), _mm256_cvttpd_epi32(low));
            let mut passes = members(place, at_least, set.words, set.bits);
            if NAN_PASSES {
                passes = _mm256_or_si256(passes, nan);
            }
            let lost = _mm256_andnot_si256(passes, _mm256_set1_epi32(!keep as i32));
            _mm256_andnot_si256(lost, bits)
        }
    }

    #[inline(always)]
    unsafe fn first_bit(bits: __m256i) -> __m256i {
        // SAFETY: the CPU has the feature.
        unsafe { lowest_bit(bits) }
    }

    #[inline(always)]
    unsafe fn first_bit_or(bits: __m256i, start: u32, other: __m256i) -> __m256i {
        // SAFETY: the CPU has the feature.
        unsafe { lowest_bit_or(bits, start, other) }
    }

    #[inline(always)]
    unsafe fn add_values(sums: *mut f64, values: *const f64, _: Finder, leaves: __m256i) {
        // SAFETY: as promised to this function.
        unsafe {
            let halves = [_mm256_castsi256_si128(leaves), _mm256_extracti128_si256::<1>(leaves)];
            for (half, leaves) in halves.into_iter().enumerate() {
                let sums = sums.add(half * 4);
                let value = _mm256_i32gather_pd::<8>(values, leaves);
                _mm256_store_pd(sums, _mm256_add_pd(_mm256_load_pd(sums), value));
            }
        }
    }

    #[inline(always)]
    unsafe fn read(words: *const u32) -> __m256i {
        // SAFETY: as promised to this function.
        unsafe { _mm256_loadu_si256(words.cast()) }
    }
}

/// The masks of eight 64-bit cells as masks of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn packed(low: __m256d, high: __m256d) -> __m256i {
    // Every other 32-bit piece: rows 0, 1, 4, 5 and 2, 3, 6, 7; then in order again.
    let both = _mm256_shuffle_ps::<0x88>(_mm256_castpd_ps(low), _mm256_castpd_ps(high));
    let in_order = _mm256_permute4x64_pd::<0xd8>(_mm256_castps_pd(both));
    _mm256_castps_si256(_mm256_castpd_ps(in_order))
}

/// The rows, among those in `known`, whose place is in a set of `bits` bits.
///
/// # Safety
/// `words` points to `bits / 32` words.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn members(place: __m256i, known: __m256i, words: *const u32, bits: u32) -> __m256i {
    // A comparison without signs: the larger of the two is the limit, and the place is not.
    let length = bits / 32;
    let bits = _mm256_set1_epi32(bits as i32);
    let too_large = _mm256_cmpeq_epi32(_mm256_max_epu32(place, bits), place);
    let known = _mm256_andnot_si256(too_large, known);
    let word = _mm256_srli_epi32::<5>(place);
    // SAFETY: only words of the set are read.
    let words = unsafe {
        if length <= 8 {
            // All of them fit a register.
            let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let all = _mm256_cmpgt_epi32(_mm256_set1_epi32(length as i32), places);
            _mm256_permutevar8x32_epi32(_mm256_maskload_epi32(words.cast(), all), word)
        } else {
            _mm256_mask_i32gather_epi32::<4>(_mm256_setzero_si256(), words.cast(), word, known)
        }
    };
    let bit =
        _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_and_si256(place, _mm256_set1_epi32(31)));
    let found = _mm256_and_si256(words, bit);
    _mm256_andnot_si256(_mm256_cmpeq_epi32(found, _mm256_setzero_si256()), known)
}

/// The number of the lowest bit set; anything where there is none.
#[inline]
#[target_feature(enable = "avx2")]
fn lowest_bit(bits: __m256i) -> __m256i {
    let alone = _mm256_and_si256(bits, _mm256_sub_epi32(_mm256_setzero_si256(), bits));
    // A power of two converts exactly; 2^31 converts to its negative, whose exponent is the same.
    let float = _mm256_castps_si256(_mm256_cvtepi32_ps(alone));
    let exponent = _mm256_and_si256(_mm256_srli_epi32::<23>(float), _mm256_set1_epi32(0xff));
    _mm256_sub_epi32(exponent, _mm256_set1_epi32(127))
}

/// The number of the lowest bit set, plus `start`; `other` where there is none.
#[inline]
#[target_feature(enable = "avx2")]
fn lowest_bit_or(bits: __m256i, start: u32, other: __m256i) -> __m256i {
    let here = _mm256_add_epi32(_mm256_set1_epi32(start as i32), lowest_bit(bits));
    let none = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
    _mm256_blendv_epi8(here, other, none)
}

/// The values of eight leaves.
///
/// # Safety
/// `values` points to as many values as `finder` can name, and it can name each of `leaves`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn look_up(values: *const f32, finder: Finder, leaves: __m256i) -> __m256 {
    // SAFETY: as promised to this function.
    unsafe {
        match finder {
            Finder::HalfWord(_) => look_up_16(values, leaves),
            Finder::OneWord(_) => {
                let high = _mm256_castsi256_ps(_mm256_slli_epi32::<27>(leaves));
                let second = look_up_16(values.add(WORD / 2), leaves);
                _mm256_blendv_ps(look_up_16(values, leaves), second, high)
            }
            Finder::TwoWords(_) | Finder::Words(..) | Finder::Walk(_) => {
                _mm256_i32gather_ps::<4>(values, leaves)
            }
        }
    }
}

/// The values of eight leaves, each modulo 16.
///
/// # Safety
/// `values` points to 16 values.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn look_up_16(values: *const f32, leaves: __m256i) -> __m256 {
    // SAFETY: as promised to this function.
    let (low, high) = unsafe { (_mm256_loadu_ps(values), _mm256_loadu_ps(values.add(8))) };
    let low = _mm256_permutevar8x32_ps(low, leaves);
    let high = _mm256_permutevar8x32_ps(high, leaves);
    // The sign bit chooses: the fourth bit of the leaf's number is moved there.
    _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(leaves)))
}
