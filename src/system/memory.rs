//! How much memory the process's control group allows, by version 1 and 2, and what connections may
//! keep of it by default: beyond its limit the process is killed, with everything that it answers.

use std::fs;
use std::path::{Path, PathBuf};

use shards::http::HttpLimits;

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
        let read = |path: &Path| fs::read_to_string(path).ok();
        let groups = read(Path::new("/proc/self/cgroup"))?;
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        Self::find(&groups, &mounts, read)
    }

    /// The least limit of the groups that the process is in, and of those that they are in.
    fn find(groups: &str, mounts: &str, read: impl Fn(&Path) -> Option<String>) -> Option<Self> {
        let mut least: Option<Self> = None;
        for mount in mounts.lines().filter_map(Mount::parse) {
            let Some(folder) = mount.folder(groups) else { continue };
            for folder in folder.ancestors().take_while(|it| it.starts_with(mount.point)) {
                let file = folder.join(mount.file);
                let limit = read(&file).and_then(|text| text.trim().parse().ok());
                let known = least.as_ref().map_or(LIMIT_BYTES_MAX, |known| known.bytes);
                if let Some(bytes) = limit.filter(|bytes| *bytes < known) {
                    least = Some(Self { bytes, file });
                }
            }
        }
        least
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

/// Where a hierarchy of control groups that counts memory is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mount<'a> {
    /// The group that is seen at the mount point.
    root: &'a str,
    point: &'a str,
    /// The file that has a group's limit.
    file: &'static str,
    is_v2: bool,
}

impl<'a> Mount<'a> {
    /// Reads a line of `mountinfo` (proc(5)); `None` of any other mount.
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let is_v2 = name == "cgroup2";
        let is_v1 = name == "cgroup" && options.split(',').any(|option| option == "memory");
        let file = if is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
        (is_v1 || is_v2).then_some(Self { root, point, file, is_v2 })
    }

    /// The folder of the process's group, by the lines of `/proc/self/cgroup` (cgroups(7)).
    fn folder(&self, groups: &str) -> Option<PathBuf> {
        let path = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let is_its = if self.is_v2 {
                number == "0" && controllers.is_empty()
            } else {
                controllers.split(',').any(|controller| controller == "memory")
            };
            is_its.then_some(path)
        })?;
        // In a container the mount may show its own group alone, whose path is the host's.
        let below = Path::new(path).strip_prefix(self.root).unwrap_or(Path::new(""));
        let is_below =
            below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let point = Path::new(self.point);
        Some(if is_below { point.join(below) } else { point.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::MemoryLimit;

    const V1: &str = "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
        34 24 0:30 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n";
    const V2: &str = "29 23 0:25 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    /// The limit and its file, where these files have these limits.
    fn found(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<(u64, String)> {
        let read = |path: &Path| {
            let file = files.iter().find(|(known, _)| Path::new(known) == path);
            file.map(|(_, limit)| format!("{limit}\n"))
        };
        let limit = MemoryLimit::find(groups, mounts, read)?;
        Some((limit.bytes, limit.file.display().to_string()))
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let pod = "/sys/fs/cgroup/kubepods/pod7";
        let own = [
            (format!("{pod}/box/memory.max"), "max"),
            (format!("{pod}/memory.max"), "1073741824"),
            ("/sys/fs/cgroup/kubepods/memory.max".to_owned(), "8589934592"),
        ];
        let own: Vec<_> = own.iter().map(|(file, limit)| (file.as_str(), *limit)).collect();
        let expected = Some((1 << 30, format!("{pod}/memory.max")));
        assert_eq!(found("0::/kubepods/pod7/box\n", V2, &own), expected);
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_top() {
        let file = "/sys/fs/cgroup/memory.max";
        let expected = Some((536_870_912, file.to_owned()));
        for group in ["0::/\n", "0::/../../docker/abc\n"] {
            assert_eq!(found(group, V2, &[(file, "536870912")]), expected, "{group}");
        }
        // Version 1 without a namespace of its own: the path is the host's.
        let mounts = V1.replace("0:30 / /sys", "0:30 /docker/abc /sys");
        let file = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        let groups = "4:memory:/docker/abc\n3:cpu:/docker/abc\n0::/\n";
        assert_eq!(
            found(groups, &mounts, &[(file, "536870912")]),
            Some((536_870_912, file.into()))
        );
    }

    #[test]
    fn both_versions_are_read_and_no_limit_is_none() {
        let both = [V1, V2].concat();
        let v1 = "/sys/fs/cgroup/memory/a/memory.limit_in_bytes";
        let groups = "8:pids:/a\n4:memory:/a\n0::/a\n";
        assert_eq!(found(groups, &both, &[(v1, "4096000")]), Some((4_096_000, v1.to_owned())));
        assert_eq!(found(groups, &both, &[(v1, "9223372036854771712")]), None);
        assert_eq!(found(groups, V2, &[("/sys/fs/cgroup/a/memory.max", "max")]), None);
        assert_eq!(found(groups, "", &[]), None);
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
