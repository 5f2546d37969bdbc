"""A small Debian to try deployment files in, made once, and namespaces to try them in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RELEASE = "bookworm"
# With what a machine that boots needs, so that one serves as an image and as a machine.
PACKAGES = "systemd,systemd-sysv,dbus"
BASE = ROOT / f".cache/deploy/base-{RELEASE}.tar"


def missing(*tools):
    """Why nothing can be tried here; empty where it can."""
    if os.geteuid() != 0:
        return "it takes root"
    absent = [tool for tool in tools if not shutil.which(tool)]
    return f"missing: {', '.join(absent)}" if absent else ""


def base():
    """The archive of a system of the release, without documents."""
    if not BASE.exists():
        BASE.parent.mkdir(parents=True, exist_ok=True)
        made = BASE.with_suffix(".part")
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}",
             '--aptopt=Acquire::Languages "none"', "--dpkgopt=path-exclude=/usr/share/doc/*",
             "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
             "--format=tar", RELEASE, made], check=True)
        made.rename(BASE)
    return BASE


def unpack(folder):
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "--exclude=./dev/*", "-xf", base()], check=True)


def enter_own_namespaces():
    """Begins this script again with a network and mounts of its own, where it has none: nothing that it
    does there is seen outside, and all of it is gone with its last process."""
    if os.environ.get("SHARDGATE_TRIAL") == "1":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    os.environ["SHARDGATE_TRIAL"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable,
                          *sys.argv])
