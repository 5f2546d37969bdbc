"""export.py asks the gateway, and takes no silence for a yes."""

import stat

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer, FunctionTransformer, KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler,
)

from shardgate import program
from shardgate.exporter import gateway
from shardgate.exporter.exporting import ExportError

from tools import LABELS, RANDOM, ROWS, export_model

WHOLE = np.array(RANDOM.integers(0, 4, (400, 3)), dtype=float)
MANY = (WHOLE.sum(axis=1) > 4).astype(int)


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def whole_rows(folder):
    path = folder / "rows.csv"
    np.savetxt(path, WHOLE, delimiter=",", header="a,b,c", comments="")
    return ["--rows", str(path)]


@pytest.mark.parametrize("double", [[], ["--double"]])
@pytest.mark.parametrize("threshold", [1.0, 1.5, 0.1, 0.7])
def test_a_cell_at_a_threshold_is_not_above_it(tmp_path, threshold, double):
    """No float32 is 0.1, and the converter compares a float64 by the other comparison."""
    rows = np.vstack([WHOLE, np.full((2, 3), threshold)])
    labels = np.append(MANY, [0, 1])
    model = make_pipeline(Binarizer(threshold=threshold), LogisticRegression()).fit(rows, labels)
    path = tmp_path / "rows.csv"
    near = [np.nextafter(np.float32(threshold), np.float32(side)) for side in (-9, 9)]
    asked = np.vstack([rows, *(np.full((1, 3), cell) for cell in near)])
    np.savetxt(path, asked, delimiter=",", header="a,b,c", comments="", fmt="%.9g")
    export_model(tmp_path, model, "--rows", str(path), *double)
    assert gateway.ask(gateway.find(None), tmp_path / "mine", len(asked)) < 1e-5


@pytest.mark.parametrize("encoder", [
    OneHotEncoder(), OneHotEncoder(handle_unknown="ignore"), OneHotEncoder(drop="first"),
    KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
])
@pytest.mark.parametrize("last", [
    LogisticRegression(), GradientBoostingClassifier(n_estimators=5),
])
def test_categories_of_made_up_rows_are_those_of_the_encoder(tmp_path, encoder, last):
    columns = make_column_transformer((StandardScaler(), [0]), (encoder, [2, 1]))
    model = make_pipeline(columns, last).fit(WHOLE, MANY)
    export_model(tmp_path, model)
    assert gateway.ask(gateway.find(None), tmp_path / "mine", 200) < 1e-5


def test_neighbours_are_exported(tmp_path):
    export_model(tmp_path, KNeighborsClassifier().fit(ROWS, LABELS))
    assert (tmp_path / "mine" / "1" / "golden.csv").is_file()


def test_missing_values_among_categories_are_scored_as_the_library_does(tmp_path):
    """The converter's key for NaN is not the library's own."""
    rows = np.where(RANDOM.random(WHOLE.shape) < [0.15, 0, 0], np.nan, WHOLE).astype(np.float32)
    labels = (np.nan_to_num(rows[:, 0], nan=-9) > 1).astype(int)
    encoder = OrdinalEncoder(encoded_missing_value=-2, handle_unknown="use_encoded_value",
                             unknown_value=-1)
    model = make_pipeline(make_column_transformer((encoder, [0, 1]), remainder="passthrough"),
                          HistGradientBoostingClassifier(max_iter=10)).fit(rows, labels)
    export_model(tmp_path, model)
    assert (tmp_path / "mine" / "1" / "golden.csv").is_file()


def test_what_the_gateway_scores_otherwise_is_no_export(tmp_path):
    """Made by a stand-in, as a fault of the gateway is mended when it is found."""
    other = script(tmp_path / "other", f"""
        {gateway.find(None)} "$@" | sed 's/^ok  *model mine against its library: .*/wrong  model mine \
against its library: 200 rows, largest difference 4.3e-1/'
    """)
    with pytest.raises(ExportError, match="the gateway scores otherwise: .* difference 4.3e-1"):
        export_model(tmp_path, LogisticRegression().fit(ROWS, LABELS), "--gateway", str(other))
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("says", [
    "exit 0", "echo 'ok     model mine: version 1'", "echo broken >&2; exit 1",
    "echo 'ok     model mine against its library: 3 rows, largest difference 0.0e0'",
])
def test_a_gateway_that_compared_nothing_is_no_yes(tmp_path, says):
    other = script(tmp_path / "other", says)
    with pytest.raises(ExportError, match="did not compare the 200 rows"):
        export_model(tmp_path, LogisticRegression().fit(ROWS, LABELS), "--gateway", str(other))
    assert not (tmp_path / "mine").exists()


def test_without_a_gateway_nothing_is_exported(tmp_path, monkeypatch):
    monkeypatch.delenv("SHARDGATE", raising=False)
    monkeypatch.setattr(program, "BUILT", tmp_path / "none")
    monkeypatch.setattr(program, "installed", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    model = LogisticRegression().fit(ROWS, LABELS)
    with pytest.raises(ExportError, match="there is no gateway to ask"):
        export_model(tmp_path, model)
    with pytest.raises(ExportError, match="--gateway: nowhere is no program"):
        export_model(tmp_path, model, "--gateway", "nowhere")
    monkeypatch.setenv("SHARDGATE", "nowhere")
    with pytest.raises(ExportError, match="SHARDGATE: nowhere is no program"):
        export_model(tmp_path, model)
    assert not (tmp_path / "mine").exists()


def test_the_gateway_that_is_named_goes_before_the_one_that_is_found(tmp_path, monkeypatch):
    here, there, path = (script(tmp_path / name, "") for name in ("here", "there", "shardgate"))
    monkeypatch.delenv("SHARDGATE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(program, "BUILT", tmp_path / "none")
    monkeypatch.setattr(program, "installed", list)
    assert gateway.find(None) == path
    monkeypatch.setattr(program, "BUILT", here)
    assert gateway.find(None) == here
    monkeypatch.setenv("SHARDGATE", str(there))
    assert gateway.find(None) == there
    assert gateway.find(path) == path


def test_settings_of_a_gateway_that_serves_do_not_concern_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SHARDGATE_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("SHARDGATE_STORE", "scylla://nowhere:1/none")
    monkeypatch.chdir(tmp_path)
    export_model(tmp_path, LogisticRegression().fit(ROWS, LABELS))


def test_a_binary_model_without_a_split_is_compared(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=3, min_child_weight=1e9).fit(ROWS, LABELS)
    export_model(tmp_path, model)
    assert gateway.ask(gateway.find(None), tmp_path / "mine", 200) < 1e-5


def test_categories_that_are_numbers_are_kept_in_lightgbms_own_file(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)
    model.fit(WHOLE, MANY, categorical_feature=[0, 1])
    about, _ = export_model(tmp_path, model, *whole_rows(tmp_path))
    assert about["output"]["tensor"] == "prediction" and about["output"]["class"] == 1
    assert (tmp_path / "mine" / "1" / "model.txt").is_file()


def test_a_categorical_split_in_a_pipeline_is_exported(tmp_path):
    """onnxmltools makes a node with several parents of it, which ONNX Runtime runs too."""
    lightgbm = pytest.importorskip("lightgbm")
    pytest.importorskip("onnxmltools")
    last = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)
    model = make_pipeline(FunctionTransformer(), last)
    model.fit(WHOLE, MANY, lgbmclassifier__categorical_feature=[0, 1])
    export_model(tmp_path, model, *whole_rows(tmp_path))
    assert (tmp_path / "mine" / "1" / "model.onnx").is_file()
