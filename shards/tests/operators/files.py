"""Makes the graphs of this folder whose parts lie elsewhere: weights beside the file, nodes in
branches and functions; and one that is fixed to one row.

    python shards/tests/operators/files.py     # needs onnx, onnxruntime and numpy
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(7)
WEIGHTS = RANDOM.normal(0, 1, (3, 2)).astype(np.float32)
BIAS = RANDOM.normal(0, 1, 2).astype(np.float32)
ROWS = np.round(RANDOM.normal(0, 1, (12, 3)), 3).astype(np.float32)


def model(rows, nodes, initializers, outputs=2) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "files", [helper.make_tensor_value_info("input", TensorProto.FLOAT, [rows, 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [rows, outputs])], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def dense() -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["input", "weights"], ["product"], name="product"),
             helper.make_node("Add", ["product", "bias"], ["sum"], name="sum"),
             helper.make_node("Sigmoid", ["sum"], ["score"], name="score")]
    return model(None, nodes, [numpy_helper.from_array(WEIGHTS, "weights"),
                               numpy_helper.from_array(BIAS, "bias")])


def external(location: str, offset: int, length: int) -> onnx.ModelProto:
    """The dense layer with its weights in another file."""
    proto = dense()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return proto


def one_row() -> onnx.ModelProto:
    """A graph of one row, which it makes a column of and back."""
    nodes = [helper.make_node("Reshape", ["input", "column"], ["turned"], name="turned"),
             helper.make_node("Mul", ["turned", "factors"], ["scaled"], name="scaled"),
             helper.make_node("ReduceSum", ["scaled", "first"], ["score"], name="score")]
    return model(1, nodes, [
        numpy_helper.from_array(np.array([3, 1], np.int64), "column"),
        numpy_helper.from_array(WEIGHTS[:, :1], "factors"),
        numpy_helper.from_array(np.array([0], np.int64), "first")], outputs=1)


def branches() -> onnx.ModelProto:
    """An `If` whose condition is a constant, around a value of the graph, and one within it."""
    def branch(name, operator, inner=None):
        made = [helper.make_node(operator, ["sum"], ["value"], name=name)]
        if inner is not None:
            made.append(helper.make_node("If", ["yes"], ["more"], name="inner", then_branch=inner,
                                         else_branch=inner))
        last = "value" if inner is None else "more"
        info = helper.make_tensor_value_info(last, TensorProto.FLOAT, None)
        return helper.make_graph(made, name, [], [info], [])

    proto = dense()
    then = branch("turned", "Neg", branch("within", "Sigmoid"))
    del proto.graph.node[-1]
    proto.graph.node.append(helper.make_node("If", ["yes"], ["score"], name="chosen",
                                             then_branch=then, else_branch=branch("not", "Abs")))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return proto


def function() -> onnx.ModelProto:
    """A function of the file that is called twice, with another attribute each time."""
    inner = [helper.make_node("LeakyRelu", ["x"], ["curved"], name="curve"),
             helper.make_node("Add", ["curved", "y"], ["sum"], name="add")]
    inner[0].attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope")
    made = helper.make_function("own", "Curved", ["x", "y"], ["sum"], inner,
                                [helper.make_opsetid("", 17)], ["slope"])
    proto = dense()
    del proto.graph.node[1:]
    proto.graph.node.append(helper.make_node("Curved", ["product", "bias"], ["once"], name="once",
                                             domain="own", slope=0.1))
    proto.graph.node.append(helper.make_node("Curved", ["once", "once"], ["score"], name="twice",
                                             domain="own", slope=0.5))
    proto.functions.append(made)
    proto.opset_import.append(helper.make_opsetid("own", 1))
    return proto


def save(name: str, proto: onnx.ModelProto) -> Path:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(proto.SerializeToString(deterministic=True))
    return folder


def golden(folder: Path, scores: np.ndarray) -> None:
    names = [f"score_{column}" for column in range(scores.shape[1])]
    lines = [",".join(["f0", "f1", "f2", *names])]
    lines += [",".join(str(float(cell)) for cell in [*row, *score])
              for row, score in zip(ROWS, scores)]
    (folder / "golden.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    expected = ReferenceEvaluator(dense()).run(None, {"input": ROWS})[0]
    folder = save("weights-beside", external("model.onnx.data", 8, WEIGHTS.nbytes))
    (folder / "model.onnx.data").write_bytes(bytes(8) + WEIGHTS.tobytes())
    golden(folder, expected)
    for name, location, offset, length in (
        ("hostile-weights-above", "../weights-beside/model.onnx.data", 8, WEIGHTS.nbytes),
        ("hostile-weights-root", "/etc/passwd", 0, WEIGHTS.nbytes),
        ("hostile-weights-none", "none.data", 0, WEIGHTS.nbytes),
        ("hostile-weights-beyond", "model.onnx", 1 << 62, 1 << 62),
        ("hostile-weights-short", "model.onnx", 0, WEIGHTS.nbytes - 4),
    ):
        save(name, external(location, offset, length))
    scores = ReferenceEvaluator(branches()).run(None, {"input": ROWS})[0]
    golden(save("branch-constant", branches()), scores)
    # The evaluator doesn't know attributes that are handed on.
    session = onnxruntime.InferenceSession(function().SerializeToString())
    golden(save("function-of-the-file", function()), session.run(None, {"input": ROWS})[0])
    alone = ReferenceEvaluator(one_row())
    scores = [alone.run(None, {"input": row[None]})[0][0] for row in ROWS]
    golden(save("one-row", one_row()), np.array(scores))


if __name__ == "__main__":
    main()
