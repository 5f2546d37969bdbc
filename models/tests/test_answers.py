"""What export.py writes of answers: calibrations of the score alone, labels, decisions, points, reasons."""

import csv
import joblib
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from shardgate.exporter.exporting import ExportError

from tools import LABELS, ROWS, export_model

GB = GradientBoostingClassifier(n_estimators=8, random_state=0).fit(ROWS, LABELS)
SCORES = GB.predict_proba(ROWS)[:, 1]
ISOTONIC = IsotonicRegression(out_of_bounds="clip").fit(SCORES, LABELS)
SCALE = ["--points", "600", "--odds", "50", "--pdo", "20"]


def dumped(folder, held):
    joblib.dump(held, folder / "curve.pkl")
    return ["--calibration", str(folder / "curve.pkl")]


def rows_of(folder, rows=ROWS):
    np.savetxt(folder / "rows.csv", rows, delimiter=",", header="a,b,c", comments="", fmt="%.9g")
    return ["--rows", str(folder / "rows.csv")]


def scores_of(golden):
    return np.array([float(row["score"]) for row in golden])


@pytest.mark.parametrize("curve", [
    ISOTONIC, LogisticRegression().fit(SCORES[:, np.newaxis], LABELS)], ids=["isotonic", "sigmoid"])
def test_a_calibration_of_the_score_alone(tmp_path, curve):
    """The library's: the calibrator asked about the model's score."""
    about, golden = export_model(tmp_path, GB, *dumped(tmp_path, curve), *rows_of(tmp_path))
    assert about["output"]["calibration"] == ("isotonic" if curve is ISOTONIC else "sigmoid")
    assert "members" not in about["output"]
    rows = np.array([[float(row[name]) for name in "abc"] for row in golden])
    scores = GB.predict_proba(rows)[:, 1]
    expected = (curve.predict(scores) if curve is ISOTONIC
                else curve.predict_proba(scores[:, np.newaxis])[:, 1])
    assert np.abs(scores_of(golden) - expected).max() < 1e-12


def test_a_margin_becomes_a_probability(tmp_path):
    model = LinearSVC().fit(ROWS, LABELS)
    margins = model.decision_function(ROWS)[:, np.newaxis]
    curve = LogisticRegression().fit(margins, LABELS)
    about, golden = export_model(tmp_path, model, *dumped(tmp_path, curve), *SCALE,
                                 "--probabilities")
    assert about["output"]["probabilities"] and "of" not in about["output"]["scale"]
    assert 0 <= scores_of(golden).min() and scores_of(golden).max() <= 1


def test_a_file_of_knots_is_taken_as_it_is(tmp_path):
    path = tmp_path / "knots.csv"
    path.write_text("x, y\n0.1,0.05\n0.30000000000000004,0.2\n0.9,1\n")
    export_model(tmp_path, GB, "--calibration", str(path))
    with (tmp_path / "mine" / "1" / "calibration.csv").open(newline="") as file:
        found = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    assert found == [(0.1, 0.05), (0.1 + 0.2, 0.2), (0.9, 1.0)]


@pytest.mark.parametrize("text, said", [
    ("p,q\n1,2\n", "its columns are p,q, expected x,y"), ("x,y\n1,two\n", "line 2: expected two numbers"),
    ("a,b\n", "0 rows, expected one"), ("a,b\n1,2\n3,4\n", "2 rows, expected one"),
    ("x,y\n1,0\n0,1\n", "the gateway refuses the model: .*sort them by"),
])
def test_knots_that_are_none(tmp_path, text, said):
    path = tmp_path / "knots.csv"
    path.write_text(text)
    with pytest.raises(ExportError, match=said):
        export_model(tmp_path, GB, "--calibration", str(path))
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("held, said", [
    (IsotonicRegression().fit(SCORES, LABELS), "out_of_bounds='nan'"),
    (IsotonicRegression(out_of_bounds="clip"), "isn't fitted"),
    (LogisticRegression().fit(ROWS, LABELS), "isn't one of two classes by one score"),
    (Ridge(), "a Ridge isn't a calibrator"),
])
def test_calibrators_that_are_none(tmp_path, held, said):
    with pytest.raises(ExportError, match=f"--calibration: .*{said}"):
        export_model(tmp_path, GB, *dumped(tmp_path, held))


