//! The block kernel for AVX-512: 16 rows a register, up to four registers a block.
//!
//! A node costs one comparison and one masked AND for 16 rows; a count of leading zeros finds the
//! leaf and a permutation fetches its value. Nothing depends on the data but deep walks.

use std::arch::x86_64::{
    __m512, __m512i, __mmask16, _CMP_GT_OQ, _CMP_NEQ_OQ, _CMP_NEQ_UQ, _CMP_NLE_UQ, _CMP_UNORD_Q,
    _mm512_add_epi32, _mm512_add_ps, _mm512_and_epi32, _mm512_castsi512_ps, _mm512_cmp_ps_mask,
    _mm512_cmpneq_epi32_mask, _mm512_i32gather_epi32, _mm512_i32gather_ps, _mm512_load_ps,
    _mm512_loadu_ps, _mm512_lzcnt_epi32, _mm512_mask_and_epi32, _mm512_mask_blend_epi32,
    _mm512_mask_blend_ps, _mm512_mask_sub_epi32, _mm512_mullo_epi32, _mm512_permutex2var_ps,
    _mm512_permutexvar_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_slli_epi32,
    _mm512_store_ps, _mm512_test_epi32_mask, _mm512_testn_epi32_mask,
};

use super::block::{self, Instructions, Span};
use super::cells::Rows;
use super::deep::{COLUMN, DeepNode, EQUAL, NAN_PASSES};
use super::finish::Finish;
use super::plan::{BitOrder, Entry, Finder, LANES, Lanes, Plan, TreePlan, WORD};
use super::transpose;

/// The most words that are faster than a walk.
pub(super) const WORDS_MAX: usize = 8;

/// Whether this CPU can run the kernel.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// The steps of a block, compiled for AVX-512.
pub(super) const INSTRUCTIONS: Instructions<f32> =
    Instructions { load, add_trees, finish, entry_ns: 0.85, step_ns: 19.0 };

/// See `block::load`.
fn load(from: &Rows<'_>, columns: &[u32], span: Span, block: &mut [Lanes<f32>]) -> bool {
    assert!(is_available());
    // SAFETY: the CPU has the features.
    unsafe { transpose::load(from, columns, span, block) }
}

/// See `block::finish`.
fn finish(
    finish: &Finish,
    sums: &[Lanes<f32>],
    parts: usize,
    values: &mut [[f32; LANES]],
    scores: &mut [f32],
) {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
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
    // SAFETY: the CPU has the features.
    unsafe { vectorised(finish, sums, parts, values, scores) }
}

/// See `portable::add_trees`. The plan's bits are highest first.
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
    assert_eq!(plan.order(), BitOrder::HighestFirst);
    assert_eq!(block.len(), plan.columns().len() * parts);
    assert_eq!(sums.len(), plan.sums() * parts);
    // SAFETY: the CPU has the features, and the lengths are what `add` asks for.
    unsafe {
        match (parts, mixed) {
            (1, false) => add::<1, false>(plan, block, sums),
            (1, true) => add::<1, true>(plan, block, sums),
            (2, false) => add::<2, false>(plan, block, sums),
            (2, true) => add::<2, true>(plan, block, sums),
            (4, false) => add::<4, false>(plan, block, sums),
            (4, true) => add::<4, true>(plan, block, sums),
            _ => unreachable!("blocks have 1, 2 or 4 parts"),
        }
    }
}

