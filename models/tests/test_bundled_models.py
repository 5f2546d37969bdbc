"""The committed models are what train.py makes, and score as their golden files say."""

import csv
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pandas
import pytest

import train
from shardgate.exporter.exporting import onnx_scores

MODELS = Path(__file__).parents[1]
NUMERIC = "bench-credit-numeric"
NAMES = [NUMERIC, "demo-logistic"]


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


def test_onnx_runtime_gives_the_golden_scores_of_texts():
    folder = MODELS / "credit-risk"
    about = description("credit-risk")
    frame = pandas.read_csv(folder / "features.csv", keep_default_na=False)
    frame.columns = [name.removesuffix(":text") for name in frame]
    texts = {column["name"] for column in about["columns"] if column["type"] == "text"}
    assert {name for name in frame if frame[name].dtype == object} - {"user_id"} == texts
    proto = onnx.load(folder / "1" / "model.onnx")
    found = onnx_scores(proto, frame.drop(columns="user_id"))[:, about["output"]["class"]]
    expected = [float(row["score"]) for row in read(folder / "golden.csv")]
    assert len(expected) == 1000 and np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("name", [NUMERIC, "credit-risk"])
def test_every_applicant_is_scored_and_within_the_ranges(name):
    about = description(name)
    rows = read(MODELS / name / "features.csv")
    assert len(rows) == len(read(MODELS / name / "golden.csv")) == 1000
    numbers = [column for column in about["columns"] if column["type"] != "text"]
    assert len(numbers) == (32 if name == NUMERIC else 7)
    for column in numbers:
        low, high = column["range"]
        values = [float(row[column["name"]]) for row in rows]
        assert low <= min(values) and max(values) <= high, column["name"]
        assert column["quantiles"] == sorted(column["quantiles"])


def test_the_shares_of_texts_are_those_of_the_applicants():
    rows = read(MODELS / "credit-risk" / "features.csv")
    texts = [column for column in description("credit-risk")["columns"] if column["type"] == "text"]
    assert len(texts) == 11
    for column in texts:
        cells = [row[f"{column['name']}:text"] for row in rows]
        expected = {text: cells.count(text) / 1000 for text in set(cells)}
        assert column["shares"] == pytest.approx(expected), column["name"]


def test_rows_at_a_threshold_score_the_same_in_both():
    rows = read(MODELS / NUMERIC / "golden_edges.csv")
    columns = [column["name"] for column in description(NUMERIC)["columns"]]
    proto = onnx.load(MODELS / NUMERIC / "1" / "model.onnx")
    found = onnx_scores(proto, features(rows, columns))[:, 1]
    expected = np.array([float(row["score"]) for row in rows])
    assert np.abs(found - expected).max() < 1e-5
    assert len(np.unique(expected)) > len(rows) // 3


def test_training_again_makes_the_same_models(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "FOLDER", tmp_path)
    train.train_credit_risk()
    train.train_bench_credit_numeric()
    train.train_demo_logistic()
    for name in [*NAMES, "credit-risk"]:
        for file in ("model.toml", "features.csv"):
            assert (tmp_path / name / file).read_text() == (MODELS / name / file).read_text()
        # Another processor may round the last digit another way.
        again, committed = (read(folder / name / "golden.csv") for folder in (tmp_path, MODELS))
        assert [row["user_id"] for row in again] == [row["user_id"] for row in committed]
        assert [float(row["score"]) for row in again] == pytest.approx(
            [float(row["score"]) for row in committed], abs=1e-9)
