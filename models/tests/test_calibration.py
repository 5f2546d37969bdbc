"""Calibrated classifiers, exported: the gateway's probabilities are scikit-learn's own, to 1e-12 where
the members' values are of 64 bits."""

import csv
import tomllib

import joblib
import numpy as np
import pandas
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier, ExtraTreesClassifier, GradientBoostingClassifier,
    HistGradientBoostingClassifier, RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

from shardgate.exporter import calibrating
from shardgate.exporter import command
from shardgate.exporter.exporting import ExportError

RANDOM = np.random.default_rng(11)
COUNT = 300
ROWS = RANDOM.normal(5, 2, (COUNT, 3))
TWO = ((ROWS[:, 0] > ROWS[:, 1]) ^ (RANDOM.random(COUNT) < 0.15)).astype(int)
THREE = TWO + (ROWS[:, 2] > 6)
EXACT = 1e-11


def exported(folder, model, *more, rows=None):
    """(what was said, model.toml, the files of the version)."""
    joblib.dump(model, folder / "model.pkl")
    if rows is not None:
        frame = pandas.DataFrame(rows, columns=list("abc")[: np.shape(rows)[1]]) \
            if isinstance(rows, np.ndarray) else rows
        frame.to_csv(folder / "rows.csv", index=False, float_format="%.17g")
        more = (*more, "--rows", str(folder / "rows.csv"))
        if isinstance(rows, np.ndarray):
            more = (*more, "--columns", ",".join(frame))
    given = [str(folder / "model.pkl"), "--name", "mine", "--output-dir", str(folder), *more]
    done = command.export(command.arguments(given))
    about = tomllib.loads((folder / "mine" / "model.toml").read_text(encoding="utf-8"))
    return done, about, done.version_path


def curves(folder):
    with (folder / "calibration.csv").open(newline="") as file:
        return list(csv.DictReader(file))


KNOWN = [
    GradientBoostingClassifier(n_estimators=10), HistGradientBoostingClassifier(max_iter=10),
    RandomForestClassifier(10, random_state=0), ExtraTreesClassifier(10, random_state=0),
    DecisionTreeClassifier(max_depth=4), LogisticRegression(), LinearSVC(), SGDClassifier(),
    make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=5)), GaussianNB(),
]


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("base", KNOWN, ids=lambda base: type(base).__name__)
def test_members_of_two_and_three_classes(tmp_path, base, ensemble, method):
    for labels, more in [(TWO, []), (THREE, ["--class", "1"])]:
        folder = tmp_path / str(len(more))
        folder.mkdir()
        model = CalibratedClassifierCV(base, method=method, ensemble=ensemble, cv=3)
        done, about, version = exported(folder, model.fit(ROWS, labels), *more, rows=ROWS)
        assert done.rows == COUNT and done.difference_gateway < EXACT
        assert done.difference_onnx_runtime < EXACT
        output, members = about["output"], 3 if ensemble else 1
        assert output["calibration"] == method and output["members"] == members
        assert output["labels"] == [str(label) for label in sorted(set(labels))]
        width = 1 if len(more) == 0 else 3
        places = {(row.get("member", "0"), row.get("class", "0")) for row in curves(version)}
        assert len(places) == members * width


def test_what_is_written_here_has_64_bits(monkeypatch):
    """Nothing falls back to 32 unseen."""
    asked, written = [], calibrating.to_onnx

    def spy(model, names, name, double, **more):
        asked.append(double)
        return written(model, names, name, double, **more)

    monkeypatch.setattr(calibrating, "to_onnx", spy)
    for base in KNOWN:
        model = CalibratedClassifierCV(base, cv=2).fit(ROWS, THREE)
        assert calibrating.Calibrated(model, ["a", "b", "c"], "mine").proto.graph.output
    assert len(asked) >= len(KNOWN) and all(asked)


@pytest.mark.parametrize("base", [
    SVC(), SVC(kernel="linear"), SVC(kernel="poly", coef0=1.0), SVC(kernel="sigmoid", gamma=0.01),
    NuSVC(nu=0.3), MLPClassifier((6,), max_iter=200, random_state=0),
], ids=str)
def test_support_vectors_and_a_net(tmp_path, base):
    """Of a support vector machine it is the decision function: its probabilities are none."""
    scaled = make_pipeline(StandardScaler(), base)
    model = CalibratedClassifierCV(scaled, method="isotonic", cv=3).fit(ROWS, TWO)
    done, _, _ = exported(tmp_path, model, rows=ROWS)
    assert done.difference_gateway < 1e-9


