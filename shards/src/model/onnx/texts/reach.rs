//! Where the texts of a value come from.

use std::collections::BTreeSet;

/// What the texts of a cell may be: those of some columns, and constants, by their codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) columns: BTreeSet<usize>,
    pub(super) constants: BTreeSet<i64>,
}

impl Reach {
    /// The texts of a column.
    pub(super) fn column(column: usize) -> Self {
        Self { columns: BTreeSet::from([column]), constants: BTreeSet::new() }
    }

    /// These constants.
    pub(super) fn constants(codes: impl IntoIterator<Item = i64>) -> Self {
        Self { columns: BTreeSet::new(), constants: codes.into_iter().collect() }
    }

    fn add(&mut self, other: &Self) {
        self.columns.extend(&other.columns);
        self.constants.extend(&other.constants);
    }

    fn size(&self) -> usize {
        self.columns.len() + self.constants.len()
    }
}

/// What a value's texts may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Of rows × columns, for each column.
    Each(Vec<Reach>),
    /// Of any other shape, for all cells.
    Any(Reach),
}

impl Value {
    /// What any of its cells may be.
    pub(super) fn whole(&self) -> Reach {
        match self {
            Self::Any(reach) => reach.clone(),
            Self::Each(each) => {
                let mut whole = Reach::default();
                for reach in each {
                    whole.add(reach);
                }
                whole
            }
        }
    }

    /// What any cell of these values may be.
    pub(super) fn mixed<'v>(values: impl IntoIterator<Item = &'v Self>) -> Self {
        let mut whole = Reach::default();
        values.into_iter().for_each(|value| whole.add(&value.whole()));
        Self::Any(whole)
    }

    /// Values side by side.
    pub(super) fn joined(values: &[&Self]) -> Self {
        let mut joined = Vec::new();
        for value in values {
            match value {
                Self::Each(each) => joined.extend_from_slice(each),
                Self::Any(_) => return Self::mixed(values.iter().copied()),
            }
        }
        Self::Each(joined)
    }

    /// Some columns.
    pub(super) fn picked(&self, places: &[usize]) -> Self {
        let Self::Each(each) = self else { return self.clone() };
        let picked: Option<Vec<_>> = places.iter().map(|place| each.get(*place).cloned()).collect();
        picked.map_or_else(|| Self::Any(self.whole()), Self::Each)
    }

    /// What a cell is that is taken of one or the other value.
    pub(super) fn either(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Each(each), other) | (other, Self::Each(each)) => {
                let of = |at: usize| match other {
                    Self::Each(others) if others.len() == each.len() => Some(&others[at]),
                    Self::Each(others) if others.len() == 1 => Some(&others[0]),
                    Self::Any(reach) if reach.columns.is_empty() => Some(reach),
                    _ => None,
                };
                let both = each.iter().enumerate().map(|(at, reach)| {
                    let mut both = reach.clone();
                    both.add(of(at)?);
                    Some(both)
                });
                let both: Option<Vec<_>> = both.collect();
                both.map_or_else(|| Self::mixed([self, other]), Self::Each)
            }
            _ => Self::mixed([self, other]),
        }
    }

    /// How much memory it takes, in columns and constants.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Each(each) => each.iter().map(|reach| 1 + reach.size()).sum(),
            Self::Any(reach) => 1 + reach.size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reach, Value};

    #[test]
    fn columns_are_told_apart_as_long_as_their_places_are_known() {
        let matrix = Value::Each((0..3).map(Reach::column).collect());
        let two = matrix.picked(&[2, 0]);
        assert_eq!(two, Value::Each(vec![Reach::column(2), Reach::column(0)]));
        assert_eq!(Value::joined(&[&two, &two]).picked(&[3]), matrix.picked(&[0]));
        assert_eq!(matrix.picked(&[7]), Value::Any(matrix.whole()));
        let constant = Value::Any(Reach::constants([5]));
        let filled = matrix.picked(&[1]).either(&constant);
        let mut expected = Reach::column(1);
        expected.constants.insert(5);
        assert_eq!(filled, Value::Each(vec![expected]));
        assert!(matches!(matrix.either(&two), Value::Any(whole) if whole.columns.len() == 3));
    }
}
