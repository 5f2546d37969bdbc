"""Tree operators that the converters don't write yet, built here from fitted HistGradientBoosting.

ai.onnx.ml 3 can hold float64 thresholds (`nodes_values_as_tensor`): scikit-learn's own, exactly.
"""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingRegressor

from exporting import library_scores
from zoo_entries import SEED, WIDTH, made_up


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
    model = HistGradientBoostingRegressor(max_iter=10, max_leaf_nodes=15, random_state=SEED)
    model.fit(data.rows.astype(np.float64), data.targets["regression"])
    name = "tree-ensemble-v3-regressor-double"
    proto = version_3_double(model, name)
    yield name, "regression", model, proto, True, lambda rows: library_scores(model, rows)
