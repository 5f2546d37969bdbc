//! Whether this process may use `io_uring`, asked before glommio does: it panics where it may not.

use std::io;

/// Fails with what an operator can do about it where `io_uring` cannot be used.
pub(crate) fn ensure_available() -> anyhow::Result<()> {
    let error = setup_error();
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            let switch = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
            match switch.as_deref().map(str::trim) {
                Ok(value @ ("1" | "2")) => anyhow::bail!(
                    "io_uring is switched off: kernel.io_uring_disabled is {value}, \
                     `sysctl kernel.io_uring_disabled=0` switches it on"
                ),
                _ => anyhow::bail!("io_uring is not allowed here (seccomp, as in a container?)"),
            }
        }
        Some(libc::ENOSYS) => {
            anyhow::bail!("the kernel has no io_uring, or hides it: 5.10 or newer is needed")
        }
        _ => Ok(()),
    }
}

/// What the kernel says to a set-up without parameters: that it may not be, or that they are
/// missing.
fn setup_error() -> io::Error {
    let parameters = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the kernel checks the permission first and the pointer next, and refuses a null one
    // (EFAULT): nothing is read, written or made.
    let descriptor = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters) };
    debug_assert_eq!(descriptor, -1, "made without parameters");
    io::Error::last_os_error()
}
