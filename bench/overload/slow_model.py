#!/usr/bin/env python3
"""Writes a model repository with one model that is slow to compute, for `bench overload`.

    .cache/venv/bin/python bench/overload/slow_model.py FOLDER [UNITS]

`slow` reads the columns of credit-risk, multiplies a row through layers of 1,024 units, or as many as
are given, and gives a number between 0 and 1. One row takes some 200 us, so that a few thousand requests
a second are a shard's limit, and a sender on another core can send several times as many.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
LAYERS = 3


def graph(columns, units):
    chance = np.random.default_rng(1)
    widths = [columns, *[units] * LAYERS, 1]
    nodes, weights, name = [], [], "input"
    for layer, shape in enumerate(zip(widths, widths[1:])):
        weight = chance.normal(0, 1 / np.sqrt(shape[0]), shape).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"weight_{layer}"))
        nodes.append(helper.make_node("MatMul", [name, f"weight_{layer}"], [f"product_{layer}"]))
        last = layer == LAYERS
        name = "score" if last else f"layer_{layer}"
        activation = "Sigmoid" if last else "Relu"
        nodes.append(helper.make_node(activation, [f"product_{layer}"], [name]))
    rows = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["rows", columns])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", 1])
    return helper.make_graph(nodes, "slow", [rows], [score], weights)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    units = int(sys.argv[2]) if len(sys.argv) == 3 else 1_024
    text = (ROOT / "models/credit-risk/model.toml").read_text()
    columns = text[text.index("[[columns]]"):]
    folder = Path(sys.argv[1]) / "slow"
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(f'[output]\ntensor = "score"\n\n{columns}')
    model = helper.make_model(graph(columns.count("[[columns]]"), units),
                              opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, folder / "1/model.onnx")


if __name__ == "__main__":
    main()
