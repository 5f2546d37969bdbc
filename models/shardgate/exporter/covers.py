"""How many training rows reached each node of a graph's trees: `nodes_hitrates`, from which the
gateway explains scores. The converters write ones there, or nothing.

An ensemble of the graph is filled only where its trees are those of a part of the estimator, branch
by branch, by their features and thresholds; else it is left as it was.
"""

import json

import numpy as np
import onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

LEAF = -1
HITRATES = "nodes_hitrates"
OPERATORS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
# Thresholds of 64 bits are rounded in a graph of 32.
THRESHOLD_ALLOWED = 1e-6


class Tree:
    """A tree of a library: of each node its feature, threshold, children and cover. Rows that are
    at most the threshold, or below it, go left; at a node of `sets`, rows of its categories do."""

    def __init__(self, features, thresholds, left, right, covers, sets=None):
        self.features, self.thresholds = features, thresholds
        self.left, self.right, self.covers = left, right, covers
        self.sets = sets or {}

    def is_leaf(self, node: int) -> bool:
        return self.left[node] == LEAF


def of_scikit_learn(tree) -> Tree:
    return Tree(tree.feature, tree.threshold, tree.children_left, tree.children_right,
                tree.weighted_n_node_samples)


def of_histogram(predictor) -> Tree:
    nodes = predictor.nodes
    inner = ~nodes["is_leaf"].astype(bool)
    return Tree(nodes["feature_idx"], nodes["num_threshold"],
                np.where(inner, nodes["left"].astype(np.int64), LEAF),
                np.where(inner, nodes["right"].astype(np.int64), LEAF), nodes["count"])


def of_lightgbm(structure: dict) -> Tree:
    features, thresholds, left, right, covers, sets = [], [], [], [], [], {}
    pending = [(structure, None, None)]
    while pending:
        node, parent, children = pending.pop()
        place = len(features)
        if children is not None:
            children[parent] = place
        is_leaf = "split_feature" not in node
        numeric = not is_leaf and node["decision_type"] == "<="
        if not is_leaf and not numeric:
            sets[place] = {float(category) for category in str(node["threshold"]).split("||")}
        features.append(-2 if is_leaf else node["split_feature"])
        thresholds.append(float(node["threshold"]) if numeric else np.nan)
        left.append(LEAF)
        right.append(LEAF)
        covers.append(node.get("leaf_count" if is_leaf else "internal_count", 0))
        if not is_leaf:
            pending += [(node["right_child"], place, right), (node["left_child"], place, left)]
    return Tree(features, thresholds, left, right, covers, sets)


def of_xgboost(tree: dict) -> Tree:
    return Tree(tree["split_indices"], tree["split_conditions"], tree["left_children"],
                tree["right_children"], tree["sum_hessian"])


def trees_of(model) -> list[Tree] | None:
    """The trees of an estimator in the order of its graph; None if it has none."""
    if hasattr(model, "tree_"):
        return [of_scikit_learn(model.tree_)]
    if hasattr(model, "_predictors"):
        return [of_histogram(one) for several in model._predictors for one in several]
    if hasattr(model, "booster_"):
        dumped = model.booster_.dump_model()
        return [of_lightgbm(tree["tree_structure"]) for tree in dumped["tree_info"]]
    if hasattr(model, "get_booster"):
        saved = json.loads(model.get_booster().save_raw("json"))
        booster = saved["learner"]["gradient_booster"]
        return [of_xgboost(tree) for tree in booster.get("model", {}).get("trees", [])] or None
    parts = np.ravel(getattr(model, "estimators_", []))
    if len(parts) and all(hasattr(part, "tree_") for part in parts):
        return [of_scikit_learn(part.tree_) for part in parts]
    return None


def estimators(model):
    """The estimators that may have become ensembles."""
    if isinstance(model, Pipeline):
        yield from estimators(model[-1])
    elif isinstance(model, CalibratedClassifierCV):
        for part in model.calibrated_classifiers_:
            yield from estimators(part.estimator)
    else:
        yield model


