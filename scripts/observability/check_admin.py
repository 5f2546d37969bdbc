#!/usr/bin/env python3
"""Asks the admin port of a running gateway for everything, as friend, as stranger, as browser.

    scripts/observability/check_admin.py [--binary target/release/shardgate]

Health and metrics are for anyone; what changes the process or shows its configuration is for who
has the token, or without one for loopback alone, under a name of loopback, from no other origin and
as JSON. A drain says so before it ends. A Chromium (Debian: chromium, chromium-driver) opens the live
page, whose text is read, whose parts are held to their places at the width of a desk and of a phone, and
whose pill is watched while the store knows nobody, and while it is down.
"""

import argparse
import contextlib
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import BINARY, ROOT, free_port, gateway, running, wait_for  # noqa: E402

TOKEN = "a-token-of-some-length"
JSON = {"content-type": "application/json"}
# What the model decides, beside how its scores are said to have been spread in training.
SHARES = f"[output]\nshares = [{', '.join(['0.05'] * 20)}]\n"
BANDS = '''
[[output.bands]]
below = 0.3
decision = "approve"
[[output.bands]]
decision = "decline"
'''
BROWSER = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def ask(port, method, path, headers=None, body=None):
    """An answer's status, header and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def expect(status, port, method, path, headers=None, body=None):
    found, _, text = ask(port, method, path, headers, body)
    if found != status:
        sys.exit(f"{method} {path} {headers or ''}: found {found}, expected {status}: {text}")
    return text


def check_without_token(port):
    for path in ("/livez", "/readyz", "/version", "/metrics", "/config", "/log-level", "/"):
        expect(200, port, "GET", path)
        expect(200, port, "GET", path, {"Host": f"localhost:{port}"})
    for path in ("/config", "/log-level", "/events"):
        expect(403, port, "GET", path, {"Host": "rebound.example"})
        expect(403, port, "GET", path, {"Origin": "http://elsewhere.example"})
    body = json.dumps({"filter": "warn"})
    expect(415, port, "PUT", "/log-level", {"content-type": "text/plain"}, body)
    expect(403, port, "PUT", "/log-level", JSON | {"Origin": "http://elsewhere.example"}, body)
    expect(200, port, "PUT", "/log-level", JSON | {"Origin": f"http://127.0.0.1:{port}"}, body)
    if json.loads(expect(200, port, "GET", "/log-level"))["filter"] != "warn":
        sys.exit("the log filter was not changed")
    expect(422, port, "PUT", "/log-level", JSON, json.dumps({"filter": "shards=loud"}))
    expect(400, port, "PUT", "/log-level", JSON, "{}")
    expect(200, port, "POST", "/reload", JSON, "{}")
    expect(415, port, "POST", "/reload")
    expect(405, port, "POST", "/metrics")
    expect(200, port, "POST", "/v2/repository/index")
    expect(403, port, "POST", "/v2/repository/index", {"Host": "rebound.example"})
    for path in ("load", "unload"):
        expect(415, port, "POST", f"/v2/repository/models/credit-risk/{path}")
        expect(405, port, "GET", f"/v2/repository/models/credit-risk/{path}")
    expect(200, port, "POST", "/v2/repository/models/credit-risk/load", JSON)
    expect(400, port, "POST", "/v2/repository/models/credit-risk/unload", JSON)
    expect(404, port, "GET", "/nothing")
    open_metrics = {"accept": "application/openmetrics-text; version=1.0.0"}
    if not expect(200, port, "GET", "/metrics", open_metrics).endswith("# EOF\n"):
        sys.exit("no OpenMetrics")
    _, fields, _ = ask(port, "GET", "/")
    policy = fields["content-security-policy"]
    if "default-src 'none'" not in policy or "unsafe" in policy:
        sys.exit(f"the page's policy is {policy}")


def check_with_token(port):
    """On an address that others reach: health for anyone, the rest for who has the token."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for path in ("/livez", "/readyz", "/metrics", "/version"):
        expect(200, port, "GET", path, {"Host": "anything.example"})
    for wrong in ({}, {"Authorization": "Bearer another"}, {"Authorization": f"Basic {TOKEN}"}):
        expect(401, port, "GET", "/config", wrong)
        expect(401, port, "POST", "/reload", wrong | JSON, "{}")
        expect(401, port, "GET", "/events", wrong)
        expect(401, port, "POST", "/v2/repository/index", wrong)
        expect(401, port, "POST", "/v2/repository/models/credit-risk/load", wrong | JSON)
    if TOKEN in expect(200, port, "GET", "/config", bearer):
        sys.exit("the token is in the configuration")
    expect(403, port, "GET", "/config", bearer | {"Origin": "http://elsewhere.example"})


