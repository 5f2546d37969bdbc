#!/usr/bin/env python3
"""Cuts the network between a gateway and a Cassandra node, and looks at every answer.

    scripts/deploy/try_network.py                   each cut
    scripts/deploy/try_network.py --only reset      one of them

The node has a network of its own, and a pair of virtual Ethernet devices leads there: packets are dropped
for 20 s with and without requests meanwhile, the link is down for 20 s, connections are reset, and long
packets vanish as on a path with a smaller MTU whose messages are filtered. Meanwhile an answer says that
its features did not come, or is refused; none is wrong or lost. Two seconds after a cut is over all
features are fresh again.

Needs root, Debian's iptables, and what scripts/cassandra needs.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "faults")]
import images  # noqa: E402
import sites  # noqa: E402
from load import Load, Summary, golden  # noqa: E402

BEFORE_S, AFTER_S = 1.0, 5.0
PARTITION_S, RESET_S, BLACK_HOLE_S = 20, 5, 10
RECOVERY_MS_MAX = 2000
# Longer packets vanish; handshakes are shorter, and answers for several users are not.
LONG_BYTES = 600
KEPT, NEWCOMERS = 12, 4
PORT = sites.CASSANDRA.rpartition(":")[2]
# The gateway's side of the link, and the network of both.
DEVICE, NETWORK = "cut0", "10.213.0"
# Ways to say that the features did not come in time.
EXPLAINED = {200, "stale", "defaults", 503, 504}


class FreshLoad(Load):
    """A load to which features that were kept for longer than their time are not fresh."""

    def outcome(self, user, fields, body):
        found = super().outcome(user, fields, body)
        return "stale" if found == 200 and fields["x-features"] not in ("stored", "cached") else found


class Node:
    """A Cassandra node in a network of its own, at NETWORK.1."""

    def __enter__(self):
        # What holds the network as long as it is there.
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        other = f"/proc/{self.holder.pid}/ns/net"
        while os.readlink(other) == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        for command in (f"ip link add {DEVICE} type veth peer name node0 netns {self.holder.pid}",
                        f"ip address add {NETWORK}.254/24 dev {DEVICE}", f"ip link set {DEVICE} up"):
            subprocess.run(command.split(), check=True)
        for command in ("ip link set lo up", f"ip address add {NETWORK}.1/24 dev node0",
                        "ip link set node0 up"):
            self.inside(*command.split())
        self.inside(sites.ROOT / "scripts/cassandra", "start", "lone")
        return self

    def __exit__(self, *_):
        self.inside(sites.ROOT / "scripts/cassandra", "stop", "lone")
        self.holder.kill()
        self.holder.wait()

    def inside(self, *command):
        """Runs a command where the node is."""
        subprocess.run(["nsenter", "-t", str(self.holder.pid), "-n", *command], check=True,
                       env=os.environ | {"CASSANDRA_NETWORK": NETWORK}, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def on(folder):
    """A gateway on such a node."""
    with Node():
        store = f"scylla://{NETWORK}.1:{PORT}/cut"
        sites.import_users(store, "--create", "--dev")
        (folder / "gateway.toml").write_text(sites.CASSANDRA_CONFIG)
        with sites.Gateway(folder, store, arguments=["--config", folder / "gateway.toml"]) as gateway:
            yield gateway


@contextlib.contextmanager
def filtered(*rule):
    """A rule of the packet filter for both directions of the node's connections."""
    rules = [[chain, way, DEVICE, "-p", "tcp", side, PORT, *rule]
             for chain, way, side in (("INPUT", "-i", "--sport"), ("OUTPUT", "-o", "--dport"))]
    for each in rules:
        subprocess.run(["iptables", "-A", *each], check=True)
    try:
        yield
    finally:
        for each in rules:
            subprocess.run(["iptables", "-D", *each], check=True)


def partition():
    """Not one packet arrives."""
    with filtered("-j", "DROP"):
        time.sleep(PARTITION_S)


def quiet_partition():
    """Not one packet arrives, and nothing is asked until that is over."""
    partition()


def link_down():
    """The device has no carrier, and the route is gone with it."""
    subprocess.run(["ip", "link", "set", DEVICE, "down"], check=True)
    time.sleep(PARTITION_S)
    subprocess.run(["ip", "link", "set", DEVICE, "up"], check=True)


def reset():
    """Each packet is answered with a reset, as by a firewall that has forgotten its connections."""
    with filtered("-j", "REJECT", "--reject-with", "tcp-reset"):
        time.sleep(RESET_S)


def black_hole():
    """Long packets vanish, and short ones arrive."""
    with filtered("-m", "length", "--length", f"{LONG_BYTES}:", "-j", "DROP"):
        time.sleep(BLACK_HOLE_S)


CUTS = (partition, quiet_partition, link_down, reset, black_hole)


def try_cut(cut, gateway, scores):
    start = time.monotonic()
    if cut is quiet_partition:
        cut()
        ended = time.monotonic()
        with FreshLoad(gateway.port, scores, KEPT, NEWCOMERS) as load:
            time.sleep(AFTER_S)
    else:
        with FreshLoad(gateway.port, scores, KEPT, NEWCOMERS) as load:
            time.sleep(BEFORE_S)
            cut()
            ended = time.monotonic()
            time.sleep(AFTER_S)
    summary = Summary(load.since(start), ended)
    told = f"{cut.__name__.replace('_', ' ')}: {summary.statuses()}, fresh after {summary.recovery_ms:.0f} ms"
    explained = set(summary.outcomes) <= EXPLAINED
    if not explained:
        told += f", not to be: {set(summary.outcomes) - EXPLAINED} {load.shown_wrong()}"
    is_felt = len(summary.outcomes) > 1 or cut is quiet_partition
    if not is_felt:
        told += ", the cut was not felt: nothing was tried"
    is_so = explained and is_felt and summary.recovery_ms <= RECOVERY_MS_MAX
    renewed = gateway.metric("shardgate_cluster_sessions_renewed_total")
    print(f"{'ok' if is_so else 'FAILED'} {told}, {renewed:.0f} sessions renewed so far", flush=True)
    return is_so


def main():
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--only", action="append", choices=[cut.__name__ for cut in CUTS])
    chosen = arguments.parse_args().only or [cut.__name__ for cut in CUTS]
    why = images.missing("iptables", "unshare", "nsenter", "ip", "java")
    if why:
        print(f"untried network: {why} (Debian: iptables, openjdk-17-jre-headless)")
        return
    # Which has no way out.
    sites.cassandra("prepare lone")
    images.enter_own_namespaces()
    start, scores = time.monotonic(), golden(sites.ROOT / "models" / sites.MODEL)
    with tempfile.TemporaryDirectory() as name, on(Path(name)) as gateway:
        outcomes = [try_cut(cut, gateway, scores) for cut in CUTS if cut.__name__ in chosen]
    is_so = all(outcomes)
    print(f"{'features are fresh again in time' if is_so else 'NOT as it is to be'}, "
          f"{time.monotonic() - start:.0f} s")
    sys.exit(0 if is_so else 1)


if __name__ == "__main__":
    main()
