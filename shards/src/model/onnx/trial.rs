//! A model is tried on plausible rows when it is loaded: each alone, in a batch of others and in
//! another place has to have the same bits. Zeros would not do: a graph may divide by them.

use std::sync::Arc;

use super::alone::where_none_has_a_score;
use crate::features::inputs::{InputColumn, IntegerRange};
use crate::features::{Categories, FeatureMatrix, Precision};

/// How many plausible rows there are, each unlike the others.
pub(in crate::model) const PLAUSIBLE_ROWS: usize = FLOATS.len();

/// How many rows are tried. Those behind the plausible ones have digits to the last bit and, where
/// nothing is known of a column, either sign and any magnitude: few digits make exact sums, which
/// would not show in which order their terms were added.
const ROWS: usize = 24;

/// The most cells that a batch is tried with.
const CELLS_MAX: usize = 1 << 20;

/// Cells of columns of which nothing is known: small, positive, whole and not.
const FLOATS: [f64; 8] = [1.0, 2.0, 0.5, 3.0, 1.5, 0.25, 4.0, 2.5];
const INTEGERS: [f64; 8] = [1.0, 2.0, 1.0, 3.0, 2.0, 1.0, 4.0, 2.0];

/// What is known of a model's columns.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Described<'d> {
    /// What the manifest says; empty where it names none.
    pub(in crate::model) columns: &'d [InputColumn],
    /// Which integers each takes; empty where none is one of integers.
    pub(in crate::model) integers: &'d [Option<IntegerRange>],
    /// The texts that each knows; empty where none is one of text.
    pub(in crate::model) categories: &'d [Option<Arc<Categories>>],
}

/// The codes of some texts of a column, at least one.
fn codes(categories: &Categories) -> Vec<f64> {
    let mut codes: Vec<_> = categories.texts().into_iter().map(|(_, code)| code).collect();
    codes.extend(categories.unknown());
    if codes.is_empty() {
        codes.push(categories.code(b"a text").unwrap_or(f64::NAN));
    }
    codes
}

/// Rows to try a model of these columns with, as far as they are described. The first
/// [`PLAUSIBLE_ROWS`] are plausible.
pub(in crate::model) fn rows(
    columns: usize,
    precision: Precision,
    known: &Described<'_>,
) -> FeatureMatrix {
    let mut matrix = FeatureMatrix::new(columns, precision);
    matrix.reset(ROWS);
    for column in 0..columns {
        let texts = known.categories.get(column).and_then(Option::as_deref).map(codes);
        let integers = known.integers.get(column).copied().flatten();
        for row in 0..ROWS {
            let step = row + column;
            let cell = match texts.as_deref() {
                Some(codes) => codes[step % codes.len()],
                None => cell(known.columns.get(column), integers, (row, step)),
            };
            matrix.set(row, column, cell);
        }
    }
    matrix
}

/// The cell of a column in this row, by a step that differs from row to row and column to column.
fn cell(
    described: Option<&InputColumn>,
    integers: Option<IntegerRange>,
    (row, step): (usize, usize),
) -> f64 {
    let pool = if integers.is_some() { &INTEGERS } else { &FLOATS };
    let plain = pool[step % pool.len()];
    let mut cell = match described {
        Some(column) if !column.quantiles.is_empty() => {
            column.quantiles[step % column.quantiles.len()]
        }
        Some(column) if column.default.is_finite() && column.default != 0.0 => {
            plain * column.default
        }
        _ if integers.is_none() && row >= PLAUSIBLE_ROWS => plain * magnitude(row, step),
        _ => plain,
    };
    if integers.is_none() && row >= PLAUSIBLE_ROWS {
        cell *= 1.0 - 0.05 * spread(step);
    }
    if let Some((low, high)) = described.and_then(|column| column.range) {
        cell = cell.clamp(low, high);
    }
    match integers {
        Some(range) => cell.round().clamp(range.low, range.high),
        None => cell,
    }
}

/// Numbers from 0 to 1 that are far from those of the steps beside them (multiples of the golden
/// ratio).
fn spread(step: usize) -> f64 {
    (step as f64 * 0.618_033_988_749_895).fract()
}

/// From a hundredth to a hundred, of either sign.
fn magnitude(row: usize, step: usize) -> f64 {
    let sign = if (row ^ step) & 2 == 0 { 1.0 } else { -1.0 };
    sign * 10_f64.powf(4.0 * spread(7 * row + 3 * step) - 2.0)
}

/// Whether rows have the same bits in any batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Different,
}

/// Batches in which each row stands in several places, with others before and behind it.
fn batches() -> [Vec<usize>; 4] {
    [
        (0..ROWS).collect(),
        (0..ROWS).rev().collect(),
        (5..=5 + 2 * ROWS).map(|row| row % ROWS).collect(),
        (3..3 + 8 * ROWS).map(|row| row * 5 % ROWS).collect(),
    ]
}

