//! SIGBUS: what the kernel sends where a file that is mapped has been cut.
//!
//! A store's file that somebody truncates, or overwrites by `cp`, would end the process at the next
//! look-up. The engine knows where its files are mapped, and puts zeros where nothing is any more:
//! rows that stood there are answered as `error`, and the process goes on.

use std::sync::OnceLock;

use anyhow::Context;
use shards::features::embedded::mend_fault;

/// What handled the signal before: the standard library's, which tells a stack that overflowed.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Handles SIGBUS from now on, once per process.
pub(crate) fn handle() -> anyhow::Result<()> {
    let mut before = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: no new action is given, and `before` has room for the one that there is.
    let read = unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), before.as_mut_ptr()) };
    if read == 0 {
        // SAFETY: the call succeeded, so it has filled `before`.
        let _ = BEFORE.set(unsafe { before.assume_init() });
    }
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
    // SAFETY: all of `sigaction` may be zero, which means no flag and an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is whole, and its handler does only what a handler may, see there.
    let set = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) };
    if set != 0 {
        return Err(std::io::Error::last_os_error()).context("SIGBUS cannot be handled");
    }
    Ok(())
}

/// Mends a fault in a store's file; any other ends the process as it would have without this.
extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO what it knows of the signal.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr()) };
    // One that a process sent has no address. Mending calls `mmap` and `sysconf`, reads atomics, and
    // neither locks nor allocates.
    if code > 0 && mend_fault(address.addr()) {
        return;
    }
    let before = BEFORE.get().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both are among what a handler may call. The action is what this very signal had
    // before, whole; without one the call is refused, and the default is set. The signal is
    // delivered again when this handler has returned.
    unsafe {
        if before.is_null() || libc::sigaction(signal, before, std::ptr::null_mut()) != 0 {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::raise(signal);
    }
}
