"""What a user with a pickle gets from export.py, and what is refused."""

import re

import numpy as np
import onnx
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier,
    RandomForestClassifier, RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC, LinearSVC, NuSVC

from shardgate.exporter import exporting
from shardgate.exporter.command import arguments, export
from shardgate.exporter.exporting import ExportError, compare, floor_to_float32, library_scores, onnx_scores, to_onnx
from shardgate.exporter.folding import raw_thresholds
from shardgate.exporter.sampling import neighbours

from tools import COLUMNS, LABELS, RANDOM, ROWS, export_model

def test_a_pickle_becomes_a_model_folder(tmp_path, capsys):
    model = GradientBoostingClassifier(n_estimators=5).fit(ROWS, LABELS)
    about, golden = export_model(tmp_path, model)
    assert (tmp_path / "mine" / "1" / "model.onnx").is_file()
    assert [column["name"] for column in about["columns"]] == COLUMNS
    assert about["output"] == {"tensor": "probabilities", "class": 1}
    rows = np.array([[float(row[name]) for name in COLUMNS] for row in golden])
    scores = [float(row["score"]) for row in golden]
    assert np.array_equal(model.predict_proba(rows)[:, 1], scores)
    assert "runs the code in it" in capsys.readouterr().err


def test_missing_values_are_passed_on_where_the_model_takes_them(tmp_path):
    holes = np.where(RANDOM.random(ROWS.shape) < 0.2, np.nan, ROWS)
    model = HistGradientBoostingClassifier(max_iter=5).fit(holes, LABELS)
    about, golden = export_model(tmp_path, model)
    assert {column["nan"] for column in about["columns"]} == {"missing"}
    assert any("nan" in row.values() for row in golden)


