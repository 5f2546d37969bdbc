//! Memory that was freed and that the allocator keeps.

/// Has the system take back the pages that hold nothing.
///
/// Decoding a model's file takes millions of small pieces of memory for a moment, and what stays of the
/// model lies among them: without this they stay resident. To be called by a thread of the process after
/// models were loaded. It holds each arena's lock in turn, a shard's for as long as that has few pieces
/// free.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes a number, works under the allocator's own locks, and moves nothing.
    unsafe {
        libc::malloc_trim(0);
    }
}
