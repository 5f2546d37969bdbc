//! The block kernel for AVX2: eight rows a register, up to eight registers a block.
//!
//! A node costs a comparison, an AND and an AND NOT for eight rows. The lowest bit left is found
//! through the exponent of its conversion to a float, its value by permutations or a gather.

use std::arch::x86_64::{
    __m256, __m256i, _CMP_GT_OQ, _CMP_NEQ_OQ, _CMP_NEQ_UQ, _CMP_NLE_UQ, _mm256_add_epi32,
    _mm256_add_ps, _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_blendv_ps,
    _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpeq_epi32,
    _mm256_cvtepi32_ps, _mm256_i32gather_ps, _mm256_load_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_permutevar8x32_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_si256,
    _mm256_slli_epi32, _mm256_srli_epi32, _mm256_store_ps, _mm256_sub_epi32,
};

use super::block::{self, Instructions, Span};
use super::cells::Rows;
use super::finish::Finish;
use super::plan::{BitOrder, Entry, Finder, LANES, Lanes, Plan, TreePlan, WORD};
use super::portable::{self, GROUP, Group};

/// The most words that are faster than a walk.
pub(super) const WORDS_MAX: usize = 4;

/// Whether this CPU can run the kernel.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// The steps of a block, compiled for AVX2.
pub(super) const INSTRUCTIONS: Instructions<f32> =
    Instructions { load, add_trees, finish, entry_ns: 1.1, step_ns: 33.0 };

/// See `block::load`.
fn load(from: &Rows<'_>, columns: &[u32], span: Span, block: &mut [Lanes<f32>]) -> bool {
    #[target_feature(enable = "avx2")]
    fn vectorised(from: &Rows<'_>, columns: &[u32], span: Span, block: &mut [Lanes<f32>]) -> bool {
        block::load(from, columns, span, block)
    }
    assert!(is_available());
    // SAFETY: the CPU has the feature.
    unsafe { vectorised(from, columns, span, block) }
}

/// See `block::finish`.
fn finish(
    finish: &Finish,
    sums: &[Lanes<f32>],
    parts: usize,
    values: &mut [[f32; LANES]],
    scores: &mut [f32],
) {
    #[target_feature(enable = "avx2")]
    fn vectorised(
        finish: &Finish,
        sums: &[Lanes<f32>],
        parts: usize,
        values: &mut [[f32; LANES]],
        scores: &mut [f32],
    ) {
        block::finish(finish, sums, parts, values, scores);
    }
    assert!(is_available());
    // SAFETY: the CPU has the feature.
    unsafe { vectorised(finish, sums, parts, values, scores) }
}

/// See `portable::add_trees`. The plan's bits are lowest first.
///
/// # Panics
/// If the CPU cannot run it, or if `block` or `sums` are not as long as the plan needs.
fn add_trees(
    plan: &Plan<f32>,
    block: &[Lanes<f32>],
    parts: usize,
    mixed: bool,
    sums: &mut [Lanes<f32>],
) {
    assert!(is_available());
    assert_eq!(plan.order(), BitOrder::LowestFirst);
    assert_eq!(block.len(), plan.columns().len() * parts);
    assert_eq!(sums.len(), plan.sums() * parts);
    // SAFETY: the CPU has the feature, and the lengths are what `add` asks for.
    unsafe {
        match (parts, mixed) {
            (1, false) => add::<2, false>(plan, block, sums),
            (1, true) => add::<2, true>(plan, block, sums),
            (2, false) => add::<4, false>(plan, block, sums),
            (2, true) => add::<4, true>(plan, block, sums),
            (4, false) => add::<8, false>(plan, block, sums),
            (4, true) => add::<8, true>(plan, block, sums),
            _ => unreachable!("blocks have 1, 2 or 4 parts"),
        }
    }
}

/// # Safety
/// The CPU has the feature; `block` has `HALVES` half lane groups for each column of the plan,
/// `sums` as many for each of its sums.
///
/// All other indices come from the plan, and `Plan::new` keeps them in range: an entry's column is
/// one of the plan's columns; a word's entries and a finder's words exist; a table has a value for
/// every leaf its finder can name.
#[target_feature(enable = "avx2")]
unsafe fn add<const HALVES: usize, const MIXED: bool>(
    plan: &Plan<f32>,
    block: &[Lanes<f32>],
    sums: &mut [Lanes<f32>],
) {
    for tree in plan.trees() {
        // SAFETY: as promised to this function.
        unsafe {
            let leaves = find::<HALVES, MIXED>(plan, tree, block);
            for table in plan.tables_of(tree) {
                let values = plan.values().as_ptr().add(table.values as usize);
                let sums = sums.as_mut_ptr().cast::<f32>();
                let sums = sums.add(table.sum as usize * HALVES * GROUP);
                for (half, leaf) in leaves.into_iter().enumerate() {
                    let sum = sums.add(half * GROUP);
                    let value = look_up(values, tree.finder, leaf);
                    _mm256_store_ps(sum, _mm256_add_ps(_mm256_load_ps(sum), value));
                }
            }
        }
    }
}