def check_stream(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    seen = set()
    while seen != {"second", "status"}:
        line = answer.readline().decode()
        if line.startswith("event: "):
            event = line.removeprefix("event: ").strip()
            json.loads(answer.readline().decode().removeprefix("data: "))
            seen.add(event)
    connection.close()


def decide(folder):
    """credit-risk with decisions and shares of scores, in a repository of its own."""
    model = folder / "models/credit-risk"
    shutil.copytree(ROOT / "models/credit-risk", model)
    manifest = model / "model.toml"
    # Its own shares are those of the users that the page is asked for: they have no drift.
    text = re.sub(r"^shares = \[.*\n", "", manifest.read_text(), flags=re.MULTILINE)
    manifest.write_text(text.replace("[output]\n", SHARES) + BANDS)
    return model.parent


def predict(port, users):
    body = json.dumps([{"user_id": user} for user in users])
    expect(200, port, "POST", "/predict", JSON, body)


def check_page(port, serving, folder):
    """The live page in a browser that WebDriver (https://www.w3.org/TR/webdriver2) steers."""
    driver_port = free_port()
    with running(["chromedriver", f"--port={driver_port}", f"--log-path={folder / 'browser.log'}"],
                 stdout=subprocess.DEVNULL):
        wait_for(f"http://127.0.0.1:{driver_port}/status", "chromedriver")

        def drive(command, body):
            status, _, text = ask(driver_port, "POST", f"/session{command}", JSON, json.dumps(body))
            if status != 200:
                sys.exit(f"the browser refuses {command or 'to start'}: {text}")
            return json.loads(text)["value"]

        options = {"args": [*BROWSER, f"--user-data-dir={folder / 'browser'}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = "/" + drive("", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        drive(f"{session}/url", {"url": f"http://127.0.0.1:{port}/"})

        def steer(path, **body):
            return drive(session + path, body)

        read_page(steer)
        read_answers(steer, serving)
        look_at_page(steer)
        watch_pill(steer, serving, folder)
        ask(driver_port, "DELETE", f"/session{session}")


def read_page(drive):
    """Waits for what the page fills in from the event stream, then reads what it complained of."""
    shown = "return document.documentElement.outerHTML"
    missing = ('data-state="serving"', "credit-risk", "core 0", "shardgate_shard_ticks_total")
    for _ in range(120):
        page = drive("/execute/sync", script=shown, args=[])
        missing = [text for text in missing if text not in page]
        if not missing:
            break
        time.sleep(0.5)
    complaints = [entry["message"] for entry in drive("/se/log", type="browser")
                  if entry["level"] == "SEVERE"]
    if missing or complaints:
        sys.exit(f"the page does not show {missing}, and says {complaints}:\n{page[:3000]}")


def read_answers(drive, serving):
    """Asks until the page shows how the scores are spread, how far that is from training, and what
    was decided."""
    wanted = ("Scores; lines: training data", "Drift (PSI), last hour", "approve", "decline",
              "\nscore\t")
    for _ in range(120):
        predict(serving, [f"applicant-{number:04d}" for number in range(1, 501)])
        page = drive("/execute/sync", script="return document.body.innerText", args=[])
        missing = [text for text in wanted if text not in page]
        if not missing:
            return
        time.sleep(0.5)
    sys.exit(f"the page does not say {missing}:\n{page}")


def watch_pill(drive, serving, folder):
    """The pill says of how many rows it is true that the store knows nothing, or gives nothing."""
    pill = """
      const { dataset, textContent } = document.getElementById('state');
      return [dataset.state, textContent, getComputedStyle(document.getElementById('state')).color];
    """

    def wait_for_pill(text, users):
        for _ in range(120):
            if users:
                predict(serving, users)
            state, found, shown = drive("/execute/sync", script=pill, args=[])
            if found == text:
                return state, shown
            time.sleep(0.3)
        sys.exit(f"the pill says {found}, expected {text}")

    state, amber = wait_for_pill("serving: 100 % of rows not in the store", ["nobody", "no one"])
    if state != "missing":
        sys.exit(f"the pill of users that nobody knows is {state}")
    _, green = wait_for_pill("serving", [])
    store = folder / "features/features.store"
    whole = store.read_bytes()
    store.write_bytes(b"")
    state, red = wait_for_pill("degraded: 100 % of rows on defaults", ["applicant-0001"])
    tile = drive("/execute/sync", script="return document.getElementById('unstored').className",
                 args=[])
    store.write_bytes(whole)
    if state != "degraded" or tile != "bad" or len({amber, green, red}) != 3:
        sys.exit(f"a store that is down: {state}, {tile}; colours {green}, {amber}, {red}")


# What leaves its card; what scrolls within one doesn't.
OUTSIDE = """
  const found = [];
  for (const card of document.querySelectorAll('.card, .tile, .facts')) {
    const edge = card.getBoundingClientRect().right;
    for (const part of card.querySelectorAll('*')) {
      const scrolled = part.parentElement.closest('.scroll');
      if (!scrolled && part.getBoundingClientRect().right > edge + 0.5) found.push(part.id || part.tagName);
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page itself');
  return found;
"""
# The widest numbers that a table of phases has.
WIDE = """
  for (const phase of seconds.at(-1).phases) phase.mean_us = phase.p50_us = phase.p99_us = 12345;
  draw();
"""
# The tables that scroll sideways: on a phone, too, none does.
SCROLLS = """
  return [...document.querySelectorAll('.scroll')]
    .filter((scroll) => scroll.scrollWidth > scroll.clientWidth).map((scroll) => scroll.ariaLabel);
"""
# What the page's own functions make of values that a test cannot bring about at once, with what is
# right.
CLAIMS = {
    "counted(1, 'batch', 'batches')": "1 batch",
    "counted(2, 'batch', 'batches')": "2 batches",
    "duration(7)": "7 s",
    "duration(3725)": "1 h 2 min",
    "duration(90000)": "1 d 1 h",
    "heatTicks(0, 33).map(time)": ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"],
    "heatTicks(3, 12).map(time)": ["50 µs", "100 µs", "200 µs", "500 µs"],
    "heatRange([{heat: Array(36).fill(0)}])": None,
    "heatRange([{heat: Array.from({length: 36}, (_, at) => at === 20 ? 1 : 0)}])": [19, 28],
    "[1, 30, 31, 200, 300].map(span)": [30, 30, 60, 300, 300],
    "timeTicks(300, 1100, (text) => text.length * 6).map((tick) => tick.text)":
        ["now", "−1 min", "−2 min", "−3 min", "−4 min", "−5 min"],
    "timeTicks(300, 270, (text) => text.length * 6).map((tick) => tick.text)":
        ["now", "−2 min", "−4 min"],
    "timeTicks(60, 280, (text) => text.length * 7).map((tick) => tick.text)":
        ["now", "−30 s", "−60 s"],
    "timeTicks(180, 1100, (text) => text.length * 6).map((tick) => tick.text)":
        ["now", "−30 s", "−1 min", "−90 s", "−2 min", "−150 s", "−3 min"],
    "roleOf({role: 'canary'}, {share: 0.2})": "canary, 20 % of the requests",
    "roleOf({role: 'shadow'}, {shadow: {compared: 1, mean_absolute: 0.01234}})":
        "shadow, differs by 0.012 on average (1 copy)",
    "roleOf({role: 'shadow'}, {})": "shadow, no copy scored yet",
    "p99Of([3, 1, 2])": 3,
    "p99Of(Array.from({length: 200}, (_, at) => at + 1))": 198,
    # The slowest second of a hundred is as high as the next one.
    "heights([...Array(98).fill(5), 10, 900]).slice(-3)": [0.5, 1, 1],
    "heights([0, 0])": [0, 0],
    "notStored({features: {stored: 1, cached: 2, missing: 1, error: 0}})": 0.25,
    "notStored({features: {}})": 0,
    "[1, 0.999, 0.5, 0.004].map(wholePercent)": ["100 %", "99 %", "50 %", "<1 %"],
    **{f"pillOf({{serving: true, draining: false, unfit: [], store_faults: [], {status}}}, "
       f"{{stored: 0, cached: 0, {features}}}, {failed})": pill
       for status, features, failed, pill in [
           ("", "", "{}", ["serving", "serving"]),
           ("", "stored: 98, missing: 1, expired: 1", "{}",
            ["missing", "serving: 1 % of rows not in the store"]),
           ("", "stored: 999, missing: 1", "{}", ["serving", "serving"]),
           ("", "missing: 7", "{}", ["missing", "serving: 100 % of rows not in the store"]),
           ("", "stored: 3, expired: 1", "{}", ["missing", "serving: 25 % of rows expired"]),
           ("store_faults: ['x']", "error: 9", "{}",
            ["degraded", "degraded: 100 % of rows on defaults"]),
           ("store_faults: ['x']", "stored: 999, error: 1", "{}",
            ["degraded", "degraded: <1 % of rows on defaults"]),
           ("store_faults: ['x']", "stale: 3, missing: 1", "{}",
            ["degraded", "degraded: 75 % of rows on last known values"]),
           ("store_faults: ['x']", "stored: 1", "{store_unavailable: 1, queue_full: 8}",
            ["degraded", "degraded: 50 % of rows refused"]),
           ("store_faults: ['x']", "", "{}", ["degraded", "degraded"]),
           ("unfit: [{model: 'm'}], store_faults: ['x']", "error: 9", "{}",
            ["unfit", "unfit: m"]),
           ("serving: false", "", "{}", ["loading", "loading"]),
           ("draining: true", "error: 9", "{}", ["draining", "draining"])]},
    "canaryText({rows: 0, scores: []}, {rows: 9, mean: 1, scores: []})": "",
    "canaryText({rows: 20, mean: 3, scores: []}, {rows: 1000, mean: 3.5, scores: []})":
        "mean score −0.50 beside stable (20 rows beside 1,000, last 5 min)",
    # Half of the scores at each end: a variance of 0.225625 each.
    "canaryText(...[0.52, 0.5].map((mean) => ({rows: 200, mean, scores: [100, ...Array(18).fill(0), 100]})))":
        "mean score +0.020 ± 0.095 beside stable (200 rows beside 200, last 5 min)",
    "shadowText({compared: 1, mean: -0.01, mean_absolute: 0.02})":
        "differs by 0.020 on average, −0.010 with its sign (1 copy)",
    "mostReasons(['a', 'b', 'c'], {explained: 8, reasons: [2, 0, 6]}).map((row) => [row.name, row.text])":
        [["c", "75 %"], ["a", "25 %"]],
    """(() => {
      drifts = [['one', 0.05], ['two', 0.3], [null, 0.12]].map(([column, index]) => ({model: 'm', version: '1', column, index}));
      const found = driftRows({model: 'm', version: '1'}).map((row) => [row.name, row.text, row.tone]);
      drifts = [];
      return found;
    })()""": [["score", "0.12", "warn"], ["two", "0.30", "bad"], ["one", "0.050", ""]],
    # Of columns that moved, which categories did.
    """(() => {
      const categories = [{text: 'car', now: 0.25, then: 0.5}, {text: null, now: 0.45, then: 0.2}];
      const far = 'a'.repeat(30), long = [{text: far, now: 1, then: 0}, {text: '', now: 0, then: 0.05}];
      drifts = [['purpose', 0.4, categories], ['country', 0.05, categories], ['town', 0.7, long], ['age', 0.9]]
        .map(([column, index, categories]) => ({model: 'm', version: '1', column, index, categories}));
      const found = driftCategories({model: 'm', version: '1'});
      const shown = driftPart({model: 'm', version: '1'}).textContent.includes(found[1]);
      drifts = [];
      return [...found, shown];
    })()""": [f"town: {'a' * 24}… 100 %, in training 0 %; (empty) 0 %, in training 5.0 %",
              "purpose: car 25 %, in training 50 %; all others 45 %, in training 20 %", True],
    """(() => {
      const one = {model: 'm', version: 1, rows: 4, scores_sum: 1, scores: [3, 1], decisions: [4], explained: 1, reasons: [1], rows_decided: 0, rules: []};
      seconds.push({elapsed_s: 1, answers: [one]}, {elapsed_s: 1, answers: []}, {elapsed_s: 1, answers: [one]});
      const did = answered({model: 'm', version: '1', entities: []}, 3);
      seconds.length -= 3;
      return [did.rows, did.mean, did.scores, did.elapsed];
    })()""": [8, 0.25, [6, 2], 3],
    # A version is text where a model is described, and a number where it is counted.
    """(() => {
      seconds.push({models: [{model: 'm', version: 20260131120000, requests_per_s: 4, p99_us: 9}]});
      const did = lately10({model: 'm', version: '20260131120000'});
      seconds.pop();
      return [did.p99_us, did.share];
    })()""": [9, 1],
    """(() => {
      facts.unfit.push({model: 'm', version: 2});
      const found = [isUnfit({model: 'm', version: '2'}), isUnfit({model: 'm', version: '3'})];
      facts.unfit.pop();
      return found;
    })()""": [True, False],
}


def look_at_page(drive):
    """What a page at the width of a desk and of a phone leaves its place, and what its words say."""
    for claim, right in CLAIMS.items():
        found = drive("/execute/sync", script=f"return {claim}", args=[])
        if found != right:
            sys.exit(f"the page's {claim} is {found}, expected {right}")
    for width in (1280, 390):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        drive("/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=size)
        drive("/execute/sync", script=WIDE, args=[])
        outside = drive("/execute/sync", script=OUTSIDE, args=[])
        scrolls = drive("/execute/sync", script=SCROLLS, args=[])
        if outside or scrolls:
            sys.exit(f"at {width} px {outside} leaves its card, and {scrolls} scrolls")
    said = drive("/execute/sync", script="return document.body.innerText", args=[])
    missing = [text for text in ("up ", "embedded:", "1,000 users", "last import", "Requests/s",
                                 "HTTP and the rest") if text not in said]
    if missing:
        sys.exit(f"the page does not say {missing}:\n{said}")


def check_drain(process, serving, admin):
    """A connection in the middle of its request holds the drain up; /readyz says so meanwhile."""
    connection = http.client.HTTPConnection("127.0.0.1", serving, timeout=10)
    connection.putrequest("POST", "/predict")
    connection.putheader("content-length", "30")
    connection.endheaders(b'{"user_id": ')
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    said = json.loads(expect(503, admin, "GET", "/readyz"))
    if not said["reasons"]["draining"]:
        sys.exit(f"/readyz does not say that it drains: {said}")
    connection.send(b'"applicant-0001" }')
    if connection.getresponse().status != 200:
        sys.exit("what was accepted before the stop was not answered")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--binary", default=BINARY, type=Path)
    binary = arguments.parse_args().binary
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        serving, admin, process = stack.enter_context(
            gateway(folder, binary, ["--models", decide(folder)]))
        check_without_token(admin)
        check_stream(admin)
        check_page(admin, serving, folder)
        check_drain(process, serving, admin)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, admin = Path(name), free_port()
        (folder / "token").write_text(TOKEN + "\n")
        arguments = ["--admin", f"0.0.0.0:{admin}", "--admin-token-file", folder / "token"]
        stack.enter_context(gateway(folder, binary, arguments, admin))
        check_with_token(admin)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        admin = free_port()
        stack.enter_context(gateway(Path(name), binary, ["--admin", f"0.0.0.0:{admin}"], admin))
        wait_for(f"http://127.0.0.1:{admin}/metrics", "the admin port")
        expect(403, admin, "GET", "/config")
        expect(403, admin, "POST", "/reload", JSON, "{}")
    print("the admin port serves everyone, and obeys operators only")


if __name__ == "__main__":
    main()
