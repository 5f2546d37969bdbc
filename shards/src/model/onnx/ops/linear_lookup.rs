//! A linear part behind a one-hot encoder, on the columns that it encodes: of a column's categories
//! the coefficient is looked up, and all zeros are left out.
//!
//! A sum has the bits that it has with them, as long as no coefficient is infinite or NaN: the terms
//! that are left are added in the same order to the same four sums, and none of these is ever -0.

use super::Piece;
use super::element::exact_i64;
use super::lookup::{Keys, Lookup, Sorted};

/// What takes the place of a dot product's columns.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    terms: Vec<Term>,
    /// Of one row: the columns that are not 0, and what they are.
    row: Vec<(usize, f64)>,
}

#[derive(Debug, Clone)]
enum Term {
    /// The cell at a place is the column at a position.
    Cell { place: usize, position: usize },
    /// The columns from a position on are the categories of the cell at a place.
    OneOf { place: usize, position: usize, categories: Sorted<i64> },
}

impl Terms {
    /// For columns that are made of these.
    pub(super) fn new(pieces: &[Piece<usize>]) -> Self {
        let mut terms = Vec::new();
        let mut position = 0;
        while let Some(piece) = pieces.get(position) {
            let place = *piece.place();
            let mut categories = Vec::new();
            for next in &pieces[position..] {
                match *next {
                    Piece::Is(of, category) if of == place && !categories.contains(&category) => {
                        categories.push(category);
                    }
                    _ => break,
                }
            }
            let columns = categories.len().max(1);
            terms.push(match Keys::Integers(categories).lookup(true) {
                Lookup::Integers(categories) if matches!(piece, Piece::Is(..)) => {
                    Term::OneOf { place, position, categories }
                }
                _ => Term::Cell { place, position },
            });
            position += columns;
        }
        Self { terms, row: Vec::new() }
    }

    /// Takes the next row.
    pub(super) fn read<T: Copy + Into<f64>>(&mut self, row: &[T]) {
        self.row.clear();
        for term in &self.terms {
            match term {
                Term::Cell { place, position } => self.row.push((*position, row[*place].into())),
                Term::OneOf { place, position, categories } => {
                    let known = exact_i64(row[*place].into());
                    let category = known.and_then(|cell| categories.place(cell));
                    self.row.extend(category.map(|category| (position + category, 1.0)));
                }
            }
        }
    }

    /// The dot product of the row with a weight for each column.
    pub(super) fn dot(&self, weights: &[f64]) -> f64 {
        let in_fours = weights.len() / 4 * 4;
        let (mut sums, mut rest) = ([0.0; 4], 0.0);
        for (position, cell) in &self.row {
            let term = cell * weights[*position];
            if *position < in_fours {
                sums[position % 4] += term;
            } else {
                rest += term;
            }
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
    }
}