/// Computes each of the rows alone and in batches of all, and compares the bits of their `width`
/// values. An error is one of each row alone.
pub(super) fn compare<E>(
    rows: &FeatureMatrix,
    width: usize,
    mut compute: impl FnMut(&FeatureMatrix, &mut Vec<f64>) -> Result<(), E>,
) -> Result<Verdict, E> {
    let mut some = FeatureMatrix::new(rows.columns(), rows.precision());
    let mut alone = Vec::with_capacity(ROWS * width);
    let mut failed = None;
    for row in 0..rows.rows() {
        some.copy_rows(rows, &[row]);
        let done = alone.len();
        if let Err(error) = compute(&some, &mut alone) {
            failed = Some(error);
        }
        alone.resize(done + width, f64::NAN);
    }
    where_none_has_a_score(failed, &alone)?;
    let mut together = Vec::new();
    // What is very wide is tried in smaller batches.
    let rows_max = (CELLS_MAX / rows.columns().max(1)).max(2);
    for mut batch in batches() {
        batch.truncate(rows_max);
        some.copy_rows(rows, &batch);
        together.clear();
        compute(&some, &mut together)?;
        let expected = batch.iter().flat_map(|row| &alone[row * width..(row + 1) * width]);
        let same = |(expected, found): (&f64, &f64)| {
            expected.to_bits() == found.to_bits() || (expected.is_nan() && found.is_nan())
        };
        if together.len() != batch.len() * width || !expected.zip(&together).all(same) {
            return Ok(Verdict::Different);
        }
    }
    Ok(Verdict::Same)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `score` makes of each row of a matrix of one column, by its place.
    fn tried(score: impl Fn(usize, f64, usize) -> f64) -> Verdict {
        let matrix =
            rows(1, Precision::F64, &Described { columns: &[], integers: &[], categories: &[] });
        compare(&matrix, 1, |matrix, scores| {
            let rows = matrix.rows();
            scores.extend((0..rows).map(|row| score(row, matrix.get(row, 0), rows)));
            Ok::<_, ()>(())
        })
        .expect("it never fails")
    }

    #[test]
    fn a_bit_by_place_or_batch_is_a_difference() {
        assert_eq!(tried(|_, cell, _| cell.sqrt()), Verdict::Same);
        assert_eq!(tried(|_, _, _| f64::NAN), Verdict::Same);
        for row in 0..8 * ROWS {
            let by_place = tried(|place, cell, _| if place == row { cell.next_up() } else { cell });
            let by_batch = tried(|_, cell, rows| if rows > row { cell.next_up() } else { cell });
            assert_eq!(by_place, Verdict::Different, "place {row}");
            assert_eq!(by_batch, if row == 0 { Verdict::Same } else { Verdict::Different });
        }
    }

    #[test]
    fn another_order_of_a_sum_is_a_difference() {
        for precision in [Precision::F32, Precision::F64] {
            let known = Described { columns: &[], integers: &[], categories: &[] };
            let matrix = rows(6, precision, &known);
            let verdict = compare(&matrix, 1, |matrix, scores| {
                scores.extend((0..matrix.rows()).map(|row| {
                    let mut cells: Vec<_> = (0..6).map(|at| matrix.get(row, at) as f32).collect();
                    if row % 2 == 1 {
                        cells.reverse();
                    }
                    f64::from(cells.iter().map(|cell| cell * cell).sum::<f32>())
                }));
                Ok::<_, ()>(())
            });
            assert_eq!(verdict, Ok(Verdict::Different), "{precision:?}");
        }
    }

    fn column(text: &str) -> InputColumn {
        toml::from_str(text).expect("a column")
    }

    #[test]
    fn cells_are_those_that_training_may_have_seen() {
        let described = [
            column("name = 'a'\nquantiles = [3.5, 4.5]"),
            column("name = 'b'\ndefault = 40.0\nrange = [18.0, 60.0]"),
            column("name = 'c'"),
            column("name = 'd'\ntype = 'int'\nquantiles = [0.4, 900.6]"),
        ];
        let integers = [None, None, None, Some(IntegerRange::new(0.0, 255.0))];
        let matrix = rows(
            4,
            Precision::F64,
            &Described { columns: &described, integers: &integers, categories: &[] },
        );
        for row in 0..ROWS {
            let cells: Vec<_> = (0..4).map(|column| matrix.get(row, column)).collect();
            let near = |wanted: f64| (0.95 * wanted..=wanted).contains(&cells[0]);
            assert!(near(3.5) || near(4.5), "{cells:?}");
            assert!((18.0..=60.0).contains(&cells[1]), "{cells:?}");
            assert!(cells[2] > 0.0 || row >= PLAUSIBLE_ROWS, "{cells:?}");
            assert!([0.0, 255.0].contains(&cells[3]), "{cells:?}");
        }
    }
}
