//! Sets up rings that do not interrupt the shard (`IORING_SETUP_COOP_TASKRUN`), which glommio does
//! not know of.
//!
//! Each packet that arrives for an awaited socket completes an entry of the ring. Without the flag
//! the kernel interrupts the shard's core for it, wherever the shard is in its work; with it the
//! completion is there when the shard next enters the kernel, before which it would not have looked
//! anyway. A timer still interrupts the core that set it, and what returns from that runs
//! completions too, so a busy shard is late by `preempt_timer` at most. `bench/FLOOR.md` has what
//! that gives.
//!
//! glommio has no way to ask for it, so the linker has its calls of liburing's
//! `io_uring_queue_init_params` come here (`--wrap`, in `src/build.rs`). What is *not* here: anything
//! else about rings.

use std::ffi::{c_int, c_uint, c_void};

/// Linux 5.19: completions wait until the task enters the kernel.
const COOP_TASKRUN: u32 = 1 << 8;

/// The beginning of the kernel's `struct io_uring_params`, whose layout does not change.
#[repr(C)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
}

unsafe extern "C" {
    /// liburing's function, by the name that `--wrap` gives it.
    fn __real_io_uring_queue_init_params(
        entries: c_uint,
        ring: *mut c_void,
        params: *mut c_void,
    ) -> c_int;
}

/// Makes a ring that does not interrupt its task; on a kernel that knows of none, one that does.
///
/// # Safety
/// As liburing asks of its callers: `ring` points to room for a ring, and `params` to a
/// `struct io_uring_params` that nobody else uses meanwhile.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_io_uring_queue_init_params(
    entries: c_uint,
    ring: *mut c_void,
    params: *mut c_void,
) -> c_int {
    let parameters = params.cast::<Params>();
    // SAFETY: the caller's `params` is valid and its own, and begins with these fields. Both calls
    // pass on what the caller gave; a call that failed has changed nothing that the next one
    // reads, as the kernel refuses flags that it does not know before it writes any answer.
    unsafe {
        let asked = (*parameters).flags;
        (*parameters).flags = asked | COOP_TASKRUN;
        let made = __real_io_uring_queue_init_params(entries, ring, params);
        if made != -libc::EINVAL {
            return made;
        }
        (*parameters).flags = asked;
        __real_io_uring_queue_init_params(entries, ring, params)
    }
}
