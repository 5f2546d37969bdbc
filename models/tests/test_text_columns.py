"""A model that was fitted on a data frame is exported with what it knows: names, texts, categories."""

import joblib
import numpy as np
import pandas
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from shardgate.exporter import command
from shardgate.exporter.exporting import ExportError
from tools import COUNT, FRAME, IGNORING, TARGET, TEXTS, columns_of, exported, rows_of

RANDOM = np.random.default_rng(6)


def pipeline(encoder, last=None):
    columns = make_column_transformer((encoder, TEXTS), (StandardScaler(), ["age", "amount"]))
    return make_pipeline(columns, last or LogisticRegression())


@pytest.mark.parametrize("encoder", [
    IGNORING, OneHotEncoder(), OneHotEncoder(drop="first"),
    OneHotEncoder(min_frequency=70, handle_unknown="ignore"),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), TargetEncoder(),
])
def test_a_data_frame_needs_no_columns(tmp_path, encoder):
    model = pipeline(encoder).fit(FRAME, TARGET)
    done, about, golden = exported(tmp_path, model, *rows_of(tmp_path))
    columns = columns_of(about)
    assert list(columns) == list(FRAME)
    assert {name: column["type"] for name, column in columns.items()} == {
        "age": "float", "purpose": "text", "country": "text", "amount": "float"}
    assert columns["purpose"]["default"] == FRAME.purpose.mode()[0]
    assert "quantiles" not in columns["purpose"] and len(columns["age"]["quantiles"]) == 9
    assert [row["purpose"] for row in golden] == FRAME.purpose.tolist()
    assert done.difference_gateway < 1e-6


def test_rows_are_made_up_of_the_texts_that_the_model_knows(tmp_path):
    _, about, golden = exported(tmp_path, pipeline(IGNORING).fit(FRAME, TARGET))
    assert {row["country"] for row in golden} == {"NL", "DE", "NA"}
    assert columns_of(about)["purpose"] == {
        "name": "purpose", "type": "text", "source": "store", "nan": "missing"}
    assert about["policies"]["on_missing"] == "reject"


def test_labels_of_text_need_a_choice_and_the_choice_is_said(tmp_path, capsys):
    labels = np.where(TARGET == 1, "good", "bad")
    model = pipeline(IGNORING).fit(FRAME, labels)
    with pytest.raises(ExportError, match="--class: choose the score's class, one of bad, good"):
        exported(tmp_path, model)
    done, about, golden = exported(tmp_path, model, "--class", "bad", *rows_of(tmp_path))
    assert about["output"]["class"] == 0 and about["metadata"]["classes"] == "bad, good"
    assert done.notes[0].startswith("The score is the probability of class bad (of bad, good)")
    assert float(golden[0]["score"]) == pytest.approx(model.predict_proba(FRAME)[0, 0], abs=1e-6)
    assert '# "bad"' in (tmp_path / "mine" / "model.toml").read_text()


def test_of_two_numbers_the_greater_is_the_class_and_that_is_said(tmp_path):
    done, about, _ = exported(tmp_path, pipeline(IGNORING).fit(FRAME, TARGET + 1))
    assert about["output"]["class"] == 1
    assert "class 2 (of 1, 2)" in done.notes[0]


def test_a_missing_text_is_what_the_library_makes_of_it(tmp_path):
    holes = FRAME.copy()
    holes.loc[RANDOM.random(COUNT) < 0.2, "purpose"] = np.nan
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    model = pipeline(encoder).fit(holes, TARGET)
    _, about, golden = exported(tmp_path, model, *rows_of(tmp_path, holes))
    assert columns_of(about)["purpose"]["nan"] == "missing"
    assert sum(row["purpose"] == "" for row in golden) == holes.purpose.isna().sum()


def test_a_missing_category_that_looks_like_a_text_is_the_default(tmp_path):
    """Behind `NL`, `nan` could be a text: the graph doesn't tell."""
    holes = FRAME.copy()
    holes.loc[RANDOM.random(COUNT) < 0.2, "country"] = np.nan
    model = pipeline(OneHotEncoder(sparse_output=False)).fit(holes, TARGET)
    _, about, golden = exported(tmp_path, model, *rows_of(tmp_path, holes))
    column = columns_of(about)["country"]
    assert (column["nan"], column["default"]) == ("default", "nan")
    assert {row["country"] for row in golden} == {"NL", "DE", "NA", "nan"}
    expected = model.predict_proba(holes)[:, 1]
    assert np.abs([float(row["score"]) for row in golden] - expected).max() < 1e-6


