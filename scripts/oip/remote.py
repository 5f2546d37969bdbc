"""Checks models that another server computes: a second gateway, and MLServer with scikit-learn.

The gateway under test joins the features and sends them on. Its answers are held against the
golden predictions, or against the model that MLServer was given; its server is stopped and started
again meanwhile.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

from gateway import BINARY, MODEL, ROOT, TOLERANCE, Gateway, free_port, golden, wait_for

# A server that does not answer is tried again within two seconds.
RECOVERY_S = 10


def repository(folder, url, remote, output):
    """A copy of the bundled model's manifest whose model is at `url`."""
    text = (ROOT / "models" / MODEL / "model.toml").read_text()
    text = re.sub(r"\[output\]\n(.+\n)*", f"[remote]\n{remote}\n[output]\n{output}\n", text)
    model = Path(folder) / MODEL
    model.mkdir()
    (model / "model.toml").write_text(f'backend = "remote"\nurl = "{url}"\n{text}')
    return folder


def check_scores(gateway, users, scores):
    """One by one, and many at once, which the gateway sends on in batches."""
    def score(user):
        status, found = gateway.predict(user)
        assert status == 200, (status, found)
        return found

    for user, expected in zip(users[:10], scores):
        assert abs(score(user) - expected) <= TOLERANCE
    with ThreadPoolExecutor(16) as pool:
        found = np.array(list(pool.map(score, users)))
    assert np.max(np.abs(found - scores)) <= TOLERANCE


def check_gateway(binary):
    _, users, _, scores = golden()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        url = f"http://localhost:{port}/v2/models/{MODEL}"
        models = repository(folder, url, 'input = "input"\ntimeout_ms = 500', "")
        with Gateway(binary, models) as front:
            status, error = front.predict(users[0])
            assert (status, error) == (503, "the model's server did not answer"), (status, error)
            with Gateway(binary, port=port):
                wait_until_served(front, users[0])
                check_scores(front, users, scores)
            # The next start leaves the front with connections that have ended: it is to notice.
            with Gateway(binary, port=port) as back:
                check_scores(front, users, scores)
                back.process.send_signal(19)
                try:
                    status, _ = front.predict(users[0])
                    assert status == 504, status
                    status, _ = front.predict(users[0], x_deadline_ms="50")
                    assert status == 504, status
                finally:
                    back.process.send_signal(18)
                wait_until_served(front, users[0])
                check_scores(front, users, scores)
    print(f"second gateway: {len(users)} golden predictions, and it came back each time")


def wait_until_served(front, user):
    give_up = time.monotonic() + RECOVERY_S
    while front.predict(user)[0] != 200:
        assert time.monotonic() < give_up, "the server is back, and is not asked"
        time.sleep(0.05)


class MlServer:
    """MLServer with one scikit-learn model, in a temporary folder."""

    def __init__(self, classifier):
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        joblib.dump(classifier, folder / "model.joblib")
        port = free_port()
        self.url = f"127.0.0.1:{port}"
        (folder / "model-settings.json").write_text(json.dumps({
            "name": MODEL, "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib"},
        }))
        (folder / "settings.json").write_text(json.dumps({
            "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(),
            "metrics_port": free_port(), "parallel_workers": 0,
        }))
        self.log = open(folder / "log", "w+")
        command = [Path(sys.executable).parent / "mlserver", "start", folder]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=folder)

    def __enter__(self):
        wait_for(f"http://{self.url}/v2/health/ready", self.url, self.process, self.log.name)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()
        self.folder.cleanup()


def check_mlserver(binary):
    _, users, features, scores = golden()
    rows = features.astype(np.float32).astype(float)
    classifier = GradientBoostingClassifier(n_estimators=20, random_state=0)
    classifier.fit(rows, scores > np.median(scores))
    expected = classifier.predict_proba(rows)[:, 1]
    with MlServer(classifier) as server, tempfile.TemporaryDirectory() as folder:
        remote = 'input = "rows"\ndatatype = "FP64"\ntensors = "json"\ntimeout_ms = 5000'
        output = 'tensor = "predict_proba"\nclass = 1\n'
        url = f"http://{server.url}/v2/models/{MODEL}"
        with Gateway(binary, repository(folder, url, remote, output)) as front:
            check_scores(front, users, expected)
    print(f"MLServer: {len(users)} predictions as scikit-learn makes them")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--binary", default=BINARY, type=Path)
    binary = arguments.parse_args().binary
    check_gateway(binary)
    check_mlserver(binary)


if __name__ == "__main__":
    main()
