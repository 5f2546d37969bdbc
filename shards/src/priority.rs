//! How willingly a request is let in.

/// How willingly a request is let in while the queue fills up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Priority {
    /// As long as there is room at all.
    High,
    /// While the queue is less than nine tenths full.
    #[default]
    Normal,
    /// While the queue is less than half full.
    Low,
}

impl Priority {
    /// How much of a queue with this limit requests of this priority may fill.
    pub const fn share_of(self, limit: u64) -> u64 {
        match self {
            Self::High => limit,
            Self::Normal => limit - limit / 10,
            Self::Low => limit.div_ceil(2),
        }
    }
}