def test_an_imputers_text_is_the_default(tmp_path):
    holes = FRAME.copy()
    holes.loc[RANDOM.random(COUNT) < 0.2, "purpose"] = np.nan
    imputed = make_pipeline(SimpleImputer(strategy="constant", fill_value="other"), IGNORING)
    model = pipeline(imputed).fit(holes, TARGET)
    _, about, golden = exported(tmp_path, model, *rows_of(tmp_path, holes))
    column = columns_of(about)["purpose"]
    assert (column["nan"], column["default"]) == ("default", "other")
    filled = holes.purpose.fillna("other").tolist()
    assert [row["purpose"] for row in golden] == filled
    # No country was missing in training, so no encoder knows what would be put in.
    assert columns_of(about)["country"]["nan"] == "reject"
    holes.loc[:4, "country"] = np.nan
    done, _, golden = exported(tmp_path, model, *rows_of(tmp_path, holes))
    assert len(golden) == COUNT - 5 and "5 rows are left out" in done.notes[-1]


def test_a_model_that_takes_no_missing_text_gets_the_most_frequent(tmp_path):
    model = pipeline(OneHotEncoder(sparse_output=False)).fit(FRAME, TARGET)
    holes = FRAME.copy()
    holes.loc[:9, "purpose"] = np.nan
    _, about, golden = exported(tmp_path, model, *rows_of(tmp_path, holes))
    column = columns_of(about)["purpose"]
    assert (column["nan"], column["default"]) == ("default", holes.purpose.mode()[0])
    assert golden[0]["purpose"] == column["default"]


def test_numbers_and_texts_that_are_in_each_others_place_are_named(tmp_path):
    model = pipeline(IGNORING).fit(FRAME, TARGET)
    wrong = FRAME.assign(age="old")
    with pytest.raises(ExportError, match="line 2: age: 'old' isn't a number, and the model knows no"):
        exported(tmp_path, model, *rows_of(tmp_path, wrong))
    unseen = FRAME.assign(purpose="boat")
    strict = pipeline(OneHotEncoder()).fit(FRAME, TARGET)
    with pytest.raises(ExportError, match="cannot score the rows: Found unknown categories"):
        exported(tmp_path, strict, *rows_of(tmp_path, unseen))
    _, about, _ = exported(tmp_path, model, *rows_of(tmp_path, unseen))
    assert "default" not in columns_of(about)["purpose"]


def test_columns_that_the_pipeline_drops_are_no_inputs(tmp_path):
    frame = FRAME.assign(name=[f"person {place}" for place in range(COUNT)])
    texts = make_column_transformer((IGNORING, ["purpose"]), ("passthrough", ["amount"]))
    numbers = make_column_transformer((StandardScaler(), ["amount", "age"]))
    for chosen, expected in [(texts, ["purpose", "amount"]), (numbers, ["age", "amount"])]:
        model = make_pipeline(chosen, LogisticRegression(max_iter=2000)).fit(frame, TARGET)
        (tmp_path / expected[0]).mkdir()
        done, about, _ = exported(tmp_path / expected[0], model, *rows_of(tmp_path, frame))
        assert list(columns_of(about)) == expected and done.difference_gateway < 1e-6


def test_an_array_needs_names(tmp_path):
    model = pipeline_of_arrays()
    with pytest.raises(ExportError, match="fitted on a plain array, .* names: give those of its 4"):
        exported(tmp_path, model)
    _, about, _ = exported(tmp_path, model, "--columns", "age,purpose,country,amount")
    assert columns_of(about)["country"]["type"] == "text"


def pipeline_of_arrays():
    columns = make_column_transformer((IGNORING, [1, 2]), remainder="passthrough")
    return make_pipeline(columns, LogisticRegression(max_iter=2000)).fit(
        FRAME.to_numpy(object), TARGET)


def test_parquet_keeps_what_is_missing(tmp_path):
    pytest.importorskip("pyarrow")
    holes = FRAME.copy()
    holes.loc[:5, "purpose"] = None
    path = tmp_path / "rows.parquet"
    holes.to_parquet(path)
    _, about, golden = exported(tmp_path, pipeline(IGNORING).fit(FRAME, TARGET), "--rows", str(path))
    assert golden[0]["purpose"] == "" and golden[6]["purpose"] == FRAME.purpose[6]


