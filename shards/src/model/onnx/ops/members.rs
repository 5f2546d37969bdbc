//! Tests of membership (`BRANCH_MEMBER`): whether a cell is one of a node's numbers, exactly.
//!
//! Tree kernels know sets of small integers alone. So each column that such a node reads gets a
//! column more behind the row, which holds the cell's place among all numbers that any node asks the
//! column for; the sets are of places.

use std::collections::BTreeMap;

use crate::features::Cells;
use crate::model::explain::{Node, Outline, SplitTest};
use crate::model::forest::CategorySets;
use crate::model::trees::{NodeMode, TreeAttributes};

/// What a cell has that no node asks for.
const NOWHERE: f64 = -1.0;

/// The most numbers that a column is asked for: their places are exact in 32-bit floats.
const KNOWN_MAX: usize = 1 << 24;

/// The columns that tests of membership read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Members {
    /// Sorted by place.
    columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    /// Its place in a row.
    place: usize,
    /// What it is asked for, sorted.
    known: Vec<f64>,
}

impl Column {
    fn find(&self, cell: f64) -> Option<usize> {
        // Adding zero makes one of the two zeros.
        self.known.binary_search_by(|known| known.total_cmp(&(cell + 0.0))).ok()
    }

    /// The cell behind the row. A missing one stays missing.
    fn place_of(&self, cell: f64) -> f64 {
        if cell.is_nan() {
            return cell;
        }
        self.find(cell).map_or(NOWHERE, |place| place as f64)
    }
}

impl Members {
    /// For tests of these columns for these numbers, in order; with the sets of places. None if
    /// they are too many.
    pub(super) fn new(tests: &[(usize, &[f64])]) -> Option<(Self, CategorySets)> {
        let mut known: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (column, numbers) in tests {
            let numbers = numbers.iter().map(|number| number + 0.0);
            known.entry(*column).or_default().extend(numbers);
        }
        let column = |(place, mut known): (usize, Vec<f64>)| {
            known.sort_by(f64::total_cmp);
            known.dedup_by(|one, other| one.to_bits() == other.to_bits());
            Column { place, known }
        };
        let members = Self { columns: known.into_iter().map(column).collect() };
        if members.columns.iter().any(|column| column.known.len() > KNOWN_MAX) {
            return None;
        }
        let mut sets = CategorySets::default();
        for (column, numbers) in tests {
            let column = &members.columns[members.at(*column)?];
            let places = numbers.iter().filter_map(|number| Some(column.find(*number)? as u32));
            sets.add_members(places)?;
        }
        Some((members, sets))
    }

    /// Which of the columns behind the row belongs to this one.
    fn at(&self, column: usize) -> Option<usize> {
        self.columns.binary_search_by_key(&column, |known| known.place).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// How many columns there are behind the row.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Has the tests read the columns behind a row of `width` cells; what is read of the row itself
    /// has to be there.
    pub(super) fn point(
        &self,
        attributes: &mut TreeAttributes,
        width: usize,
    ) -> Result<(), String> {
        let nodes = attributes.nodes_featureids.iter_mut().zip(&attributes.nodes_modes);
        for (id, mode) in nodes.filter(|(_, mode)| **mode != NodeMode::Leaf) {
            let column = usize::try_from(*id).ok().filter(|column| *column < width);
            let column = column
                .ok_or_else(|| format!("its trees read column {id}, its input has {width}"))?;
            if *mode == NodeMode::BranchMember {
                let behind = self.at(column).ok_or("a test of membership without members")?;
                *id = (width + behind) as i64;
            }
        }
        Ok(())
    }

    /// Has the tests of an outline read a row of `width` cells again, and not what is behind it: a
    /// set of places becomes the numbers that have them.
    pub(super) fn name(&self, outline: &mut Outline, width: usize) {
        outline.columns = width;
        for node in outline.trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
            if let Node::Branch { column, test, .. } = node
                && let Some(behind) = (*column as usize).checked_sub(width)
                && let Some(known) = self.columns.get(behind)
            {
                let places = known.known.iter().enumerate();
                let numbers = places.filter(|(place, _)| test.passes(*place as f64));
                *test = SplitTest::AnyOf(numbers.map(|(_, number)| *number).collect());
                *column = known.place as u32;
            }
        }
    }

    /// The rows with the columns behind them, in one of the buffers.
    pub(super) fn widen<'b>(
        &self,
        cells: Cells<'_>,
        width: usize,
        floats: &'b mut Vec<f32>,
        doubles: &'b mut Vec<f64>,
    ) -> Cells<'b> {
        match cells {
            Cells::F32(cells) => {
                floats.clear();
                for row in cells.chunks_exact(width) {
                    floats.extend_from_slice(row);
                    let place = |column: &Column| column.place_of(f64::from(row[column.place]));
                    floats.extend(self.columns.iter().map(|column| place(column) as f32));
                }
                Cells::F32(floats)
            }
            Cells::F64(cells) => {
                doubles.clear();
                for row in cells.chunks_exact(width) {
                    doubles.extend_from_slice(row);
                    doubles.extend(self.columns.iter().map(|it| it.place_of(row[it.place])));
                }
                Cells::F64(doubles)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_itself_is_a_member() {
        let (third, large) = (1.0 / 3.0, 9_007_199_254_740_991.0);
        let tests: [(usize, &[f64]); 3] =
            [(1, &[third, -2.0, large]), (0, &[0.0]), (1, &[large, f64::INFINITY])];
        let (members, sets) = Members::new(&tests).expect("they are few");
        let (mut floats, mut doubles) = (Vec::new(), Vec::new());
        let mut is_in = |test: u32, row: [f64; 2]| {
            let wide = members.widen(Cells::F64(&row), 2, &mut floats, &mut doubles);
            let Cells::F64(cells) = wide else { panic!("of doubles") };
            assert_eq!(cells.len(), 4);
            let behind = if tests[test as usize].0 == 0 { 2 } else { 3 };
            sets.contains(test, cells[behind])
        };
        for cell in [third, -2.0, large] {
            assert!(is_in(0, [9.0, cell]), "{cell}");
        }
        for cell in [third.next_up(), -2.5, 2.0, 0.0, large - 1.0, f64::INFINITY, f64::NAN] {
            assert!(!is_in(0, [9.0, cell]), "{cell}");
        }
        assert!(is_in(1, [-0.0, third]) && !is_in(1, [0.5, third]));
        assert!(is_in(2, [0.0, f64::INFINITY]) && !is_in(2, [0.0, third]));
    }
}
