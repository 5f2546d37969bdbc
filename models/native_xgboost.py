"""XGBoost's fixtures: see native_fixtures.py."""

import json

import numpy as np
import pandas as pd
import xgboost as xgb

from native_fixtures import CATEGORICAL, FOREST_ROWS, NAMES, Case, asked, both, made_up, target

VERSION = xgb.__version__
AT = tuple(int(part) for part in VERSION.split(".")[:2])
SMALL = {"max_depth": 3, "eta": 0.4, "nthread": 1, "seed": 3, "verbosity": 0}
TYPES = ["c" if column in CATEGORICAL else "float" for column in range(len(NAMES))]


def matrix(rows, label=None, categorical=False, named=True, group=None):
    """Rows as the library takes them."""
    more = {"feature_types": TYPES, "enable_categorical": True} if categorical else {}
    names = {"feature_names": NAMES[: rows.shape[1]]} if named else {}
    data = xgb.DMatrix(rows, label, missing=np.nan, **names, **more)
    if group is not None:
        data.set_group(group)
    return data


def thresholds(booster):
    """The thresholds of each column."""
    found = {}
    for tree in booster.get_dump(dump_format="json"):
        pending = [json.loads(tree)]
        while pending:
            node = pending.pop()
            if "split" not in node:
                continue
            name = node["split"]
            column = NAMES.index(name) if name in NAMES else int(name[1:])
            condition = node["split_condition"]
            if isinstance(condition, (int, float)):
                found.setdefault(column, set()).add(np.float32(condition))
            pending += node["children"]
    return found


