"""Makes the small graphs of this folder that read text, and ONNX Runtime's scores of them.

    python shards/tests/operators/texts.py     # needs onnx, onnxruntime and numpy
"""

import csv

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from make import HERE, ML

RANDOM = np.random.default_rng(4)
KNOWN = ["red", "green", "blue", "", "Grün", "nan", "None"]
TEXTS = [*KNOWN, "Red", "red ", "violet", "x" * 300, "東京"]
ONE = [("colour", TensorProto.STRING, 1)]
TWO = [("colours", TensorProto.STRING, 2)]
SEVERAL = [("amount", TensorProto.DOUBLE, 1), ("colour", TensorProto.STRING, 1),
           ("count", TensorProto.INT64, 1), ("other", TensorProto.STRING, 1)]


def ml(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, name=f"{operator}_{outputs[0]}", domain=ML,
                            **attributes)


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, name=f"{operator}_{outputs[0]}",
                            **attributes)


def texts(*values):
    return numpy_helper.from_array(np.array(values, object))


def to_float(source):
    return node("Cast", [source], ["score"], to=TensorProto.FLOAT)


CONSTANTS = {
    "red": np.array(["red"], object),
    "filled": np.array(["blue"], object),
    "of 2": np.array([-1, 2], np.int64),
    "of 4": np.array([-1, 4], np.int64),
    "second": np.array([1], np.int64),
    "sizes": np.array([1, 1], np.int64),
}

COLOURS = ["red", "green", "Grün", ""]

GRAPHS = {
    "text-mapper": (ONE, [
        ml("CategoryMapper", ["colour"], ["code"], cats_strings=COLOURS,
           cats_int64s=[7, -2, 1 << 20, 3], default_int64=-9),
        to_float("code"),
    ], 1),
    "text-mapped-twice": (ONE, [
        ml("CategoryMapper", ["colour"], ["code"], cats_strings=["red", "green"],
           cats_int64s=[1, 2], default_int64=5),
        ml("CategoryMapper", ["code"], ["name"], cats_strings=["green", "red"],
           cats_int64s=[1, 2], default_string="none"),
        ml("OneHotEncoder", ["name"], ["bits"], cats_strings=["none", "red"]),
        node("Reshape", ["bits", "of 2"], ["score"]),
    ], 2),
    "text-equal": (ONE, [
        node("Equal", ["colour", "red"], ["is"]),
        to_float("is"),
    ], 1),
    "text-filled": (ONE, [
        ml("LabelEncoder", ["colour"], ["hole"], keys_strings=["", "nan"], values_int64s=[1, 1],
           default_int64=0),
        node("Cast", ["hole"], ["is"], to=TensorProto.BOOL),
        node("Where", ["is", "filled", "colour"], ["whole"]),
        ml("LabelEncoder", ["whole"], ["score"], keys_strings=["red", "blue", "green"],
           values_floats=[1.5, -2.5, 0.25], default_float=9.0),
    ], 1),
    "text-tensors": (ONE, [
        ml("LabelEncoder", ["colour"], ["name"], keys_tensor=texts(*COLOURS),
           values_tensor=texts("a", "b", "a", "Grün"), default_tensor=texts("c")),
        ml("LabelEncoder", ["name"], ["score"], keys_strings=["a", "b", "c", "Grün"],
           values_floats=[1.0, 2.0, 3.0, 4.0], default_float=0.0),
    ], 1),
    "text-split": (TWO, [
        node("Split", ["colours", "sizes"], ["one", "other"], axis=1),
        node("Identity", ["other"], ["same"]),
        ml("OneHotEncoder", ["one"], ["first"], cats_strings=["red", "green"]),
        ml("OneHotEncoder", ["same"], ["last"], cats_strings=["", "red"]),
        node("Concat", ["first", "last"], ["bits"], axis=-1),
        node("Reshape", ["bits", "of 4"], ["score"]),
    ], 4),
    "text-matrix": (TWO, [
        ml("LabelEncoder", ["colours"], ["score"], keys_strings=COLOURS,
           values_floats=[1.0, 2.0, 3.0, 4.0], default_float=-1.0),
    ], 2),
    "text-several": (SEVERAL, [
        node("Concat", ["other", "colour"], ["both"], axis=1),
        ml("ArrayFeatureExtractor", ["both", "second"], ["picked"]),
        ml("LabelEncoder", ["picked"], ["code"], keys_strings=COLOURS, values_int64s=[4, 3, 2, 1],
           default_int64=0),
        node("Cast", ["amount"], ["float"], to=TensorProto.FLOAT),
        node("Cast", ["count"], ["counted"], to=TensorProto.FLOAT),
        node("Cast", ["code"], ["coded"], to=TensorProto.FLOAT),
        node("Concat", ["float", "counted", "coded"], ["score"], axis=1),
    ], 3),
}

