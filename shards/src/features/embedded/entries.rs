//! How records and texts lie in a store's file, each with its checksum.

use super::keyed_hash::KeyedHash;
use super::layout::{ENTRY_HEAD_BYTES, TEXT_HEAD_BYTES, word};

/// A text as it lies in the file, its length known and nothing else of it believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextEntry<'a>(&'a [u8]);

impl<'a> TextEntry<'a> {
    /// The entry at the start of `bytes`; `None` where it would be longer than they are.
    pub(super) fn at(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.first_chunk::<TEXT_HEAD_BYTES>()?;
        let length = TEXT_HEAD_BYTES.checked_add(word(head, 8) as usize)?;
        Some(Self(bytes.get(..length)?))
    }

    /// Puts the entry of a text into `out`, whose content is replaced.
    pub(super) fn encode(hash: &KeyedHash, code: u32, text: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&code.to_le_bytes());
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text);
        let checksum = hash.checksum(&out[4..]);
        out[..4].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Its text, where it is that of `code` and as it was written.
    pub(super) fn text(self, hash: &KeyedHash, code: u32) -> Option<&'a [u8]> {
        let is_whole = word(self.0, 0) == hash.checksum(&self.0[4..]);
        (is_whole && word(self.0, 4) == code).then_some(&self.0[TEXT_HEAD_BYTES..])
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A record as it lies in the file, its length known and nothing else of it believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    bytes: &'a [u8],
    key_bytes: usize,
}

impl<'a> Entry<'a> {
    /// The entry at the start of `bytes`, with a packed row of `record_bytes`; `None` where it would
    /// be longer than they are.
    pub(super) fn at(bytes: &'a [u8], record_bytes: usize) -> Option<Self> {
        let key_bytes = usize::from(u16::from_le_bytes([*bytes.get(4)?, *bytes.get(5)?]));
        let length = ENTRY_HEAD_BYTES + key_bytes + record_bytes;
        Some(Self { bytes: bytes.get(..length)?, key_bytes })
    }

    /// Puts the entry of a row into `out`, whose content is replaced.
    pub(super) fn encode(hash: &KeyedHash, key: &[u8], record: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(key.len() as u16).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(record);
        Self::renew_checksum(hash, out);
    }

    /// Makes the checksum of an entry right again, which was changed.
    pub(super) fn renew_checksum(hash: &KeyedHash, entry: &mut [u8]) {
        let checksum = hash.checksum(&entry[4..]);
        entry[..4].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Whether it is as it was written.
    pub(super) fn is_whole(&self, hash: &KeyedHash) -> bool {
        word(self.bytes, 0) == hash.checksum(&self.bytes[4..])
    }

    /// Whether its checksum is that of `copy` under `hash`, whatever checksum the copy has.
    pub(super) fn is_checked_by(&self, hash: &KeyedHash, copy: &[u8]) -> bool {
        copy.get(4..).is_some_and(|copied| word(self.bytes, 0) == hash.checksum(copied))
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn key(&self) -> &'a [u8] {
        &self.bytes[ENTRY_HEAD_BYTES..ENTRY_HEAD_BYTES + self.key_bytes]
    }

    pub(super) fn record(&self) -> &'a [u8] {
        &self.bytes[ENTRY_HEAD_BYTES + self.key_bytes..]
    }
}

/// A copy of a record: what is checked is then what is used, whatever becomes of the file meanwhile.
#[derive(Debug, Default)]
pub(super) struct EntryCopy(Vec<u8>);

impl EntryCopy {
    /// The copy of `entry`, whose packed row has `record_bytes`; `None` where its length changed
    /// meanwhile.
    pub(super) fn take(&mut self, entry: Entry<'_>, record_bytes: usize) -> Option<Entry<'_>> {
        self.0.clear();
        self.0.extend_from_slice(entry.bytes);
        self.entry(record_bytes).filter(|copied| copied.key_bytes == entry.key_bytes)
    }

    /// The packed row of what was copied last.
    pub(super) fn record_mut(&mut self, record_bytes: usize) -> Option<&mut [u8]> {
        let start = self.0.len().checked_sub(record_bytes)?;
        self.0.get_mut(start..)
    }

    /// What was copied last.
    pub(super) fn entry(&self, record_bytes: usize) -> Option<Entry<'_>> {
        Entry::at(&self.0, record_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Entry, KeyedHash, TextEntry};

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(
            key in prop::collection::vec(any::<u8>(), 1..512),
            record in prop::collection::vec(any::<u8>(), 9..100),
            behind in prop::collection::vec(any::<u8>(), 0..9),
            cut in any::<prop::sample::Index>(),
        ) {
            let hash = KeyedHash::new(3);
            let mut bytes = Vec::new();
            Entry::encode(&hash, &key, &record, &mut bytes);
            let length = bytes.len();
            bytes.extend_from_slice(&behind);
            let entry = Entry::at(&bytes, record.len()).expect("it is there");
            prop_assert!(entry.is_whole(&hash) && entry.bytes() == length);
            prop_assert_eq!((entry.key(), entry.record()), (&*key, &*record));
            prop_assert!(Entry::at(&bytes[..cut.index(length)], record.len()).is_none());
            prop_assert!(!entry.is_whole(&KeyedHash::new(4)));
        }

        #[test]
        fn a_text_is_read_as_it_was_written_and_by_its_code_alone(
            text in prop::collection::vec(any::<u8>(), 0..40),
            code in any::<u32>(),
            cut in any::<prop::sample::Index>(),
            bit in any::<prop::sample::Index>(),
        ) {
            let hash = KeyedHash::new(3);
            let mut bytes = Vec::new();
            TextEntry::encode(&hash, code, &text, &mut bytes);
            let entry = TextEntry::at(&bytes).expect("it is there");
            prop_assert_eq!(entry.text(&hash, code), Some(&*text));
            prop_assert_eq!(entry.text(&hash, code ^ 1), None);
            prop_assert_eq!(entry.text(&KeyedHash::new(4), code), None);
            prop_assert!(TextEntry::at(&bytes[..cut.index(bytes.len())]).is_none());
            let bit = bit.index(8 * bytes.len());
            bytes[bit / 8] ^= 1 << (bit % 8);
            let flipped = TextEntry::at(&bytes).and_then(|entry| entry.text(&hash, code));
            prop_assert_eq!(flipped, None);
        }
    }
}
