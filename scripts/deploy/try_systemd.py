#!/usr/bin/env python3
"""Runs the units of this folder under a systemd that has booted, and harms the service under load.

    scripts/deploy/try_systemd.py

A small Debian boots in a container (systemd-nspawn) with a network of its own. The service starts,
reloads, restarts and stops there as shipped, with and without its socket unit; one that stands still,
and one of whose shards does, is started again by the watchdog. Each answer is looked at: none may be
wrong, and none be lost but with a process that was killed.

Needs root, and Debian's systemd-container and mmdebstrap. The first run makes .cache/deploy (a minute).
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "faults")]
import images  # noqa: E402
import sites  # noqa: E402
from faults import WAIT_ALL, stop_thread  # noqa: E402
from load import Client, Load, Summary, golden, predict  # noqa: E402
from support import BINARY, ROOT  # noqa: E402

PORT, ADMIN = 8888, 9888
STARTS = 3
RELOADS = 3
KEPT, NEWCOMERS = 12, 4
# Seconds of load around what is done.
BEFORE_S, AFTER_S = 0.5, 2.0
# The watchdog's time in the trial; the unit has half a minute.
WATCHDOG_S = 2
BACK_WITHIN_S = 20


class Machine:
    """A booted container."""

    def __init__(self, folder, log):
        self.root = folder / "machine"
        images.unpack(self.root)
        (self.root / "etc/hostname").write_text("trial\n")
        # Nothing to log in at, and nothing to be waited for.
        for unit in ("console-getty.service", "getty.target", "systemd-logind.service",
                     "apt-daily.timer", "apt-daily-upgrade.timer"):
            (self.root / "etc/systemd/system" / unit).symlink_to("/dev/null")
        self.log = log
        self.process = None

    def install(self):
        """What the units' head says to install."""
        shutil.copy(BINARY, self.root / "usr/bin/shardgate")
        state = self.root / "var/lib/shardgate"
        shutil.copytree(ROOT / "models" / sites.MODEL, state / "models" / sites.MODEL)
        sites.import_users(f"embedded:{state / 'features'}")
        (self.root / "etc/shardgate").mkdir()
        (self.root / "etc/shardgate/shardgate.toml").write_text(
            f'listen = "127.0.0.1:{PORT}"\nmodel = ["{sites.MODEL}"]\nstore = "embedded:features"\n'
            f'[admin]\nlisten = "127.0.0.1:{ADMIN}"\n')
        for unit in ("shardgate.service", "shardgate.socket"):
            shutil.copy(HERE / unit, self.root / "etc/systemd/system" / unit)

    def set(self, section, **settings):
        """A drop-in beside the service's unit."""
        folder = self.root / "etc/systemd/system/shardgate.service.d"
        folder.mkdir(exist_ok=True)
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (folder / "trial.conf").write_text(f"[{section}]\n{lines}")

    def __enter__(self):
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot",
                 "--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
                 f"--directory={self.root}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            if self.run("systemctl is-active multi-user.target", check=False) == "active":
                return self
            time.sleep(0.2)
        self.__exit__()
        sys.exit(f"the machine does not boot:\n{self.log.read_text()[-2000:]}")

    def __exit__(self, *_):
        # Its own end first; a machine that does not is ended with what it runs.
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def leader(self):
        """Its first process, seen from here."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else None

    def run(self, command, check=True):
        """What a command prints there."""
        leader = self.leader()
        if leader is None:
            return ""
        done = subprocess.run(["nsenter", "-t", leader, "-m", "-u", "-i", "-p", "--", *command.split()],
                              capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"{command}: {done.stdout}{done.stderr}\n{self.journal()}")
        return done.stdout.strip()

    def journal(self):
        return self.run("journalctl --no-pager -n 40 -u shardgate.service", check=False)

    def show(self, name):
        return self.run(f"systemctl show -P {name} shardgate.service")

    def gateway(self):
        """The number of the service's process, seen from here."""
        inside = self.show("MainPID")
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                numbers = re.search(r"^Name:\tshardgate\n(?:.*\n)*NSpid:\t(.*)$", status.read_text(), re.M)
                if numbers and numbers[1].split()[-1] == inside and len(numbers[1].split()) > 1:
                    return int(status.parent.name)
        return None


def answers():
    """Whether a score comes at once."""
    try:
        return Client(PORT).ask(predict("applicant-0001"))[0] == 200
    except OSError:
        return False


def under_load(scores, deed, allowed, what):
    """Does something while scores are asked for."""
    with Load(PORT, scores, KEPT, NEWCOMERS) as load:
        time.sleep(BEFORE_S)
        deed()
        ended = time.monotonic()
        time.sleep(AFTER_S)
    summary = Summary(load.since(0), ended)
    if not set(summary.outcomes) <= {200, *allowed}:
        sys.exit(f"{what}: {summary.statuses()} {load.shown_wrong()}")
    print(f"ok {what}: {summary.statuses()}, slowest {summary.slowest_ms:.0f} ms", flush=True)


