//! Whether this process may use `io_uring`, asked before glommio does: it panics where it may not.

use std::ffi::c_long;
use std::{fs, io};

use thiserror::Error;

use super::steering::version;

/// The first kernel that the gateway is tested on.
const KERNEL_MIN: (u32, u32) = (5, 10);
/// A filter of system calls is in force, as `/proc/self/status` says it.
const FILTERED: &str = "Seccomp:\t2";

/// Why `io_uring` cannot be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum IoUringError {
    /// The administrator switched it off.
    #[error(
        "io_uring is switched off: kernel.io_uring_disabled is {value}, `sysctl \
         kernel.io_uring_disabled=0` switches it on"
    )]
    SwitchedOff {
        /// What the setting is.
        value: String,
    },
    /// A filter of system calls refuses one of the three.
    #[error(
        "io_uring is not allowed: a seccomp filter refuses `{call}` ({errno}), as container \
         runtimes' own profiles do. Allow io_uring_setup, io_uring_enter and io_uring_register, as \
         the profile scripts/deploy/seccomp.json does"
    )]
    Filtered {
        /// The system call.
        call: &'static str,
        /// What it is answered with.
        errno: &'static str,
    },
    /// Something else refuses one of them.
    #[error(
        "io_uring is not allowed: `{call}` is refused (EPERM), and not by seccomp: by a security \
         module (SELinux, AppArmor)?"
    )]
    Refused {
        /// The system call.
        call: &'static str,
    },
    /// The kernel is of a time before it.
    #[error(
        "Linux {release} is too old: its io_uring is none or not enough, {}.{} or newer is needed",
        KERNEL_MIN.0,
        KERNEL_MIN.1
    )]
    TooOld {
        /// The kernel's release.
        release: String,
    },
    /// The kernel is new enough and has none.
    #[error(
        "Linux {release} has no io_uring: it was built without CONFIG_IO_URING, or a sandbox \
         (gVisor) stands in for it"
    )]
    Absent {
        /// The kernel's release.
        release: String,
    },
}

/// What the system says of itself.
#[derive(Debug, Clone, Copy)]
struct System<'a> {
    /// `/proc/sys/kernel/io_uring_disabled`.
    switch: &'a str,
    /// `/proc/self/status`.
    status: &'a str,
    /// `/proc/sys/kernel/osrelease`.
    release: &'a str,
}

/// Fails with what an operator can do about it where `io_uring` cannot be used.
pub(crate) fn ensure_available() -> Result<(), IoUringError> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    for (call, ask) in [
        ("io_uring_setup", ask_setup as fn() -> io::Error),
        ("io_uring_enter", ask_enter),
        ("io_uring_register", ask_register),
    ] {
        if let Some(errno) = ask().raw_os_error().filter(|errno| is_refusal(*errno)) {
            return Err(explain(
                call,
                errno,
                System {
                    switch: &read("/proc/sys/kernel/io_uring_disabled"),
                    status: &read("/proc/self/status"),
                    release: &read("/proc/sys/kernel/osrelease"),
                },
            ));
        }
    }
    Ok(())
}

/// Whether it says that the call may not be, rather than that its parameters are wrong.
fn is_refusal(errno: i32) -> bool {
    matches!(errno, libc::EPERM | libc::EACCES | libc::ENOSYS)
}

fn explain(call: &'static str, errno: i32, system: System<'_>) -> IoUringError {
    let is_filtered = system.status.lines().any(|line| line == FILTERED);
    let release = system.release.trim().to_owned();
    let name = match errno {
        libc::ENOSYS => "ENOSYS",
        libc::EACCES => "EACCES",
        _ => "EPERM",
    };
    match system.switch.trim() {
        value @ ("1" | "2") if errno != libc::ENOSYS => {
            IoUringError::SwitchedOff { value: value.to_owned() }
        }
        // A filter's answer to what it does not know may be ENOSYS too.
        _ if errno == libc::ENOSYS && version(&release).is_some_and(|found| found < KERNEL_MIN) => {
            IoUringError::TooOld { release }
        }
        _ if is_filtered => IoUringError::Filtered { call, errno: name },
        _ if errno == libc::ENOSYS => IoUringError::Absent { release },
        _ => IoUringError::Refused { call },
    }
}

/// What the kernel says to a set-up without parameters: that it may not be, or that they are
/// missing.
fn ask_setup() -> io::Error {
    // SAFETY: the kernel checks the permission first and the pointer next, and refuses a null one
    // (EFAULT): nothing is read, written or made.
    failed(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::null_mut::<u8>()) })
}

/// The same of an entry into a ring that there is not.
fn ask_enter() -> io::Error {
    let none = std::ptr::null::<u8>();
    // SAFETY: no descriptor has this number (EBADF): nothing is submitted, read or written.
    failed(unsafe { libc::syscall(libc::SYS_io_uring_enter, -1, 0, 0, 0, none, 0) })
}

/// The same of a registration with a ring that there is not.
fn ask_register() -> io::Error {
    let none = std::ptr::null::<u8>();
    // SAFETY: no descriptor has this number (EBADF): nothing is registered, read or written.
    failed(unsafe { libc::syscall(libc::SYS_io_uring_register, -1, 0, none, 0) })
}

fn failed(outcome: c_long) -> io::Error {
    debug_assert_eq!(outcome, -1, "made without parameters");
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(errno: i32, switch: &str, seccomp: u8, release: &str) -> IoUringError {
        let status = format!("NoNewPrivs:\t1\nSeccomp:\t{seccomp}\nSeccomp_filters:\t{seccomp}\n");
        explain("io_uring_enter", errno, System { switch, status: &status, release })
    }

    #[test]
    fn each_cause_is_told_from_the_others() {
        let (call, release) = ("io_uring_enter", "6.1.0-18".to_owned());
        let filtered = |errno| IoUringError::Filtered { call, errno };
        let off = IoUringError::SwitchedOff { value: "2".to_owned() };
        assert_eq!(explained(libc::EPERM, "2\n", 2, "6.6.0\n"), off);
        assert_eq!(explained(libc::EPERM, "0\n", 2, "6.6.0\n"), filtered("EPERM"));
        assert_eq!(explained(libc::EPERM, "0\n", 0, "6.6.0\n"), IoUringError::Refused { call });
        assert_eq!(explained(libc::ENOSYS, "", 2, "6.1.0-18\n"), filtered("ENOSYS"));
        let absent = IoUringError::Absent { release };
        assert_eq!(explained(libc::ENOSYS, "", 0, "6.1.0-18\n"), absent);
        let old = IoUringError::TooOld { release: "4.19.0".to_owned() };
        assert_eq!(explained(libc::ENOSYS, "", 2, "4.19.0\n"), old);
    }
}
