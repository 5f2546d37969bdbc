"""Makes graphs whose score for a row depends on the rows beside it, rows-NAME/model.onnx each with a
node named `mixer` to blame, and graphs that look alike and are fine, with ONNX's golden scores.

    python shards/tests/operators/rows.py     # needs onnx, onnxruntime and numpy
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import make

FLOATS = make.FLOATS
CONSTANTS = {
    "axis 0": np.array([0], np.int64), "axis 1": np.array([1], np.int64),
    "zero": np.array(0, np.int64), "two": np.array([2], np.int64),
    "from the end": np.array([-1], np.int64), "to the start": np.array([-1000], np.int64),
    "back": np.array([-1], np.int64), "three rows": np.array([3, -1], np.int64),
    "rows of 3": np.array([-1, 3], np.int64), "flat": np.array([-1], np.int64),
    "rows of 1 x 3": np.array([-1, 1, 3], np.int64),
    "first row": np.array([[0]], np.int64), "ones": np.ones((1, 3), np.float32),
    "weights": make.RANDOM.normal(0, 0.5, (3, 16)).astype(np.float32),
    "narrow": make.RANDOM.normal(0, 0.5, (16, 1)).astype(np.float32),
    "scale": np.linspace(0.5, 1.5, 16).astype(np.float32),
    "places": np.array([2, 0], np.int64),
    "quantized": np.array([[3], [-5], [7]], np.int8),
    "one": np.array(1.0, np.float32),
    "half": np.array(0.5, np.float32),
    "trips": np.array(2, np.int64), "yes": np.array(True),
    "columns of 3": np.array([1], np.int64),
}


def mixer(operator, inputs, outputs=("mixed",), **attributes):
    return helper.make_node(operator, inputs, list(outputs), name="mixer", **attributes)


def summed(source="mixed"):
    """A score from three columns."""
    return helper.make_node("ReduceSum", [source, "axis 1"], ["score"], keepdims=1)


def added(source="mixed"):
    """A score from the input and something of another shape."""
    return [helper.make_node("Add", ["input", source], ["sum"]), summed("sum")]


def body(inputs, nodes, outputs):
    """The graph that a loop repeats."""
    types = {"i": TensorProto.INT64, "go": TensorProto.BOOL, "on": TensorProto.BOOL}
    values = [[helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None)
               for name in names] for names in (inputs, outputs)]
    return helper.make_graph(nodes, "body", *values)


REFUSED = {
    "softmax": [mixer("Softmax", ["input"], axis=0), summed()],
    "mean": [mixer("ReduceMean", ["input", "axis 0"], keepdims=1), *added()],
    "mean-of-all": [mixer("ReduceMean", ["input"], keepdims=1), *added()],
    "maximum": [mixer("ReduceMax", ["input", "axis 0"], keepdims=1), *added()],
    "cumulative": [mixer("CumSum", ["input", "zero"]), summed()],
    "norm": [mixer("LpNormalization", ["input"], axis=0, p=2), summed()],
    "variance": [
        helper.make_node("Unsqueeze", ["input", "axis 1"], ["deep"]),
        mixer("MeanVarianceNormalization", ["deep"], axes=[0, 1]),
        helper.make_node("Squeeze", ["mixed", "axis 1"], ["flat again"]), summed("flat again")],
    "quantized": [
        mixer("DynamicQuantizeLinear", ["input"], ["q", "s", "z"]),
        helper.make_node("MatMulInteger", ["q", "quantized", "z"], ["i"]),
        helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "s"], ["score"])],
    "identity-matrix": [mixer("EyeLike", ["input"]), *added()],
    "triangle": [mixer("Trilu", ["input"], upper=0), summed()],
    "scatter": [mixer("ScatterND", ["input", "first row", "ones"]), summed()],
    "pairs": [
        helper.make_node("Transpose", ["input"], ["t"], perm=[1, 0]),
        mixer("MatMul", ["input", "t"]), summed()],
    "covariance": [
        helper.make_node("Transpose", ["input"], ["t"], perm=[1, 0]),
        mixer("MatMul", ["t", "input"]),
        helper.make_node("MatMul", ["input", "mixed"], ["w"]), summed("w")],
    "first-row": [mixer("Gather", ["input", "axis 0"], axis=0), *added()],
    "reversed": [
        mixer("Slice", ["input", "from the end", "to the start", "axis 0", "back"]), summed()],
    "torn": [
        mixer("Reshape", ["input", "three rows"]),
        helper.make_node("Transpose", ["mixed"], ["t"], perm=[1, 0]), summed("t")],
    "count": [
        helper.make_node("Shape", ["input"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["count"], to=TensorProto.FLOAT),
        mixer("Div", ["input", "count"]), summed()],
    "top": [mixer("TopK", ["input", "axis 1"], ["mixed", "at"], axis=0), *added()],
    "random": [mixer("RandomUniformLike", ["input"]), *added()],
    "turned-mean": [
        helper.make_node("Transpose", ["input"], ["t"], perm=[1, 0]),
        mixer("ReduceMean", ["t", "axis 1"], keepdims=1),
        helper.make_node("Transpose", ["mixed"], ["mean"], perm=[1, 0]), *added("mean")],
    "scan": [mixer("Scan", ["ones", "input"], ["last", "mixed"], num_scan_inputs=1, body=body(
        ["sum", "row"], [helper.make_node("Add", ["sum", "row"], ["next"]),
                         helper.make_node("Identity", ["next"], ["made"])], ["next", "made"])),
        helper.make_node("Reshape", ["mixed", "rows of 3"], ["flat rows"]), summed("flat rows")],
    "loop": [mixer("Loop", ["trips", "yes", "input"], body=body(
        ["i", "go", "rows"], [helper.make_node("Identity", ["go"], ["on"]),
                              helper.make_node("Add", ["rows", "one"], ["more"])],
        ["on", "more"])), summed()],
}

# What tract panics on, or takes all memory for: refused by the node `mixer` too.
PANICS = {
    "flatten": [mixer("Flatten", ["input"], axis=7), summed()],
    "remainder": [
        helper.make_node("Cast", ["input"], ["i"], to=TensorProto.INT64),
        helper.make_node("Sub", ["i", "i"], ["none"]),
        mixer("Mod", ["i", "none"]),
        helper.make_node("Cast", ["mixed"], ["f"], to=TensorProto.FLOAT), summed("f")],
    "transpose": [mixer("Transpose", ["input"], perm=[0, 0]), summed()],
}

# These work along the columns, or move the rows about and back.
ACCEPTED = {
    "normalized-layers": [
        helper.make_node("MatMul", ["input", "weights"], ["h"]),
        helper.make_node("LayerNormalization", ["h", "scale"], ["n"], axis=-1),
        helper.make_node("Erf", ["n"], ["e"]),
        helper.make_node("Softmax", ["e"], ["p"], axis=-1),
        helper.make_node("CumSum", ["p", "columns axis"], ["c"]),
        helper.make_node("ReduceMean", ["c", "axis 1"], ["m"], keepdims=1),
        helper.make_node("Sub", ["c", "m"], ["d"]),
        helper.make_node("MatMul", ["d", "narrow"], ["score"])],
    "moved-rows": [
        helper.make_node("Transpose", ["input"], ["t"], perm=[1, 0]),
        helper.make_node("Softmax", ["t"], ["p"], axis=0),
        helper.make_node("Gather", ["p", "places"], ["g"], axis=0),
        helper.make_node("Transpose", ["g"], ["b"], perm=[1, 0]),
        helper.make_node("Reshape", ["b", "flat"], ["f"]),
        helper.make_node("Mul", ["f", "half"], ["fh"]),
        helper.make_node("Reshape", ["fh", "rows of 2"], ["r"]),
        helper.make_node("ReduceSum", ["r", "axis 1"], ["score"], keepdims=1)],
    "attention": [
        helper.make_node("MatMul", ["input", "weights"], ["h"]),
        helper.make_node("Reshape", ["h", "rows of 4 x 4"], ["k"]),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["k", "kt"], ["q"]),
        helper.make_node("Softmax", ["q"], ["a"], axis=-1),
        helper.make_node("MatMul", ["a", "k"], ["v"]),
        helper.make_node("Trilu", ["v"], ["u"], upper=1),
        helper.make_node("Flatten", ["u"], ["w"], axis=1),
        helper.make_node("MatMul", ["w", "narrow"], ["score"])],
    "constant-of-shape": [
        helper.make_node("Shape", ["input"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Where", ["above", "input", "zeros"], ["positive"]),
        helper.make_node("ReduceSum", ["positive", "axis 1"], ["score"], keepdims=1)],
    "integer-division": [
        helper.make_node("Cast", ["input"], ["i"], to=TensorProto.INT64),
        helper.make_node("Div", ["sixty", "i"], ["d"], name="division"),
        helper.make_node("Cast", ["d"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["f", "axis 1"], ["score"], keepdims=1)],
}
ACCEPTED["constant-of-shape"].insert(2, helper.make_node("Greater", ["input", "half"], ["above"]))
CONSTANTS |= {
    "columns axis": np.array(1, np.int64), "rows of 2": np.array([-1, 2], np.int64),
    "rows of 4 x 4": np.array([-1, 4, 4], np.int64), "sixty": np.array([[60]], np.int64),
}
make.CONSTANTS = CONSTANTS
make.ROWS = {}

if __name__ == "__main__":
    for name, nodes in REFUSED.items():
        make.save(f"rows-{name}", FLOATS, nodes, 1)
    for name, nodes in PANICS.items():
        make.save(f"panics-{name}", FLOATS, nodes, 1)
    for name, nodes in ACCEPTED.items():
        model = make.save(name, FLOATS, nodes, 1)
        if name == "integer-division":
            # Whole numbers, none of them 0, in one column for all three.
            cells = np.array([1, 2, 3, -4, 7, 60, 61, -60], np.float32)
            features = {"input": np.stack([cells, cells[::-1], cells], axis=1)}
            make.values = lambda name, inputs: features
        make.record(name, FLOATS, model, 1)
        onnx.checker.check_model(model)
