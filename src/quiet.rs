//! Keeps the calling thread out of the shards' way.

use core_affinity::CoreId;

/// How far below the shards' the priority is on a core that is shared with one.
const NICENESS: i32 = 10;

/// Where the calling thread and those that it starts will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// On these cores, which no shard uses.
    Apart(Vec<usize>),
    /// On the shards' cores, at a low priority.
    BesideShards,
}

/// Moves the calling thread to the allowed cores without a shard; where there are none, lowers
/// its priority. Threads that it starts inherit either.
pub(crate) fn keep_out_of_the_way(shards: &[usize]) -> Place {
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    let free: Vec<CoreId> = allowed.into_iter().filter(|core| !shards.contains(&core.id)).collect();
    if !free.is_empty() && run_on(&free) {
        return Place::Apart(free.iter().map(|core| core.id).collect());
    }
    // SAFETY: `setpriority` takes numbers alone. On Linux, who = 0 is the calling thread. A refusal
    // leaves the priority as it is, which costs nothing but the shards' comfort.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    Place::BesideShards
}

/// Restricts the calling thread to these cores; false where the system refuses.
fn run_on(cores: &[CoreId]) -> bool {
    // SAFETY: an all-zero `cpu_set_t` is the empty set; `CPU_SET` checks its index against the
    // set's size; and `sched_setaffinity` reads the set, of the size given, during the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for core in cores {
            libc::CPU_SET(core.id, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0
    }
}
