//! How much memory the process's control group allows, by version 1 and 2, and what connections may
//! keep of it by default: beyond its limit the process is killed, with everything that it answers.

use std::fs;
use std::path::{Path, PathBuf};

use shards::http1::HttpLimits;

use super::cgroup::Groups;

/// A connection's memory, about, in bytes: its task and buffers here, and its socket in the kernel.
const CONNECTION_BYTES: u64 = 8_192;
/// One in so many bytes of a shard's share may be kept in buffers, and as many by connections: the
/// rest is for models, caches, and pages of the store.
const SHARE: u64 = 4;
/// However little there is: the largest bodies of a few clients, and those clients.
const BUFFERED_BYTES_MIN: u64 = 4 << 20;
const CONNECTIONS_MIN: u64 = 256;
/// Version 1 writes the largest number of pages where there is no limit.
const LIMIT_BYTES_MAX: u64 = 1 << 60;

/// A limit on the memory of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoryLimit {
    /// The limit, in bytes.
    pub(crate) bytes: u64,
    /// Where it was found.
    pub(crate) file: PathBuf,
}

impl MemoryLimit {
    /// The process's; `None` where it has none, or the system does not say.
    pub(crate) fn of_process() -> Option<Self> {
        Self::least(&Groups::of_process()?, |path| fs::read_to_string(path).ok())
    }

    /// The least limit of the groups that the process is in.
    fn least(groups: &Groups, read: impl Fn(&Path) -> Option<String>) -> Option<Self> {
        let limits = groups.folders("memory").filter_map(|folder| {
            let name = if folder.is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
            let file = folder.path.join(name);
            let bytes = read(&file)?.trim().parse().ok()?;
            (bytes < LIMIT_BYTES_MAX).then_some(Self { bytes, file })
        });
        limits.min_by_key(|limit| limit.bytes)
    }

    /// What the connections of each of so many shards may keep: no more than is the default where
    /// memory is not limited.
    pub(crate) fn http_limits(&self, shards: usize) -> HttpLimits {
        let part = self.bytes / shards.max(1) as u64 / SHARE;
        let usual = HttpLimits::default();
        let at_most = |most: usize, wanted: u64, least: u64| most.min(wanted.max(least) as usize);
        HttpLimits {
            buffered_bytes_max: at_most(usual.buffered_bytes_max, part, BUFFERED_BYTES_MIN),
            connections_max: at_most(
                usual.connections_max,
                part / CONNECTION_BYTES,
                CONNECTIONS_MIN,
            ),
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::MemoryLimit;
    use crate::system::cgroup::tests::groups;

    /// The limit and its file, where these files have these limits.
    fn found(files: &[(&str, &str)]) -> Option<(u64, String)> {
        let read = |path: &Path| {
            let file = files.iter().find(|(known, _)| Path::new(known) == path);
            file.map(|(_, limit)| format!("{limit}\n"))
        };
        let mounts = "34 24 0:30 / /v1 rw - cgroup cgroup rw,memory\n\
            29 23 0:25 / /v2 rw - cgroup2 cgroup2 rw\n";
        let limit = MemoryLimit::least(&groups("4:memory:/a\n0::/pod/box\n", mounts), read)?;
        Some((limit.bytes, limit.file.display().to_string()))
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let files = [
            ("/v2/pod/box/memory.max", "max"),
            ("/v2/pod/memory.max", "1073741824"),
            ("/v2/memory.max", "8589934592"),
        ];
        assert_eq!(found(&files), Some((1 << 30, "/v2/pod/memory.max".to_owned())));
    }

    #[test]
    fn both_versions_are_read_and_no_limit_is_none() {
        let first = "/v1/a/memory.limit_in_bytes";
        assert_eq!(found(&[(first, "4096000")]), Some((4_096_000, first.to_owned())));
        assert_eq!(found(&[(first, "9223372036854771712")]), None);
        assert_eq!(found(&[("/v2/pod/memory.max", "max"), ("/v2/memory.max", "?")]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn connections_keep_a_part_of_their_shards_share() {
        let limits = |mib: u64, shards: usize| {
            let limit = MemoryLimit { bytes: mib << 20, file: "memory.max".into() };
            let found = limit.http_limits(shards);
            (found.buffered_bytes_max >> 20, found.connections_max)
        };
        assert_eq!(limits(1_024, 2), (128, 16_384));
        assert_eq!(limits(512, 4), (32, 4_096));
        assert_eq!(limits(1 << 20, 2), (256, 16_384));
        assert_eq!(limits(16, 4), (4, 256));
    }
}