/// The leaf that each row reaches.
///
/// # Safety
/// As [`add`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn find<const HALVES: usize, const MIXED: bool>(
    plan: &Plan<f32>,
    tree: &TreePlan,
    block: &[Lanes<f32>],
) -> [__m256i; HALVES] {
    // SAFETY: as promised to this function.
    unsafe {
        match tree.finder {
            Finder::HalfWord(word) | Finder::OneWord(word) => {
                let mut leaves = bits::<HALVES, MIXED>(plan, word, block);
                for leaves in &mut leaves {
                    *leaves = lowest_bit(*leaves);
                }
                leaves
            }
            Finder::TwoWords(first) => find_in_words::<HALVES, MIXED>(plan, first, 2, block),
            Finder::Words(first, count) => {
                find_in_words::<HALVES, MIXED>(plan, first, count, block)
            }
            Finder::Walk(root) => {
                let mut leaves = [_mm256_setzero_si256(); HALVES];
                for (half, leaves) in leaves.iter_mut().enumerate() {
                    let rows = Group::new(block, HALVES / 2, half);
                    let found = portable::walk(plan, root, &rows);
                    *leaves = _mm256_loadu_si256(found.as_ptr().cast());
                }
                leaves
            }
        }
    }
}

/// # Safety
/// As [`add`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn find_in_words<const HALVES: usize, const MIXED: bool>(
    plan: &Plan<f32>,
    first: u32,
    count: u32,
    block: &[Lanes<f32>],
) -> [__m256i; HALVES] {
    let mut leaves = [_mm256_setzero_si256(); HALVES];
    // Backwards, so that the first word with a leaf left has the last say.
    for word in (0..count).rev() {
        // SAFETY: as promised to this function.
        let bits = unsafe { bits::<HALVES, MIXED>(plan, first + word, block) };
        let start = _mm256_set1_epi32((word as usize * WORD) as i32);
        for (leaves, bits) in leaves.iter_mut().zip(bits) {
            let here = _mm256_add_epi32(start, lowest_bit(bits));
            let none = _mm256_cmpeq_epi32(bits, _mm256_setzero_si256());
            *leaves = _mm256_blendv_epi8(here, *leaves, none);
        }
    }
    leaves
}

/// The leaves of a word that no test has excluded.
///
/// # Safety
/// As [`add`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn bits<const HALVES: usize, const MIXED: bool>(
    plan: &Plan<f32>,
    word: u32,
    block: &[Lanes<f32>],
) -> [__m256i; HALVES] {
    let word = plan.word(word);
    let [at_most, nan_passes, equal, end] = word.ends.map(|end| end as usize);
    let start = word.start as usize;
    let block = block.as_ptr().cast::<f32>();
    let mut bits = [_mm256_set1_epi32(-1); HALVES];
    // SAFETY: as promised to this function.
    unsafe {
        let entries = plan.entries();
        if MIXED {
            narrow::<HALVES, _CMP_NLE_UQ>(&mut bits, entries.get_unchecked(start..at_most), block);
            let rest = entries.get_unchecked(at_most..nan_passes);
            narrow::<HALVES, _CMP_GT_OQ>(&mut bits, rest, block);
            let rest = entries.get_unchecked(nan_passes..equal);
            narrow::<HALVES, _CMP_NEQ_UQ>(&mut bits, rest, block);
            narrow::<HALVES, _CMP_NEQ_OQ>(&mut bits, entries.get_unchecked(equal..end), block);
        } else {
            narrow::<HALVES, _CMP_NLE_UQ>(&mut bits, entries.get_unchecked(start..end), block);
        }
    }
    bits
}

/// Takes the leaves that each entry excludes from the rows for which `FAILS` holds.
///
/// # Safety
/// `block` points to `HALVES` half lane groups for each column that an entry names.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn narrow<const HALVES: usize, const FAILS: i32>(
    bits: &mut [__m256i; HALVES],
    entries: &[Entry<f32>],
    block: *const f32,
) {
    for entry in entries {
        let threshold = _mm256_set1_ps(entry.threshold);
        let lost = _mm256_set1_epi32(!entry.keep as i32);
        for (half, bits) in bits.iter_mut().enumerate() {
            // SAFETY: as promised to this function; half lane groups are aligned to 32 bytes.
            let cells = unsafe {
                _mm256_load_ps(block.add((entry.column as usize * HALVES + half) * GROUP))
            };
            let fails = _mm256_castps_si256(_mm256_cmp_ps::<FAILS>(cells, threshold));
            *bits = _mm256_andnot_si256(_mm256_and_si256(fails, lost), *bits);
        }
    }
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
    let (low, high) = unsafe { (_mm256_loadu_ps(values), _mm256_loadu_ps(values.add(GROUP))) };
    let low = _mm256_permutevar8x32_ps(low, leaves);
    let high = _mm256_permutevar8x32_ps(high, leaves);
    // The sign bit chooses: the fourth bit of the leaf's number is moved there.
    _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(leaves)))
}
