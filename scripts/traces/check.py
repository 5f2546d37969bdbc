"""Sends traces of a running gateway to the collector of the OpenTelemetry project.

    scripts/traces/check.py [--binary target/release/shardgate] [--collector PATH]

Without --collector it is built from its Go modules (scripts/traces/collector) into .cache/, which takes some
minutes. The collector prints every span that it takes; they are compared with what was asked.
"""

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import BINARY, ROOT, free_port, gateway, get, running  # noqa: E402

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CONFIG = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:{port}
exporters:
  debug:
    verbosity: detailed
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [debug]
"""


def built():
    """The collector, built where it is not there yet."""
    found = ROOT / ".cache/collector"
    if not found.exists():
        subprocess.run(["go", "build", "-o", found, "."], cwd=HERE / "collector", check=True)
    return found


def spans(text):
    """The spans that the collector printed: fields and attributes."""
    found = []
    for part in re.split(r"^\s*Span #\d+\s*$", text, flags=re.MULTILINE)[1:]:
        part = re.split(r"^\s*(?:ResourceSpans|ScopeSpans) #|\{\"resource\"", part, flags=re.MULTILINE)[0]
        fields = dict(re.findall(r"^\s*([A-Z][A-Za-z ]*?)\s*: (.*)$", part, re.MULTILINE))
        fields["attributes"] = dict(re.findall(r"-> ([\w.]+): \w+\((.*)\)", part))
        found.append(fields)
    return found


def ask(port, body, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/predict", json.dumps(body), headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def check(folder, binary, collector):
    port = free_port()
    (folder / "collector.yaml").write_text(CONFIG.format(port=port))
    said = folder / "collector.log"
    with said.open("w") as log, running(
            [collector, "--config", f"file:{folder / 'collector.yaml'}"], stdout=log, stderr=log):
        until = time.monotonic() + 60
        while "Everything is ready" not in said.read_text():
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.1)
        config = folder / "shardgate.toml"
        config.write_text(f'[otlp]\nendpoint = "http://127.0.0.1:{port}"\nsample_ratio = 0.0\n'
                          'service_name = "checked"\ninterval_ms = 100\n')
        with gateway(folder, binary, ["--config", str(config)]) as (serving, admin, _):
            user = {"user_id": "applicant-0001"}
            caller = {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "vendor=a1"}
            assert ask(serving, user | {"explain": 2}, **caller) == 200
            assert ask(serving, user) == 200
            assert ask(serving, {}, **caller) == 400
            taken = 'shardgate_spans_exported_total{result="taken"} 2'
            while taken not in get(f"http://127.0.0.1:{admin}/metrics"):
                assert time.monotonic() < until, said.read_text()
                time.sleep(0.1)
        while said.read_text().count("POST /predict") < 2:
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.1)
    return said.read_text()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=Path, default=BINARY)
    parser.add_argument("--collector", type=Path)
    arguments = parser.parse_args()
    collector = arguments.collector or built()
    with tempfile.TemporaryDirectory() as folder:
        text = check(Path(folder), arguments.binary.resolve(), collector.resolve())
    found = spans(text)
    requests = [span for span in found if span["Kind"] == "Server"]
    assert [span["Name"] for span in requests] == ["POST /predict"] * 2, text
    assert all(span["Trace ID"] == TRACE for span in found), text
    assert all(span["Parent ID"] == CALLER for span in requests), text
    explained, refused = requests
    assert explained["TraceState"] == "vendor=a1", explained
    assert explained["attributes"]["shardgate.model.name"] == "credit-risk", explained
    assert refused["attributes"]["http.response.status_code"] == "400", refused
    parts = [span["Name"] for span in found if span["Parent ID"] == explained["ID"]]
    assert parts == ["queue", "features", "model", "explain", "write"], parts
    assert "service.name: Str(checked)" in text, text
    print(f"ok: {len(found)} spans of 2 requests, as the collector reads them")


if __name__ == "__main__":
    main()
