#!/usr/bin/env python3
"""Tries the deployment files as far as a machine without root, proxies and a cluster can.

    scripts/deploy/check.py

- systemd-analyze verifies the units and rates the service.
- Idle times of proxies are held against the gateway's.
- What the files tell the gateway (configuration, flags, variables) is read by the gateway, and one
  serves under the seccomp profile.
- Kubernetes objects are decoded into the API's own Go types, and KServe's are held against the
  schemas in its Go module. Where there is no Go, it says so.

Needs systemd-analyze (Debian: systemd), and Go for the last. What runs proxies, units, the image and the
network for real: proxies/try.py, try_systemd.py, try_container.py and try_network.py.
"""

import http.client
import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import texts  # noqa: E402
import under_seccomp  # noqa: E402
from support import BINARY, gateway, get  # noqa: E402

# systemd's rating, of 100: below 20 it calls a service OK.
EXPOSURE_MAX = 20
# How long each proxy keeps an idle connection to a gateway, in s. HAProxy has no such time: it ends half of
# them every five seconds.
IDLE_TIMES = {"nginx.conf": r"^ *keepalive_timeout (\d+)s;", "apisix.yaml": r" idle_timeout: (\d+)",
              "envoy.yaml": r"idle_timeout: (\d+)s", "traefik-routes.yaml": r"idleConnTimeout: (\d+)s",
              "Caddyfile": r"keepalive (\d+)s"}
# Where KServe publishes the schemas of its resources.
KSERVE = "github.com/kserve/kserve@v0.15.2"


def ask(port, user):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/predict", json.dumps({"user_id": user}))
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def predict(port, user):
    answer = ask(port, user)
    return answer.status, json.loads(answer.text) if answer.status == 200 else None


def check_idle_times(folder):
    """The gateway's idle time is longer than the proxies', so that they end idle connections."""
    with gateway(folder) as (_, admin, _):
        own = json.loads(get(f"http://127.0.0.1:{admin}/config"))["http"]["idle_timeout_ms"] / 1000
    for name, pattern in IDLE_TIMES.items():
        found = re.findall(pattern, (HERE / "proxies" / name).read_text(), re.MULTILINE)
        if len(found) != 1 or int(found[0]) >= own:
            sys.exit(f"{name}: idle time {found} s, expected less than the gateway's {own:.0f} s")
    print(f"ok idle times: of {', '.join(IDLE_TIMES)}, shorter than the gateway's {own:.0f} s")


def check_seccomp(folder):
    """A gateway under the shipped profile, from its start to its stop."""
    if not under_seccomp.is_possible():
        print("untried seccomp: it takes x86-64 and its kernel headers")
        return
    log = folder / "predictions"
    (folder / "logged.toml").write_text(f'[prediction_log]\nfolder = "{log}"\n')
    wrapper = folder / "confined"
    wrapper.write_text(f"#!/bin/sh\nexec {HERE}/under_seccomp.py {HERE}/seccomp.json {BINARY} \"$@\"\n")
    wrapper.chmod(0o755)
    arguments = ["--config", str(folder / "logged.toml"), "--takeover", str(folder / "takeover")]
    confined = folder / "confined-gateway"
    confined.mkdir()
    with gateway(confined, wrapper, arguments) as (serving, admin, process):
        seccomp = Path(f"/proc/{process.pid}/status").read_text()
        if "Seccomp:\t2" not in seccomp:
            sys.exit("seccomp: the gateway is not confined")
        status, body = predict(serving, "applicant-0001")
        if status != 200 or "score" not in body:
            sys.exit(f"seccomp: {status} {body}")
        request = urllib.request.Request(f"http://127.0.0.1:{admin}/reload", b"{}",
                                         {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=30).read()
        get(f"http://127.0.0.1:{admin}/metrics")
    if process.returncode or len(list(log.iterdir())) != 1:
        sys.exit(f"seccomp: the gateway ended with {process.returncode}: {confined / 'log'}")
    print("ok seccomp: a gateway serves, logs, reloads and stops under the profile")


def check_units(folder):
    for unit in ("shardgate.service", "shardgate.socket"):
        text = (HERE / unit).read_text().replace("/usr/bin/shardgate", str(BINARY))
        (folder / unit).write_text(text)
    subprocess.run(["systemd-analyze", "verify", "./shardgate.service", "./shardgate.socket"],
                   cwd=folder, check=True)
    subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}",
                    "./shardgate.service"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    print("ok systemd: units verified, exposure below 2.0")


def check_kubernetes():
    if not shutil.which("go"):
        print("untried kubernetes: there is no Go here")
        return
    # One file of KServe's module is read, none of its code is built.
    downloaded = subprocess.run(["go", "mod", "download", "-json", KSERVE], check=True, text=True,
                                cwd=tempfile.gettempdir(), capture_output=True).stdout
    definitions = Path(json.loads(downloaded)["Dir"]) / "config/crd/full"
    folder = HERE / "kubernetes"
    subprocess.run(["go", "run", ".", "-definitions", definitions, folder / "shardgate.yaml",
                    folder / "networkpolicy.yaml", folder / "kserve.yaml"], cwd=folder / "validate", check=True)


def main():
    if not shutil.which("systemd-analyze"):
        sys.exit("missing: systemd-analyze")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts.check_references()
        texts.check_configurations(BINARY, folder)
        texts.check_context(folder)
        check_seccomp(folder)
        check_units(folder)
        check_idle_times(folder)
    check_kubernetes()


if __name__ == "__main__":
    main()
