//! Texts of rows that an import keeps: a code of the old file becomes one of the new file.

use super::entries::Entry;
use super::keyed_hash::KeyedHash;
use super::layout::ENTRY_HEAD_BYTES;
use super::snapshot::Snapshot;
use crate::features::column::code_of;
use crate::features::record::CellPlace;
use crate::features::texts::{Interner, Texts};

/// The codes that texts of an old file have in the new one.
#[derive(Debug)]
pub(super) struct KeptTexts<'a> {
    texts: &'a dyn Texts,
    record_bytes: usize,
    /// Where codes are in its records.
    places: Vec<CellPlace>,
    /// By the old code; none for those that no row was seen with.
    codes: Vec<Option<u32>>,
}

impl<'a> KeptTexts<'a> {
    /// For rows as `base` has them, with these texts.
    pub(super) fn new(base: &Snapshot, texts: &'a dyn Texts) -> Self {
        let places: Vec<_> = base.layout().text_places().copied().collect();
        Self { texts, record_bytes: base.header.record_bytes as usize, places, codes: Vec::new() }
    }

    /// Gives the texts of the entry of a row of the old file their codes in `texts`; `None` where one
    /// of them is not as it was written.
    pub(super) fn keep(
        &mut self,
        hash: &KeyedHash,
        texts: &mut Interner,
        entry: &mut [u8],
    ) -> Option<()> {
        if self.places.is_empty() {
            return Some(());
        }
        let kept = Entry::at(entry, self.record_bytes)?;
        let record_at = ENTRY_HEAD_BYTES + kept.key().len();
        for at in 0..self.places.len() {
            let place = self.places[at];
            if place.is_null(&entry[record_at..]) {
                continue;
            }
            let cell = &mut entry[record_at + place.offset..][..size_of::<u32>()];
            let code = self.code(code_of(cell), texts)?;
            cell.copy_from_slice(&code.to_le_bytes());
        }
        Entry::renew_checksum(hash, entry);
        Some(())
    }

    fn code(&mut self, old: u32, texts: &mut Interner) -> Option<u32> {
        if let Some(Some(known)) = self.codes.get(old as usize) {
            return Some(*known);
        }
        let code = texts.intern(self.texts.text(old)?)?;
        if self.codes.len() <= old as usize {
            self.codes.resize(old as usize + 1, None);
        }
        self.codes[old as usize] = Some(code);
        Some(code)
    }
}
