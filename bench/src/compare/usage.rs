//! The processes that a server consists of, and what they have used, as the kernel counts it.
//!
//! A server's processes are the one that was started and all that descend from it: some servers
//! give their workers process groups and sessions of their own.

use std::fs;

use anyhow::{Context, Result};

/// Linux counts CPU time for user space in hundredths of a second, whatever its own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time since the start, and memory now, of a tree of processes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) user_seconds: f64,
    pub(crate) system_seconds: f64,
    /// Resident memory; pages that several processes share are split among them.
    pub(crate) memory_bytes: u64,
}

impl Usage {
    /// CPU time in user code and in the kernel.
    pub(super) fn seconds(self) -> f64 {
        self.user_seconds + self.system_seconds
    }

    /// The sum over the process `root` and all that descend from it.
    pub(super) fn of_tree(root: u32) -> Result<Self> {
        let mut sum = Self::default();
        for process in tree(root)? {
            let path = format!("/proc/{}/smaps_rollup", process.id);
            // A process may have ended since it was listed.
            let Ok(memory) = fs::read_to_string(&path) else { continue };
            sum.user_seconds += process.user_seconds;
            sum.system_seconds += process.system_seconds;
            sum.memory_bytes += proportional_bytes(&memory);
        }
        Ok(sum)
    }
}

/// The ids of the process `root` and all that descend from it.
pub(super) fn ids_of_tree(root: u32) -> Result<Vec<u32>> {
    Ok(tree(root)?.into_iter().map(|process| process.id).collect())
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Process {
    id: u32,
    parent: u32,
    user_seconds: f64,
    system_seconds: f64,
}

fn tree(root: u32) -> Result<Vec<Process>> {
    let mut others = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        // Other entries aren't processes, and a process may end while this looks at it.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
        others.extend(parse_stat(&stat));
    }
    Ok(descendants(root, others))
}

fn descendants(root: u32, mut others: Vec<Process>) -> Vec<Process> {
    let mut found: Vec<Process> = others.extract_if(.., |process| process.id == root).collect();
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at).map(|process| process.id) {
        found.extend(others.extract_if(.., |process| process.parent == parent));
        looked_at += 1;
    }
    found
}

/// The second field is free text in parentheses.
fn parse_stat(stat: &str) -> Option<Process> {
    let (before, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let seconds = |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some(Process {
        id: before.split_once(' ')?.0.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        user_seconds: seconds(11)?,
        system_seconds: seconds(12)?,
    })
}

fn proportional_bytes(smaps_rollup: &str) -> u64 {
    smaps_rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_skipped() {
        let stat = "7 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 1 0 9 1 1";
        let expected = Process { id: 7, parent: 1, user_seconds: 1.5, system_seconds: 0.25 };
        assert_eq!(parse_stat(stat), Some(expected));
    }

    #[test]
    fn a_tree_has_children_of_children_and_nobody_else() {
        let process = |(id, parent)| Process { id, parent, user_seconds: 0.0, system_seconds: 0.0 };
        let all = [(1, 0), (9, 5), (5, 3), (4, 1), (3, 1), (6, 3), (8, 4)].map(process);
        let ids: Vec<u32> = descendants(3, all.to_vec()).iter().map(|found| found.id).collect();
        assert_eq!(ids, [3, 5, 6, 9]);
    }

    #[test]
    fn memory_is_the_proportional_share() {
        assert_eq!(proportional_bytes("Rss:   9 kB\nPss:     4 kB\nPss_Dirty: 2 kB\n"), 4096);
    }
}
