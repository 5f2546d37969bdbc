#!/usr/bin/env python3
"""Builds the gateway without any shared library, and runs it in an image that holds nothing else.

    scripts/deploy/try_static.py                    builds it first (a quarter of an hour on 2 cores)
    scripts/deploy/try_static.py --program PATH     one that was built already

Rust links the C library of the GNU target in by `-C target-feature=+crt-static`. The image is made FROM
scratch of the program, one model and its users; it is as confined as try_container.py has it, serves,
reloads and stops.

Needs root, and Debian's podman and runc.
"""

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "faults")]
import images  # noqa: E402
from load import Client, Load, Summary, golden, predict  # noqa: E402
from support import ROOT  # noqa: E402
from try_container import KEPT, MODEL, NEWCOMERS, PORT, Podman, confined, start, stops  # noqa: E402

TARGET = "x86_64-unknown-linux-gnu"
# Apart from the usual one: other flags compile each dependency anew.
FOLDER = ROOT / ".cache/static"
# Of a program header in ELF: the path of the linker that a program needs at its start.
INTERPRETER = 3


def build():
    flags = os.environ.get("RUSTFLAGS", "") + " -C target-feature=+crt-static"
    subprocess.run(["cargo", "build", "--release", "--locked", "--package", "shardgate", "--target", TARGET,
                    "--target-dir", FOLDER], cwd=ROOT, env=os.environ | {"RUSTFLAGS": flags}, check=True)
    return FOLDER / TARGET / "release/shardgate"


def needs_libraries(program):
    """Whether a 64-bit program names a linker that loads libraries for it."""
    head = program.read_bytes()[:4096]
    at, = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    return INTERPRETER in [struct.unpack_from("<I", head, at + size * each)[0] for each in range(count)]


def make_image(podman, program):
    """An image of the program alone."""
    context = podman.folder / "static"
    context.mkdir()
    shutil.copy(program, context / "shardgate")
    shutil.copytree(ROOT / "models" / MODEL, context / "models" / MODEL)
    subprocess.run([program, "import", context / "models" / MODEL / "features.csv", "--store",
                    f"embedded:{context / 'features'}"], check=True, stdout=subprocess.DEVNULL)
    for path in (context / "features", *(context / "features").rglob("*")):
        os.chown(path, 10001, 10001)
    (context / "Containerfile").write_text(
        "FROM scratch\nCOPY shardgate /shardgate\nCOPY models /models\nCOPY --chown=10001 features /features\n"
        "WORKDIR /\nUSER 10001\n"
        f"ENV SHARDGATE_LISTEN=127.0.0.1:{PORT} SHARDGATE_STORE=embedded:features SHARDGATE_MODEL={MODEL}\n"
        'ENTRYPOINT ["/shardgate"]\n')
    podman.build("static", context / "Containerfile", context)
    size = sum(path.stat().st_size for path in context.rglob("*") if path.is_file()) / (1 << 20)
    print(f"ok build: {size:.0f} MiB, and no library", flush=True)
    return "localhost/static"


def serves(podman, image):
    scores = golden(ROOT / "models" / MODEL)
    start(podman, "serves", image, *confined(HERE / "seccomp.json"))
    status, _, body = Client(PORT).ask(predict("nobody"))
    if status != 200 or "score" not in json.loads(body):
        sys.exit(f"the first answer: {status} {body}")
    with Load(PORT, scores, KEPT, NEWCOMERS) as load:
        time.sleep(0.5)
        podman("kill", "--signal", "HUP", "serves")
        time.sleep(1.5)
    summary = Summary(load.since(0), time.monotonic())
    logs = podman("logs", "serves")
    if set(summary.outcomes) != {200} or "reloaded" not in logs.stdout + logs.stderr:
        sys.exit(f"a reload: {summary.statuses()} {load.shown_wrong()} {logs.stderr[-1000:]}")
    print(f"ok serves: {summary.statuses()} over a reload", flush=True)
    stops(podman, scores)


def main():
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--program", type=Path)
    program = arguments.parse_args().program
    why = images.missing("podman", "runc", "unshare", "ip")
    if why:
        print(f"untried static program: {why} (Debian: podman, runc)")
        return
    if program is None and os.environ.get("SHARDGATE_TRIAL") != "1":
        # While there is a network.
        program = build()
        sys.argv += ["--program", str(program)]
    if needs_libraries(program):
        sys.exit(f"{program}: it needs a linker that loads libraries")
    images.enter_own_namespaces()
    with tempfile.TemporaryDirectory() as name:
        podman = Podman(Path(name))
        try:
            serves(podman, make_image(podman, program))
        finally:
            podman.close()
    print("a program without libraries does what it is for")


if __name__ == "__main__":
    main()
