//! Where the limits of the process's control groups are: of its own and of those above it, by version
//! 1 and 2.
//!
//! What is *not* here: what the files in these folders say (`memory`, `quota`).

use std::fs;
use std::path::{Component, Path, PathBuf};

/// What says in which groups the process is, and where these are in the file system.
#[derive(Debug)]
pub(super) struct Groups {
    /// `/proc/self/cgroup` (cgroups(7)).
    of_process: String,
    /// `/proc/self/mountinfo` (proc(5)).
    mounts: String,
}

/// A group's folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Whether its files are those of version 2.
    pub(super) is_v2: bool,
}

impl Groups {
    /// Those of this process; `None` where the system does not say.
    pub(super) fn of_process() -> Option<Self> {
        let read = |path| fs::read_to_string(path).ok();
        Some(Self { of_process: read("/proc/self/cgroup")?, mounts: read("/proc/self/mountinfo")? })
    }

    /// The groups that may limit what `controller` counts, each before those that it is in. A group
    /// that isn't mounted is not to be seen.
    pub(super) fn folders(&self, controller: &str) -> impl Iterator<Item = Folder> {
        let mounts = self.mounts.lines().filter_map(move |line| Mount::parse(line, controller));
        mounts.flat_map(move |mount| {
            let own = mount.folder(&self.of_process, controller);
            let groups = own.iter().flat_map(|own| own.ancestors());
            let seen = groups.take_while(|group| group.starts_with(mount.point));
            let folder = |path: &Path| Folder { path: path.to_owned(), is_v2: mount.is_v2 };
            seen.map(folder).collect::<Vec<_>>()
        })
    }
}

/// Where a hierarchy of control groups is mounted.
#[derive(Debug, Clone, Copy)]
struct Mount<'a> {
    /// The group that is seen at the mount point.
    root: &'a str,
    point: &'a str,
    is_v2: bool,
}

impl<'a> Mount<'a> {
    /// Reads a line of `mountinfo`; `None` of a mount that has no such controller.
    fn parse(line: &'a str, controller: &str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next()?, kind.nth(1)?);
        let is_v2 = name == "cgroup2";
        let is_v1 = name == "cgroup" && options.split(',').any(|option| option == controller);
        (is_v1 || is_v2).then_some(Self { root, point, is_v2 })
    }

    /// The folder of the process's group.
    fn folder(&self, groups: &str, controller: &str) -> Option<PathBuf> {
        let path = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let is_its = if self.is_v2 {
                number == "0" && controllers.is_empty()
            } else {
                controllers.split(',').any(|name| name == controller)
            };
            is_its.then_some(path)
        })?;
        // In a container the mount may show its own group alone, whose path is the host's.
        let below = Path::new(path).strip_prefix(self.root).unwrap_or(Path::new(""));
        let is_below = below.components().all(|part| matches!(part, Component::Normal(_)));
        let parts = below.components().filter(|_| is_below);
        Some(Path::new(self.point).components().chain(parts).collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::Groups;

    /// Groups as these files have them.
    pub(in crate::system) fn groups(of_process: &str, mounts: &str) -> Groups {
        Groups { of_process: of_process.to_owned(), mounts: mounts.to_owned() }
    }

    const V1: &str = "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
        34 24 0:30 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n";
    const V2: &str = "29 23 0:25 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    fn found(of_process: &str, mounts: &str) -> Vec<(String, bool)> {
        let groups = groups(of_process, mounts);
        let folders = groups.folders("memory");
        folders.map(|it| (it.path.display().to_string(), it.is_v2)).collect()
    }

    #[test]
    fn a_group_comes_before_those_that_it_is_in() {
        let expected = ["/sys/fs/cgroup/pods/pod7", "/sys/fs/cgroup/pods", "/sys/fs/cgroup"];
        assert_eq!(found("0::/pods/pod7\n", V2), expected.map(|path| (path.to_owned(), true)));
        assert_eq!(found("0::/\n", ""), []);
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_top() {
        for (group, root) in
            [("/", "/"), ("/../../docker/abc", "/"), ("/docker/a", "/docker/a"), ("/", "/../..")]
        {
            let mounts = V2.replace(" / ", &format!(" {root} "));
            let expected = [("/sys/fs/cgroup".to_owned(), true)];
            assert_eq!(found(&format!("0::{group}\n"), &mounts), expected, "{group} {root}");
        }
        // Version 1 without a namespace of its own: the path is the host's.
        let mounts = V1.replace("0:30 / /sys", "0:30 /docker/abc /sys");
        let expected = [("/sys/fs/cgroup/memory".to_owned(), false)];
        assert_eq!(found("4:memory:/docker/abc\n3:cpu:/docker/abc\n0::/\n", &mounts), expected);
    }

    #[test]
    fn both_versions_may_be_mounted() {
        let found = found("8:pids:/b\n4:cpuacct,memory:/a\n0::/c\n", &[V1, V2].concat());
        let expected = [
            ("/sys/fs/cgroup/memory/a", false),
            ("/sys/fs/cgroup/memory", false),
            ("/sys/fs/cgroup/c", true),
            ("/sys/fs/cgroup", true),
        ];
        assert_eq!(found, expected.map(|(path, is_v2)| (path.to_owned(), is_v2)));
    }
}
