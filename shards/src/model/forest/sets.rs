//! Sets of categories, as bits.

/// The sets that the nodes of a forest test for: bit `c` of a set says whether category `c` is in.
#[derive(Debug, Clone, PartialEq)]
pub struct CategorySets {
    words: Vec<u32>,
    /// Where each set starts and how many words it has.
    spans: Vec<(u32, u32)>,
    /// The least cell that may be in a set; cells are cut to whole numbers towards zero.
    pub least: f64,
}

/// The most words of all sets of a forest.
const WORDS_MAX: usize = 1 << 24;

impl Default for CategorySets {
    fn default() -> Self {
        Self { words: Vec::new(), spans: Vec::new(), least: 0.0 }
    }
}

impl CategorySets {
    /// Adds a set and returns its number; none if there are too many words.
    pub fn add(&mut self, words: &[u32]) -> Option<u32> {
        // Bits that no category sets cost nothing.
        let length = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        if self.words.len() + length > WORDS_MAX || self.spans.len() >= WORDS_MAX {
            return None;
        }
        self.spans.push((self.words.len() as u32, length as u32));
        self.words.extend_from_slice(&words[..length]);
        Some(self.spans.len() as u32 - 1)
    }

    /// Adds the set of these categories.
    pub fn add_members(&mut self, members: impl IntoIterator<Item = u32>) -> Option<u32> {
        let mut words = Vec::new();
        for member in members {
            let word = member as usize / 32;
            if word >= WORDS_MAX {
                return None;
            }
            if word >= words.len() {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (member % 32);
        }
        self.add(&words)
    }

    /// Whether there is no set.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many sets there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The words of all sets.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Where set `set` starts among the words, and how many words it has.
    pub fn span(&self, set: u32) -> (u32, u32) {
        self.spans[set as usize]
    }

    /// Whether the category that `cell` stands for is in set `set`; a missing cell is in none.
    #[inline]
    pub fn contains(&self, set: u32, cell: f64) -> bool {
        let (start, length) = self.span(set);
        // The cast cuts towards zero and saturates: what is too large is in no set.
        let place = cell as u64;
        cell >= self.least
            && place < u64::from(length) * 32
            && self.words[start as usize + place as usize / 32] >> (place % 32) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::CategorySets;

    #[test]
    fn cells_are_cut_towards_zero() {
        let mut sets = CategorySets::default();
        let set = sets.add_members([0, 2, 31, 32, 70]).expect("it is small");
        for (cell, is_in) in [
            (0.0, true),
            (-0.0, true),
            (0.9, true),
            (1.0, false),
            (2.7, true),
            (31.0, true),
            (32.5, true),
            (33.0, false),
            (70.0, true),
            (96.0, false),
            (-0.5, false),
            (-1.0, false),
            (1e30, false),
            (f64::INFINITY, false),
            (f64::NEG_INFINITY, false),
            (f64::NAN, false),
        ] {
            assert_eq!(sets.contains(set, cell), is_in, "{cell}");
        }
        sets.least = (-1.0_f64).next_up();
        assert!(sets.contains(set, -0.5));
        assert!(!sets.contains(set, -1.0));
    }
}