def test_rows_give_defaults_and_quantiles(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("other,a,b,c\n1,1,2,3\n1,2,,4\n1,3,8,9\n")
    model = make_pipeline(SimpleImputer(), Ridge()).fit(ROWS, ROWS[:, 0])
    about, golden = export_model(tmp_path, model, "--rows", str(path))
    assert [column["default"] for column in about["columns"]] == [2.0, 5.0, 4.0]
    assert len(about["columns"][0]["quantiles"]) == 9
    assert "class" not in about["output"]
    assert len(golden) == 3


def test_a_label_chooses_the_class(tmp_path):
    labels = np.array(["high", "low", "middle"])[RANDOM.integers(0, 3, len(ROWS))]
    model = LogisticRegression().fit(ROWS, labels)
    about, golden = export_model(tmp_path, model, "--class", "low")
    assert about["output"]["class"] == 1
    with pytest.raises(ExportError, match="high, low, middle"):
        export_model(tmp_path, model)


def test_a_margin_is_a_score_without_a_class(tmp_path):
    about, golden = export_model(tmp_path, LinearSVC().fit(ROWS, LABELS))
    assert "class" not in about["output"]
    assert min(float(row["score"]) for row in golden) < 0


def test_columns_chosen_by_name_work(tmp_path):
    chosen = ColumnTransformer([("scaled", StandardScaler(), ["c", "a"])], remainder="passthrough")
    frame = pandas.DataFrame(ROWS, columns=COLUMNS)
    model = make_pipeline(chosen, LogisticRegression()).fit(frame, LABELS)
    export_model(tmp_path, model)
    with pytest.raises(ExportError, match="fitted on a,b,c"):
        export_model(tmp_path, model, columns="c,b,a")


def test_what_cannot_be_right_is_refused(tmp_path, monkeypatch):
    model = LogisticRegression().fit(ROWS, LABELS)
    with pytest.raises(ExportError, match="2 names, the model takes 3"):
        export_model(tmp_path, model, columns="a,b")
    with pytest.raises(ExportError, match="isn't one of 0, 1"):
        export_model(tmp_path, model, "--class", "2")
    with pytest.raises(ExportError, match="doubled"):
        export_model(tmp_path, model, columns="a,b,a")
    monkeypatch.setattr("shardgate.exporter.subjects.onnx_scores", lambda *given: onnx_scores(*given) + 2e-5)
    with pytest.raises(ExportError, match="differ by 2.0e-05"):
        export_model(tmp_path, model)
    assert not (tmp_path / "mine").exists()


def test_double_is_hinted_at_where_it_helps_and_only_there(tmp_path):
    model = Ridge().fit(ROWS, ROWS[:, 0])
    model.coef_, model.intercept_ = np.array([1e7, -1e7, 0.0]), np.float64(0)
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,c\n1.1,1.1000001,0\n0.3,0.30000004,0\n")
    with pytest.raises(ExportError, match="; with --double they agree$"):
        export_model(tmp_path, model, "--rows", str(rows))
    export_model(tmp_path, model, "--rows", str(rows), "--double")
    # Weights that the converter makes equal stay so in any precision.
    with pytest.raises(ExportError, match="the graph.s scores differ") as raised:
        export_model(tmp_path, KNeighborsClassifier(weights="distance").fit(ROWS, LABELS))
    assert "--double" not in str(raised.value)


@pytest.mark.parametrize("kind", [SVC, NuSVC])
def test_decision_values_have_the_librarys_signs(tmp_path, kind):
    model = make_pipeline(StandardScaler(), kind()).fit(ROWS, LABELS)
    _, golden = export_model(tmp_path, model)
    rows = np.array([[float(row[name]) for name in "abc"] for row in golden])
    scores = np.array([float(row["score"]) for row in golden])
    assert np.allclose(scores, model.decision_function(rows), atol=1e-5)


def test_without_rows_a_model_has_no_defaults(tmp_path, capsys):
    about, _ = export_model(tmp_path, LogisticRegression().fit(ROWS, LABELS))
    assert about["policies"] == {"on_missing": "reject", "on_error": "reject"}
    assert all("default" not in column for column in about["columns"])
    assert {column["nan"] for column in about["columns"]} == {"reject"}


def test_rows_with_values_that_are_not_known_are_scored_with_the_defaults(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\n1,2,3\nNA,2,4\n3,null,True\n7,,9\n")
    model = LogisticRegression().fit(ROWS, LABELS)
    about, golden = export_model(tmp_path, model, "--rows", str(path))
    assert [column["default"] for column in about["columns"]] == [3.0, 2.0, 3.5]
    assert golden[1]["a"] == "nan"
    expected = model.predict_proba([[3.0, 2.0, 4.0]])[0, 1]
    assert float(golden[1]["score"]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rows, said", [
    (b"a,b,c\n1,2,x\n", "rows.csv, line 2: c: 'x' isn't a number"),
    (b"a,b,c\n1,2\n", "rows.csv, line 2: no field for c"),
    (b"a,b,c\n1,2,\xe9\n", "not UTF-8 .byte 0xE9.: convert it"),
    (b"a,b\n1,2\n", "no column c; there is: a, b"),
    (b"a,b,c\n1,2,\n3,4,\n", "no row has a value of c"),
    (b"a,b,c\n1,2,1e39\n", "LogisticRegression cannot score the rows"),
    (b"a,b,c\n", "no rows"),
])
def test_rows_that_cannot_be_read_are_named(tmp_path, rows, said):
    path = tmp_path / "rows.csv"
    path.write_bytes(rows)
    with pytest.raises(ExportError, match=said):
        export_model(tmp_path, LogisticRegression().fit(ROWS, LABELS), "--rows", str(path))
    assert not (tmp_path / "mine").exists()


def test_a_target_is_chosen_like_a_class(tmp_path):
    model = RandomForestRegressor(3, random_state=0).fit(ROWS, ROWS[:, :2])
    about, golden = export_model(tmp_path, model, "--class", "0")
    assert about["output"]["class"] == 0
    row = [[float(golden[5][name]) for name in COLUMNS]]
    assert float(golden[5]["score"]) == pytest.approx(model.predict(row)[0, 0], abs=1e-12)


def test_thresholds_are_rounded_down():
    for value in (0.1, -0.1, 1e-60, -1e-60, 1e30, 16777217.0, 0.5, 0.0):
        rounded = floor_to_float32(value)
        assert np.float32(rounded) == rounded <= value
        assert float(np.nextafter(np.float32(rounded), np.float32(np.inf))) > value


@pytest.mark.parametrize("low", [0.3, 1.1])
def test_a_value_between_the_thresholds_takes_the_librarys_branch(low):
    """The threshold lies halfway: rounding to the nearest goes down from one, up from the other."""
    low = np.float32(low)
    high = np.nextafter(low, np.float32(2))
    rows = np.array([[low], [high]] * 50, dtype=np.float64)
    model = HistGradientBoostingClassifier(max_iter=3).fit(rows, [0, 1] * 50)
    expected = library_scores(model, rows)
    assert expected[0, 1] < 0.5 < expected[1, 1]
    proto = to_onnx(model, ["a"], "edge")
    assert compare(expected, onnx_scores(proto, rows)) < exporting.DIFFERENCE_MAX


@pytest.mark.parametrize("holes", [0.0, 0.2])
@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_forests_send_missing_values_where_the_library_does(kind, holes):
    rows = np.where(RANDOM.random(ROWS.shape) < holes, np.nan, ROWS)
    model = kind(5, random_state=0).fit(rows, LABELS)
    asked = np.where(RANDOM.random(ROWS.shape) < 0.3, np.nan, ROWS).astype(np.float32)
    found = onnx_scores(to_onnx(model, COLUMNS, "forest"), asked)
    assert compare(library_scores(model, asked), found) < exporting.DIFFERENCE_MAX


def test_a_file_that_is_no_pickle_is_an_error(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_text("# not a pickle")
    with pytest.raises(ExportError, match="not a pickle"):
        export(arguments([str(path), "--columns", "a", "--name", "mine"]))


def test_an_estimator_without_onnx_is_an_error():
    model = LabelSpreading().fit(ROWS, LABELS)
    with pytest.raises(ExportError, match="LabelSpreading has no ONNX"):
        to_onnx(model, COLUMNS, "none")


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(clip=True), RobustScaler()])
def test_scalers_before_trees_are_folded_and_keep_every_branch(tmp_path, scaler):
    """The rows are those it was fitted on, whose few values lie close to thresholds."""
    rows = RANDOM.integers(0, 4, (400, 3)) / 3
    labels = (rows[:, 0] + rows[:, 1] > rows[:, 2] * 2).astype(int)
    model = make_pipeline(scaler, HistGradientBoostingClassifier(max_iter=10)).fit(rows, labels)
    path = tmp_path / "rows.csv"
    np.savetxt(path, rows.astype(np.float32), delimiter=",", header="a,b,c", comments="")
    export_model(tmp_path, model, "--rows", str(path))
    proto = onnx.load(tmp_path / "mine" / "1" / "model.onnx")
    assert {node.op_type for node in proto.graph.node} == {"TreeEnsembleClassifier"}
    export_model(tmp_path, model)


