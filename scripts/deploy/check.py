#!/usr/bin/env python3
"""Tries the deployment files as far as a machine without root and without a cluster can.

    scripts/deploy/check.py

- nginx and HAProxy run as configured here, in front of a gateway: scores arrive, connections to
  the gateway are kept, and HAProxy's probe takes a gateway that is gone out of service, before which
  another one is asked.
- systemd-analyze verifies the units and rates the service.
- Idle times of proxies are held against the gateway's.
- What the files tell the gateway (configuration, flags, variables) is read by the gateway, and one
  serves under the seccomp profile.
- Kubernetes objects are decoded into the API's own Go types, and KServe's are held against the
  schemas in its Go module. Where there is no Go, it says so.

Needs nginx, haproxy and systemd-analyze (Debian: nginx-light, haproxy, systemd), and Go for the last.
"""

import contextlib
import http.client
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import texts  # noqa: E402
import under_seccomp  # noqa: E402
from support import BINARY, free_port, gateway, get, running  # noqa: E402

REQUESTS = 300
# systemd's rating, of 100: below 20 it calls a service OK.
EXPOSURE_MAX = 20
# Where KServe publishes the schemas of its resources.
KSERVE = "github.com/kserve/kserve@v0.15.2"


def counter(admin, name):
    values = re.findall(rf"^{name}\{{.*?\}} (\d+)", get(f"http://127.0.0.1:{admin}/metrics"),
                        re.MULTILINE)
    return sum(map(int, values))


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


def configured(name, folder, ports):
    """The file `name` with other ports, in `folder`."""
    text = (HERE / name).read_text()
    for old, new in ports.items():
        text = re.sub(rf"\b{old}\b", str(new), text)
    (folder / name).write_text(text)
    return folder / name


def check_proxy(name, command, folder, serving, admin, port):
    """Scores through a proxy, each request on a new connection of its own to the proxy."""
    with running(command, cwd=folder, stdout=subprocess.DEVNULL):
        wait_for_proxy(port)
        direct = {user: predict(serving, user)[1] for user in ("applicant-0002", "nobody")}
        before = counter(admin, "shardgate_connections_accepted_total")
        for number in range(REQUESTS):
            user = "nobody" if number % 3 == 0 else "applicant-0002"
            status, body = predict(port, user)
            if status != 200 or body != direct[user]:
                sys.exit(f"{name}: {status} {body}, expected {direct[user]}")
        opened = counter(admin, "shardgate_connections_accepted_total") - before
        if opened > REQUESTS // 10:
            sys.exit(f"{name}: {opened} connections to the gateway for {REQUESTS} requests")
        if not ask(port, "nobody").headers["x-request-id"]:
            sys.exit(f"{name}: the id that it gave a request is not in the answer")
        print(f"ok {name}: {REQUESTS} scores over {opened} new connections to the gateway")


def check_idle_times(admin):
    """The gateway's idle time is longer than the proxies', so that they end idle connections."""
    own = json.loads(get(f"http://127.0.0.1:{admin}/config"))["http"]["idle_timeout_ms"] / 1000
    for name, pattern in (("nginx.conf", r"^ *keepalive_timeout (\d+)s;"),
                          ("apisix.yaml", r"idle_timeout: (\d+)")):
        found = re.findall(pattern, (HERE / name).read_text(), re.MULTILINE)
        if len(found) != 1 or int(found[0]) >= own:
            sys.exit(f"{name}: idle time {found} s, expected less than the gateway's {own:.0f} s")
    print(f"ok idle times: shorter than the gateway's {own:.0f} s")


def check_proxies(folder):
    with contextlib.ExitStack() as stack:
        running_gateway = stack.enter_context(contextlib.ExitStack())
        serving, admin, _ = running_gateway.enter_context(gateway(folder))
        port = free_port()
        nginx = configured("nginx.conf", folder, {8888: serving, 8080: port})
        command = ["nginx", "-p", str(folder), "-c", str(nginx), "-g", "daemon off;"]
        check_proxy("nginx", command, folder, serving, admin, port)
        check_redispatch(folder, serving, admin)
        port = free_port()
        haproxy = configured("haproxy.cfg", folder, {8888: serving, 9888: admin, 8080: port})
        check_proxy("haproxy", ["haproxy", "-f", str(haproxy)], folder, serving, admin, port)
        check_idle_times(admin)
        stack.enter_context(running(["haproxy", "-f", str(haproxy)], stderr=subprocess.DEVNULL))
        time.sleep(2)
        running_gateway.close()
        time.sleep(4)
        status, _ = predict(port, "nobody")
        if status != 503:
            sys.exit(f"haproxy: {status} for a gateway that is gone, expected 503")
        print("ok haproxy: its probe takes a gateway that stopped out of service")


def check_redispatch(folder, serving, admin):
    """A gateway that takes no connection, and is not probed: each request goes to the other one."""
    port, dead = free_port(), free_port()
    haproxy = configured("haproxy.cfg", folder, {8888: serving, 9888: admin, 8080: port})
    with haproxy.open("a") as text:
        text.write(f"    server gateway-2 127.0.0.1:{dead} weight 256\n")
    # As one that was killed a moment ago: its probe has not seen it yet.
    with running(["haproxy", "-f", str(haproxy)], stderr=subprocess.DEVNULL):
        wait_for_proxy(port)
        statuses = [predict(port, "applicant-0001")[0] for _ in range(20)]
    if statuses != [200] * 20:
        sys.exit(f"haproxy: {statuses} where one of two gateways takes no connection, expected 200")
    print("ok haproxy: what one gateway does not take is asked of the other")


def wait_for_proxy(port):
    for _ in range(100):
        with contextlib.suppress(OSError, http.client.HTTPException):
            if predict(port, "applicant-0001")[0] == 200:
                break
        time.sleep(0.1)


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
    missing = [tool for tool in ("nginx", "haproxy", "systemd-analyze") if not shutil.which(tool)]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts.check_references()
        texts.check_configurations(BINARY, folder)
        texts.check_context(folder)
        check_seccomp(folder)
        check_units(folder)
        check_proxies(folder)
    check_kubernetes()


if __name__ == "__main__":
    main()
