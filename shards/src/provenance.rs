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

#[cfg(test)]
mod tests {
    use super::FeatureStatus;

    #[test]
    fn each_has_its_place_and_its_word() {
        for (place, one) in FeatureStatus::ALL.into_iter().enumerate() {
            assert_eq!((one as usize, one.as_str()), (place, FeatureStatus::WORDS[place]));
        }
        let words = FeatureStatus::WORDS;
        assert_eq!((words[0], words[words.len() - 1]), ("stored", "error"));
    }
}
