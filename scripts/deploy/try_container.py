#!/usr/bin/env python3
"""Builds the image that the Containerfile describes, and runs it as confined as its head says.

    scripts/deploy/try_container.py

Debian's podman with runc, on a network of its own. The bases are a small Debian under the names that the
Containerfile has; in cargo's place stands a stand-in that looks at what it was sent and hands out the
program of target/release. The container has a root that it cannot write, no capability, an ordinary user
and the seccomp profile of this folder: it serves, reloads and stops. Where io_uring is refused, or too
little memory may be locked, it says so in a line and ends.

Needs root, and Debian's podman, runc and mmdebstrap. The first run makes .cache/deploy (a minute).
"""

import contextlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "faults")]
import images  # noqa: E402
from load import Client, Load, Summary, golden, predict  # noqa: E402
from support import BINARY, ROOT, get  # noqa: E402

PORT, ADMIN = 8888, 9888
# What the Containerfile names.
RUST, DEBIAN = "docker.io/library/rust:1.95-slim-bookworm", "docker.io/library/debian:bookworm-slim"
MODEL = "credit-risk"
EPERM, ENOSYS = 1, 38
SERVES_WITHIN_S = 60
KEPT, NEWCOMERS = 8, 4

# In the place of cargo, and of apt-get, which no network is there for.
CARGO = """#!/bin/sh
set -eu
[ "$*" = "build --release --locked --package shardgate" ] || { echo "cargo $*"; exit 1; }
for path in Cargo.toml Cargo.lock rust-toolchain.toml src/main.rs shards/src/lib.rs models bench; do
    [ -e "$path" ] || { echo "the build was not sent $path"; exit 1; }
done
for path in .git .cache target bench/runs; do
    [ ! -e "$path" ] || { echo "the build was sent $path"; exit 1; }
done
grep -qw git /installed || { echo "no git for the build script of glommio"; exit 1; }
mkdir -p target/release
cp /program target/release/shardgate
"""
APT_GET = """#!/bin/sh
echo "$*" >> /installed
"""