def test_a_folded_threshold_is_the_last_value_that_takes_the_branch():
    scaler = StandardScaler().fit(ROWS)
    scaled = np.array([0.1, -0.7, 1e-3], dtype=np.float32)
    for mode in (b"BRANCH_LEQ", b"BRANCH_LT"):
        modes = np.array([mode] * 3)
        raw = raw_thresholds(scaler, 3, np.arange(3), scaled, modes)
        for column in range(3):
            taken = []
            for value in neighbours(raw[column]):
                row = np.zeros((1, 3))
                row[0, column] = value
                found = scaler.transform(row)[0, column].astype(np.float32)
                strict = mode == b"BRANCH_LT"
                taken.append(found < scaled[column] if strict else found <= scaled[column])
            assert taken == ([True, False, False] if strict else [True, True, False])


def test_rows_of_excel_are_read_as_import_reads_them(tmp_path):
    path = tmp_path / "rows.csv"
    model = make_pipeline(SimpleImputer(), Ridge()).fit(ROWS, ROWS[:, 0])
    path.write_text("\ufeffother;a;b;c\r\nx;1,5;2;3\r\ny;2,5;;4\r\n", encoding="utf-8", newline="")
    about, golden = export_model(tmp_path, model, "--rows", str(path))
    assert [column["default"] for column in about["columns"]] == [2.0, 2.0, 3.5]
    for text, says in [
        ("a;b;c\n1;2;1.234,5\n", "line 2: c: '1.234,5' isn't a number, and the model knows no texts there: "
                                 "write it without separators of thousands"),
        ("a\tb\tc\n1\t2\tx\n", "line 2: c: 'x' isn't a number"),
        ("a;b\n1;2\n", "no column a, b, c; there is: a;b"),
    ]:
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ExportError, match=re.escape(says)):
            export_model(tmp_path, model, "--rows", str(path))
    for coding, named in [("cp1252", "WINDOWS-1252"), ("utf-16", "UTF-16")]:
        path.write_text("a,b,c,\u00e4\n1,2,3,4\n", encoding=coding)
        with pytest.raises(ExportError, match=f"iconv -f {named} -t UTF-8, save it from Excel as"):
            export_model(tmp_path, model, "--rows", str(path))
