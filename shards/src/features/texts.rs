//! Texts by number: a record has fixed width, so that of a text it keeps the code alone.
//!
//! A store has one dictionary for all of its columns. That of a file lies in the file, see
//! `embedded`; what is being written, and what a shard keeps of a cluster's rows, is in an
//! [`Interner`].

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The longest text of a cell that an import takes, in bytes.
pub const TEXT_BYTES_MAX: usize = 65_536;

/// What a request's cell holds in the place of a text that its model's categories do not have: a NaN
/// of its own, told from that of a cell which is not known.
pub(crate) const UNKNOWN_TEXT: f64 = f64::from_bits(f64::NAN.to_bits() | 0x5e6);

/// Whether a cell is [`UNKNOWN_TEXT`].
#[inline]
pub(crate) fn is_unknown_text(cell: f64) -> bool {
    cell.to_bits() == UNKNOWN_TEXT.to_bits()
}

/// The dictionary of records: texts by code.
pub trait Texts: std::fmt::Debug {
    /// A number that no other dictionary of the same store has: a code means the same text for as
    /// long as it is the same.
    fn generation(&self) -> u64;

    /// The text of a code; `None` where there is none, or none that is as it was written.
    fn text(&self, code: u32) -> Option<&[u8]>;

    /// [`Self::text`] copied to the end of `to`, whatever becomes of the dictionary meanwhile; false
    /// where there is none.
    fn copy_text(&self, code: u32, to: &mut Vec<u8>) -> bool {
        self.text(code).inspect(|text| to.extend_from_slice(text)).is_some()
    }
}

/// The dictionary of records without text.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTexts;

impl Texts for NoTexts {
    fn generation(&self) -> u64 {
        0
    }

    fn text(&self, _code: u32) -> Option<&[u8]> {
        None
    }
}

/// A dictionary that grows: each text has the code at which it came first.
#[derive(Debug, Default)]
pub struct Interner {
    generation: u64,
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    codes: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Interner {
    /// What an entry takes beside its text, in bytes: its end and its place in the table.
    const ENTRY_BYTES: usize = 16;

    /// An empty dictionary of this generation.
    pub fn new(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    /// The code of a text, a new one where there was none; `None` where there is no further code.
    pub fn intern(&mut self, text: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        let (bytes, ends) = (&self.bytes, &self.ends);
        if let Some(known) = self.codes.find(hash, |code| text_at(bytes, ends, *code) == text) {
            return Some(*known);
        }
        let code = u32::try_from(self.ends.len()).ok()?;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.codes.insert_unique(hash, code, |code| hasher.hash_one(text_at(bytes, ends, *code)));
        Some(code)
    }

    /// How many texts it has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes it takes, about.
    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * Self::ENTRY_BYTES
    }

    /// The texts in the order of their codes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|code| text_at(&self.bytes, &self.ends, code as u32))
    }
}

impl Texts for Interner {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn text(&self, code: u32) -> Option<&[u8]> {
        ((code as usize) < self.ends.len()).then(|| text_at(&self.bytes, &self.ends, code))
    }
}

fn text_at<'a>(bytes: &'a [u8], ends: &[usize], code: u32) -> &'a [u8] {
    let code = code as usize;
    let start = if code == 0 { 0 } else { ends[code - 1] };
    &bytes[start..ends[code]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Interner, Texts, UNKNOWN_TEXT, is_unknown_text};

    #[test]
    fn an_unknown_text_is_told_from_a_missing_one() {
        assert!(UNKNOWN_TEXT.is_nan() && is_unknown_text(UNKNOWN_TEXT));
        assert!(!is_unknown_text(f64::NAN) && !is_unknown_text(-f64::NAN));
    }

    proptest! {
        #[test]
        fn a_text_has_one_code_and_a_code_one_text(
            texts in prop::collection::vec("[ab\u{e9}]{0,3}", 0..60),
        ) {
            let mut interner = Interner::new(7);
            let mut known = std::collections::HashMap::new();
            for text in &texts {
                let code = interner.intern(text.as_bytes()).unwrap();
                prop_assert_eq!(*known.entry(text.clone()).or_insert(code), code);
            }
            prop_assert_eq!((interner.len(), interner.generation()), (known.len(), 7));
            for (text, code) in &known {
                prop_assert_eq!(interner.text(*code), Some(text.as_bytes()));
            }
            prop_assert_eq!(interner.text(known.len() as u32), None);
            prop_assert_eq!(interner.iter().count(), known.len());
        }
    }
}
