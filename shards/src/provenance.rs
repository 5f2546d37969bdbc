//! What the features of a row stood on, said the same in headers, metrics and logs.

/// What the features of one row stood on, from best to worst.
///
/// The order is the order of badness: the status of an answer made of several rows is the
/// maximum of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum FeatureStatus {
    /// Read from the store for this request.
    #[default]
    Stored,
    /// Taken from this core's cache, within its time to live.
    Cached,
    /// The store did not answer; the last known value was used.
    Stale,
    /// The row is older than the model's `max_age`.
    Expired,
    /// The store answered that it has no such user.
    Missing,
    /// The store did not answer, and nothing is known about the user.
    Error,
}

impl FeatureStatus {
    /// Every status, from best to worst; the position is the index of its counter.
    pub const ALL: [Self; 6] =
        [Self::Stored, Self::Cached, Self::Stale, Self::Expired, Self::Missing, Self::Error];

    /// Their words, in the order of [`Self::ALL`], which is that of the variants.
    pub const WORDS: [&str; Self::ALL.len()] =
        ["stored", "cached", "stale", "expired", "missing", "error"];

    /// The word used in the `x-features` header, in metric labels and in logs.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

/// What the features of each entity of a row stood on, of those of a model with several.
///
/// Four bits each, so that a row's outcome stays small: one more than the status, 0 where nothing is
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct EntityStatuses(u64);

impl EntityStatuses {
    /// How many entities it tells apart.
    pub const ENTITIES_MAX: usize = 16;
    /// Nothing is known of any.
    pub const EMPTY: Self = Self(0);
    const BITS: usize = 4;

    /// Whether nothing is known of any: the model has one entity.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Says what the features of the entity at this place stood on.
    pub fn set(&mut self, entity: usize, status: FeatureStatus) {
        let shift = entity % Self::ENTITIES_MAX * Self::BITS;
        self.0 = self.0 & !(0xf << shift) | (status as u64 + 1) << shift;
    }

    /// What the features of the entity at this place stood on, where that is known.
    pub fn get(self, entity: usize) -> Option<FeatureStatus> {
        let bits = self.0 >> (entity % Self::ENTITIES_MAX * Self::BITS) & 0xf;
        FeatureStatus::ALL.get((bits as usize).checked_sub(1)?).copied()
    }

    /// The entities of which something is known, by place.
    pub fn iter(self) -> impl Iterator<Item = (usize, FeatureStatus)> {
        (0..Self::ENTITIES_MAX).filter_map(move |entity| Some((entity, self.get(entity)?)))
    }

    /// The worse of both for each entity.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        let mut worst = self;
        for (entity, status) in other.iter() {
            worst.set(entity, self.get(entity).map_or(status, |own| own.max(status)));
        }
        worst
    }

    /// It as a number, for a log.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Of the number that [`Self::bits`] gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::{EntityStatuses, FeatureStatus};

    #[test]
    fn each_entity_has_its_own_and_the_worst_of_rows_is_told() {
        let mut one = EntityStatuses::default();
        assert!(one.is_empty() && one.get(0).is_none());
        one.set(0, FeatureStatus::Stored);
        one.set(15, FeatureStatus::Error);
        let mut other = one;
        other.set(0, FeatureStatus::Stale);
        other.set(15, FeatureStatus::Cached);
        let expected = [(0, FeatureStatus::Stale), (15, FeatureStatus::Error)];
        assert_eq!(one.worst(other).iter().collect::<Vec<_>>(), expected);
        assert_eq!(EntityStatuses::from_bits(one.bits()), one);
    }

    #[test]
    fn each_has_its_place_and_its_word() {
        for (place, one) in FeatureStatus::ALL.into_iter().enumerate() {
            assert_eq!((one as usize, one.as_str()), (place, FeatureStatus::WORDS[place]));
        }
        let words = FeatureStatus::WORDS;
        assert_eq!((words[0], words[words.len() - 1]), ("stored", "error"));
    }
}
