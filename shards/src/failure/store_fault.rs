//! Why statements to a cluster bring nothing, told apart as an operator acts on them.

/// Why a statement brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultReason {
    /// No answer came in time.
    Timeout,
    /// The connection broke, or there is none.
    Connection,
    /// Too few replicas are alive, says the node that was asked.
    Unavailable,
    /// Too few replicas answered that node in time.
    ReplicaTimeout,
    /// Replicas failed on the read.
    ReplicaFailure,
    /// The node has too much to do, or is only starting.
    Overloaded,
    /// The user may not read the table.
    Unauthorized,
    /// The node does not take the statement: the table or a column is gone, or the statement asks
    /// for more keys than the cluster allows.
    Invalid,
    /// The answer's columns are of other types than the table's were.
    TableChanged,
    /// Anything else.
    Other,
}

impl FaultReason {
    /// Every reason; the position is the index of its counter.
    pub const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Connection,
        Self::Unavailable,
        Self::ReplicaTimeout,
        Self::ReplicaFailure,
        Self::Overloaded,
        Self::Unauthorized,
        Self::Invalid,
        Self::TableChanged,
        Self::Other,
    ];

    /// Their words, in the order of [`Self::ALL`], which is that of the variants.
    pub const WORDS: [&str; Self::ALL.len()] = [
        "timeout",
        "connection",
        "unavailable",
        "replica_timeout",
        "replica_failure",
        "overloaded",
        "unauthorized",
        "invalid",
        "table_changed",
        "other",
    ];

    /// The word used in metric labels, in the log, and in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// Whether the node said nothing: then another one may.
    pub(crate) const fn is_silence(self) -> bool {
        matches!(self, Self::Timeout | Self::Connection)
    }

    /// Whether the table may not be what it was when the statement was prepared.
    pub(crate) const fn doubts_table(self) -> bool {
        matches!(self, Self::Invalid | Self::TableChanged)
    }
}

#[cfg(test)]
mod tests {
    use super::FaultReason;

    #[test]
    fn each_has_its_place_and_its_word() {
        for (place, one) in FaultReason::ALL.into_iter().enumerate() {
            assert_eq!((one as usize, one.as_str()), (place, FaultReason::WORDS[place]));
        }
        let words = FaultReason::WORDS;
        assert_eq!((words[0], words[words.len() - 1]), ("timeout", "other"));
    }
}
