"""The committed models are what train.py makes, and score as their golden files say."""

import csv
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest

import train
from exporting import onnx_scores

MODELS = Path(__file__).parents[1]
NAMES = ["credit-risk", "demo-logistic"]


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def description(name):
    return tomllib.loads((MODELS / name / "model.toml").read_text(encoding="utf-8"))


def features(rows, columns):
    return np.array([[row[name] for name in columns] for row in rows], dtype=np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_gives_the_golden_scores(name):
    folder = MODELS / name
    about = description(name)
    columns = [column["name"] for column in about["columns"]]
    users = {row["user_id"]: row for row in read(folder / "features.csv")}
    users["unknown"] = {column["name"]: column["default"] for column in about["columns"]}
    golden = read(folder / "golden.csv")
    rows = features([users[row["user_id"]] for row in golden], columns)
    proto = onnx.load(folder / "1" / "model.onnx")
    found = onnx_scores(proto, rows)[:, about["output"]["class"]]
    expected = np.array([float(row["score"]) for row in golden])
    assert np.abs(found - expected).max() < 1e-5


def test_every_applicant_is_scored_and_within_the_ranges():
    about = description("credit-risk")
    rows = read(MODELS / "credit-risk" / "features.csv")
    assert len(rows) == len(read(MODELS / "credit-risk" / "golden.csv")) == 1000
    for column in about["columns"]:
        low, high = column["range"]
        values = [float(row[column["name"]]) for row in rows]
        assert low <= min(values) and max(values) <= high, column["name"]
        assert column["quantiles"] == sorted(column["quantiles"])


def test_rows_at_a_threshold_score_the_same_in_both():
    rows = read(MODELS / "credit-risk" / "golden_edges.csv")
    columns = [column["name"] for column in description("credit-risk")["columns"]]
    proto = onnx.load(MODELS / "credit-risk" / "1" / "model.onnx")
    found = onnx_scores(proto, features(rows, columns))[:, 1]
    expected = np.array([float(row["score"]) for row in rows])
    assert np.abs(found - expected).max() < 1e-5
    assert len(np.unique(expected)) > len(rows) // 3


def test_training_again_makes_the_same_files(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "FOLDER", tmp_path)
    train.train_credit_risk()
    train.train_demo_logistic()
    for name in NAMES:
        for made in (file for file in (tmp_path / name).rglob("*") if file.is_file()):
            committed = MODELS / name / made.relative_to(tmp_path / name)
            assert made.read_bytes() == committed.read_bytes(), made
