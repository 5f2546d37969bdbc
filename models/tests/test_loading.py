"""What is no fitted estimator in a pickle is named, with what to do: one line, and no traceback."""

import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.svm import OneClassSVM

from shardgate.exporter import command

from tools import LABELS, ROWS


def said(tmp_path, capsys, path, *more):
    """The one line that an export of `path` ends with."""
    given = [str(path), "--columns", "a,b,c", "--name", "mine", "--output-dir", str(tmp_path), *more]
    assert command.main(given) == 1
    lines = [line for line in capsys.readouterr().err.splitlines()
             if not line.startswith("warning: loading a pickle")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("python -m shardgate.exporter: error: "), lines
    assert not (tmp_path / "mine").exists()
    return lines[0]


def dumped(tmp_path, held):
    path = tmp_path / "model.pkl"
    joblib.dump(held, path)
    return path


@pytest.mark.parametrize("held, expected", [
    ({"model": 1, "columns": 2}, "holds a dict (model, columns): pickle the fitted estimator alone"),
    ([1, 2], "holds a list, which scores nothing"),
    (np.zeros(3), "holds a ndarray, which scores nothing"),
    (LogisticRegression, "holds LogisticRegression, which scores nothing"),
    (LogisticRegression(), "holds a LogisticRegression that isn't fitted: pickle it after fit()"),
])
def test_what_scores_nothing(tmp_path, capsys, held, expected):
    assert expected in said(tmp_path, capsys, dumped(tmp_path, held))


@pytest.mark.parametrize("name, start, expected", [
    ("model.txt", b"tree\nversion=v4\n", "model file of lightgbm, which "),
    ("model.json", b'{"learner":{}}', "model file of xgboost, which "),
    ("model.ubj", b"{L\x00\x00", "model file of xgboost, which "),
    ("model.cbm", b"CBM1\x00", "model file of catboost, which "),
    ("model.bin", b"binf\x00", "an old model file of XGBoost, not a pickle: load it and save it"),
    ("model.onnx", b"\x08\x08", "an ONNX file, not a pickle: it needs no export: put it into"),
    ("model.pt", b"PK\x03\x04", "a file of PyTorch, not a pickle: export it by torch.onnx.export"),
    ("model.h5", b"\x89HDF\r\n", "a model file of Keras, not a pickle: convert it by tf2onnx"),
    ("model.pkl", b"hello", "not a pickle that loads here"),
    ("model.pkl", b"", "not a pickle that loads here"),
])
def test_files_of_other_kinds(tmp_path, capsys, name, start, expected):
    path = tmp_path / name
    path.write_bytes(start)
    assert expected in said(tmp_path, capsys, path)


def test_a_pickle_that_needs_what_is_not_here(tmp_path, capsys):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cnosuchpackage.models\nModel\n.")
    assert "needs the package nosuchpackage, which isn't installed" in said(tmp_path, capsys, path)
    path.write_bytes(b"c__main__\nMine\n.")
    assert "needs code that isn't here: put it into a module" in said(tmp_path, capsys, path)
    assert "No such file" in said(tmp_path, capsys, tmp_path / "none.pkl")


@pytest.mark.parametrize("model, more, expected", [
    (KMeans(3, n_init=1).fit(ROWS), (), "the library gives scores of shape (200, 1)"),
    (KMeans(3, n_init=1).fit(ROWS), ("--double",), "the library gives scores of shape (200, 1)"),
    (OneClassSVM().fit(ROWS), (), "another server can compute"),
    (RandomForestClassifier(2).fit(ROWS, np.c_[LABELS, 1 - LABELS]), (), "export one estimator for"),
    (RandomForestRegressor(2).fit(ROWS, ROWS[:, :2]), (), "--class: the model has 2 targets"),
    (RandomForestRegressor(2).fit(ROWS, ROWS[:, :2]), ("--class", "2"), "from 0 to 1"),
])
def test_estimators_that_cannot_be_exported(tmp_path, capsys, model, more, expected):
    assert expected in said(tmp_path, capsys, dumped(tmp_path, model), *more)


def test_a_fault_of_the_exporter_is_one_line_too(tmp_path, capsys, monkeypatch):
    def broken(*_, **__):
        raise KeyError("inside\nof a converter")

    path = dumped(tmp_path, LogisticRegression().fit(ROWS, LABELS))
    monkeypatch.setattr("shardgate.exporter.subjects.to_onnx", broken)
    line = said(tmp_path, capsys, path)
    assert "KeyError" in line and "--traceback shows where" in line
    given = [str(path), "--columns", "a,b,c", "--name", "mine", "--output-dir", str(tmp_path),
             "--traceback"]
    assert command.main(given) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_the_command_has_the_status_of_its_outcome(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({}))
    script = Path(__file__).parents[1] / "export.py"
    given = [sys.executable, script, path, "--columns", "a", "--name", "mine"]
    ended = subprocess.run(given, capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr.splitlines()[-1].startswith("export.py: error: ")
    assert "Traceback" not in ended.stderr
