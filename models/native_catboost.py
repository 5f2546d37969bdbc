"""CatBoost's fixtures: see native_fixtures.py."""

import json

import catboost as cb
import numpy as np

from native_fixtures import CATEGORICAL, FOREST_ROWS, NAMES, Case, asked, made_up, target

VERSION = cb.__version__
SMALL = {"iterations": 6, "depth": 3, "learning_rate": 0.3, "random_seed": 3, "verbose": 0,
         "thread_count": 1, "allow_writing_files": False}


def pool(rows, label=None, categorical=(), **more):
    """Rows as the library takes them: categories are whole numbers."""
    if categorical:
        # What stands for no category has a text that training never saw.
        cells = [[(int(cell) if np.isfinite(cell) and cell == int(cell) else "never seen")
                  if column in categorical else cell for column, cell in enumerate(row)]
                 for row in rows]
    else:
        cells = np.asarray(rows, dtype=np.float64)
    return cb.Pool(cells, label, cat_features=list(categorical), feature_names=NAMES, **more)


def borders(model):
    """The borders of each float column."""
    return {column: {np.float32(border) for border in found}
            for column, found in model._get_borders().items()}


def write(output, name, model, predict, categorical=(), count=40, forms=("cbm",)):
    """Writes a model and its scores."""
    rows = asked(borders(model), count)
    if categorical:
        rows[:, list(categorical)] = np.where(np.abs(rows[:, list(categorical)]) > 1e9, 77,
                                              rows[:, list(categorical)])
    rows = rows.astype(np.float32).astype(np.float64)
    data = pool(rows, categorical=categorical)
    margins = model.predict(data, prediction_type="RawFormulaVal", thread_count=1)
    scores = model.predict(data, prediction_type=predict, thread_count=1)
    for form in forms:
        case = Case(output, "catboost", VERSION, name + ("" if form == "cbm" else "-json"))
        train = pool(made_up(2, 50), categorical=categorical)
        if form == "cbm":
            model.save_model(str(case.folder / "model.cbm"))
        else:
            model.save_model(str(case.folder / "model.cbm.json"), format="json", pool=train)
        case.write(rows, margins, scores)


def train(parameters, kind, categorical=(), rows=None, **more):
    """Trains on made-up rows."""
    rows = made_up(2, 400) if rows is None else rows
    model = cb.CatBoost({**SMALL, **parameters})
    return model.fit(pool(rows, target(rows, kind), categorical, **more))


LOSSES = [
    ("RMSE", "value", "RawFormulaVal"), ("MAE", "value", "RawFormulaVal"),
    ("Quantile", "value", "RawFormulaVal"), ("Poisson", "count", "Exponent"),
    ("Tweedie:variance_power=1.5", "positive", "Exponent"),
    ("Logloss", "binary", "Probability"), ("CrossEntropy", "share", "Probability"),
    ("MultiClass", "multi", "Probability"), ("MultiClassOneVsAll", "multi", "Probability"),
    ("MultiRMSE", "two", "RawFormulaVal"), ("RMSEWithUncertainty", "value", "RMSEWithUncertainty"),
]


def losses(output):
    """One model for each loss function."""
    for loss, kind, predict in LOSSES:
        forms = ("cbm", "json") if loss in ("Logloss", "MultiClass") else ("cbm",)
        try:
            model = train({"loss_function": loss}, kind)
        except cb.CatBoostError as error:
            print("left out", VERSION, loss, str(error)[:80])
            continue
        write(output, loss.split(":")[0].lower(), model, predict, forms=forms)
    rows = made_up(2, 400)
    ranked = train({"loss_function": "YetiRank"}, "rank", rows=rows,
                   group_id=np.repeat(np.arange(20), 20))
    write(output, "yetirank", ranked, "RawFormulaVal")


def kinds(output):
    """Kinds of trees and of missing values."""
    for policy in ("Lossguide", "Depthwise"):
        forms = ("cbm", "json") if policy == "Lossguide" else ("cbm",)
        model = train({"loss_function": "Logloss", "grow_policy": policy, "depth": 4}, "binary")
        write(output, policy.lower(), model, "Probability", forms=forms)
    multi = train({"loss_function": "MultiClass", "grow_policy": "Lossguide"}, "multi")
    write(output, "lossguide-multi", multi, "Probability")
    for mode in ("Min", "Max"):
        write(output, f"nan-{mode.lower()}",
              train({"loss_function": "RMSE", "nan_mode": mode}, "value"), "RawFormulaVal")
    write(output, "nan-never", train({"loss_function": "RMSE"}, "value",
                                     rows=made_up(2, 400, missing=False)), "RawFormulaVal")
    scaled = train({"loss_function": "RMSE"}, "value")
    scaled.set_scale_and_bias(1.7, -0.3)
    write(output, "scaled", scaled, "RawFormulaVal")
    deep = train({"loss_function": "RMSE", "depth": 9, "iterations": 2}, "value")
    write(output, "deep", deep, "RawFormulaVal")


CTRS = ["Borders", "Buckets", "BinarizedTargetMeanValue", "Counter"]


def categories(output):
    """Categories: one-hot, and by each kind of CTR, alone and combined."""
    def rows(seed=2):
        made = made_up(seed, 400)
        made[:, CATEGORICAL] = np.nan_to_num(made[:, CATEGORICAL])
        return made
    write(output, "one-hot", train({"loss_function": "Logloss", "one_hot_max_size": 255},
                                   "binary", CATEGORICAL, rows()),
          "Probability", CATEGORICAL, forms=("cbm", "json"))
    for ctr in CTRS:
        more = {"simple_ctr": [ctr], "combinations_ctr": [ctr], "one_hot_max_size": 2,
                "max_ctr_complexity": 3}
        model = train({"loss_function": "Logloss", **more}, "binary", CATEGORICAL, rows())
        write(output, f"ctr-{ctr.lower()}", model, "Probability", CATEGORICAL)
    for loss, kind, predict in [("MultiClass", "multi", "Probability"),
                                ("RMSE", "value", "RawFormulaVal")]:
        model = train({"loss_function": loss, "one_hot_max_size": 7}, kind, CATEGORICAL, rows())
        write(output, f"ctr-{loss.lower()}", model, predict, CATEGORICAL)


def forests(output):
    """One larger model, and thousands of rows."""
    rows = made_up(2, 400)
    model = train({"loss_function": "Logloss", "depth": 6, "iterations": 30}, "binary", rows=rows)
    write(output, "thousands", model, "Probability", count=FOREST_ROWS)


def make(output):
    """Makes them all."""
    losses(output)
    kinds(output)
    categories(output)
    forests(output)
