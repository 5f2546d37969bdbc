"""What the checks of the scripts share: a gateway of their own on free ports, and clean ends."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STARTS_WITHIN_S = 60
BINARY = ROOT / "target/release/shardgate"


def free_port():
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, **headers):
    """The body of an answer that is not an error."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
        return answer.read().decode()


def wait_for(url, what, process=None, log=None):
    """The body of the first answer from a server that is being started; where it ends or does not
    answer in a minute, its log is shown."""
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and (process is None or process.poll() is None):
        with contextlib.suppress(OSError):
            return get(url)
        time.sleep(0.05)
    said = "" if log is None else f":\n{Path(log).read_text()}"
    sys.exit(f"{what} did not answer on {url}{said}")


@contextlib.contextmanager
def running(command, **options):
    """A process that is told to stop at the end."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def gateway(folder, binary=BINARY, arguments=(), admin=None):
    """credit-risk on its bundled users, on one core; gives its two ports and its process.

    `arguments` come last; where they set the admin port, `admin` is what they set.
    """
    serving = free_port()
    if admin is None:
        admin = free_port()
        arguments = ["--admin", f"127.0.0.1:{admin}", *arguments]
    store = f"embedded:{folder / 'features'}"
    subprocess.run([binary, "import", "models/credit-risk/features.csv", "--store", store],
                   cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with (folder / "log").open("w") as log, running(
            [binary, "--listen", f"127.0.0.1:{serving}", "--store", store, "--cores", "0",
             *arguments], cwd=ROOT, stdout=log, stderr=log) as process:
        wait_for(f"http://127.0.0.1:{admin}/readyz", "the gateway")
        yield serving, admin, process
