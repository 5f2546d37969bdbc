"""The German credit data as it comes, end to end: pandas to a pickle, export.py, `shardgate import`,
`shardgate serve`, `/predict` and tensors. Every score is the library's own within 1e-6."""

import http.client
import importlib.util
import json
import shutil
import subprocess
import tomllib

import joblib
import numpy as np
import pytest

from shardgate.exporter import command
from shardgate.exporter import gateway
import german
from support import free_port, running, wait_for

TOLERANCE = 1e-6
SAMPLE = range(0, 1000, 40)
BATCH = 250


class Served:
    """A gateway that serves all models, each also as one that reads the request's own fields."""

    def __init__(self, folder, port, models):
        self.folder, self.models = folder, models
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, path, body):
        self.connection.request("POST", path, json.dumps(body))
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def defaults(self, name):
        about = tomllib.loads((self.folder / "models" / name / "model.toml").read_text())
        return {column["name"]: column for column in about["columns"]}

    def expected(self, name, rows):
        """The library's scores of rows, one by one; None where it has none. A text that is missing has
        the column's default where model.toml says so."""
        columns = self.defaults(name)
        rows = rows.copy()
        for text in german.TEXTS:
            if columns[text]["nan"] == "default":
                rows[text] = rows[text].where(rows[text].notna(), columns[text]["default"])
        scores = [german.library_score(name, self.models[name], rows.iloc[[place]])
                  for place in range(len(rows))]
        return [None if score is None else score[0] for score in scores]


def is_installed(name):
    """Whether the library of a model is here; scikit-learn always is."""
    return name in ("one-hot", "ordinal", "calibrated") or importlib.util.find_spec(name) is not None


NAMES = [name if is_installed(name) else
         pytest.param(name, marks=pytest.mark.skip(f"{name} isn't installed"))
         for name in german.MODELS]


def write_features(path):
    """All applicants and the odd ones; the import finds out which columns are text."""
    odd = german.odd_rows()
    frame = german.FRAME.astype(object)
    frame.insert(0, "user_id", german.USERS)
    odd.insert(0, "user_id", list(german.ODD))
    german.pandas.concat([frame, odd]).to_csv(path, index=False)