def ties(booster, count):
    """Rows with cells at thresholds, as float32 steps."""
    try:
        found = thresholds(booster)
    except (ValueError, xgb.core.XGBoostError):
        found = {}
    rows = asked({}, count, infinite=False, wild=False)
    random = np.random.default_rng(11)
    for column, values in found.items():
        if column in CATEGORICAL:
            continue
        values = np.array(sorted(values), dtype=np.float32)
        for row in random.choice(np.arange(13, count), count // 3, replace=False):
            value = random.choice(values)
            steps = [value, np.nextafter(value, np.float32(-1e9)),
                     np.nextafter(value, np.float32(1e9))]
            rows[row, column] = steps[random.integers(3)]
    return rows.astype(np.float32).astype(np.float64)


def write(output, name, booster, kind="value", categorical=False, named=True, count=40,
          rounds=None, formats=("json",)):
    """Writes a booster and its scores."""
    rows = ties(booster, count)
    data = matrix(rows, categorical=categorical, named=named)
    more = {}
    if rounds is not None:
        more = {"iteration_range": (0, rounds)}
    margins = booster.predict(data, output_margin=True, **more)
    scores = booster.predict(data, **more)
    scores = both(scores) if kind == "binary" else scores
    for form in formats:
        case = Case(output, "xgboost", VERSION, name + ("" if form == "json" else "-ubj"))
        booster.save_model(str(case.folder / f"model.{form}"))
        case.write(rows, margins, scores)


def train(parameters, kind, rounds=5, categorical=False, named=True, missing=True, group=None):
    """Trains on made-up rows."""
    rows = made_up(2, 400, missing)
    data = matrix(rows, target(rows, kind), categorical, named, group)
    return xgb.train({**SMALL, **parameters}, data, rounds)


OBJECTIVES = [
    ("reg:squarederror", "value", {}), ("reg:squaredlogerror", "positive", {}),
    ("reg:logistic", "share", {}), ("binary:logitraw", "binary", {}),
    ("binary:hinge", "binary", {}), ("count:poisson", "count", {}),
    ("reg:gamma", "positive", {}), ("reg:tweedie", "positive", {"tweedie_variance_power": 1.4}),
    ("reg:pseudohubererror", "value", {}), ("survival:cox", "positive", {}),
    ("rank:pairwise", "rank", {}), ("rank:ndcg", "rank", {}),
]
LATER = [((1, 7), "reg:absoluteerror", "value", {}),
         ((2, 0), "reg:quantileerror", "value", {"quantile_alpha": [0.2, 0.8]}),
         ((3, 2), "reg:expectileerror", "value", {"expectile_alpha": [0.2, 0.8]})]


def objectives(output):
    """One model for each objective, by some of the versions."""
    if AT in ((1, 7), (3, 1)):
        return
    later = [(name, kind, more) for since, name, kind, more in LATER if AT >= since]
    for objective, kind, more in OBJECTIVES + later:
        group = [20] * 20 if kind == "rank" else None
        name = objective.replace(":", "-")
        try:
            booster = train({"objective": objective, **more}, kind, group=group)
        except (ValueError, xgb.core.XGBoostError) as error:
            print("left out", VERSION, objective, str(error)[:80])
            continue
        write(output, name, booster)
    if AT >= (1, 2):
        write(output, "aft", aft())
    multi = {"objective": "multi:softprob", "num_class": 3}
    write(output, "softprob", train(multi, "multi", 3))
    for base in (0.3, 0.9):
        write(output, f"base-score-{base}",
              train({"objective": "binary:logistic", "base_score": base}, "binary"), "binary")
    write(output, "base-score-gamma",
          train({"objective": "reg:gamma", "base_score": 2.5}, "positive"))


def aft():
    """A model of survival."""
    rows = made_up(2, 300)
    data = matrix(rows)
    times = target(rows, "positive")
    data.set_float_info("label_lower_bound", times)
    data.set_float_info("label_upper_bound", np.where(rows[:, 0] > 0.5, np.inf, times))
    return xgb.train({**SMALL, "objective": "survival:aft"}, data, 4)


def boosters(output):
    """The boosters and their variants."""
    formats = ("json", "ubj") if AT >= (1, 6) else ("json",)
    write(output, "binary", train({"objective": "binary:logistic"}, "binary"), "binary",
          formats=formats)
    write(output, "hist", train({"objective": "binary:logistic", "tree_method": "hist"},
                                "binary", named=False), "binary", named=False)
    dart = {"booster": "dart", "rate_drop": 0.4, "sample_type": "weighted"}
    write(output, "dart", train({**dart, "objective": "reg:squarederror"}, "value", 10))
    write(output, "dart-multi", train({**dart, "objective": "multi:softprob", "num_class": 3},
                                      "multi", 5), formats=formats)
    write(output, "linear", train({"booster": "gblinear", "objective": "reg:squarederror"},
                                  "value", 8))
    write(output, "linear-multi",
          train({"booster": "gblinear", "objective": "multi:softprob", "num_class": 3}, "multi"))
    write(output, "linear-binary",
          train({"booster": "gblinear", "objective": "binary:logistic"}, "binary"), "binary")
    write(output, "parallel",
          train({"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 2,
                 "subsample": 0.7}, "multi", 2))
    # Pruned nodes stay in the file's arrays.
    write(output, "pruned", train({"objective": "reg:squarederror", "gamma": 12.0,
                                   "tree_method": "exact", "max_depth": 5}, "value"))


def categorical(output):
    """Categories, one at a time and in groups."""
    if AT < (1, 6):
        return
    base = {"objective": "binary:logistic", "tree_method": "hist"}
    write(output, "one-hot", train({**base, "max_cat_to_onehot": 100}, "binary", 6, True),
          "binary", True)
    write(output, "partitioned", train({**base, "max_cat_to_onehot": 1}, "binary", 6, True),
          "binary", True, formats=("json", "ubj"))


def targets(output):
    """Several targets: a tree for each, or vectors in the leaves."""
    if AT < (1, 6):
        return
    rows = made_up(2, 400)
    data = matrix(rows, target(rows, "two"))
    booster = xgb.train({**SMALL, "tree_method": "hist"}, data, 3)
    write(output, "two-targets", booster)
    if AT >= (2, 0):
        parameters = {**SMALL, "tree_method": "hist", "multi_strategy": "multi_output_tree"}
        write(output, "multi-output-tree", xgb.train(parameters, data, 3), formats=("json", "ubj"))


def sklearn_models(output):
    """Early stopping, and a data frame's categories."""
    if AT < (1, 7):
        return
    rows = made_up(2, 400)
    labels = target(rows, "binary")
    more = {"random_state": 3, "n_jobs": 1, "tree_method": "hist", "learning_rate": 1.0}
    model = xgb.XGBClassifier(n_estimators=40, max_depth=4, early_stopping_rounds=2, **more)
    model.fit(rows[:200], labels[:200], eval_set=[(rows[200:], labels[200:])], verbose=False)
    rounds = model.best_iteration + 1
    booster = model.get_booster()
    assert rounds < booster.num_boosted_rounds()
    case = Case(output, "xgboost", VERSION, "early-stopping")
    model.save_model(str(case.folder / "model.json"))
    asked_rows = ties(booster, 40)
    case.write(asked_rows, model.predict(asked_rows, output_margin=True),
               model.predict_proba(asked_rows))
    shades = np.array(["red", "green", "blue", "teal", "grey", "pink"])
    table = pd.DataFrame({
        "amount": rows[:, 0].astype(np.float32),
        "shade": pd.Categorical(shades[np.nan_to_num(rows[:, 4]).astype(int)]),
        "code": pd.Categorical(np.nan_to_num(rows[:, 5]).astype(int) % 9 * 10),
    })
    model = xgb.XGBClassifier(n_estimators=5, max_depth=3, enable_categorical=True, **more)
    model.fit(table, labels)
    case = Case(output, "xgboost", VERSION, "pandas")
    model.save_model(str(case.folder / "model.json"))
    part = table.iloc[:30]
    codes = np.column_stack([part["amount"], part["shade"].cat.codes, part["code"].cat.codes])
    margins = model.predict(part, output_margin=True)
    case.write(codes, margins, model.predict_proba(part), list(table))


def forests(output):
    """One larger model, and thousands of rows."""
    categories = AT >= (1, 6)
    more = {"max_cat_to_onehot": 3, "tree_method": "hist"} if categories else {}
    booster = train({"objective": "binary:logistic", "max_depth": 6, **more}, "binary", 30,
                    categories)
    write(output, "thousands", booster, "binary", categories, count=FOREST_ROWS)


def make(output):
    """Makes them all."""
    objectives(output)
    boosters(output)
    categorical(output)
    targets(output)
    sklearn_models(output)
    forests(output)
