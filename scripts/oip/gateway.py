"""A gateway process for a check, and what its bundled model is known to answer."""

import csv
import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import BINARY, ROOT, free_port, wait_for  # noqa: E402

MODEL = "bench-credit-numeric"
TOLERANCE = 1e-5


class Gateway:
    """A gateway; everything it writes goes to a temporary folder."""

    def __init__(self, binary, models=ROOT / "models", port=None, config=None):
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"127.0.0.1:{port or free_port()}"
        self.admin = f"127.0.0.1:{free_port()}"
        store = f"embedded:{self.folder.name}/features"
        subprocess.run(
            [binary, "import", ROOT / "models" / MODEL / "features.csv", "--store", store],
            check=True, capture_output=True,
        )
        command = [binary, "serve", "--listen", self.url, "--admin", self.admin]
        command += ["--cores", "0", "--models", models, "--model", MODEL, "--store", store]
        if config:
            (Path(self.folder.name) / "shardgate.toml").write_text(config)
            command += ["--config", Path(self.folder.name) / "shardgate.toml"]
        self.log = open(Path(self.folder.name) / "log", "w+")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def __enter__(self):
        wait_for(f"http://{self.url}/v2/health/ready", self.url, self.process, self.log.name)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.log.close()
        self.folder.cleanup()
        assert code == 0, f"the gateway ended with {code}"

    def predict(self, user, **headers):
        """The status of a prediction, and its score or error."""
        request = urllib.request.Request(
            f"http://{self.url}/predict", data=json.dumps({"user_id": user}).encode(),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)["score"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]


def golden():
    """The model's columns, users, their features, and scikit-learn's scores."""
    with open(ROOT / "models" / MODEL / "features.csv", newline="") as file:
        rows = list(csv.reader(file))
    features = {row[0]: [float(cell) for cell in row[1:]] for row in rows[1:]}
    with open(ROOT / "models" / MODEL / "golden.csv", newline="") as file:
        scores = [(row["user_id"], float(row["score"])) for row in csv.DictReader(file)]
    users = [(user, score) for user, score in scores if user in features][:100]
    return (
        rows[0][1:],
        [user for user, _ in users],
        np.array([features[user] for user, _ in users]),
        np.array([score for _, score in users]),
    )
