#!/usr/bin/env python3
"""Runs a command under a seccomp profile of the kind that container runtimes read.

    scripts/deploy/under_seccomp.py PROFILE COMMAND [ARGUMENTS...]

It makes of the profile what a runtime makes of it: a filter of system calls, by their numbers in this
machine's own headers (Debian: linux-libc-dev). x86-64 alone, as numbers differ.
"""

import ctypes
import errno
import json
import os
import platform
import re
import struct
import sys
from pathlib import Path

HEADERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
LOAD, AND, JUMP_EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
# Where the kernel has the number of a call, and the lower half of its first argument.
NUMBER_AT, ARGUMENTS_AT = 0, 16
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2


def is_possible():
    return platform.machine() == "x86_64" and HEADERS.exists()


def outcome(action, number):
    if action == "SCMP_ACT_ALLOW":
        return ALLOW
    if action == "SCMP_ACT_ERRNO":
        return ERRNO | number
    sys.exit(f"seccomp: found {action}, expected SCMP_ACT_ALLOW or SCMP_ACT_ERRNO")


def program(profile):
    """The instructions of a profile: code, jump if true, jump if false, operand."""
    numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", HEADERS.read_text()))
    steps = [(LOAD, 0, 0, NUMBER_AT)]
    for rule in profile["syscalls"]:
        said = outcome(rule["action"], rule.get("errnoRet", errno.EPERM))
        for name in rule["names"]:
            # A name of another machine, or of a newer kernel than the headers are of.
            if name not in numbers:
                continue
            body = [(RETURN, 0, 0, said)]
            for argument in rule.get("args", []):
                if argument["op"] != "SCMP_CMP_MASKED_EQ":
                    sys.exit(f"seccomp: found {argument['op']}, expected SCMP_CMP_MASKED_EQ")
                at = ARGUMENTS_AT + 8 * argument["index"]
                body = [(LOAD, 0, 0, at), (AND, 0, 0, argument["value"]),
                        (JUMP_EQUAL, 0, len(body), argument["valueTwo"]), *body]
            if rule.get("args"):
                # The next rules look at the number again.
                body.append((LOAD, 0, 0, NUMBER_AT))
            steps += [(JUMP_EQUAL, 0, len(body), int(numbers[name])), *body]
    last = outcome(profile["defaultAction"], profile.get("defaultErrnoRet", errno.EPERM))
    return [*steps, (RETURN, 0, 0, last)]


def confine(steps):
    """Puts the filter into force for this process and what it starts."""
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(code, len(code))
    filtered = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(held))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            library.prctl(PR_SET_SECCOMP, FILTER, filtered, 0, 0):
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")


def main():
    profile, command = sys.argv[1], sys.argv[2:]
    confine(program(json.loads(Path(profile).read_text())))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
