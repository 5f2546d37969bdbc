//! How many cores' worth of time the process may use, where a control group limits it by a quota.
//!
//! A quota is not a set of cores: a shard that has used up its part stands still until the next
//! period, with all of its connections.

use std::fs;
use std::path::{Path, PathBuf};

use super::cgroup::Groups;

/// A limit by a quota.
#[derive(Debug, PartialEq)]
pub(crate) struct CpuQuota {
    /// How many cores' worth it is.
    pub(crate) cores: f64,
    /// The file that says so.
    pub(crate) file: PathBuf,
}

/// The narrowest limit of this process; `None` where there is none, or the system does not say.
pub(crate) fn of_process() -> Option<CpuQuota> {
    narrowest(&Groups::of_process()?)
}

impl CpuQuota {
    /// Warns where it gives `shards` less than a core each.
    pub(crate) fn warn(&self, shards: usize, cores: &str) {
        if shards as f64 <= self.cores {
            return;
        }
        tracing::warn!(
            quota_cores = self.cores,
            shards,
            file = %self.file.display(),
            "--cores {cores}: more shards than the CPU quota has cores. A shard that has used up its \
             part stands still for the rest of each period. Raise the quota to {shards} cores, or set \
             --cores to {} of them; a set of whole cores (cpuset, Kubernetes' static CPU manager) \
             needs no quota",
            self.cores.floor().max(1.0)
        );
    }
}

/// The narrowest of the quotas of the groups that the process is in.
fn narrowest(groups: &Groups) -> Option<CpuQuota> {
    let quotas = groups.folders("cpu").filter_map(|folder| {
        let read = if folder.is_v2 { read_second } else { read_first };
        read(&folder.path)
    });
    quotas.min_by(|one, other| one.cores.total_cmp(&other.cores))
}

/// Version 1: the quota and its period have a file each; the former is negative without a limit.
fn read_first(folder: &Path) -> Option<CpuQuota> {
    let number = |name| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<f64>().ok();
    let file = folder.join("cpu.cfs_quota_us");
    let quota = number("cpu.cfs_quota_us").filter(|quota| *quota > 0.0)?;
    let period = number("cpu.cfs_period_us").filter(|period| *period > 0.0)?;
    Some(CpuQuota { cores: quota / period, file })
}

/// Version 2: both in one file; the former is `max` without a limit.
fn read_second(folder: &Path) -> Option<CpuQuota> {
    let file = folder.join("cpu.max");
    let text = fs::read_to_string(&file).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| CpuQuota { cores: quota / period, file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::cgroup::tests::groups as groups_of;

    /// Writes files of control groups below a folder of its own.
    fn groups(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn mount(root: &str, point: &Path, rest: &str) -> String {
        format!("31 23 0:28 {root} {} rw,relatime shared:9 - {rest}\n", point.display())
    }

    #[test]
    fn version_2_counts_the_groups_above_too() {
        let folder = groups(&[
            ("pod/cpu.max", "150000 100000\n"),
            ("pod/own/cpu.max", "max 100000\n"),
            ("other/cpu.max", "1 100000\n"),
        ]);
        let mounts = mount("/", folder.path(), "cgroup2 cgroup2 rw,nsdelegate");
        let found = narrowest(&groups_of("0::/pod/own\n", &mounts)).unwrap();
        assert_eq!(found, CpuQuota { cores: 1.5, file: folder.path().join("pod/cpu.max") });
        assert_eq!(narrowest(&groups_of("0::/\n", &mounts)), None);
    }

    #[test]
    fn version_1_has_a_quota_and_a_period() {
        let folder = groups(&[
            ("docker/a/cpu.cfs_quota_us", "50000\n"),
            ("docker/a/cpu.cfs_period_us", "100000\n"),
            ("docker/cpu.cfs_quota_us", "-1\n"),
            ("docker/cpu.cfs_period_us", "100000\n"),
        ]);
        let (cpu, memory) = ("cgroup cgroup rw,cpu,cpuacct", "cgroup cgroup rw,memory");
        let mounts = mount("/", Path::new("/none"), memory) + &mount("/", folder.path(), cpu);
        let lines = "5:memory:/docker/b\n4:cpu,cpuacct:/docker/a\n0::/\n";
        let quota = |cores, file: &str| CpuQuota { cores, file: folder.path().join(file) };
        let expected = quota(0.5, "docker/a/cpu.cfs_quota_us");
        assert_eq!(narrowest(&groups_of(lines, &mounts)), Some(expected));
        assert_eq!(narrowest(&groups_of("4:cpu,cpuacct:/docker\n", &mounts)), None);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let folder = groups(&[("cpu.max", "200000 100000")]);
        // Without a namespace of its own, with one of its parent's, and with its own.
        for (root, group) in
            [("/kubepods/pod/c", "/kubepods/pod/c"), ("/../../..", "/"), ("/", "/")]
        {
            let mounts = mount(root, folder.path(), "cgroup2 cgroup2 rw");
            let found = narrowest(&groups_of(&format!("0::{group}\n"), &mounts));
            let expected = CpuQuota { cores: 2.0, file: folder.path().join("cpu.max") };
            assert_eq!(found, Some(expected));
        }
    }
}