REFUSED = {
    "text-normalizer": (ONE, [
        node("StringNormalizer", ["colour"], ["lower"], case_change_action="LOWER"),
        ml("LabelEncoder", ["lower"], ["score"], keys_strings=["red"], values_floats=[1.0]),
    ], 1),
    "text-words": (ONE, [
        node("TfIdfVectorizer", ["colour"], ["score"], mode="TF", min_gram_length=1,
             max_gram_length=1, max_skip_count=0, ngram_counts=[0], ngram_indexes=[0],
             pool_strings=["red"]),
    ], 1),
    "text-as-number": (ONE, [
        node("Cast", ["colour"], ["score"], to=TensorProto.FLOAT),
    ], 1),
    "number-as-text": ([("input", TensorProto.INT64, 1)], [
        node("Cast", ["input"], ["text"], to=TensorProto.STRING),
        ml("LabelEncoder", ["text"], ["score"], keys_strings=["1"], values_floats=[1.0]),
    ], 1),
    "text-pairs": (TWO, [
        node("Split", ["colours", "sizes"], ["one", "other"], axis=1),
        node("Equal", ["one", "other"], ["is"]),
        to_float("is"),
    ], 1),
    "text-twice": (ONE, [
        ml("LabelEncoder", ["colour"], ["score"], keys_strings=["red", "red"],
           values_floats=[1.0, 2.0]),
    ], 1),
    "text-of-open-width": ([("colours", TensorProto.STRING, None)], [
        ml("LabelEncoder", ["colours"], ["score"], keys_strings=["red"], values_floats=[1.0]),
    ], 1),
}


def save(name, inputs, nodes, scores):
    """Writes NAME/model.onnx."""
    read = {used for each in nodes for used in each.input}
    constants = [numpy_helper.from_array(value, key) for key, value in CONSTANTS.items()
                 if key in read]
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(each, element, [None, columns])
         for each, element, columns in inputs],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, scores])], constants)
    opsets = [helper.make_opsetid("", 19), helper.make_opsetid(ML, 4)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    (HERE / name).mkdir(exist_ok=True)
    (HERE / name / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return model


def values(inputs):
    """Rows of every text, known or not, and of numbers."""
    made = {}
    for name, element, columns in inputs:
        shape = (40, columns)
        if element == TensorProto.STRING:
            made[name] = RANDOM.choice(np.array(TEXTS, object), shape)
        elif element == TensorProto.INT64:
            made[name] = RANDOM.integers(-5, 5, shape)
        else:
            made[name] = RANDOM.normal(size=shape).round(3)
    return made


def record(name, inputs, model, scores):
    """Writes NAME/golden.csv."""
    rows = values(inputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    found = session.run(["score"], rows)[0].astype(np.float64).reshape(-1, scores)
    cells = np.hstack([each.astype(object) for each in rows.values()])
    header = [f"f{place}" for place in range(cells.shape[1])]
    header += [f"score_{place}" for place in range(scores)]
    with (HERE / name / "golden.csv").open("w", newline="", encoding="utf-8") as out:
        lines = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        lines.writerow(header)
        lines.writerows([*row, *scored] for row, scored in zip(cells, found.tolist()))


if __name__ == "__main__":
    for each, (inputs, nodes, scores) in GRAPHS.items():
        record(each, inputs, save(each, inputs, nodes, scores), scores)
    for each, (inputs, nodes, scores) in REFUSED.items():
        save(each, inputs, nodes, scores)
