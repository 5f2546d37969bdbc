//! How the C library's allocator keeps memory that was freed.

/// From how many bytes on an allocation is a mapping of its own: glibc's default at its start.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD_BYTES: libc::c_int = 128 * 1_024;

/// Has large buffers go back to the system when they are freed. To be called before the first thread
/// starts.
///
/// glibc raises its threshold to the size of each mapping that is freed, up to 32 MiB: after the first
/// bodies of a mebibyte the next ones come from the heap, where they stay resident below whatever was
/// allocated after them, and twice `max_buffered_bytes` is taken.
pub(crate) fn set_up() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes two numbers; no other thread allocates meanwhile. Where it is refused,
    // the allocator stays as it was.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
    }
}

/// Has the system take back the pages that hold nothing.
///
/// Decoding a model's file takes millions of small pieces of memory for a moment, and what stays of the
/// model lies among them: without this they stay resident. To be called by a thread of the process after
/// models were loaded. It holds each arena's lock in turn, a shard's for as long as that has few pieces
/// free.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes a number, works under the allocator's own locks, and moves nothing.
    unsafe {
        libc::malloc_trim(0);
    }
}
