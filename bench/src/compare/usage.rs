//! What a server's processes have used, as the kernel counts it.

use std::fs;
use std::ops::AddAssign;

use anyhow::{Context, Result};

/// Linux counts CPU time for user space in hundredths of a second, whatever its own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time since the start, and memory now, of one or more processes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) user_seconds: f64,
    pub(super) system_seconds: f64,
    /// Resident memory; pages that several processes share are split among them.
    pub(super) memory_bytes: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.user_seconds += other.user_seconds;
        self.system_seconds += other.system_seconds;
        self.memory_bytes += other.memory_bytes;
    }
}

impl Usage {
    /// CPU time in all.
    pub(super) fn seconds(self) -> f64 {
        self.user_seconds + self.system_seconds
    }

    /// The sum over all processes of the process group `group`.
    pub(super) fn of_group(group: u32) -> Result<Self> {
        let mut sum = Self::default();
        for entry in fs::read_dir("/proc")? {
            let folder = entry?.path();
            // Other entries aren't processes, and a process may end while this looks at it.
            let Ok(stat) = fs::read_to_string(folder.join("stat")) else { continue };
            let Some((process_group, user_seconds, system_seconds)) = parse_stat(&stat) else {
                continue;
            };
            if process_group != group {
                continue;
            }
            let memory = fs::read_to_string(folder.join("smaps_rollup"))
                .with_context(|| format!("{}/smaps_rollup", folder.display()))?;
            let memory_bytes = proportional_bytes(&memory);
            sum += Self { user_seconds, system_seconds, memory_bytes };
        }
        Ok(sum)
    }
}

/// Process group, user and system seconds out of `/proc/PID/stat`, whose second field is free text
/// in parentheses.
fn parse_stat(stat: &str) -> Option<(u32, f64, f64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let seconds = |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some((fields.get(2)?.parse().ok()?, seconds(11)?, seconds(12)?))
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
        assert_eq!(parse_stat(stat), Some((42, 1.5, 0.25)));
    }

    #[test]
    fn memory_is_the_proportional_share() {
        assert_eq!(proportional_bytes("Rss:   9 kB\nPss:     4 kB\nPss_Dirty: 2 kB\n"), 4096);
    }
}
