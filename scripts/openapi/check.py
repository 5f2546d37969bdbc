"""Holds a running gateway to its own description.

    scripts/openapi/check.py [--binary target/release/shardgate] [--examples 40]

Serves models that read the store, the request and texts of both, validates /openapi.json against
OpenAPI 3.1, and has schemathesis ask everything that it describes, rightly and wrongly: nothing may end
in a 5xx, and every answer has to be one that is described. The admin port has to say the same, and to
send a request for its page.
"""

import argparse
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from openapi_spec_validator import validate

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import BINARY, ROOT, gateway, get  # noqa: E402

# What a lenient reader takes beyond what is described is no defect: members that no column has are
# ignored, and what is described as one type is read as others too.
LENIENT = "positive_data_acceptance,negative_data_rejection"


def models(folder):
    """credit-risk as it is, with two of its columns from the request, and a model of requests alone."""
    found = folder / "models"
    for name, copy, asked in [
        ("credit-risk", "credit-risk", []),
        ("credit-risk", "asked", ["purpose", "credit_amount"]),
        ("demo-logistic", "requests", ["feature_1", "feature_2", "feature_3"]),
    ]:
        shutil.copytree(ROOT / "models" / name, found / copy)
        manifest = found / copy / "model.toml"
        text = manifest.read_text()
        for column in asked:
            start = text.index(f'name = "{column}"')
            text = text[:start] + text[start:].replace('source = "store"', 'source = "request"', 1)
        manifest.write_text(text)
    return found


def ask(port, path, body, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"content-type": "application/json", **headers}
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def check_examples(serving, described):
    """Every example that is described is answered as one that is right."""
    asked = 0
    for path, operations in described["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for media in content.values():
            status, answer = ask(serving, path, media["example"])
            assert status == 200, (path, media["example"], answer)
            asked += 1
    assert asked >= 10, asked


def check_fields(described):
    row = described["components"]["schemas"]["asked.row"]["properties"]
    listed = row["purpose"]["anyOf"][0]["enum"]
    assert "car (new)" in listed or len(listed) > 3, listed
    assert row["credit_amount"]["type"][0] in ("number", "integer"), row["credit_amount"]
    assert "property" not in row, "a stored column is no field of requests"


def check_admin(admin, described):
    of_admin = json.loads(get(f"http://127.0.0.1:{admin}/openapi.json"))
    # Writes are taken there, and by the serving port only where that is configured.
    paths = {path: it for path, it in of_admin["paths"].items() if path in described["paths"]}
    assert paths == described["paths"]
    written = set(of_admin["paths"]) - set(paths)
    assert all(path.startswith("/v2/features/") for path in written), written
    page = get(f"http://127.0.0.1:{admin}/docs")
    assert "/docs/send" in page and "src=\"http" not in page and "href=\"http" not in page
    request = {"method": "POST", "path": "/predict", "body": "{\"user_id\": \"applicant-0001\"}"}
    status, sent = ask(admin, "/docs/send", request)
    assert status == 200 and sent["status"] == 200, sent
    assert "score" in json.loads(sent["body"]), sent
    status, _ = ask(admin, "/docs/send", request, origin="http://elsewhere.example")
    assert status == 403, status
    request["path"] = "/v2/repository/models/requests/unload"
    status, _ = ask(admin, "/docs/send", request)
    assert status == 400, status


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", type=Path, default=BINARY)
    parser.add_argument("--examples", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        served = ["--models", models(folder)]
        for name in ["credit-risk", "asked", "requests"]:
            served += ["--model", name]
        with gateway(folder, arguments.binary, served) as (serving, admin, process):
            url = f"http://127.0.0.1:{serving}"
            described = json.loads(get(f"{url}/openapi.json"))
            validate(described)
            check_examples(serving, described)
            check_fields(described)
            check_admin(admin, described)
            tried = subprocess.run(
                [Path(sys.executable).with_name("schemathesis"), "--config-file",
                 HERE / "schemathesis.toml", "run", f"{url}/openapi.json", "--checks", "all",
                 "--exclude-checks", LENIENT, "--max-examples", str(arguments.examples),
                 "--generation-database", "none", "--seed", "1"],
                cwd=folder)
            assert tried.returncode == 0, "schemathesis found answers that are not as described"
            assert process.poll() is None, "the gateway ended"
    print("the gateway is as it describes itself")


if __name__ == "__main__":
    main()
