"""Models of boosting libraries are written as their libraries' own files."""

import numpy as np
import pandas
import pytest

from shardgate.exporter import command
from shardgate.exporter.exporting import ExportError

from test_text_columns import CATEGORIES, FRAME, TARGET, TEXTS, columns_of, exported, rows_of
from tools import LABELS, ROWS

SMALL = {"n_estimators": 8, "n_jobs": 1}


def files(folder):
    return {path.name for path in (folder / "mine" / "1").iterdir()} - {"golden.csv"}


def test_lightgbm_with_the_categories_of_pandas(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(min_child_samples=5, verbose=-1, **SMALL)
    model.fit(CATEGORIES, TARGET)
    done, about, golden = exported(tmp_path, model)
    assert files(tmp_path) == {"model.txt"} and len(golden) == 200
    assert about["output"]["tensor"] == "prediction" and about["output"]["class"] == 1
    assert columns_of(about)["purpose"]["type"] == "text"
    # A text that training never saw is what pandas makes of it: missing.
    unseen = pandas.concat([FRAME, FRAME.head(3).assign(purpose="boat")])
    done, about, golden = exported(tmp_path, model, "--version", "7", *rows_of(tmp_path, unseen))
    assert len(golden) == len(unseen) and done.difference_gateway < 1e-9


@pytest.mark.parametrize("objective", ["binary", "regression", "multiclass"])
def test_a_booster_of_lightgbm(tmp_path, objective):
    lightgbm = pytest.importorskip("lightgbm")
    more = {"num_class": 3} if objective == "multiclass" else {}
    labels = TARGET + (FRAME.country == "NA") if more else TARGET
    booster = lightgbm.train({"objective": objective, "verbose": -1, "num_threads": 1, **more},
                             lightgbm.Dataset(CATEGORIES, labels), 5)
    chosen = ["--class", "2"] if more else []
    done, about, _ = exported(tmp_path, booster, *chosen)
    assert files(tmp_path) == {"model.txt"}
    assert about["output"].get("class") == {"binary": 1, "multiclass": 2}.get(objective)
    # The file alone says the same.
    booster.save_model(tmp_path / "saved.txt")
    given = [str(tmp_path / "saved.txt"), "--name", "again", "--output-dir", str(tmp_path), *chosen]
    assert command.main(given) == 0
    assert (tmp_path / "again" / "1" / "golden.csv").read_text() == (
        tmp_path / "mine" / "1" / "golden.csv").read_text()


@pytest.mark.parametrize("objective", ["binary:hinge", "binary:logitraw"])
def test_a_margin_of_xgboost_is_one_column(tmp_path, objective):
    xgboost = pytest.importorskip("xgboost")
    wrapper = xgboost.XGBClassifier(objective=objective, **SMALL).fit(ROWS, LABELS)
    for model in [wrapper, wrapper.get_booster()]:
        done, about, _ = exported(tmp_path, model, "--columns", "a,b,c")
        assert "class" not in about["output"]
        assert done.difference_gateway < 1e-6


def test_lightgbm_of_an_array_is_named_by_columns(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(verbose=-1, **SMALL).fit(ROWS, LABELS)
    with pytest.raises(ExportError, match="give those of its 3 columns"):
        exported(tmp_path, model)
    _, about, _ = exported(tmp_path, model, "--columns", "a,b,c")
    assert list(columns_of(about)) == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["wrapper", "booster"])
def test_xgboost_with_the_categories_of_pandas(tmp_path, kind):
    xgboost = pytest.importorskip("xgboost")
    wrapper = xgboost.XGBClassifier(enable_categorical=True, **SMALL).fit(CATEGORIES, TARGET)
    model = wrapper if kind == "wrapper" else wrapper.get_booster()
    unseen = pandas.concat([FRAME, FRAME.head(3).assign(purpose="boat")])
    done, about, golden = exported(tmp_path, model, *rows_of(tmp_path, unseen))
    # Its own file has no `Übung`, whose end it cuts off.
    assert files(tmp_path) == {"model.json"} and len(golden) == len(FRAME)
    assert any("3 rows with categories that training never saw are left out" in note
               for note in done.notes)
    expected = wrapper.predict_proba(CATEGORIES)[:, 1]
    assert np.abs([float(row["score"]) for row in golden] - expected).max() < 1e-7
    with pytest.raises(ExportError, match="cuts texts beyond ASCII short, as the end of 'Übun'"):
        exported(tmp_path, model)


def test_xgboosts_texts_beyond_ascii_are_whole_wherever_they_stand():
    from shardgate.exporter.native import categories_of, encoded_texts, whole_text

    texts = ["car", "éa", "Übung", "Zürich 東京"]
    joined = "".join(texts).encode()
    lengths = [len(text) for text in texts]
    offsets = np.cumsum([0, *lengths]).tolist()
    written = {"offsets": offsets, "values": [*joined[: offsets[-1]]]}
    cut = categories_of(written)
    assert cut[:3] == texts[:3] and cut[3] == "Zürich"
    assert whole_text(cut[3], lengths[3], texts) == texts[3]
    assert whole_text(cut[3], lengths[3], [*texts, "Zürich 南京"]) is None
    whole = encoded_texts(texts)
    assert bytes(byte & 0xFF for byte in whole["values"]) == joined
    assert whole["offsets"] == [0, 3, 6, 12, 26]


def test_rounds_after_an_early_stop_are_those_that_the_library_takes(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=60, learning_rate=1.0, early_stopping_rounds=2)
    model.fit(ROWS[:150], LABELS[:150], eval_set=[(ROWS[150:], LABELS[150:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    exported(tmp_path, model, "--columns", "a,b,c")
    # A Booster predicts by all of its rounds.
    exported(tmp_path, model.get_booster(), "--columns", "a,b,c")


def test_catboost_with_texts(tmp_path):
    catboost = pytest.importorskip("catboost")
    more = {"iterations": 8, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    model = catboost.CatBoostClassifier(**more).fit(FRAME, TARGET, cat_features=TEXTS)
    with pytest.raises(ExportError, match="--rows: a file of CatBoost holds no texts"):
        exported(tmp_path, model)
    unseen = pandas.concat([FRAME, FRAME.head(3).assign(purpose="boat", country="")])
    done, about, golden = exported(tmp_path, model, *rows_of(tmp_path, unseen))
    assert files(tmp_path) == {"model.cbm"} and len(golden) == len(unseen)
    assert columns_of(about)["country"]["nan"] == "default"
    plain = catboost.CatBoost({"loss_function": "Logloss", **more})
    done, about, _ = exported(tmp_path, plain.fit(FRAME, TARGET, cat_features=TEXTS),
                              *rows_of(tmp_path))
    assert about["output"]["tensor"] == "prediction" and about["output"]["class"] == 1


def test_catboost_whose_trees_onnx_has_no_place_for(tmp_path):
    catboost = pytest.importorskip("catboost")
    more = {"iterations": 5, "verbose": 0, "allow_writing_files": False}
    deep = catboost.CatBoostRegressor(grow_policy="Depthwise", **more).fit(ROWS, ROWS[:, 0])
    exported(tmp_path, deep, "--columns", "a,b,c")
    two = catboost.CatBoostRegressor(loss_function="MultiRMSE", **more).fit(ROWS, ROWS[:, :2])
    with pytest.raises(ExportError, match="--class: the model has 2 targets"):
        exported(tmp_path, two, "--columns", "a,b,c", "--name", "two")


def test_lightgbms_forests_and_unfitted_models(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    forest = lightgbm.LGBMRegressor(boosting_type="rf", bagging_freq=1, bagging_fraction=0.7,
                                    verbose=-1, **SMALL).fit(ROWS, LABELS)
    exported(tmp_path, forest, "--columns", "a,b,c")
    with pytest.raises(ExportError, match="isn't fitted: pickle it after fit"):
        exported(tmp_path, lightgbm.LGBMClassifier())