@pytest.mark.parametrize("encoder", [OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder()])
def test_one_encoder_may_read_texts_and_integers(tmp_path, encoder):
    """Integers that float32 doesn't tell apart are integers on their whole way; `label` is also the
    name of an output."""
    frame = FRAME.assign(zip=RANDOM.integers(0, 5, COUNT), label=RANDOM.random(COUNT),
                         merchant=RANDOM.integers(0, 3, COUNT) + 10**9)
    columns = make_column_transformer((encoder, ["zip", "purpose"]), ("passthrough", ["label"]),
                                      (OneHotEncoder(), ["merchant"]))
    labels = (frame.merchant == 10**9 + 1).astype(int)
    model = make_pipeline(columns, LogisticRegression()).fit(frame, labels)
    done, about, golden = exported(tmp_path, model, *rows_of(tmp_path, frame))
    assert columns_of(about)["merchant"]["type"] == "bigint"
    assert {int(row["merchant"]) for row in golden} == {10**9, 10**9 + 1, 10**9 + 2}
    assert done.difference_gateway < 1e-6


def test_what_the_gateway_does_not_compute_is_one_line(tmp_path, capsys):
    """skl2onnx makes texts of the integers of a TargetEncoder that also reads texts."""
    frame = FRAME.assign(zip=RANDOM.integers(0, 5, COUNT))
    columns = make_column_transformer((TargetEncoder(), ["zip", "purpose"]))
    model = make_pipeline(columns, LogisticRegression()).fit(frame, TARGET)
    joblib.dump(model, tmp_path / "model.pkl")
    given = [str(tmp_path / "model.pkl"), "--name", "mine", "--output-dir", str(tmp_path)]
    assert command.main(given) == 1
    said = capsys.readouterr().err.splitlines()[1:]
    assert len(said) == 1 and "makes texts of numbers: train on the column as text" in said[0]
    assert not (tmp_path / "mine").exists()


def test_a_search_is_exported_as_its_best_estimator(tmp_path):
    search = GridSearchCV(pipeline(IGNORING), {"logisticregression__C": [0.1, 1.0]}, cv=2)
    done, _, _ = exported(tmp_path, search.fit(FRAME, TARGET))
    assert done.difference_gateway < 1e-6


def test_ranges_are_written_where_they_are_asked_for(tmp_path):
    model = pipeline(IGNORING).fit(FRAME, TARGET)
    _, about, _ = exported(tmp_path, model, "--ranges", *rows_of(tmp_path))
    assert columns_of(about)["age"]["range"] == [FRAME.age.min(), FRAME.age.max()]
    assert "range" not in columns_of(about)["purpose"]


CATEGORIES = FRAME.astype({name: "category" for name in TEXTS})


@pytest.mark.parametrize("kind", [HistGradientBoostingClassifier, HistGradientBoostingRegressor])
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_histogram_boosting_keeps_the_categories_of_pandas(tmp_path, kind, holes):
    frame = CATEGORIES.copy()
    frame["purpose"] = frame.purpose.where(RANDOM.random(COUNT) >= holes)
    frame["amount"] = frame.amount.where(RANDOM.random(COUNT) >= holes)
    model = kind(max_iter=15, min_samples_leaf=5).fit(frame, TARGET)
    done, about, golden = exported(tmp_path, model, *rows_of(tmp_path, frame))
    assert columns_of(about)["purpose"]["type"] == "text"
    assert done.difference_gateway < 1e-6


def test_histogram_boosting_of_three_classes_and_codes(tmp_path):
    labels = TARGET + (FRAME.country == "NA")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((codes, make_column_selector(dtype_include=object)),
                                      remainder="passthrough")
    last = HistGradientBoostingClassifier(max_iter=10, categorical_features=[0, 1])
    model = make_pipeline(columns, last).fit(FRAME, labels)
    unseen = pandas.concat([FRAME, FRAME.head(20).assign(purpose="boat")])
    done, _, golden = exported(tmp_path, model, "--class", "2", *rows_of(tmp_path, unseen))
    assert len(golden) == COUNT + 20 and done.difference_gateway < 1e-6
