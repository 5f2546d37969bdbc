//! How many of the process's descriptors connections may take: some are left for the admin port, for
//! files of models and for the store, so that a flood of connections closes none of these doors.

use std::os::fd::RawFd;

/// What is left at most: places for all of the admin port's connections, and as many others.
const RESERVE_MAX: u64 = 64;
/// What is left at least, where there are few.
const RESERVE_MIN: u64 = 8;

/// What the system lets the process have, and what connections leave of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// How many the process may have open.
    pub(crate) limit: u64,
    /// How many of them connections leave.
    pub(crate) reserve: u64,
}

impl Descriptors {
    /// By the process's limit; `None` where it has none, or the system does not say.
    pub(crate) fn of_process() -> Option<Self> {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the call writes one structure, which lives through it.
        let asked = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
        (asked == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then(|| Self::of(limit.rlim_cur))
    }

    fn of(limit: u64) -> Self {
        Self { limit, reserve: (limit / 8).clamp(RESERVE_MIN, RESERVE_MAX).min(limit) }
    }

    /// The number of the first descriptor that is not for connections.
    pub(crate) fn connections_end(self) -> RawFd {
        RawFd::try_from(self.limit - self.reserve).unwrap_or(RawFd::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Descriptors;

    #[test]
    fn an_eighth_is_left_within_bounds() {
        let found = [4, 64, 300, 1_024, 1 << 40].map(|limit| Descriptors::of(limit).reserve);
        assert_eq!(found, [4, 8, 37, 64, 64]);
        assert_eq!(Descriptors::of(300).connections_end(), 263);
        assert_eq!(Descriptors::of(1 << 40).connections_end(), i32::MAX);
    }
}
