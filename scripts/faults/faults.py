"""The faults, one function each: it does the harm, and returns when that was over.

Each is given what it harms and the load on it, and says by `allowed` what else than 200 may come of a
request meanwhile, and where it is to be felt by nobody how long a request may take. A wrong score and a
lost request never may be.
"""

import csv
import ctypes
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from load import Client, predict
from sites import BINARY, MODEL, ROOT, cassandra, cassandra_pid, usual_cores

RELOADS = 5
CROWD = 64
EXTRA_USERS = 20_000

# A client whose first SYN was dropped sends the next one after a second.
SYN_AGAIN_MS = 1000

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WAIT_ALL = 0x4000_0000


def allowed(*outcomes, slowest_ms_max=math.inf):
    def mark(fault):
        fault.allowed = {200, *outcomes}
        fault.slowest_ms_max = slowest_ms_max
        return fault
    return mark


# ---- on the embedded store -------------------------------------------------------------------


@allowed()
def reload_every_second(gateway, _load):
    """The models are taken into service as they are on disk, each second."""
    for _ in range(RELOADS):
        gateway.process.send_signal(signal.SIGHUP)
        time.sleep(1)
    return time.monotonic()


@allowed(slowest_ms_max=SYN_AGAIN_MS)
def takeover_at_peak(gateway, _load):
    """A new process takes over the sockets, and the old one drains."""
    take_over(gateway, gateway.cores)
    return time.monotonic()


@allowed(slowest_ms_max=SYN_AGAIN_MS)
def takeover_by_fewer_shards(gateway, _load):
    """The new process has one shard, which is sent the sockets of all."""
    take_over(gateway, gateway.cores.split(",")[0])
    return time.monotonic()


@allowed(slowest_ms_max=SYN_AGAIN_MS)
def takeover_by_more_shards(gateway, _load):
    """The new process has a shard on each core, and is sent the sockets of one that had fewer."""
    if gateway.cores == usual_cores():
        # The fault before this one was not asked for.
        take_over(gateway, gateway.cores.split(",")[0])
    take_over(gateway, usual_cores())
    return time.monotonic()


def take_over(gateway, cores):
    old, gateway.cores = gateway.process, cores
    gateway.process = gateway.launch()
    code = old.wait(timeout=30)
    if code != 0:
        sys.exit(f"the gateway that was taken over from ended with {code}")
    gateway.wait_until_ready()
    shards, expected = gateway.shard_count(), len(cores.split(","))
    if shards != expected:
        sys.exit(f"{shards} shards serve after the takeover, expected {expected}")


@allowed("refused")
def sigterm_at_peak(gateway, _load):
    """SIGTERM with nobody to take over: what was accepted is answered, the next are refused."""
    code = gateway.stop()
    if code != 0:
        sys.exit(f"the gateway ended with {code} after SIGTERM")
    gateway.start()
    return time.monotonic()


@allowed()
def no_descriptors(gateway, _load):
    """No file descriptor is left: new connections wait, those that there are go on."""
    pid = gateway.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, before[1]))
    crowd = [Client(gateway.port) for _ in range(CROWD)]
    for client in crowd:
        client.connect()
        client.socket.sendall(predict("nobody"))
    time.sleep(1.5)
    errors = gateway_errors(gateway)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    ended = time.monotonic()
    for client in crowd:
        status, _, _ = client.receive()
        if status != 200:
            sys.exit(f"{status} for a connection that had to wait")
        client.close()
    if errors == 0:
        sys.exit("the gateway had descriptors left: nothing was tried")
    return ended


def gateway_errors(gateway):
    """How often `accept` failed; asked on a descriptor that one of the crowd cannot have taken."""
    for _ in range(50):
        try:
            return gateway.metric("shardgate_accept_errors_total")
        except OSError:
            time.sleep(0.02)
    # The admin port has no descriptor either, which says the same.
    return 1