def expect(found, expected, what, machine):
    if found != expected:
        sys.exit(f"{what}: found {found}, expected {expected}\n{machine.journal()}")


def stops_well(machine):
    machine.run("systemctl stop shardgate.service")
    expect(machine.show("Result"), "success", "stop", machine)
    expect(machine.show("ExecMainStatus"), "0", "stop", machine)


def starts_and_stops(machine):
    """`systemctl start` returns when scores come, not before, and a stop ends with 0."""
    for _ in range(STARTS):
        machine.run("systemctl start shardgate.service")
        expect(answers(), True, "the first request after `systemctl start`", machine)
        stops_well(machine)
    print(f"ok start and stop: {STARTS} times, the first request was answered, the status 0", flush=True)


def reload(machine):
    for _ in range(RELOADS):
        machine.run("systemctl reload shardgate.service")
        time.sleep(0.7)
    expect(machine.journal().count("reloaded") >= RELOADS, True, "reloads in the log", machine)


def restart(machine):
    before = machine.show("MainPID")
    machine.run("systemctl restart shardgate.service")
    expect(machine.show("MainPID") != before, True, "another process after a restart", machine)


def until_back(machine, before):
    """Until another process than `before` serves in its place, by systemd's own deed."""
    until = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < until:
        if machine.show("MainPID") not in ("0", before) and machine.show("ActiveState") == "active" \
                and answers():
            return
        time.sleep(0.1)
    sys.exit(f"the service did not come back within {BACK_WITHIN_S} s\n{machine.journal()}")


def ended_by_watchdog(machine, harm, what):
    """Harms the service so that it gives no sign of life; it is started again."""
    before = machine.show("MainPID")
    start = time.monotonic()
    harm(machine.gateway())
    until_back(machine, before)
    took = time.monotonic() - start
    expect("watchdog" in machine.journal().lower(), True, "the watchdog in the log", machine)
    print(f"ok {what}: another one serves after {took:.1f} s (WatchdogSec={WATCHDOG_S})", flush=True)


def stop_a_shard(process):
    """One thread of a shard stands still, the others go on."""
    names = {int(task.name): (task / "comm").read_text().strip()
             for task in Path(f"/proc/{process}/task").iterdir()}
    thread = min(thread for thread, name in names.items() if name.startswith("shard-"))
    stop_thread(thread)
    # What is traced ends when the process is killed, and is gone once its tracer has seen that.
    until = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < until and os.waitpid(thread, os.WNOHANG | WAIT_ALL)[0] == 0:
        time.sleep(0.05)


def with_watchdog(machine):
    machine.set("Service", WatchdogSec=WATCHDOG_S)
    machine.run("systemctl daemon-reload")
    machine.run("systemctl restart shardgate.service")
    # As long as nothing is harmed, signs of life come.
    before = machine.show("MainPID")
    time.sleep(2 * WATCHDOG_S)
    expect(machine.show("MainPID"), before, "the same process, which is watched", machine)
    ended_by_watchdog(machine, lambda process: os.kill(process, signal.SIGSTOP), "a stopped process")
    ended_by_watchdog(machine, stop_a_shard, "a shard that stands still")


def killed(machine):
    before = machine.show("MainPID")
    os.kill(machine.gateway(), signal.SIGKILL)
    until_back(machine, before)


def try_all(machine, scores):
    rating = machine.run("systemd-analyze security --no-pager shardgate.service", check=False)
    print(f"ok {rating.splitlines()[-1].lstrip('→ ')}", flush=True)
    starts_and_stops(machine)
    machine.run("systemctl start shardgate.service")
    under_load(scores, lambda: reload(machine), (), f"{RELOADS} reloads under load")
    under_load(scores, lambda: restart(machine), ("refused",), "restart under load")
    under_load(scores, lambda: killed(machine), ("refused", "lost"), "killed under load, started again")
    with_watchdog(machine)
    stops_well(machine)
    machine.run("systemctl start shardgate.socket")
    machine.run("systemctl start shardgate.service")
    under_load(scores, lambda: reload(machine), (), f"{RELOADS} reloads under load, with the socket unit")
    under_load(scores, lambda: restart(machine), (), "restart under load, with the socket unit")
    under_load(scores, lambda: killed(machine), ("lost",), "killed under load, with the socket unit")
    machine.run("systemctl stop shardgate.socket")
    stops_well(machine)


def main():
    why = images.missing("systemd-nspawn", "mmdebstrap", "nsenter", "unshare", "ip")
    if why:
        print(f"untried systemd: {why} (Debian: systemd-container, mmdebstrap)")
        return
    images.base()
    images.enter_own_namespaces()
    start = time.monotonic()
    scores = golden(ROOT / "models" / sites.MODEL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machine = Machine(folder, folder / "console")
        machine.install()
        with machine:
            try_all(machine, scores)
    print(f"the units do what they are for, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
