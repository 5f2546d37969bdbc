//! System calls that a process is not allowed, as container runtimes and units restrict them.

use std::os::unix::process::CommandExt;
use std::process::Command;

const LOAD_NUMBER: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Each of `calls` fails with its error, in what `command` starts.
pub(crate) fn deny(command: &mut Command, calls: &[(libc::c_long, i32)]) {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = vec![step(LOAD_NUMBER, 0, 0, 0)];
    for (call, error) in calls {
        filter.push(step(JUMP_EQUAL, 0, 1, *call as u32));
        filter.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | *error as u32));
    }
    filter.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    // SAFETY: the child makes two plain system calls between fork and exec; the program that the
    // second reads is the closure's own.
    unsafe {
        command.pre_exec(move || {
            let program =
                libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
                    != 0
            {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}