@allowed()
def full_disk(gateway, _load):
    """The disk is full in the middle of an import; the next import finds room."""
    folder = Path(gateway.store.removeprefix("embedded:"))
    extra = gateway.folder / "extra.csv"
    write_extra_users(extra)
    room = max(file.stat().st_size for file in folder.iterdir()) + 65_536

    def leave_no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    command = [BINARY, "import", extra, "--store", gateway.store]
    failed = subprocess.run(command, preexec_fn=leave_no_room, restore_signals=False,
                            capture_output=True, text=True)
    if failed.returncode == 0:
        sys.exit("an import succeeded on a full disk")
    ended = time.monotonic()
    status, fields, _ = Client(gateway.port).ask(predict("extra-00000"))
    if (status, fields["x-features"]) != (200, "missing"):
        sys.exit(f"a row of the failed import is there: {status} {fields}")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    status, fields, _ = Client(gateway.port).ask(predict("extra-00000"))
    if (status, fields["x-features"]) != (200, "stored"):
        sys.exit(f"a row of the second import is not there: {status} {fields}")
    return ended


def write_extra_users(path):
    """More users than there were: copies of those."""
    with (ROOT / "models" / MODEL / "features.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number in range(EXTRA_USERS):
            writer.writerow([f"extra-{number:05}", *rows[number % len(rows)][1:]])


@allowed()
def stopped_process(gateway, _load):
    """The whole process stands still for a second."""
    gateway.process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    gateway.process.send_signal(signal.SIGCONT)
    return time.monotonic()


@allowed()
def stalled_shard(gateway, load):
    """One shard of two stands still for a second, and its connections alone wait."""
    threads = gateway.shard_threads()
    if len(threads) < 2:
        print("  (one shard is all there is: the whole service waits)")
    stop_thread(threads[0])
    try:
        start = time.monotonic()
        time.sleep(1)
        others = [request for request in load.since(start) if request.outcome == 200]
    finally:
        resume_thread(threads[0])
    ended = time.monotonic()
    if len(threads) > 1 and not others:
        sys.exit("the other shard answered nobody while one stood still")
    return ended


def ptrace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, thread, None, None) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace: {os.strerror(error)}")


def stop_thread(thread):
    """Stops one thread and leaves the others: no signal can, a debugger's request does."""
    ptrace(PTRACE_SEIZE, thread)
    ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WAIT_ALL)


def resume_thread(thread):
    ptrace(PTRACE_DETACH, thread)


# ---- on a model's server ---------------------------------------------------------------------


@allowed(503, 504)
def remote_dies(site, _load):
    """The model's server is killed, and comes back after a second."""
    _, back = site
    back.stop(signal.SIGKILL)
    time.sleep(1)
    back.start()
    return time.monotonic()


@allowed(503, 504)
def remote_hangs(site, _load):
    """The model's server accepts and does not answer, for longer than anybody waits."""
    _, back = site
    back.process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    back.process.send_signal(signal.SIGCONT)
    return time.monotonic()


# ---- on a cluster ----------------------------------------------------------------------------


@allowed("defaults", 503, 504)
def store_dies(_gateway, _load):
    """The only node of the cluster is killed, and started again."""
    cassandra("kill lone 1")
    time.sleep(1)
    cassandra("revive lone 1")
    return time.monotonic()


@allowed("defaults", 503, 504)
def store_hangs(_gateway, _load):
    """The only node of the cluster stands still for two seconds."""
    pid = cassandra_pid()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(pid, signal.SIGCONT)
    return time.monotonic()


@allowed("defaults", 503, 504)
def store_is_slow(_gateway, _load):
    """The only node of the cluster gets a fifth of its time, in turns, for three seconds."""
    pid, end = cassandra_pid(), time.monotonic() + 3
    while time.monotonic() < end:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.12)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.03)
    return time.monotonic()


EMBEDDED = [reload_every_second, takeover_at_peak, takeover_by_fewer_shards,
            takeover_by_more_shards, sigterm_at_peak, no_descriptors, full_disk,
            stopped_process, stalled_shard]
REMOTE = [remote_dies, remote_hangs]
CASSANDRA = [store_is_slow, store_hangs, store_dies]
