"""Tree operators that the converters don't write yet, built here from fitted HistGradientBoosting.

ai.onnx.ml 3 can hold float64 thresholds (`nodes_values_as_tensor`), ai.onnx.ml 5 has one operator
for all tree ensembles (`TreeEnsemble`). Both keep scikit-learn's float64 thresholds exactly.
"""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from shardgate.exporter.exporting import floor_to_float32, library_scores
from zoo_entries import SEED, WIDTH, made_up

LEQ = 0
SUM = 1


def fitted_trees(model) -> list[tuple[int, np.ndarray]]:
    """(class or target, nodes) of each tree, in the order that they are summed."""
    return [
        (target, predictor.nodes)
        for iteration in model._predictors
        for target, predictor in enumerate(iteration)
    ]


def graph_of(nodes: list, name: str, initializers: list, classes: int, kind: int, ml: int):
    """A model of one input, `input`, and one output, `score`."""
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("input", kind, [None, WIDTH])],
        [helper.make_tensor_value_info("score", kind, [None, classes])], initializers,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", ml)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def version_5(model, name: str, dtype: type) -> onnx.ModelProto:
    """TreeEnsemble of ai.onnx.ml 5, whose leaves are apart from its branches."""
    columns = {key: [] for key in (
        "nodes_featureids", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids",
        "nodes_falseleafs", "nodes_missing_value_tracks_true")}
    roots, splits, targets, weights = [], [], [], []
    for target, tree in fitted_trees(model):
        first_branch, first_leaf = len(splits), len(weights)
        leaf = tree["is_leaf"].astype(bool)
        position = np.where(leaf, first_leaf + np.cumsum(leaf) - 1,
                            first_branch + np.cumsum(~leaf) - 1)
        roots.append(first_branch)
        for node in tree[~leaf]:
            threshold = float(node["num_threshold"])
            splits.append(floor_to_float32(threshold) if dtype == np.float32 else threshold)
            columns["nodes_featureids"].append(int(node["feature_idx"]))
            tracks = int(node["missing_go_to_left"])
            columns["nodes_missing_value_tracks_true"].append(tracks)
            for side, child in (("true", node["left"]), ("false", node["right"])):
                columns[f"nodes_{side}nodeids"].append(int(position[child]))
                columns[f"nodes_{side}leafs"].append(int(leaf[child]))
        weights += tree["value"][leaf].tolist()
        targets += [target] * int(leaf.sum())
    base = model._baseline_prediction.ravel()
    ensemble = helper.make_node(
        "TreeEnsemble", ["input"], ["sum"], domain="ai.onnx.ml", n_targets=len(base),
        aggregate_function=SUM, post_transform=0, tree_roots=roots, leaf_targetids=targets,
        leaf_weights=numpy_helper.from_array(np.array(weights, dtype), "leaf_weights"),
        nodes_splits=numpy_helper.from_array(np.array(splits, dtype), "nodes_splits"),
        nodes_modes=numpy_helper.from_array(
            np.full(len(splits), LEQ, dtype=np.uint8), "nodes_modes"),
        **columns,
    )
    last = {1: "Sigmoid"}.get(len(base), "Softmax")
    if isinstance(model, HistGradientBoostingRegressor):
        last = "Identity"
    nodes = [ensemble, helper.make_node("Add", ["sum", "base"], ["raw"]),
             helper.make_node(last, ["raw"], ["score"])]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    initializers = [numpy_helper.from_array(base.astype(dtype), "base")]
    return graph_of(nodes, name, initializers, len(base), kind, 5)


def version_3_double(model, name: str) -> onnx.ModelProto:
    """TreeEnsembleRegressor with float64 thresholds and weights; its output is float32 anyway."""
    lists = {key: [] for key in (
        "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_truenodeids",
        "nodes_falsenodeids", "nodes_missing_value_tracks_true", "target_treeids",
        "target_nodeids", "target_ids")}
    splits, weights = [], []
    for number, (target, tree) in enumerate(fitted_trees(model)):
        for index, node in enumerate(tree):
            leaf = bool(node["is_leaf"])
            splits.append(0.0 if leaf else float(node["num_threshold"]))
            row = (number, index, 0 if leaf else int(node["feature_idx"]),
                   "LEAF" if leaf else "BRANCH_LEQ", 0 if leaf else int(node["left"]),
                   0 if leaf else int(node["right"]),
                   0 if leaf else int(node["missing_go_to_left"]))
            for key, value in zip(list(lists)[:7], row, strict=True):
                lists[key].append(value)
            if leaf:
                weights.append(float(node["value"]))
                for key, value in zip(list(lists)[7:], (number, index, target), strict=True):
                    lists[key].append(value)
    tensors = {"nodes_values": splits, "target_weights": weights,
               "base_values": model._baseline_prediction.ravel()}
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", ["input"], ["score"], domain="ai.onnx.ml", n_targets=1,
        post_transform="NONE", **lists,
        **{f"{key}_as_tensor": numpy_helper.from_array(np.array(value, np.float64), key)
           for key, value in tensors.items()},
    )
    proto = graph_of([ensemble], name, [], 1, TensorProto.DOUBLE, 3)
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    return proto


def models() -> Iterator[tuple[str, str, object, onnx.ModelProto, bool, Callable]]:
    """(name, task, estimator, graph, whether its input is float64, how it scores rows)."""
    data = made_up(True, 500)
    for name, task, kind, dtype in (
        ("tree-ensemble-v5-binary", "binary", HistGradientBoostingClassifier, np.float32),
        ("tree-ensemble-v5-multi", "multi", HistGradientBoostingClassifier, np.float32),
        ("tree-ensemble-v5-regressor", "regression", HistGradientBoostingRegressor, np.float32),
        ("tree-ensemble-v5-regressor-double", "regression", HistGradientBoostingRegressor,
         np.float64),
        ("tree-ensemble-v3-regressor-double", "regression", HistGradientBoostingRegressor,
         np.float64),
    ):
        model = kind(max_iter=10, max_leaf_nodes=15, random_state=SEED)
        model.fit(data.rows.astype(np.float64), data.targets[task])
        proto = version_3_double(model, name) if "v3" in name else version_5(model, name, dtype)
        yield (name, task, model, proto, dtype == np.float64,
               lambda rows, model=model, task=task: wanted(library_scores(model, rows), task))


def wanted(scores: np.ndarray, task: str) -> np.ndarray:
    """These graphs give the second of two classes alone."""
    return scores[:, 1:] if task == "binary" else scores
