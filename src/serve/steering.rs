//! Which shard the kernel gives a new connection to: any, or the one of the core that the
//! connection's packets arrive on.
//!
//! By core each listener says its core (`SO_INCOMING_CPU`), and the kernel picks the listener that
//! names the one it runs on; where none does, or none is left that listens, it picks any, as
//! without. A program that returns a listener's place (`SO_ATTACH_REUSEPORT_CBPF`) would do the
//! same, but places move when a listener closes: a shard that ends, or a process that is taken
//! over, would have others get the wrong connections.

use std::fs;
use std::io;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use socket2::Socket;

/// How the kernel chooses among the shards' listeners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Steering {
    /// By a hash of the addresses and ports.
    #[default]
    Hash,
    /// By the core that the connection's first packet arrives on.
    Cpu,
}

/// What `SO_INCOMING_CPU` is of a socket that is for any core: -1 as the kernel's `int`.
const ANY_CORE: usize = usize::MAX;
/// The first kernel that asks listeners of one address for their core.
const KERNEL_MIN: (u32, u32) = (6, 2);

impl Steering {
    /// Tells the kernel which connections are for the listeners of the shard on `core`. They may
    /// come from a process that steered otherwise.
    pub(crate) fn apply(self, listeners: &[Socket], core: usize) -> io::Result<()> {
        let core = match self {
            Self::Hash => ANY_CORE,
            Self::Cpu => core,
        };
        listeners.iter().try_for_each(|listener| listener.set_cpu_affinity(core))
    }

    /// Warns where the kernel is older than the first that is known to do it.
    pub(crate) fn warn_where_unknown(self) {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        if self == Self::Cpu && version(&release).is_none_or(|version| version < KERNEL_MIN) {
            let (release, (major, minor)) = (release.trim(), KERNEL_MIN);
            tracing::warn!(
                release,
                "steering: found this kernel, expected Linux {major}.{minor} or newer: it may \
                 give connections to any shard"
            );
        }
    }
}

/// The first two numbers of a kernel's release.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::{KERNEL_MIN, version};

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(version("6.18.44-fc-v669\n"), Some((6, 18)));
        assert_eq!(version("5.10-rc1"), Some((5, 10)));
        assert_eq!(version(""), None);
        assert!(version("5.19.0").unwrap() < KERNEL_MIN && version("6.2").unwrap() >= KERNEL_MIN);
    }
}
