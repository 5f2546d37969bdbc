//! What the system lets the process have, and what becomes of that by default.
//!
//! [`descriptors`] are shared by connections and everything else; [`memory`] and a [`quota`] of
//! processor time are what the process's control groups ([`cgroup`]) allow.
//!
//! What is *not* here: the set of cores (`placement`) and locked memory (`serve::io_uring`).

mod cgroup;
pub(crate) mod descriptors;
pub(crate) mod memory;
pub(crate) mod quota;

use serde_json::{Value, json};

use self::descriptors::Descriptors;
use self::memory::MemoryLimit;

/// What the system lets the process have; none of what it does not limit.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    /// Files and sockets.
    pub(crate) descriptors: Option<Descriptors>,
    /// Memory.
    pub(crate) memory: Option<MemoryLimit>,
}

impl Granted {
    /// As it is now.
    pub(crate) fn of_process() -> Self {
        Self { descriptors: Descriptors::of_process(), memory: MemoryLimit::of_process() }
    }

    /// For people.
    pub(crate) fn to_json(&self) -> Value {
        let descriptors = self
            .descriptors
            .map(|known| json!({ "limit": known.limit, "left_by_connections": known.reserve }));
        let memory = self
            .memory
            .as_ref()
            .map(|known| json!({ "limit_bytes": known.bytes, "by": known.file }));
        json!({ "descriptors": descriptors, "memory": memory })
    }
}
