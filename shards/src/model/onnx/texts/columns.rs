//! What the encoders of a graph know of each column of text.

use std::collections::BTreeSet;

use super::UNKNOWN;
use super::codes::Codes;
use super::reach::Reach;
use crate::features::Categories;

/// The most columns of text.
const COLUMNS_MAX: usize = 1 << 16;

/// What scikit-learn's converter writes for a category that is missing: `None` and `NaN` as texts.
const MISSING: [&str; 2] = ["None", "nan"];

/// The columns of text of all inputs, one after the other.
#[derive(Debug, Default)]
pub(super) struct Columns {
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Default)]
struct Column {
    /// The codes of the texts that any operator compares it with.
    known: BTreeSet<i64>,
    /// Whether an operator fails on a text that it doesn't know.
    fails: bool,
    missing: Missing,
}

/// What the encoders of a column make of a missing value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Missing {
    /// The same as of a text that they don't know.
    #[default]
    Unknown,
    /// It is the category with this code.
    Category(i64),
    /// The file doesn't say whether a category is missing or a text.
    Ambiguous,
}

impl Missing {
    /// What a list of categories says. scikit-learn sorts them and puts what is missing last: a text
    /// that looks missing where its order would not have put it is.
    fn of(categories: &[&str], codes: &[i64]) -> Self {
        let looks = |category: &&str| MISSING.contains(category);
        let Some((last, before)) = categories.split_last() else { return Self::Unknown };
        if !looks(last) {
            // Elsewhere it is in its place as a text, unless the list is in no order at all.
            let is_sorted = categories.windows(2).all(|pair| pair[0] < pair[1]);
            let is_text = is_sorted || !categories.iter().any(looks);
            return if is_text { Self::Unknown } else { Self::Ambiguous };
        }
        let is_sorted = before.windows(2).all(|pair| pair[0] < pair[1]);
        let is_behind = before.last().is_some_and(|before| before > last);
        let several = before.iter().any(looks);
        match codes.last() {
            Some(code) if is_sorted && is_behind && !several => Self::Category(*code),
            _ => Self::Ambiguous,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, other) | (other, Self::Unknown) => other,
            (one, other) if one == other => one,
            _ => Self::Ambiguous,
        }
    }
}

impl Columns {
    /// Adds the columns of an input; the place of the first one, if they are not too many.
    pub(super) fn add(&mut self, width: usize) -> Option<usize> {
        let first = self.columns.len();
        let all = first.checked_add(width).filter(|all| *all <= COLUMNS_MAX)?;
        self.columns.resize(all, Column::default());
        Some(first)
    }

    /// An operator compares cells of `reach` with these texts.
    pub(super) fn compared(&mut self, reach: &Reach, known: &BTreeSet<i64>) {
        for column in &reach.columns {
            self.columns[*column].known.extend(known);
        }
    }

    /// An encoder looks cells of `reach` up among these texts; it may fail on any other one.
    pub(super) fn looked_up(&mut self, reach: &Reach, keys: &[i64], fails: bool, codes: &Codes) {
        let texts: Vec<_> = keys.iter().filter_map(|key| codes.text(*key)).collect();
        let missing = Missing::of(&texts, keys);
        for column in &reach.columns {
            let column = &mut self.columns[*column];
            column.known.extend(keys);
            column.fails |= fails;
            column.missing = column.missing.and(missing);
        }
    }

    /// Cells of `reach` may be filled: whether a missing one is, the file doesn't say. scikit-learn's
    /// imputer of one text fails on any other missing value.
    pub(super) fn filled(&mut self, reach: &Reach) {
        for column in &reach.columns {
            self.columns[*column].missing = Missing::Ambiguous;
        }
    }

    /// What a column knows.
    pub(super) fn categories(&self, column: usize, codes: &Codes) -> Categories {
        let Column { known, fails, missing } = &self.columns[column];
        let texts = known.iter().filter_map(|code| Some((codes.text(*code)?, *code as f64)));
        let unknown = (!fails).then_some(UNKNOWN as f64);
        let missing = match missing {
            Missing::Unknown => unknown,
            Missing::Category(code) => Some(*code as f64),
            Missing::Ambiguous => None,
        };
        Categories::new(texts, UNKNOWN as f64).with_unknown(unknown).with_missing(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::Missing;

    fn missing(categories: &[&str]) -> Missing {
        let codes: Vec<_> = (0..categories.len() as i64).collect();
        Missing::of(categories, &codes)
    }

    #[test]
    fn a_missing_category_is_known_by_its_place() {
        assert_eq!(missing(&["car", "tv", "nan"]), Missing::Category(2));
        assert_eq!(missing(&["car", "none", "None"]), Missing::Category(2));
        assert_eq!(missing(&["car", "nan", "tv"]), Missing::Unknown);
        assert_eq!(missing(&["None", "Some"]), Missing::Unknown);
        assert_eq!(missing(&["car", "tv"]), Missing::Unknown);
        assert_eq!(missing(&[]), Missing::Unknown);
        // A text in its place, or a missing value: the same list.
        assert_eq!(missing(&["DE", "NL", "nan"]), Missing::Ambiguous);
        assert_eq!(missing(&["nan"]), Missing::Ambiguous);
        // In no order, as a user gave them; or two of them.
        assert_eq!(missing(&["tv", "car", "nan"]), Missing::Ambiguous);
        assert_eq!(missing(&["tv", "nan", "car"]), Missing::Ambiguous);
        assert_eq!(missing(&["tv", "None", "nan"]), Missing::Ambiguous);
    }

    #[test]
    fn encoders_of_one_column_have_to_agree() {
        let (one, other) = (Missing::Category(1), Missing::Category(2));
        assert_eq!(Missing::Unknown.and(one), one);
        assert_eq!(one.and(one), one);
        assert_eq!(one.and(other), Missing::Ambiguous);
        assert_eq!(Missing::Ambiguous.and(Missing::Unknown), Missing::Ambiguous);
    }
}
