//! What glommio asks of its rings and cannot be told otherwise: how they are set up, and when a
//! shard sleeps.
//!
//! **Set-up.** Each packet that arrives for an awaited socket completes an entry of the ring. Without
//! `IORING_SETUP_COOP_TASKRUN` the kernel interrupts the shard's core for it, wherever the shard is
//! in its work; with it the completion is there when the shard next enters the kernel, before which
//! it would not have looked anyway. A timer still interrupts the core that set it, and what returns
//! from that runs completions too, so a busy shard is late by [`PREEMPT`] at most. `bench/FLOOR.md`
//! has what that gives.
//!
//! **Sleep.** glommio 0.9 sleeps with tasks ready to run when its preempt timer fires between its
//! setting and the first task of a round, because the system took the CPU away at that moment: the
//! round ends at once, counts as idle, and the executor waits for the next I/O. That may never come,
//! and a timer that was due has been taken off the list by then. So a thread that has been awake for
//! as long as the timer takes is not let sleep yet, and runs another round first.
//!
//! The linker leads the calls of two of liburing's functions here (`--wrap`, in `src/build.rs`).
//! What is *not* here: anything else about rings.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::ptr;
use std::time::Instant;

use super::PREEMPT;

/// Linux 5.19: completions wait until the task enters the kernel.
const COOP_TASKRUN: u32 = 1 << 8;

thread_local! {
    /// When this thread last was told that it had slept.
    static AWAKE_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The beginning of the kernel's `struct io_uring_params`, whose layout does not change.
#[repr(C)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
}

unsafe extern "C" {
    /// liburing's, that waits for entries of a ring once its `submit` submissions are in it.
    fn __io_uring_get_cqe(
        ring: *mut c_void,
        entry: *mut *mut c_void,
        submit: c_uint,
        entries_min: c_uint,
        signals: *const c_void,
    ) -> c_int;
}

/// Makes a ring that does not interrupt its task; on a kernel that knows of none, one that does.
///
/// # Safety
/// As the system call asks: `params` points to a `struct io_uring_params` that nobody else uses
/// meanwhile.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap___sys_io_uring_setup(entries: c_uint, params: *mut c_void) -> c_int {
    let setup = || {
        // SAFETY: the caller's `params` is valid.
        let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, params) };
        // A descriptor or -1.
        made as c_int
    };
    // SAFETY: `params` is valid and begins with this field; the kernel keeps no pointer to it.
    let flags = unsafe { &raw mut (*params.cast::<Params>()).flags };
    // SAFETY: as above. A call that failed has changed nothing that the next one reads, as the kernel
    // refuses flags that it does not know before it writes any answer.
    unsafe {
        let asked = flags.read();
        flags.write(asked | COOP_TASKRUN);
        let made = setup();
        if made >= 0 || *libc::__errno_location() != libc::EINVAL {
            return made;
        }
        flags.write(asked);
    }
    setup()
}

/// Sleeps until the ring has `entries_min` completed entries, but not at all when the thread has been
/// awake for [`PREEMPT`] or longer: it is told that a signal had interrupted its sleep, which glommio
/// takes for a reason to look at its tasks again.
///
/// # Safety
/// As liburing asks of its callers: `ring` is one that was set up and is nobody else's, `entry` may
/// be written to. glommio gives no limit and no signals.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_io_uring_wait_cqes(
    ring: *mut c_void,
    entry: *mut *mut c_void,
    entries_min: c_uint,
    _limit: *const c_void,
    _signals: *const c_void,
) -> c_int {
    let slept = if may_sleep(AWAKE_SINCE.get(), Instant::now()) {
        // SAFETY: passed on as they came.
        unsafe { __io_uring_get_cqe(ring, entry, 0, entries_min, ptr::null()) }
    } else {
        -libc::EINTR
    };
    AWAKE_SINCE.set(Some(Instant::now()));
    slept
}

/// Whether no task can be ready. The preempt timer of the round before was set after the thread had
/// been told that it slept, so it has not ended that round if less than its time has passed since.
fn may_sleep(awake_since: Option<Instant>, now: Instant) -> bool {
    awake_since.is_some_and(|since| now.duration_since(since) < PREEMPT)
}
