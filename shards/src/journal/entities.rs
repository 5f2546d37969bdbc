//! What the features of each entity of a row stood on, as the log has it.

use crate::features::entities::RequestKeys;
use crate::features::{Joined, KeyParts, join_key};
use crate::provenance::FeatureStatus;

use super::entries::Reader;
use super::entry::NEVER;
use super::note::push_text;

/// The entities of a row as the shard has them, of a model with several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowEntities<'a> {
    pub(crate) keys: &'a RequestKeys,
    pub(crate) parts: &'a KeyParts,
    pub(crate) joined: &'a Joined,
    /// The row's place in its batch.
    pub(crate) row: usize,
}

/// An entity of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityEntry<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its key; empty where the request names none.
    pub key: &'a [u8],
    /// What its features stood on.
    pub features: FeatureStatus,
    /// When the store last wrote them, in µs since 1970, where it has any.
    pub last_updated_us: Option<i64>,
}

impl RowEntities<'_> {
    /// More bytes than the entities have.
    pub(super) fn bytes_max(&self) -> usize {
        const FIXED_BYTES: usize = 16;
        // A part of a key stands behind its length.
        const PART_BYTES: usize = 8;
        let entities = self.keys.entities.iter().map(|entity| {
            let parts = self.parts.of(entity).map(|part| part.len() + PART_BYTES);
            FIXED_BYTES + entity.name.len() + parts.sum::<usize>()
        });
        entities.sum()
    }

    pub(super) fn push(&self, out: &mut Vec<u8>) {
        for (place, entity) in self.keys.entities.iter().enumerate() {
            let found = self.joined.outcome_of(place, self.row);
            push_text(out, &entity.name);
            out.push(found.status as u8);
            out.extend_from_slice(&found.last_updated_us.unwrap_or(NEVER).to_le_bytes());
            let at = out.len();
            out.extend_from_slice(&[0; 2]);
            join_key(self.parts.of(entity), out);
            // A store takes no key that is longer; of one that is, the start tells enough.
            let length = (out.len() - at - 2).min(usize::from(u16::MAX));
            out.truncate(at + 2 + length);
            out[at..at + 2].copy_from_slice(&(length as u16).to_le_bytes());
        }
    }
}

impl<'a> EntityEntry<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let name = str::from_utf8(reader.text()?).ok()?;
        let features = *FeatureStatus::ALL.get(usize::from(reader.byte()?))?;
        let last_updated_us = i64::from_le_bytes(reader.array()?);
        let last_updated_us = (last_updated_us != NEVER).then_some(last_updated_us);
        Some(Self { name, key: reader.text()?, features, last_updated_us })
    }
}