def reads_requests(folder, name):
    """A copy of a model whose columns are fields of the request."""
    copy = folder / f"{name}-request"
    shutil.copytree(folder / name, copy)
    text = (copy / "model.toml").read_text(encoding="utf-8")
    (copy / "model.toml").write_text(text.replace('source = "store"', 'source = "request"'),
                                     encoding="utf-8")
    return copy.name


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("german")
    german.FRAME.to_csv(folder / "rows.csv", index=False)
    write_features(folder / "features.csv")
    models = {}
    for name, train in german.MODELS.items():
        if not is_installed(name):
            continue
        models[name] = train()
        joblib.dump(models[name], folder / f"{name}.pkl")
        given = [str(folder / f"{name}.pkl"), "--name", name, "--rows", str(folder / "rows.csv"),
                 "--output-dir", str(folder / "models"), "--label"]
        assert command.main(given) == 0, name
    names = [*models, *(reads_requests(folder / "models", name) for name in models)]
    program = str(gateway.find(None))
    store = f"embedded:{folder / 'store'}"
    subprocess.run([program, "import", folder / "features.csv", "--store", store], check=True,
                   capture_output=True)
    port, admin = free_port(), free_port()
    serving = [program, "serve", "--models", folder / "models", "--store", store, "--cores", "0",
               "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    for name in names:
        serving += ["--model", name]
    with (folder / "log").open("w") as log, running(serving, stdout=log, stderr=log) as process:
        wait_for(f"http://127.0.0.1:{admin}/readyz", "the gateway", process, log.name)
        yield Served(folder, port, models)


@pytest.mark.parametrize("name", NAMES)
def test_all_applicants_by_user(served, name):
    expected = german.library_score(name, served.models[name], german.FRAME)
    found = []
    for first in range(0, len(german.USERS), BATCH):
        users = german.USERS[first : first + BATCH]
        status, answer = served.ask(f"/predict/{name}", [{"user_id": user} for user in users])
        assert status == 200 and [one["user_id"] for one in answer] == users, answer
        found += [one["score"] for one in answer]
    difference = np.abs(np.array(found) - expected).max()
    print(f"{name}: {len(found)} applicants, largest difference {difference:.1e}")
    assert difference <= TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_all_applicants_with_their_probabilities(served, name):
    """Each class's, and the label of the most probable one."""
    frame = german.FRAME
    if name in ("lightgbm", "xgboost"):
        frame = frame.astype(german.categories())
    expected, labels = served.models[name].predict_proba(frame), served.models[name].predict(frame)
    found = []
    for first in range(0, len(german.USERS), BATCH):
        asked = [{"user_id": user, "probabilities": True}
                 for user in german.USERS[first : first + BATCH]]
        status, answer = served.ask(f"/predict/{name}", asked)
        assert status == 200, answer
        found += answer
    shares = np.array([[one["probabilities"]["0"], one["probabilities"]["1"]] for one in found])
    print(f"{name}: largest difference {np.abs(shares - expected).max():.1e}")
    assert np.abs(shares - expected).max() <= TOLERANCE
    assert all(one["score"] == one["probabilities"]["1"] for one in found)
    assert [one["label"] for one in found] == [str(label) for label in labels]


def fields(row):
    return {name: value if isinstance(value, str) or value is None else float(value)
            for name, value in row.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_by_the_requests_own_fields(served, name):
    expected = german.library_score(name, served.models[name], german.FRAME.iloc[SAMPLE])
    for place, score in zip(SAMPLE, expected, strict=True):
        body = {"user_id": "nobody", **fields(german.FRAME.iloc[place])}
        status, answer = served.ask(f"/predict/{name}-request", body)
        assert status == 200, answer
        assert abs(answer["score"] - score) <= TOLERANCE, (place, answer, score)


def tensors(rows):
    def tensor(name):
        is_text = name in german.TEXTS
        values = rows[name].tolist() if is_text else rows[name].astype(float).tolist()
        return {"name": name, "datatype": "BYTES" if is_text else "FP32", "shape": [len(rows), 1],
                "data": values}
    return {"inputs": [tensor(name) for name in rows]}


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_by_tensors(served, name):
    rows = german.FRAME.iloc[SAMPLE]
    status, answer = served.ask(f"/v2/models/{name}/infer", tensors(rows))
    assert status == 200, answer
    found = next(one["data"] for one in answer["outputs"] if one["name"] == "score")
    expected = german.library_score(name, served.models[name], rows)
    assert np.abs(np.array(found) - expected).max() <= TOLERANCE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["store", "fields", "tensors"])
def test_odd_texts_score_as_the_library_does_or_are_refused(served, name, path):
    """Unseen, missing, empty, beyond ASCII and long ones."""
    rows = german.odd_rows()
    if path == "store":
        # In CSV the empty text is a missing one.
        rows = rows.replace({"": None})
    expected = served.expected(name, rows)
    scored = 0
    for place, (user, score) in enumerate(zip(german.ODD, expected, strict=True)):
        row = rows.iloc[place]
        if path == "store":
            status, answer = served.ask(f"/predict/{name}", {"user_id": user})
        elif path == "fields":
            body = {"user_id": "nobody", **fields(row)}
            status, answer = served.ask(f"/predict/{name}-request", body)
        elif row.isna().any():
            continue  # A tensor has no place for what is missing.
        else:
            status, answer = served.ask(f"/v2/models/{name}/infer", tensors(rows.iloc[[place]]))
        if score is None:
            assert status == {"store": 503, "fields": 422, "tensors": 400}[path], (user, answer)
            continue
        assert status == 200, (user, answer)
        found = answer["score"] if path != "tensors" else next(
            one["data"][0] for one in answer["outputs"] if one["name"] == "score")
        assert abs(found - score) <= TOLERANCE, (user, found, score)
        scored += 1
    assert scored >= (1 if name == "xgboost" else 5) - (path == "tensors")


def test_every_version_has_its_librarys_own_file(served):
    files = {name: {path.name for path in (served.folder / "models" / name / "1").iterdir()}
             for name in served.models}
    assert "calibration.csv" in files["calibrated"]
    files["calibrated"].remove("calibration.csv")
    own = {"one-hot": "model.onnx", "ordinal": "model.onnx", "calibrated": "model.onnx",
           "lightgbm": "model.txt",
           "xgboost": "model.ubj", "catboost": "model.cbm"}
    assert files == {name: {own[name], "golden.csv"} for name in served.models}
