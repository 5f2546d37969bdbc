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

    /// The words of all reasons, in the same order.
    pub const WORDS: [&str; Self::ALL.len()] = {
        let mut words = [""; Self::ALL.len()];
        let mut at = 0;
        while at < words.len() {
            words[at] = Self::ALL[at].as_str();
            at += 1;
        }
        words
    };

    /// The word used in metric labels, in the log, and in `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Unavailable => "unavailable",
            Self::ReplicaTimeout => "replica_timeout",
            Self::ReplicaFailure => "replica_failure",
            Self::Overloaded => "overloaded",
            Self::Unauthorized => "unauthorized",
            Self::Invalid => "invalid",
            Self::TableChanged => "table_changed",
            Self::Other => "other",
        }
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