BOOSTERS = {
    "lightgbm": ("lightgbm", "LGBMClassifier", {"n_estimators": 15, "verbose": -1}),
    "lightgbm-forest": ("lightgbm", "LGBMClassifier", {
        "n_estimators": 15, "verbose": -1, "boosting_type": "rf", "bagging_freq": 1,
        "bagging_fraction": 0.6}),
    "xgboost": ("xgboost", "XGBClassifier", {"n_estimators": 15}),
    "catboost": ("catboost", "CatBoostClassifier", {
        "iterations": 15, "verbose": 0, "allow_writing_files": False, "thread_count": 1}),
    "catboost-max": ("catboost", "CatBoostClassifier", {
        "iterations": 15, "verbose": 0, "allow_writing_files": False, "nan_mode": "Max"}),
}


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("name", BOOSTERS)
def test_boosters_keep_their_own_precision(tmp_path, name, method):
    """XGBoost computes in 32 bits, and of those scikit-learn makes knots and answers of 32 bits."""
    library, kind, settings = BOOSTERS[name]
    base = getattr(pytest.importorskip(library), kind)(**settings)
    holes = np.where(RANDOM.random(ROWS.shape) < 0.1, np.nan, ROWS)
    for place, (labels, more) in enumerate([(TWO, []), (THREE, ["--class", "1"])]):
        folder = tmp_path / str(place)
        folder.mkdir()
        model = CalibratedClassifierCV(base, method=method, cv=3).fit(holes, labels)
        done, _, _ = exported(folder, model, *more, rows=holes)
        assert done.difference_gateway < (5e-6 if name == "xgboost" else EXACT)


@pytest.mark.parametrize("strategy", ["mean", "median"])
def test_imputers_put_in_numbers_of_64_bits(tmp_path, strategy):
    holes = np.where(RANDOM.random(ROWS.shape) < 0.2, np.nan, ROWS)
    base = make_pipeline(SimpleImputer(strategy=strategy), StandardScaler(), LogisticRegression())
    model = CalibratedClassifierCV(base, method="isotonic", cv=3).fit(holes, TWO)
    done, about, _ = exported(tmp_path, model, rows=holes)
    assert done.difference_gateway < EXACT
    assert {column["nan"] for column in about["columns"]} == {"missing"}
    indicators = make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression())
    other = tmp_path / "other"
    other.mkdir()
    model = CalibratedClassifierCV(indicators, cv=3).fit(holes, TWO)
    done, _, _ = exported(other, model, rows=holes)
    assert done.difference_gateway < 1e-5


def test_an_estimator_of_32_bits_only_is_exported_by_them(tmp_path):
    base = AdaBoostClassifier(n_estimators=10, random_state=0)
    model = CalibratedClassifierCV(base, method="sigmoid", cv=3).fit(ROWS, TWO)
    done, _, _ = exported(tmp_path, model, rows=ROWS.astype(np.float32).astype(float))
    assert done.difference_gateway < 1e-5


def knots_model(method, values, labels):
    """A calibration of the first column itself."""
    last = LogisticRegression().fit(ROWS[:, :1], TWO)
    last.coef_, last.intercept_ = np.array([[1.0]]), np.array([0.0])
    model = CalibratedClassifierCV(FrozenEstimator(last), method=method)
    return model.fit(values[:, np.newaxis], labels)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_a_curve_is_the_librarys_at_each_knot_and_beside_it(tmp_path, method):
    values = np.round(RANDOM.normal(0, 3, 400), 1)
    model = knots_model(method, values, (RANDOM.random(400) < 1 / (1 + np.exp(-values))).astype(int))
    knots = np.unique(values)
    beside = [np.nextafter(knots, side) for side in (-np.inf, np.inf)]
    asked = np.concatenate([knots, *beside, knots[:-1] + np.diff(knots) / 3, [-1e30, 1e30, 0.0]])
    done, _, version = exported(tmp_path, model, rows=asked[:, np.newaxis])
    assert done.rows == len(asked) and done.difference_gateway < 1e-14
    calibrator = model.calibrated_classifiers_[0].calibrators[0]
    found = curves(version)
    if method == "isotonic":
        assert [float(row["x"]) for row in found] == calibrator.X_thresholds_.tolist()
        assert [float(row["y"]) for row in found] == calibrator.y_thresholds_.tolist()
    else:
        assert [(float(row["a"]), float(row["b"])) for row in found] == [
            (calibrator.a_, calibrator.b_)]


FRAME = pandas.DataFrame({
    "purpose": RANDOM.choice(["car", "tv, radio", "Übung", "boat"], COUNT, p=[0.5, 0.3, 0.19, 0.01]),
    "age": RANDOM.integers(18, 70, COUNT), "country": RANDOM.choice(["NL", "DE"], COUNT),
    "amount": RANDOM.random(COUNT) * 1000, "unused": "text",
})
BAD = ((FRAME.age > 40).astype(int) + (FRAME.purpose == "car") + (FRAME.amount > 500) > 1).astype(int)


