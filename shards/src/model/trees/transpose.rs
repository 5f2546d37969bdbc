//! Loading a block with AVX-512: 16 rows × 16 columns at a time, transposed in registers.

use std::arch::x86_64::{
    __m512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_loadu_ps, _mm512_maskz_loadu_ps,
    _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_store_ps, _mm512_unpackhi_pd,
    _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::block::{self, Span};
use super::cells::{Rows, Scaler};
use super::words::{LANES, Lanes};
use crate::features::Cells;

/// With fewer columns wanted of 16 it is not worth transposing all.
const WANTED_MIN: usize = 4;

/// As [`block::load`].
///
/// # Safety
/// The CPU has the features.
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
pub(super) unsafe fn load(
    from: &Rows<'_>,
    columns: &[u32],
    span: Span,
    block: &mut [Lanes<f32>],
) -> bool {
    let Cells::F32(cells) = from.cells else {
        return block::load(from, columns, span, block);
    };
    let mut has_nan = false;
    let mut transposed = [Lanes::default(); LANES];
    let (mut columns, mut block) = (columns, block);
    while let [column, ..] = columns {
        // The sixteen columns that this one is among, and those of them that are wanted.
        let first_column = *column as usize / LANES * LANES;
        let wanted = columns.partition_point(|c| (*c as usize) < first_column + LANES);
        let (these, others) = columns.split_at(wanted);
        let (lanes_of_these, lanes_of_others) = block.split_at_mut(wanted * span.parts);
        if wanted < WANTED_MIN {
            has_nan |= block::load(from, these, span, lanes_of_these);
        } else {
            for part in 0..span.parts {
                let (first, count) = span.part(part);
                let rows = cells.get(first * from.columns..).unwrap_or_default();
                let rows = rows.chunks_exact(from.columns).take(count);
                transpose(rows.map(|row| &row[first_column..]), &mut transposed);
                for (at, column) in these.iter().enumerate() {
                    let cells = transposed[*column as usize - first_column].0;
                    let cells = scale(from.scaler, *column as usize, cells);
                    has_nan |= cells.iter().fold(false, |any, cell| any | cell.is_nan());
                    lanes_of_these[at * span.parts + part].0 = cells;
                }
            }
        }
        (columns, block) = (others, lanes_of_others);
    }
    has_nan
}

#[inline]
fn scale(scaler: Option<&Scaler>, column: usize, cells: [f32; LANES]) -> [f32; LANES] {
    scaler.map_or(cells, |scaler| scaler.scale(column, cells))
}

/// The first 16 cells of up to 16 rows, column by column; zeros where there is no cell or row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
fn transpose<'a>(rows: impl Iterator<Item = &'a [f32]>, columns: &mut [Lanes<f32>; LANES]) {
    let mut lines = [_mm512_setzero_ps(); LANES];
    for (line, row) in lines.iter_mut().zip(rows) {
        // SAFETY: the mask has a bit for each cell that the row has, at most 16.
        *line = unsafe {
            if row.len() >= LANES {
                _mm512_loadu_ps(row.as_ptr())
            } else {
                _mm512_maskz_loadu_ps((1 << row.len()) - 1, row.as_ptr())
            }
        };
    }
    // Pairs of rows, then fours, by 32- and 64-bit pieces within each quarter of a register.
    for pair in lines.as_chunks_mut::<2>().0 {
        let [a, b] = *pair;
        *pair = [_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)];
    }
    for four in lines.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *four;
        *four = [low(a, c), high(a, c), low(b, d), high(b, d)];
    }
    // Now line 4 * f + j has, in quarter q, column 4 * q + j of rows 4 * f to 4 * f + 3.
    for j in 0..4 {
        let [a, b, c, d] = [lines[j], lines[4 + j], lines[8 + j], lines[12 + j]];
        let (ab, cd) = (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d));
        let (ab_high, cd_high) =
            (_mm512_shuffle_f32x4::<0xee>(a, b), _mm512_shuffle_f32x4::<0xee>(c, d));
        let quarters = [
            _mm512_shuffle_f32x4::<0x88>(ab, cd),
            _mm512_shuffle_f32x4::<0xdd>(ab, cd),
            _mm512_shuffle_f32x4::<0x88>(ab_high, cd_high),
            _mm512_shuffle_f32x4::<0xdd>(ab_high, cd_high),
        ];
        for (quarter, column) in quarters.into_iter().enumerate() {
            // SAFETY: lane groups are aligned to 64 bytes and hold 16 floats.
            unsafe { _mm512_store_ps(columns[4 * quarter + j].0.as_mut_ptr(), column) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
fn low(a: __m512, b: __m512) -> __m512 {
    _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
fn high(a: __m512, b: __m512) -> __m512 {
    _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)))
}
