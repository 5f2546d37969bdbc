"""What encryption and traces cost beside plain HTTP/1.1: ratios, in turns, in one run.

    bench/fronts.py [--binary target/release/shardgate] [--rounds 5] [--seconds 5]

One core for the gateway and the others for wrk and openssl: 64 connections that are kept, with the same
requests, to gateways that differ in one thing. Each round asks all of them once; what counts is the median of
the rounds' ratios. What is answered is divided by the time that the shard's thread had its core: a client that
is slower for its own part, or others on the machine, change that little.
"""

import argparse
import contextlib
import http.server
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scripts"))
from support import BINARY, ROOT, free_port, gateway  # noqa: E402

CONNECTIONS = 64
SHAKERS = 8


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def certificate(folder):
    """A certificate of ECDSA P-256 and its key."""
    key, pem = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
                   check=True)
    subprocess.run(["openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=localhost", "-days",
                    "2", "-out", pem], check=True, stderr=subprocess.DEVNULL)
    return ["--tls-certificate", str(pem), "--tls-key", str(key)]


def load(url, process, seconds):
    """Requests a second, and a second of the shard's core."""
    before = busy_s(process)
    others = ",".join(str(core) for core in sorted(os.sched_getaffinity(0) - {0})) or "0"
    done = subprocess.run(
        ["taskset", "-c", others, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s",
         ROOT / "scripts/wrk/random_users.lua", url, "--", "1000", "applicant-%04d"],
        check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in done, done
    count = int(re.search(r"(\d+) requests in", done).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1))
    return rate, count / (busy_s(process) - before)


def busy_s(process):
    """The time that the gateway's first shard has had its core, in s."""
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "shard-00":
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    raise SystemExit("no shard")


def handshakes(port, process, seconds):
    """Full handshakes a second of the gateway's time."""
    before, clients = busy_s(process), []
    for _ in range(SHAKERS):
        clients.append(subprocess.Popen(
            ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", str(seconds),
             "-tls1_3"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    count = 0
    for client in clients:
        said = client.communicate()[0]
        count += int(re.search(r"(\d+) connections in \d+ real seconds", said).group(1))
    return count / (busy_s(process) - before)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=Path, default=BINARY)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = Path(folder)
        spans = folder / "spans.toml"
        spans.write_text(f'[otlp]\nendpoint = "http://127.0.0.1:{collector.server_port}"\n')
        kinds = {"plain": [], "tls": certificate(folder), "spans": ["--config", str(spans)]}
        gateways = {}
        for name, more in kinds.items():
            (folder / name).mkdir()
            gateways[name] = stack.enter_context(gateway(folder / name, arguments.binary, more))
        urls = {name: f"{'https' if name == 'tls' else 'http'}://127.0.0.1:{at[0]}"
                for name, at in gateways.items()}
        found = {name: [] for name in urls}
        for turn in range(arguments.rounds):
            order = list(urls) if turn % 2 == 0 else list(urls)[::-1]
            for name in order:
                found[name].append(load(urls[name], gateways[name][2], arguments.seconds))
        for name, rates in found.items():
            said = []
            for part, unit in enumerate(["requests/s", "requests/core-second"]):
                ratios = [rate[part] / plain[part] for rate, plain in zip(rates, found["plain"])]
                middle = statistics.median(rate[part] for rate in rates)
                said.append(f"{middle:9.0f} {unit} ({statistics.median(ratios):.3f} of plain)")
            print(f"{name:>6}: {', '.join(said)}")
        port, _, process = gateways["tls"]
        rates = [handshakes(port, process, arguments.seconds) for _ in range(3)]
        print(f"full handshakes (ECDSA P-256, TLS 1.3): {statistics.median(rates):.0f} "
              "a second of the shard's core")


if __name__ == "__main__":
    main()