def _attributes(node: onnx.NodeProto) -> dict:
    found = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        is_tensor = attribute.type == attribute.TENSOR
        name = attribute.name.removesuffix("_as_tensor")
        found[name] = onnx.numpy_helper.to_array(value) if is_tensor else value
    return found


def _matched(arrays: dict, trees: list[Tree]) -> list[float] | None:
    """The cover of each node of the graph; None where its trees are others."""
    tree_ids = np.asarray(arrays["nodes_treeids"])
    node_ids = np.asarray(arrays["nodes_nodeids"])
    places = {(tree, node): place for place, (tree, node) in enumerate(zip(tree_ids, node_ids))}
    ids = list(dict.fromkeys(tree_ids.tolist()))
    if len(ids) != len(trees):
        return None
    covers = np.zeros(len(tree_ids))
    children = np.asarray([arrays["nodes_truenodeids"], arrays["nodes_falsenodeids"]])
    for tree_id, tree in zip(ids, trees):
        # The first node of a tree is its root.
        pending = [(int(np.argmax(tree_ids == tree_id)), 0)]
        while pending:
            place, node = pending.pop()
            mode = arrays["nodes_modes"][place]
            covers[place] = tree.covers[node]
            if (mode == b"LEAF") != tree.is_leaf(node):
                return None
            if mode == b"LEAF":
                continue
            if node in tree.sets:
                chain = _chain(arrays, places, place)
                covers[chain] = tree.covers[node]
                if ({float(arrays["nodes_values"][one]) for one in chain} != tree.sets[node]
                        or arrays["nodes_featureids"][place] != tree.features[node]):
                    return None
                for child, side in ((children[0, place], tree.left[node]),
                                    (children[1, chain[-1]], tree.right[node])):
                    pending.append((places[tree_id, child], int(side)))
                continue
            threshold = float(tree.thresholds[node])
            value = float(arrays["nodes_values"][place])
            # A split of the missing values from all others is at infinity.
            apart = 0.0 if value == threshold else abs(value - threshold)
            if (mode not in (b"BRANCH_LEQ", b"BRANCH_LT")
                    or arrays["nodes_featureids"][place] != tree.features[node]
                    or not apart <= THRESHOLD_ALLOWED * max(1.0, abs(threshold))):
                return None
            for child, side in zip(children[:, place], (tree.left[node], tree.right[node])):
                pending.append((places[tree_id, child], int(side)))
    return covers.tolist()


def _chain(arrays: dict, places: dict, head: int) -> list[int]:
    """The nodes that spell a test for several categories: each tests for one, all have the same
    `true` node, and each but the last has the next for its `false` node."""
    chain = []
    place = head
    while (arrays["nodes_modes"][place] == b"BRANCH_EQ"
           and all(arrays[name][place] == arrays[name][head]
                   for name in ("nodes_featureids", "nodes_truenodeids"))):
        chain.append(place)
        place = places[arrays["nodes_treeids"][head], arrays["nodes_falsenodeids"][place]]
    return chain or [head]


def _has_odd_base(arrays: dict, model) -> bool:
    """Whether the gateway knows by the lack of covers that a base value is a probability: XGBoost's
    converter writes one where the first tree is a leaf."""
    tree_ids = np.asarray(arrays["nodes_treeids"])
    return hasattr(model, "get_booster") and np.sum(tree_ids == tree_ids[0]) == 1


def fill(proto: onnx.ModelProto, model) -> None:
    """Writes the covers of each ensemble of the graph whose trees are the estimator's."""
    found = [(part, trees) for part in estimators(model) if (trees := trees_of(part)) is not None]
    for node in proto.graph.node:
        if node.op_type not in OPERATORS:
            continue
        arrays = _attributes(node)
        for place, (part, trees) in enumerate(found):
            covers = _matched(arrays, trees)
            if covers is None or _has_odd_base(arrays, part):
                continue
            kept = [known for known in node.attribute if not known.name.startswith(HITRATES)]
            del node.attribute[:]
            node.attribute.extend(kept)
            node.attribute.append(onnx.helper.make_attribute(HITRATES, covers))
            node.attribute.sort(key=lambda known: known.name)
            del found[place]
            break
