#!/usr/bin/env python3
"""Writes a model repository with one model that is slow to compute, for `bench overload`.

    .cache/venv/bin/python bench/overload/slow_model.py FOLDER [--units N] [--layers N] [--own-weights]

`slow` reads the columns of bench-credit-numeric, multiplies a row through layers, and gives a number between 0
and 1. A few thousand requests a second are then a shard's limit, and a sender on another core can send
several times as many.

All layers have one matrix, which stays in the processor's cache as trees do; with `--own-weights` each
has its own, so that each batch brings all of them into the cache and leaves nothing of the rest there.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]


def graph(columns, arguments):
    chance = np.random.default_rng(1)
    units, layers = arguments.units, arguments.layers
    weights, nodes, name = {}, [], "input"
    for layer in range(layers + 1):
        first, last = layer == 0, layer == layers
        shape = (columns if first else units, 1 if last else units)
        shares = not (first or last or arguments.own_weights)
        weight = "weight" if shares else f"weight_{layer}"
        if weight not in weights:
            values = chance.normal(0, np.sqrt(2 / shape[0]), shape).astype(np.float32)
            weights[weight] = numpy_helper.from_array(values, weight)
        nodes.append(helper.make_node("MatMul", [name, weight], [f"product_{layer}"]))
        name = "score" if last else f"layer_{layer}"
        activation = "Sigmoid" if last else "Relu"
        nodes.append(helper.make_node(activation, [f"product_{layer}"], [name]))
    rows = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["rows", columns])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", 1])
    return helper.make_graph(nodes, "slow", [rows], [score], list(weights.values()))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--units", type=int, default=128)
    arguments.add_argument("--layers", type=int, default=60)
    arguments.add_argument("--own-weights", action="store_true")
    arguments = arguments.parse_args()
    text = (ROOT / "models/bench-credit-numeric/model.toml").read_text()
    columns = text[text.index("[[columns]]"):]
    folder = arguments.folder / "slow"
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(f'[output]\ntensor = "score"\n\n{columns}')
    model = helper.make_model(graph(columns.count("[[columns]]"), arguments),
                              opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, folder / "1/model.onnx")


if __name__ == "__main__":
    main()
