#!/usr/bin/env python3
"""What a scrape costs a shard: CPU time of its thread, with scrapes and without, in turns.

    scripts/observability/scrape_cost.py [--rounds 5] [--steps 200]

In each step of 20 ms a few requests are answered, so that every histogram has changed and has to be
copied, and then the gateway is scraped, or not. The CPU time is what the kernel counts for the
shard's thread, so that a machine that is busy with other things hardly matters.
"""

import argparse
import contextlib
import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import BINARY, gateway, get  # noqa: E402

STEP_S = 0.02
REQUESTS = 4


def shard_thread(process):
    """The thread's own account: the time that it ran, in ns, comes first (proc(5))."""
    tasks = sorted(Path(f"/proc/{process.pid}/task").iterdir(), key=lambda task: int(task.name))
    return next(task / "schedstat" for task in tasks
                if (task / "comm").read_text().strip() == "shard-00")


def measure(serving, admin, schedstat, steps, scrapes):
    """The shard's CPU time of a step, in µs."""
    client = http.client.HTTPConnection("127.0.0.1", serving)
    start, before = time.monotonic(), int(schedstat.read_text().split()[0])
    for step in range(1, steps + 1):
        for number in range(REQUESTS):
            client.request("POST", "/predict", f'{{"user_id": "applicant-{number:04d}"}}')
            client.getresponse().read()
        if scrapes:
            get(f"http://127.0.0.1:{admin}/metrics")
        time.sleep(max(0, start + step * STEP_S - time.monotonic()))
    after, steps_s = int(schedstat.read_text().split()[0]), time.monotonic() - start
    # Where the machine was too slow, a step took longer, and the shard's own ticks with it.
    return (after - before) / 1_000 / steps, steps_s / steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=BINARY, type=Path)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--steps", default=200, type=int)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        serving, admin, process = stack.enter_context(gateway(folder, arguments.binary))
        schedstat = shard_thread(process)
        measure(serving, admin, schedstat, 20, True)
        found = {False: [], True: []}
        for number in range(arguments.rounds):
            # Whoever is first in a round is second in the next.
            for scrapes in sorted(found, reverse=number % 2 == 1):
                cpu_us, step_s = measure(serving, admin, schedstat, arguments.steps, scrapes)
                found[scrapes].append(cpu_us)
                label = "with a scrape" if scrapes else "without"
                print(f"{label}: {cpu_us:.0f} µs a step of {step_s * 1000:.1f} ms", flush=True)
    without, with_scrape = (statistics.median(times) for times in found.values())
    cost = with_scrape - without
    print(f"a scrape costs the shard {cost:.0f} µs: {cost / 1e4:.3f} % of it at one a second, "
          f"{cost / 15e4:.4f} % at one in 15 s")


if __name__ == "__main__":
    main()
