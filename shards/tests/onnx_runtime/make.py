"""Writes trees.json: small random tree ensembles, rows, and the scores that ONNX Runtime gives them.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy
    python shards/tests/onnx_runtime/make.py

Numbers are stored as the integers with the same bits, so that NaN, infinities and the last bit
survive: 32-bit ones for float ensembles, 64-bit ones for double ensembles.
"""

import json
import random
import struct
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
ROWS, COLUMNS = 8, 4
POOL = [0.0, -0.0, 0.25, -0.5, 1.0, 1e-45, -1e-40, 3e38, float("inf"), float("-inf")]


def single(value: float) -> float:
    return float(np.float32(value))


def number(rng: random.Random) -> float:
    return single(rng.choice(POOL) if rng.random() < 0.4 else rng.uniform(-1, 1))


def forest(rng: random.Random, modes: list[str], outputs: list[int], positive: bool) -> dict:
    """Up to four trees; every leaf has a weight for each of `outputs`."""
    node = {name: [] for name in (
        "treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
        "missing_value_tracks_true")}
    leaf = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(rng.randint(1, 4)):
        count, open_nodes = 1, [0]
        nodes = {0: ("LEAF", 0, 0.0, 0, 0, 0)}
        for _ in range(rng.randint(0, 6)):
            parent = open_nodes.pop(rng.randrange(len(open_nodes)))
            nodes[parent] = (rng.choice(modes), rng.randrange(COLUMNS), number(rng),
                             count, count + 1, rng.randint(0, 1))
            for child in (count, count + 1):
                nodes[child] = ("LEAF", 0, 0.0, 0, 0, 0)
                open_nodes.append(child)
            count += 2
        for identity, (mode, column, threshold, yes, no, tracks) in nodes.items():
            values = (tree, identity, column, mode, threshold, yes, no, tracks)
            for name, value in zip(node, values):
                node[name].append(value)
        for identity in open_nodes:
            for output in outputs:
                weight = single(rng.uniform(0 if positive else -1, 1))
                for name, value in zip(leaf, (tree, identity, output, weight)):
                    leaf[name].append(value)
    return {"node": node, "leaf": leaf}


def run(case: dict, rows: np.ndarray) -> np.ndarray:
    """The scores of ONNX Runtime."""
    prefix = "class" if case["classifier"] else "target"
    double = case["double"]
    attributes = {f"nodes_{name}": values for name, values in case["node"].items()}
    attributes |= {f"{prefix}_{name}": values for name, values in case["leaf"].items()}
    if case["bases"]:
        attributes["base_values"] = case["bases"]
    if double:
        for name in ("nodes_values", f"{prefix}_weights", "base_values"):
            if values := attributes.pop(name, None):
                attributes[f"{name}_as_tensor"] = helper.make_tensor(
                    name, TensorProto.DOUBLE, [len(values)], values)
    if case["classifier"]:
        attributes["classlabels_int64s"] = list(range(case["outputs"]))
        kind, outputs = "TreeEnsembleClassifier", ["label", "scores"]
    else:
        attributes |= {"n_targets": case["outputs"], "aggregate_function": case["aggregate"]}
        kind, outputs = "TreeEnsembleRegressor", ["scores"]
    attributes["post_transform"] = case["transform"]
    element = TensorProto.DOUBLE if double else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(kind, ["rows"], outputs, domain="ai.onnx.ml", **attributes)], "trees",
        [helper.make_tensor_value_info("rows", element, [None, COLUMNS])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"rows": rows})[0]


def bits(values, double: bool) -> list[int]:
    kinds = ("<d", "<Q") if double else ("<f", "<I")
    return [struct.unpack(kinds[1], struct.pack(kinds[0], value))[0] for value in values]


def cases() -> list[dict]:
    rng = random.Random(20)
    shapes = []
    for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        for positive in (False, True):
            # Two classes, with the weights of one: the usual form of boosted trees.
            shapes += [(True, 2, [0], bases, transform, "SUM", positive) for bases in (0, 1)]
            shapes += [(True, 2, [1], 0, transform, "SUM", positive)]
            shapes += [(True, 2, [0, 1], bases, transform, "SUM", positive) for bases in (0, 1)]
        shapes += [(True, 4, [0, 1, 2, 3], bases, transform, "SUM", False) for bases in (0, 4)]
        shapes += [(False, 3, [0, 1, 2], bases, transform, "SUM", False) for bases in (0, 3)]
    shapes += [(True, 3, [0, 1, 2], 0, "PROBIT", "SUM", True)]
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        shapes += [(False, 1, [0], bases, "NONE", aggregate, False) for bases in (0, 1)]
        shapes += [(False, 2, [0, 1], bases, "NONE", aggregate, False) for bases in (0, 2)]
    made = []
    for classifier, outputs, used, bases, transform, aggregate, positive in shapes:
        for modes, double in ((MODES if len(made) % 4 else MODES[:1], False), (MODES, True)):
            case = forest(rng, modes, used, positive)
            case |= {"classifier": classifier, "outputs": outputs, "transform": transform,
                     "aggregate": aggregate, "double": double,
                     "bases": [single(rng.uniform(-1, 1)) for _ in range(bases)]}
            cells = [float("nan") if rng.random() < 0.1 else number(rng)
                     for _ in range(ROWS * COLUMNS)]
            rows = np.array(cells, np.float64 if double else np.float32).reshape(ROWS, COLUMNS)
            scores = run(case, rows)
            for holder, name in ((case["node"], "values"), (case["leaf"], "weights"),
                                 (case, "bases")):
                holder[name] = bits(holder[name], double)
            case |= {"cells": bits(cells, double), "scores": bits(scores.ravel().tolist(), False)}
            made.append(case)
    return made


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases())
    Path(__file__).with_name("trees.json").write_text(f"[\n{lines}\n]\n")
