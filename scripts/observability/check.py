#!/usr/bin/env python3
"""Holds the alert rules and the dashboard against a gateway that runs, and a real Prometheus.

    scripts/observability/check.py [--binary target/release/shardgate]

1. promtool finds nothing wrong with /metrics, in either format, nor with the rules; and the rules
   fire when their tests say so.
2. Every metric name in a query of the rules or of the dashboard is one that /metrics has.
3. A Prometheus that scrapes the gateway for some seconds answers every one of these queries, and
   those that traffic must give a value have one.

Needs promtool and prometheus (Debian: prometheus). Listens on free ports of 127.0.0.1 alone.
"""

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import BINARY, free_port, gateway, get, running, wait_for  # noqa: E402

# Suffixes of a histogram's series.
SUFFIXES = ("_bucket", "_sum", "_count")
# Metrics that Prometheus itself makes.
OWN = {"up"}
# What the dashboard's variables stand for when a query is tried.
VARIABLES = {"$instance": ".*", "$model": ".*", "$__rate_interval": "10s"}
# Queries of these have to give values after some traffic; others speak of faults.
LIVELY = ("http_server_request_duration_seconds", "shardgate_rows_total", "shardgate_batch_rows",
          "shardgate_shard_cpu_seconds_total", "shardgate_feature_age_seconds",
          "shardgate_queue_delay_seconds", "shardgate_model_info", "process_open_fds",
          "shardgate_score_bucket", "shardgate_score_sum")


def predict_forever(port, stop):
    """Asks for known and unknown users, and now and then something wrong."""
    number = 0
    while not stop.is_set():
        number += 1
        body = f'{{"user_id": "applicant-{number % 1100:04d}"}}' if number % 50 else "not JSON"
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", body.encode())
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=5).read()


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *arguments], input=text, text=True, cwd=HERE,
                          capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


def queries():
    """Each query with where it is."""
    for block in re.findall(r"expr: (\|\n(?: {10,}.*\n)+|.*)", (HERE / "alerts.yml").read_text()):
        yield "alerts.yml", block.removeprefix("|").strip()
    dashboard = json.loads((HERE / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"dashboard.json, {panel['title']}", target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield f"dashboard.json, {variable['name']}", variable["query"]


def names_in(query):
    bare = re.sub(r'"[^"]*"', "", query)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|on|group_left|without)\s*\([^)]*\)", "", bare)
    return {name for name in re.findall(r"[a-z_]+[a-z0-9_]*", bare) if "_" in name or name in OWN} \
        - {"histogram_quantile", "label_values", "group_left"}


def check_names(metrics):
    known = dict(re.findall(r"^# TYPE (\S+) (\S+)$", metrics, re.MULTILINE))
    for place, query in queries():
        for name in names_in(query):
            if query.startswith("label_values") and name in ("instance", "model"):
                continue
            base = next((name.removesuffix(suffix) for suffix in SUFFIXES
                         if name.endswith(suffix)
                         and known.get(name.removesuffix(suffix)) == "histogram"), name)
            if base not in known and base not in OWN:
                sys.exit(f"{place}: no metric `{name}`")


def check_answers(prometheus):
    for place, query in queries():
        if query.startswith("label_values"):
            continue
        for variable, value in VARIABLES.items():
            query = query.replace(variable, value)
        query = re.sub(r"\[\d+m\]", "[10s]", query)
        url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        answer = json.loads(get(url))
        if answer["status"] != "success":
            sys.exit(f"{place}: {answer}")
        result = answer["data"]["result"]
        must = place.startswith("dashboard") and any(name in query for name in LIVELY)
        if must and not any(series["value"][1] != "NaN" for series in result):
            sys.exit(f"{place}: no value from {query}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--binary", default=BINARY, type=Path)
    binary = arguments.parse_args().binary
    generated = subprocess.run([sys.executable, HERE / "dashboard.py"], text=True, check=True,
                               capture_output=True).stdout
    if generated != (HERE / "dashboard.json").read_text():
        sys.exit("dashboard.json is not what dashboard.py writes: run it again")
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")

    scraping = free_port()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        serving, admin, _ = stack.enter_context(gateway(folder, binary))
        stop = threading.Event()
        client = threading.Thread(target=predict_forever, args=(serving, stop))
        client.start()
        stack.callback(client.join)
        stack.callback(stop.set)

        config = (HERE / "prometheus.yml").read_text()
        config = config.replace("127.0.0.1:9888", f"127.0.0.1:{admin}").replace("15s", "1s")
        (folder / "prometheus.yml").write_text(config)
        (folder / "alerts.yml").write_text((HERE / "alerts.yml").read_text())
        promtool("check", "config", str(folder / "prometheus.yml"))
        stack.enter_context(running(
            ["prometheus", f"--config.file={folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{scraping}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        prometheus = f"http://127.0.0.1:{scraping}"
        wait_for(f"{prometheus}/-/ready", "Prometheus")
        time.sleep(8)

        metrics = get(f"http://127.0.0.1:{admin}/metrics")
        promtool("check", "metrics", text=metrics)
        check_names(metrics)
        targets = json.loads(get(f"{prometheus}/api/v1/targets"))["data"]["activeTargets"]
        if [target["health"] for target in targets] != ["up"]:
            sys.exit(f"Prometheus does not scrape the gateway: {targets}")
        check_answers(prometheus)
    print(f"{sum(1 for _ in queries())} queries name metrics that there are, and are answered")


if __name__ == "__main__":
    main()
