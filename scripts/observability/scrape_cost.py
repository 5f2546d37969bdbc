#!/usr/bin/env python3
"""What scrapes cost a shard: requests per second of its CPU time, with scrapes and without, in turns.

    scripts/observability/scrape_cost.py [--scrapes 10] [--rounds 5] [--seconds 6]

The shard is pinned to core 0 and saturated by wrk. Its CPU time is what the kernel counts for its
thread, so that a machine that is busy with other things hardly matters. Needs wrk.
"""

import argparse
import contextlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import BINARY, ROOT, gateway, get  # noqa: E402


def figures(admin):
    """The requests that were answered and the shard's CPU seconds, as of now."""
    metrics = get(f"http://127.0.0.1:{admin}/metrics")
    answered = re.findall(r"^shardgate_responses_total\{.*\} (\S+)$", metrics, re.MULTILINE)
    (cpu,) = re.findall(r"^shardgate_shard_cpu_seconds_total\{.*\} (\S+)$", metrics, re.MULTILINE)
    return sum(map(float, answered)), float(cpu)


def scrape_forever(admin, scrapes, stop):
    while not stop.wait(1 / scrapes):
        get(f"http://127.0.0.1:{admin}/metrics")


def measure(serving, admin, seconds, scrapes):
    """Requests per CPU second of the shard, with so many scrapes a second."""
    stop = threading.Event()
    scraper = threading.Thread(target=scrape_forever, args=(admin, scrapes, stop))
    before = figures(admin)
    if scrapes:
        scraper.start()
    subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", "-s", "scripts/wrk/constant.lua",
                    f"http://127.0.0.1:{serving}", "--", "applicant-0001"], cwd=ROOT, check=True, capture_output=True)
    stop.set()
    if scrapes:
        scraper.join()
    after = figures(admin)
    return (after[0] - before[0]) / (after[1] - before[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=BINARY, type=Path)
    parser.add_argument("--scrapes", default=10, type=float, help="a second")
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--seconds", default=6, type=int)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        serving, admin, _ = stack.enter_context(gateway(folder, arguments.binary))
        measure(serving, admin, 2, 0)
        found = {0: [], arguments.scrapes: []}
        for number in range(arguments.rounds):
            # Whoever is first in a round is second in the next.
            for scrapes in sorted(found, reverse=number % 2 == 1):
                rate = measure(serving, admin, arguments.seconds, scrapes)
                found[scrapes].append(rate)
                print(f"{scrapes:g} scrapes/s: {rate:,.0f} requests per CPU second", flush=True)
    without, with_scrapes = (statistics.median(rates) for rates in found.values())
    print(f"medians {without:,.0f} and {with_scrapes:,.0f}: "
          f"{100 * (1 - with_scrapes / without):+.2f} % for {arguments.scrapes:g} scrapes a second")


if __name__ == "__main__":
    main()
