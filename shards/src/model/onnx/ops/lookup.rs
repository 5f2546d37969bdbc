//! Finds numbers among keys: integers by all of their 64 bits, floats by value.

use super::element::exact_i64;

/// Keys in the order of their file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Keys {
    Floats {
        keys: Vec<f64>,
        /// Whether NaN is looked for; a key that is NaN is never found otherwise.
        finds_nan: bool,
    },
    Integers(Vec<i64>),
}

/// Keys, sorted, to be found among.
#[derive(Debug, Clone)]
pub(super) enum Lookup {
    Floats(Sorted<f64>),
    Integers(Sorted<i64>),
}

/// Sorted keys with their places in the file.
#[derive(Debug, Clone)]
pub(super) struct Sorted<K> {
    keys: Vec<K>,
    places: Vec<usize>,
    /// Where NaN is a key.
    nan: Option<usize>,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Floats { keys, .. } => keys.len(),
            Self::Integers(keys) => keys.len(),
        }
    }

    /// The places of keys that are the same, two by two, with the key.
    pub(super) fn twice(&self) -> Vec<(usize, usize, String)> {
        fn pairs<K: PartialEq + ToString>(sorted: &Sorted<K>) -> Vec<(usize, usize, String)> {
            let neighbours = sorted.keys.windows(2).zip(sorted.places.windows(2));
            neighbours
                .filter(|(keys, _)| keys[0] == keys[1])
                .map(|(keys, places)| (places[0], places[1], keys[0].to_string()))
                .collect()
        }
        match self {
            Self::Floats { keys, finds_nan } => pairs(&Sorted::floats(keys, *finds_nan)),
            Self::Integers(keys) => pairs(&Sorted::integers(keys.iter().copied().enumerate())),
        }
    }

    /// A lookup for cells that are integers, or floats.
    pub(super) fn lookup(&self, of_integers: bool) -> Lookup {
        match self {
            Self::Integers(keys) => {
                Lookup::Integers(Sorted::integers(keys.iter().copied().enumerate()))
            }
            // An integer is never a key that is none.
            Self::Floats { keys, .. } if of_integers => {
                let whole = keys.iter().enumerate();
                let whole = whole.filter_map(|(place, key)| Some((place, exact_i64(*key)?)));
                Lookup::Integers(Sorted::integers(whole))
            }
            Self::Floats { keys, finds_nan } => Lookup::Floats(Sorted::floats(keys, *finds_nan)),
        }
    }
}

impl Sorted<f64> {
    fn floats(keys: &[f64], finds_nan: bool) -> Self {
        let nan = keys.iter().position(|key| key.is_nan()).filter(|_| finds_nan);
        // Adding zero makes one of the two zeros, so that they are one key.
        let numbers = keys.iter().map(|key| key + 0.0).enumerate();
        let mut sorted: Vec<_> = numbers.filter(|(_, key)| !key.is_nan()).collect();
        sorted.sort_by(|one, other| one.1.total_cmp(&other.1));
        let (places, keys) = sorted.into_iter().unzip();
        Self { keys, places, nan }
    }

    /// The place of a key.
    pub(super) fn place(&self, cell: f64) -> Option<usize> {
        if cell.is_nan() {
            return self.nan;
        }
        let cell = cell + 0.0;
        let found = self.keys.binary_search_by(|key| key.total_cmp(&cell)).ok()?;
        Some(self.places[found])
    }
}

impl Sorted<i64> {
    fn integers(keys: impl Iterator<Item = (usize, i64)>) -> Self {
        let mut sorted: Vec<_> = keys.collect();
        sorted.sort_by_key(|(_, key)| *key);
        let (places, keys) = sorted.into_iter().unzip();
        Self { keys, places, nan: None }
    }

    /// The place of a key.
    pub(super) fn place(&self, cell: i64) -> Option<usize> {
        Some(self.places[self.keys.binary_search(&cell).ok()?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Keys, Lookup};

    fn integers(keys: &Keys, cells: &[i64]) -> Vec<Option<usize>> {
        let Lookup::Integers(sorted) = keys.lookup(true) else { panic!("of integers") };
        cells.iter().map(|cell| sorted.place(*cell)).collect()
    }

    #[test]
    fn neighbours_that_floats_cannot_tell_apart_are_told_apart() {
        let keys = Keys::Integers(vec![i64::MAX, (1 << 53) + 1, 1 << 53, i64::MAX - 1]);
        let cells = [i64::MAX - 1, i64::MAX, 1 << 53, (1 << 53) + 1, (1 << 53) + 2];
        assert_eq!(integers(&keys, &cells), [Some(3), Some(0), Some(2), Some(1), None]);
        assert!(keys.twice().is_empty());
    }

    #[test]
    fn nan_is_a_key_only_where_it_is_looked_for() {
        for finds_nan in [false, true] {
            let keys = Keys::Floats { keys: vec![f64::NAN, 0.0, 2.5], finds_nan };
            let Lookup::Floats(sorted) = keys.lookup(false) else { panic!("of floats") };
            assert_eq!(sorted.place(-f64::NAN), finds_nan.then_some(0));
            assert_eq!([sorted.place(-0.0), sorted.place(2.5)], [Some(1), Some(2)]);
            assert_eq!(integers(&keys, &[0, 2]), [Some(1), None]);
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_named() {
        let keys = Keys::Floats { keys: vec![9e8, 1.0, 9e8, -0.0, 0.0], finds_nan: true };
        let twice = [(3, 4, "0".to_owned()), (0, 2, "900000000".to_owned())];
        assert_eq!(keys.twice(), twice);
    }
}