/// # Safety
/// The CPU has the features; `block` has `PARTS` lane groups for each column of the plan, `sums`
/// as many for each of its sums.
///
/// All other indices come from the plan, and `Plan::new` keeps them in range: an entry's and a
/// node's column is one of the plan's columns; a word's entries and a finder's words exist; a
/// node's `yes` and `yes + 1` are nodes; a table has a value for every leaf its finder can name.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn add<const PARTS: usize, const MIXED: bool>(
    plan: &Plan<f32>,
    block: &[Lanes<f32>],
    sums: &mut [Lanes<f32>],
) {
    for tree in plan.trees() {
        // SAFETY: as promised to this function.
        unsafe {
            let leaves = find::<PARTS, MIXED>(plan, tree, block);
            for table in plan.tables_of(tree) {
                let values = plan.values().as_ptr().add(table.values as usize);
                let sums = sums.as_mut_ptr().add(table.sum as usize * PARTS);
                for (part, leaf) in leaves.into_iter().enumerate() {
                    let sum = sums.add(part).cast::<f32>();
                    let value = look_up(values, tree.finder, leaf);
                    _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), value));
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
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn find<const PARTS: usize, const MIXED: bool>(
    plan: &Plan<f32>,
    tree: &TreePlan,
    block: &[Lanes<f32>],
) -> [__m512i; PARTS] {
    // SAFETY: as promised to this function.
    unsafe {
        match tree.finder {
            Finder::HalfWord(word) | Finder::OneWord(word) => {
                let mut leaves = bits::<PARTS, MIXED>(plan, word, block);
                for leaves in &mut leaves {
                    *leaves = _mm512_lzcnt_epi32(*leaves);
                }
                leaves
            }
            Finder::TwoWords(first) => find_in_words::<PARTS, MIXED>(plan, first, 2, block),
            Finder::Words(first, count) => find_in_words::<PARTS, MIXED>(plan, first, count, block),
            Finder::Walk(root) => walk::<PARTS, MIXED>(plan.nodes(), root, block),
        }
    }
}

/// # Safety
/// As [`add`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn find_in_words<const PARTS: usize, const MIXED: bool>(
    plan: &Plan<f32>,
    first: u32,
    count: u32,
    block: &[Lanes<f32>],
) -> [__m512i; PARTS] {
    let mut leaves = [_mm512_set1_epi32(0); PARTS];
    // Backwards, so that the first word with a leaf left has the last say.
    for word in (0..count).rev() {
        // SAFETY: as promised to this function.
        let bits = unsafe { bits::<PARTS, MIXED>(plan, first + word, block) };
        let start = _mm512_set1_epi32((word as usize * WORD) as i32);
        for (leaves, bits) in leaves.iter_mut().zip(bits) {
            let here = _mm512_add_epi32(start, _mm512_lzcnt_epi32(bits));
            let any = _mm512_test_epi32_mask(bits, bits);
            *leaves = _mm512_mask_blend_epi32(any, *leaves, here);
        }
    }
    leaves
}

/// The leaves of a word that no test has excluded.
///
/// # Safety
/// As [`add`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn bits<const PARTS: usize, const MIXED: bool>(
    plan: &Plan<f32>,
    word: u32,
    block: &[Lanes<f32>],
) -> [__m512i; PARTS] {
    let word = plan.word(word);
    let [at_most, nan_passes, equal, end] = word.ends.map(|end| end as usize);
    let start = word.start as usize;
    let block = block.as_ptr();
    let mut bits = [_mm512_set1_epi32(-1); PARTS];
    // SAFETY: as promised to this function.
    unsafe {
        let entries = plan.entries();
        if MIXED {
            narrow::<PARTS, _CMP_NLE_UQ>(&mut bits, entries.get_unchecked(start..at_most), block);
            let rest = entries.get_unchecked(at_most..nan_passes);
            narrow::<PARTS, _CMP_GT_OQ>(&mut bits, rest, block);
            let rest = entries.get_unchecked(nan_passes..equal);
            narrow::<PARTS, _CMP_NEQ_UQ>(&mut bits, rest, block);
            narrow::<PARTS, _CMP_NEQ_OQ>(&mut bits, entries.get_unchecked(equal..end), block);
        } else {
            narrow::<PARTS, _CMP_NLE_UQ>(&mut bits, entries.get_unchecked(start..end), block);
        }
    }
    bits
}

/// Takes the leaves that each entry excludes from the rows for which `FAILS` holds.
///
/// # Safety
/// `block` has `PARTS` lane groups for each column that an entry names.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn narrow<const PARTS: usize, const FAILS: i32>(
    bits: &mut [__m512i; PARTS],
    entries: &[Entry<f32>],
    block: *const Lanes<f32>,
) {
    for entry in entries {
        let threshold = _mm512_set1_ps(entry.threshold);
        let keep = _mm512_set1_epi32(entry.keep as i32);
        for (part, bits) in bits.iter_mut().enumerate() {
            // SAFETY: as promised to this function; lane groups are aligned to 64 bytes.
            let cells = unsafe {
                _mm512_load_ps(block.add(entry.column as usize * PARTS + part).cast::<f32>())
            };
            let fails = _mm512_cmp_ps_mask::<FAILS>(cells, threshold);
            *bits = _mm512_mask_and_epi32(*bits, fails, *bits, keep);
        }
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

/// Walks 16 rows a register down a tree until none moves any more.
///
/// # Safety
/// `root` and the children of all nodes are in `nodes`; `block` has `PARTS` lane groups for each
/// column that a node names.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn walk<const PARTS: usize, const MIXED: bool>(
    nodes: &[DeepNode<f32>],
    root: u32,
    block: &[Lanes<f32>],
) -> [__m512i; PARTS] {
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut at = [_mm512_set1_epi32(root as i32); PARTS];
    loop {
        let mut moved: __mmask16 = 0;
        for (part, at) in at.iter_mut().enumerate() {
            let lanes = _mm512_add_epi32(lane, _mm512_set1_epi32((part * LANES) as i32));
            // SAFETY: as promised to this function.
            let next = unsafe { step::<PARTS, MIXED>(nodes.as_ptr(), *at, block.as_ptr(), lanes) };
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
unsafe fn step<const PARTS: usize, const MIXED: bool>(
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
        let place = _mm512_mullo_epi32(place, _mm512_set1_epi32((PARTS * LANES) as i32));
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
