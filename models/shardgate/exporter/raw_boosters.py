"""The trees of LightGBM's, XGBoost's and CatBoost's classifiers, for `raw_values.py`: what their
libraries make of them, in the libraries' own precision and order."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import histogram

LEQ, LT = 0, 1
SUPPORTED = {"lightgbm": ("binary", "multiclass", "multiclassova"),
             "xgboost": ("binary:logistic", "multi:softprob"),
             "catboost": ("Logloss", "CrossEntropy", "MultiClass")}


@dataclass
class Boosted:
    """Trees by their lists, as scikit-learn has them, each with its class."""

    trees: list["Tree"]
    # What a row's sums begin with, class by class.
    base: np.ndarray
    # The sigmoid's factor; None where a softmax follows.
    sigmoid: float | None
    mode: int
    # Whether the library computes in 32 bits.
    is_single: bool
    # Whether it compares in 32 bits.
    rounds: bool = False
    # What sums are divided by.
    divisor: int = 1


@dataclass
class Tree:
    """Nodes; -1 in `left` is a leaf, whose value is in `threshold`."""

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    target: int


def library_of(model) -> str | None:
    kinds = {"LGBMClassifier": "lightgbm", "XGBClassifier": "xgboost",
             "CatBoostClassifier": "catboost"}
    return kinds.get(type(model).__name__)


def boosted(model) -> Boosted | None:
    """The trees of a wrapper; None where it is none or has what isn't written here: categories, linear
    leaves, weights of dropped trees, other objectives."""
    library = library_of(model)
    if library is None:
        return None
    try:
        return {"lightgbm": _of_lightgbm, "xgboost": _of_xgboost, "catboost": _of_catboost}[library](
            model)
    except KeyError:
        return None


def _of_lightgbm(model) -> Boosted | None:
    booster = model.booster_
    dumped = booster.dump_model(num_iteration=model.best_iteration_ or None)
    objective = dumped["objective"].split()
    if objective[0] not in SUPPORTED["lightgbm"]:
        return None
    classes = dumped["num_tree_per_iteration"]
    trees = []
    for place, one in enumerate(dumped["tree_info"]):
        tree = _lightgbm_tree(one["tree_structure"], place % classes)
        if tree is None:
            return None
        trees.append(tree)
    factor = next((float(word.partition(":")[2]) for word in objective
                   if word.startswith("sigmoid:")), None)
    divisor = len(trees) // classes if dumped["average_output"] else 1
    return Boosted(trees, np.zeros(classes), factor, LEQ, is_single=False, divisor=divisor)


def _lightgbm_tree(root: dict, target: int) -> Tree | None:
    nodes, order = [root], []
    lefts, rights = [], []
    while nodes:
        node = nodes.pop(0)
        order.append(node)
        if "leaf_coeff" in node:
            return None
        if "split_feature" not in node:
            lefts.append(-1)
            rights.append(-1)
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            return None
        first = len(order) + len(nodes)
        lefts.append(first)
        rights.append(first + 1)
        nodes += [node["left_child"], node["right_child"]]

    def missing_left(node: dict) -> bool:
        # A tree that saw no missing value reads NaN as 0.
        threshold = node.get("threshold", 0.0)
        return node.get("default_left", False) if node.get("missing_type") == "NaN" \
            else 0.0 <= threshold

    values = [node.get("threshold", node.get("leaf_value", 0.0)) for node in order]
    return Tree(np.array(lefts), np.array(rights),
                np.array([node.get("split_feature", 0) for node in order]),
                np.array(values, np.float64), np.array([missing_left(node) for node in order]), target)


def _of_xgboost(model) -> Boosted | None:
    booster = model.get_booster()
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    name = learner["objective"]["name"]
    if learner["gradient_booster"]["name"] != "gbtree" or name not in SUPPORTED["xgboost"]:
        return None
    ensemble = learner["gradient_booster"]["model"]
    best = getattr(model, "early_stopping_rounds", None) and model.best_iteration
    count = ensemble["iteration_indptr"][best + 1] if best is not None else len(ensemble["trees"])
    trees = []
    for one, target in zip(ensemble["trees"][:count], ensemble["tree_info"]):
        if any(one["split_type"]) or int(one["tree_param"].get("size_leaf_vector", 1)) > 1:
            return None
        trees.append(Tree(
            np.array(one["left_children"]), np.array(one["right_children"]),
            np.array(one["split_indices"]), np.array(one["split_conditions"], np.float32),
            np.array(one["default_left"], bool), target))
    classes = max(1, int(learner["learner_model_param"]["num_class"]))
    text = learner["learner_model_param"]["base_score"].strip("[]")
    base = np.array([float(word) for word in text.split(",")], np.float32)
    if name == "binary:logistic":
        base = -np.log(np.float32(1) / base - np.float32(1))
    base = np.broadcast_to(base, (classes,))
    factor = 1.0 if name == "binary:logistic" else None
    return Boosted(trees, base, factor, LT, is_single=True)


def _of_catboost(model) -> Boosted | None:
    """Trees whose levels ask the same each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        found = json.loads(path.read_text())
    loss = model.get_all_params()["loss_function"]
    info = found["features_info"]
    if loss not in SUPPORTED["catboost"] or info.get("categorical_features") or \
            info.get("text_features") or "oblivious_trees" not in found:
        return None
    scale, bias = found["scale_and_bias"]
    base = np.atleast_1d(np.array(bias, np.float64))
    goes_right = {feature["feature_index"]: feature["nan_value_treatment"] == "AsTrue"
                  for feature in info["float_features"]}
    columns = {feature["feature_index"]: feature["flat_feature_index"]
               for feature in info["float_features"]}
    trees = []
    for one in found["oblivious_trees"]:
        splits = one["splits"] or []
        if any(split["split_type"] != "FloatFeature" for split in splits):
            return None
        leaves = scale * np.array(one["leaf_values"], np.float64).reshape(2 ** len(splits), -1)
        for target in range(leaves.shape[1]):
            trees.append(_symmetric_tree(splits, leaves[:, target], target, columns, goes_right))
    sigmoid = None if loss == "MultiClass" else 1.0
    return Boosted(trees, base, sigmoid, LEQ, is_single=False, rounds=True)


def _symmetric_tree(splits: list, leaves: np.ndarray, target: int, columns: dict,
                    goes_right: dict) -> Tree:
    """The bit of a split in a leaf's number says whether the value is above its border."""
    depth = len(splits)
    count = 2**depth - 1
    inner = np.arange(count)
    level = np.floor(np.log2(inner + 1)).astype(int)
    # From the last split down, so that leaves lie in the order of their numbers.
    asked = [splits[depth - 1 - one] for one in level]
    leaf = np.full(2**depth, -1)
    features = [split["float_feature_index"] for split in asked]
    return Tree(
        np.concatenate([2 * inner + 1, leaf]), np.concatenate([2 * inner + 2, leaf]),
        np.array([columns[feature] for feature in features] + [0] * 2**depth),
        np.concatenate([np.array([split["border"] for split in asked], np.float32), leaves]),
        np.array([not goes_right[feature] for feature in features] + [False] * 2**depth), target)


def add(made: histogram.Ensemble, found: Boosted, first: int) -> None:
    """Adds the trees to an ensemble, whose targets they are from `first` on."""
    if found.base.any():
        for target, base in enumerate(found.base):
            made.add_constant(first + target, float(base))
    for tree in found.trees:
        made.add_nodes(tree, first + tree.target, found.mode)