class Podman:
    """Podman with all of its own in a folder, and nothing of this machine's."""

    def __init__(self, folder):
        self.base = ["podman", "--root", folder / "root", "--runroot", folder / "run",
                     "--tmpdir", folder / "tmp", "--storage-driver", storage(),
                     "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        self.folder = folder

    def __call__(self, *arguments, check=True):
        done = subprocess.run([*self.base, *arguments], capture_output=True, text=True, cwd=ROOT)
        if check and done.returncode:
            sys.exit(f"podman {arguments[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def build(self, tag, file, context):
        # As a step is no container here, it has the limits of this process.
        self("build", "--isolation", "chroot", "--network", "host", "--pull-never", "-t", tag, "-f", file,
             context)

    def close(self):
        self("kill", "--all", check=False)
        self("rm", "--all", "--force", check=False)
        self("rmi", "--all", "--force", check=False)


def storage():
    return "overlay" if "overlay" in Path("/proc/filesystems").read_text() else "vfs"


def make_image(podman):
    """The image of the Containerfile; gives its name."""
    for name in (DEBIAN, "localhost/base"):
        podman("import", images.base(), name)
    tools = podman.folder / "tools"
    tools.mkdir()
    shutil.copy(BINARY, tools / "program")
    for name, text in (("cargo", CARGO), ("apt-get", APT_GET)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (tools / "Containerfile").write_text(
        "FROM localhost/base\nCOPY program /program\nCOPY cargo apt-get /usr/local/bin/\n")
    podman.build(RUST, tools / "Containerfile", tools)
    podman.build("shardgate", HERE / "Containerfile", ROOT)
    print("ok build: the Containerfile makes an image of what .dockerignore lets through", flush=True)
    return "localhost/shardgate"


def confined(profile, memlock=None):
    """How the image is to be run. More than this process may have nobody can give."""
    files = min(65_536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    most = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    memlock = memlock or (268_435_456 if most == resource.RLIM_INFINITY else most)
    return ["--network", "host", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges",
            f"--security-opt=seccomp={profile}", f"--ulimit=nofile={files}:{files}",
            f"--ulimit=memlock={memlock}:{memlock}", "--ulimit=nproc=4096:4096"]


def without_io_uring(folder, number):
    """The shipped profile, but for io_uring, which ends with this error."""
    profile = json.loads((HERE / "seccomp.json").read_text())
    profile["syscalls"] = [
        rule | {"action": "SCMP_ACT_ERRNO", "errnoRet": number}
        if "io_uring_setup" in rule["names"] else rule for rule in profile["syscalls"]]
    path = folder / f"without-io-uring-{number}.json"
    path.write_text(json.dumps(profile))
    return path


def refuses(podman, image, arguments, words, what):
    """The gateway ends at its start, and its last word, in one line, has these in it."""
    done = podman("run", "--rm", *arguments, image, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("shardgate: ")]
    if done.returncode != 1 or len(said) != 1 or not all(word in said[0] for word in words):
        sys.exit(f"{what}: status {done.returncode}, found {said}, expected {words}")
    print(f"ok {what}: status 1, {said[0]}", flush=True)


def start(podman, name, image, *arguments):
    podman("run", "--detach", "--name", name, *arguments, image)
    until = time.monotonic() + SERVES_WITHIN_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            get(f"http://127.0.0.1:{ADMIN}/readyz")
            return
        time.sleep(0.1)
    sys.exit(f"the container does not serve: {podman('logs', name).stderr[-2000:]}")


def serves(podman, image):
    """A confined container serves, reloads under load and stops."""
    scores = golden(ROOT / "models" / MODEL)
    start(podman, "serves", image, *confined(HERE / "seccomp.json"))
    inside = podman("exec", "serves", "cat", "/proc/1/status").stdout
    facts = dict(line.split(":\t", 1) for line in inside.splitlines() if ":\t" in line)
    found = (facts["Uid"].split()[0], int(facts["CapEff"], 16), int(facts["CapBnd"], 16),
             facts["Seccomp"], facts["NoNewPrivs"])
    if found != ("10001", 0, 0, "2", "1"):
        sys.exit(f"the container is not as confined as it is to be: {found}")
    if podman("exec", "serves", "touch", "/var/lib/shardgate/x", check=False).returncode == 0:
        sys.exit("the container's root can be written to")
    with Load(PORT, scores, KEPT, NEWCOMERS) as load:
        time.sleep(0.5)
        podman("kill", "--signal", "HUP", "serves")
        time.sleep(1.5)
    summary = Summary(load.since(0), time.monotonic())
    if set(summary.outcomes) != {200}:
        sys.exit(f"a reload in a container: {summary.statuses()} {load.shown_wrong()}")
    logs = podman("logs", "serves")
    if "reloaded" not in logs.stdout + logs.stderr:
        sys.exit(f"no reload in the log: {logs.stderr[-1000:]}")
    print(f"ok serves: user 10001, no capability, a root that cannot be written; {summary.statuses()} "
          "over a reload", flush=True)
    stops(podman, scores)


def stops(podman, scores):
    """`podman stop` under load: what was accepted is answered, and the status is 0."""
    with Load(PORT, scores, KEPT, NEWCOMERS) as load:
        time.sleep(0.5)
        podman("stop", "--time", "20", "serves")
    summary = Summary(load.since(0), time.monotonic())
    status = podman("inspect", "--format", "{{.State.ExitCode}}", "serves").stdout.strip()
    if status != "0" or not set(summary.outcomes) <= {200, "refused"}:
        sys.exit(f"stop: status {status}, {summary.statuses()} {load.shown_wrong()}")
    podman("rm", "serves")
    print(f"ok stop: status 0, {summary.statuses()}", flush=True)


def main():
    why = images.missing("podman", "runc", "mmdebstrap", "unshare", "ip")
    if why:
        print(f"untried container: {why} (Debian: podman, runc, mmdebstrap)")
        return
    images.base()
    images.enter_own_namespaces()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        podman = Podman(folder)
        try:
            image = make_image(podman)
            serves(podman, image)
            for number, called in ((EPERM, "EPERM"), (ENOSYS, "ENOSYS")):
                refuses(podman, image, confined(without_io_uring(folder, number)), ("io_uring", "seccomp"),
                        f"io_uring refused by {called}")
            refuses(podman, image, confined(HERE / "seccomp.json", 65_536), ("ulimit -l",),
                    "64 KiB of memory may be locked")
        finally:
            podman.close()
    print(f"the image does what it is for, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
