//! Ends the system call that a thread sleeps in.

use std::sync::Once;

/// Its default is to be ignored, and nothing here means anything by it.
const SIGNAL: libc::c_int = libc::SIGURG;

/// The kernel's number of the calling thread.
pub(super) fn this_thread() -> libc::pid_t {
    // SAFETY: a plain system call.
    unsafe { libc::gettid() }
}

/// Interrupts `thread` of this process, if there still is one of that number.
pub(super) fn interrupt(thread: libc::pid_t) {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(install_handler);
    // SAFETY: a plain system call, by which a thread runs a handler that does nothing.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
}

/// A signal that is ignored interrupts nothing: there has to be a handler.
fn install_handler() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all zeros are a `sigaction` without flags and with an empty mask; the handler may be
    // run at any point of any thread, as it does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigaction(SIGNAL, &raw const action, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};
    use std::sync::mpsc::channel;

    use super::{interrupt, this_thread};

    #[test]
    fn a_thread_that_would_sleep_for_ever_wakes() {
        let (sender, thread) = channel();
        let sleeping = std::thread::spawn(move || {
            sender.send(this_thread()).expect("the test waits");
            // SAFETY: a plain system call without descriptors.
            let slept = unsafe { libc::poll(std::ptr::null_mut(), 0, -1) };
            (slept, Error::last_os_error().kind())
        });
        let thread = thread.recv().expect("it says so first");
        while !sleeping.is_finished() {
            interrupt(thread);
            std::thread::yield_now();
        }
        assert_eq!(sleeping.join().expect("no panic"), (-1, ErrorKind::Interrupted));
    }
}