def encoder():
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["purpose", "country"]),
        (StandardScaler(), ["amount"]), ("passthrough", ["age"]))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("last", [
    GradientBoostingClassifier(n_estimators=10), RandomForestClassifier(10, random_state=0),
    LogisticRegression()], ids=lambda last: type(last).__name__)
@pytest.mark.parametrize("encodes", ["members", "before", "both"])
def test_texts_are_encoded_by_members_or_before_them(tmp_path, encodes, last, method):
    """Each member knows the texts of its own part of the rows."""
    if encodes == "members":
        model = CalibratedClassifierCV(make_pipeline(encoder(), last), method=method, cv=3)
    elif encodes == "before":
        model = make_pipeline(encoder(), CalibratedClassifierCV(last, method=method, cv=3))
    else:
        inner = CalibratedClassifierCV(make_pipeline(StandardScaler(), last), method=method, cv=3)
        model = make_pipeline(encoder(), inner)
    done, about, _ = exported(tmp_path, model.fit(FRAME, BAD), rows=FRAME)
    assert done.rows == COUNT and done.difference_gateway < EXACT
    types = {column["name"]: column["type"] for column in about["columns"]}
    assert types == {"purpose": "text", "age": "double", "country": "text", "amount": "double"}


def test_categories_of_histogram_boosting(tmp_path):
    frame = FRAME.drop(columns="unused").astype({"purpose": "category", "country": "category"})
    base = HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5)
    model = CalibratedClassifierCV(base, method="isotonic", cv=3).fit(frame, BAD)
    done, about, _ = exported(tmp_path, model, rows=frame)
    assert done.difference_gateway < EXACT
    assert about["columns"][0]["type"] == "text"


def test_missing_values_are_the_members_own(tmp_path):
    holes = np.where(RANDOM.random(ROWS.shape) < 0.2, np.nan, ROWS)
    base = HistGradientBoostingClassifier(max_iter=10)
    model = CalibratedClassifierCV(base, method="isotonic", cv=3).fit(holes, TWO)
    done, about, _ = exported(tmp_path, model, rows=holes)
    assert {column["nan"] for column in about["columns"]} == {"missing"}
    assert done.rows == COUNT and done.difference_gateway < EXACT


def test_frozen_searched_and_made_up_rows(tmp_path):
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, TWO)
    search = GridSearchCV(GradientBoostingClassifier(n_estimators=5), {"max_depth": [2, 3]}, cv=2)
    for place, base in enumerate([FrozenEstimator(fitted), search]):
        folder = tmp_path / str(place)
        folder.mkdir()
        model = CalibratedClassifierCV(base, method="isotonic", cv=3).fit(ROWS, TWO)
        done, _, _ = exported(folder, model, "--columns", "a,b,c")
        assert done.rows == 200 and done.difference_gateway < EXACT


def test_twenty_members_are_joined(tmp_path):
    """More than one operator of the gateway joins."""
    base = make_pipeline(StandardScaler(), LogisticRegression())
    model = CalibratedClassifierCV(base, cv=20).fit(ROWS, TWO)
    done, about, _ = exported(tmp_path, model, rows=ROWS)
    assert about["output"]["members"] == 20 and done.difference_gateway < EXACT


def test_text_labels_need_a_class(tmp_path):
    labels = np.where(TWO == 1, "bad", "good")
    model = CalibratedClassifierCV(LogisticRegression(), cv=2).fit(ROWS, labels)
    with pytest.raises(ExportError, match="choose the score's class, one of bad, good"):
        exported(tmp_path, model, rows=ROWS)
    done, about, version = exported(tmp_path, model, "--class", "bad", rows=ROWS)
    assert about["output"]["class"] == 0 and done.difference_gateway < EXACT
    with (version / "golden.csv").open(newline="") as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    assert np.abs(model.predict_proba(ROWS)[:, 0] - scores).max() < EXACT


def test_what_the_gateway_does_not_calibrate_is_refused(tmp_path):
    heat = CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=2).fit(ROWS, TWO)
    with pytest.raises(ExportError, match="'temperature'.*expected one of sigmoid, isotonic"):
        exported(tmp_path, heat, rows=ROWS)
    assert not (tmp_path / "mine").exists()


def test_a_manifest_by_hand_without_the_calibration_is_refused(tmp_path):
    model = CalibratedClassifierCV(LogisticRegression(), cv=2).fit(ROWS, TWO)
    exported(tmp_path, model, rows=ROWS)
    path = tmp_path / "mine" / "model.toml"
    path.write_text(path.read_text().replace('calibration = "sigmoid"', 'calibration = "isotonic"'))
    with pytest.raises(ExportError, match="calibration is isotonic, that of the export sigmoid"):
        exported(tmp_path, model, rows=ROWS)