def test_decisions_points_and_reasons_are_tables(tmp_path):
    about, _ = export_model(tmp_path, GB, *SCALE, "--bands", "approve<0.05, review < 0.2,decline",
                            "--probabilities", "--label", "--adverse", "low")
    output = about["output"]
    assert output["scale"] == {"points": 600.0, "odds": 50.0, "pdo": 20.0}
    assert output["bands"] == [{"below": 0.05, "decision": "approve"},
                               {"below": 0.2, "decision": "review"}, {"decision": "decline"}]
    assert output["probabilities"] and output["label"] and output["class"] == 1
    assert output["adverse"] == "low"


def test_the_points_of_a_margin_are_of_log_odds(tmp_path):
    about, _ = export_model(tmp_path, LinearSVC().fit(ROWS, LABELS), *SCALE)
    assert about["output"]["scale"]["of"] == "log-odds"


def test_reasons_need_a_model_that_is_explained(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(ROWS, LABELS)
    about, _ = export_model(tmp_path, model, "--explain", columns="a,b,c")
    assert about["explain"] == {"max_reasons": 4}


@pytest.mark.parametrize("model, labels", [
    (HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]), True),
    (HistGradientBoostingClassifier(max_iter=3), False), (LogisticRegression(), False),
], ids=["categories", "trees", "linear"])
def test_labels_are_written_where_the_file_has_none(tmp_path, model, labels):
    rows = np.floor(np.abs(ROWS))
    model = model.fit(rows, np.where(LABELS == 1, "bad", "good"))
    about, _ = export_model(tmp_path, model, "--class", "bad", *rows_of(tmp_path, rows))
    assert about["output"].get("labels") == (["bad", "good"] if labels else None)


def test_the_shares_of_scores_are_those_of_the_rows(tmp_path):
    about, golden = export_model(tmp_path, GB, *rows_of(tmp_path))
    shares, scores = np.array(about["output"]["shares"]), scores_of(golden)
    assert len(shares) == 20 and abs(shares.sum() - 1) < 1e-6
    for place, share in enumerate(shares):
        begin = place / 20 if place else -1
        assert share == pytest.approx(((scores > begin) & (scores <= (place + 1) / 20)).mean(), abs=1e-6)


def test_nothing_is_known_of_shares_without_rows_or_of_margins(tmp_path):
    about, _ = export_model(tmp_path, GB)
    assert "shares" not in about["output"]
    other = tmp_path / "other"
    other.mkdir()
    about, _ = export_model(other, LinearSVC().fit(ROWS, LABELS), *rows_of(other))
    assert "shares" not in about["output"]


@pytest.mark.parametrize("flags, said", [
    (["--points", "600"], "--odds, --pdo is missing"),
    (["--bands", "approve,decline"], "'approve': expected NAME<NUMBER"),
    (["--bands", "approve<0.5"], "expected a name alone, as the last one"),
    (["--bands", "approve<x,decline"], "expected a number above the band before"),
    (["--bands", "approve<0.5,review<0.5,decline"], "expected a number above the band before"),
    (["--bands", "approve<0.5,<0.6,decline"], "expected NAME<NUMBER"),
])
def test_flags_that_say_nothing(tmp_path, flags, said):
    with pytest.raises(ExportError, match=said):
        export_model(tmp_path, GB, *flags)
    assert not (tmp_path / "mine").exists()


def test_a_regressor_has_no_classes_and_no_odds(tmp_path):
    model = Ridge().fit(ROWS, LABELS)
    for flags, said in [(["--label"], "no classifier"), (SCALE, "no probability")]:
        with pytest.raises(ExportError, match=said):
            export_model(tmp_path, model, *flags)
    with pytest.raises(ExportError, match="is a margin and no probability"):
        export_model(tmp_path, LinearSVC().fit(ROWS, LABELS), "--probabilities")
