"""LightGBM's fixtures: see native_fixtures.py."""

import lightgbm as lgb
import numpy as np
import pandas as pd

from native_fixtures import CATEGORICAL, FOREST_ROWS, NAMES, Case, asked, both, made_up, target

VERSION = lgb.__version__
SMALL = {"num_leaves": 7, "min_data_in_leaf": 5, "verbose": -1, "seed": 3, "num_threads": 1,
         "min_data_per_group": 5, "cat_smooth": 1.0, "max_cat_to_onehot": 3}


def thresholds(booster):
    """The thresholds of each column."""
    found = {column: set() for column in range(booster.num_feature())}
    for tree in booster.dump_model()["tree_info"]:
        pending = [tree["tree_structure"]]
        while pending:
            node = pending.pop()
            if "split_feature" not in node:
                continue
            if node["decision_type"] == "<=":
                found[node["split_feature"]].add(node["threshold"])
            pending += [node["left_child"], node["right_child"]]
    return found


def write(output, name, booster, kind="value", rows=None, names=None):
    """Writes a booster and its scores."""
    case = Case(output, "lightgbm", VERSION, name)
    booster.save_model(str(case.folder / "model.txt"))
    rows = asked(thresholds(booster)) if rows is None else rows
    scores = booster.predict(rows, num_threads=1)
    scores = both(scores) if kind == "binary" else scores
    case.write(rows, booster.predict(rows, raw_score=True, num_threads=1), scores, names)


def train(parameters, kind, rounds=6, missing=True, categorical=CATEGORICAL, **more):
    """Trains on made-up rows."""
    rows = made_up(2, 400, missing)
    data = lgb.Dataset(rows, target(rows, kind), feature_name=NAMES,
                       categorical_feature=categorical, **more)
    return lgb.train({**SMALL, **parameters}, data, rounds)


OBJECTIVES = [
    ("regression", "value"), ("regression_l1", "value"), ("huber", "value"), ("fair", "value"),
    ("quantile", "value"), ("mape", "positive"), ("poisson", "count"), ("gamma", "positive"),
    ("tweedie", "positive"), ("cross_entropy", "share"), ("cross_entropy_lambda", "share"),
]


def objectives(output):
    """One model for each objective."""
    for objective, kind in OBJECTIVES:
        write(output, objective.replace("_", "-"), train({"objective": objective}, kind))
    write(output, "binary", train({"objective": "binary"}, "binary"), "binary")
    write(output, "binary-sigmoid",
          train({"objective": "binary", "sigmoid": 0.7}, "binary"), "binary")
    write(output, "regression-sqrt",
          train({"objective": "regression", "reg_sqrt": True}, "value"))
    write(output, "multiclass", train({"objective": "multiclass", "num_class": 3}, "multi", 4))
    write(output, "multiclassova",
          train({"objective": "multiclassova", "num_class": 3, "sigmoid": 1.3}, "multi", 4))
    for objective in ("lambdarank", "rank_xendcg"):
        write(output, objective.replace("_", "-"),
              train({"objective": objective}, "rank", group=[20] * 20))


def kinds(output):
    """Kinds of boosting, of missing values and of columns."""
    write(output, "dart", train({"objective": "regression", "boosting": "dart", "drop_rate": 0.5},
                                "value", 10))
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    write(output, "forest-binary", train({"objective": "binary", **forest}, "binary"), "binary")
    write(output, "forest-multiclass",
          train({"objective": "multiclass", "num_class": 3, **forest}, "multi", 4))
    write(output, "missing-none", train({"objective": "regression"}, "value", missing=False))
    write(output, "missing-none-refused",
          train({"objective": "regression", "use_missing": False}, "value"))
    write(output, "zero-as-missing",
          train({"objective": "regression", "zero_as_missing": True}, "value"))
    write(output, "many-categories",
          train({"objective": "binary", "max_cat_threshold": 64, "num_leaves": 15}, "binary"),
          "binary")
    write(output, "numeric", train({"objective": "binary"}, "binary", categorical=[]), "binary")
    write(output, "linear", train({"objective": "regression", "linear_tree": True}, "value", 8))
    constant = made_up(2, 100)
    data = lgb.Dataset(constant, np.full(100, 2.5), feature_name=NAMES)
    write(output, "constant", lgb.train({**SMALL, "objective": "regression"}, data, 3))
    custom(output)
    frame(output)


def custom(output):
    """An objective of the user's own: the file has none."""
    def squares(*arguments):
        predictions, data = arguments if hasattr(arguments[1], "get_label") else arguments[::-1]
        return predictions - data.get_label(), np.ones(len(predictions))
    rows = made_up(2, 300)
    data = lgb.Dataset(rows, target(rows, "value"), feature_name=NAMES)
    if VERSION < "4":
        booster = lgb.train(SMALL, data, 4, fobj=squares)
    else:
        booster = lgb.train({**SMALL, "objective": squares}, data, 4)
    write(output, "custom", booster)


def frame(output):
    """A data frame: its categories lie in the file."""
    rows = made_up(2, 400)
    shades = np.array(["red", "green", "blue", "teal", "grey", "pink"])
    table = pd.DataFrame({
        "amount due": rows[:, 0],
        "shade": pd.Categorical(shades[np.nan_to_num(rows[:, 4]).astype(int)]),
        "code": pd.Categorical(np.nan_to_num(rows[:, 5]).astype(int) % 9 * 10),
    })
    data = lgb.Dataset(table, target(rows, "binary"))
    booster = lgb.train({**SMALL, "objective": "binary"}, data, 5)
    codes = np.column_stack([made_up(9, 40)[:, 0], np.arange(40) % 8 - 1.0, np.arange(40) % 11])
    codes[codes < -0.9] = np.nan
    names = ["amount_due", "shade", "code"]
    write(output, "pandas", booster, "binary", codes, names)


def forests(output):
    """One larger model, and thousands of rows."""
    booster = train({"objective": "binary", "num_leaves": 31, "learning_rate": 0.2}, "binary", 30)
    rows = asked(thresholds(booster), FOREST_ROWS)
    write(output, "thousands", booster, "binary", rows)


def make(output):
    """Makes them all."""
    objectives(output)
    kinds(output)
    forests(output)
