"""Makes the small graphs of this folder and their golden scores, which no exporter of the zoo
writes: one NAME/{model.onnx,golden.csv} each. The reference is ONNX's own evaluator.

    python shards/tests/operators/make.py     # needs onnx, onnxruntime and numpy
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = Path(__file__).parent
ML = "ai.onnx.ml"
RANDOM = np.random.default_rng(3)


def floats(*values, double=False):
    return numpy_helper.from_array(np.array(values, np.float64 if double else np.float32))


def tree_ensemble(double: bool):
    """Two trees, one of them a stump, with every mode but membership and shared leaves."""
    return helper.make_node(
        "TreeEnsemble", ["input"], ["score"], name="trees", domain=ML, n_targets=2,
        aggregate_function=1, post_transform=0, tree_roots=[0, 3],
        nodes_featureids=[0, 1, 2, 1],
        nodes_splits=floats(0.25, -0.5, 1.0, 0.5, double=double),
        nodes_modes=numpy_helper.from_array(np.array([0, 1, 3, 2], np.uint8)),
        nodes_truenodeids=[1, 0, 2, 4], nodes_trueleafs=[0, 1, 1, 1],
        nodes_falsenodeids=[2, 1, 3, 1], nodes_falseleafs=[0, 1, 1, 1],
        nodes_missing_value_tracks_true=[1, 0, 1, 0],
        leaf_targetids=[0, 1, 0, 1, 0],
        leaf_weights=floats(0.1, -0.2, 0.7, 1.5, -0.9, double=double))


def every_mode(double=False, aggregate=1, post_transform=0, targets=2, member=False):
    """Two trees: the first asks by each mode in turn, to the left or to a leaf; the
    second is a stump. With `member`, its last question is one of membership."""
    modes = [0, 1, 2, 3, 4, 6 if member else 5, 0]
    return helper.make_node(
        "TreeEnsemble", ["input"], ["score"], name="trees", domain=ML, n_targets=targets,
        aggregate_function=aggregate, post_transform=post_transform, tree_roots=[0, 6],
        nodes_featureids=[0, 1, 2, 0, 1, 2, 1],
        nodes_splits=floats(2.0, 2.0, -0.5, -0.5, 0.25, 1.0, 0.0, double=double),
        nodes_modes=numpy_helper.from_array(np.array(modes, np.uint8)),
        nodes_truenodeids=[1, 2, 3, 4, 1, 2, 3], nodes_trueleafs=[0, 0, 0, 0, 1, 1, 1],
        nodes_falsenodeids=[4, 5, 6, 7, 5, 8, 0], nodes_falseleafs=[1, 1, 1, 1, 0, 1, 1],
        nodes_missing_value_tracks_true=[1, 0, 1, 0, 1, 0, 1],
        leaf_targetids=[leaf % targets for leaf in range(9)],
        leaf_weights=floats(0.3, -0.1, 0.45, 1.25, -0.7, 0.2, -0.35, 0.8, 0.6, double=double),
        **({"membership_values": floats(1.0, 2.0, float("nan"), double=double)} if member else {}))


def members(double=False):
    """One tree that asks two columns for negative, fractional and large numbers, and compares one of
    the columns too. No member is 0, where ONNX's evaluator takes the list to end."""
    nan = float("nan")
    return helper.make_node(
        "TreeEnsemble", ["input"], ["score"], name="trees", domain=ML, n_targets=1,
        aggregate_function=1, post_transform=0, tree_roots=[0],
        nodes_featureids=[0, 0, 2, 2, 0],
        nodes_splits=floats(nan, 0.25, nan, nan, nan, double=double),
        nodes_modes=numpy_helper.from_array(np.array([6, 0, 6, 6, 6], np.uint8)),
        nodes_truenodeids=[1, 2, 0, 1, 2], nodes_trueleafs=[0, 0, 1, 1, 1],
        nodes_falsenodeids=[4, 3, 3, 4, 5], nodes_falseleafs=[0, 0, 1, 1, 1],
        nodes_missing_value_tracks_true=[1, 1, 1, 0, 1],
        leaf_targetids=[0] * 6, leaf_weights=floats(0.5, 1.5, 2.5, 3.5, 4.5, 5.5, double=double),
        membership_values=floats(-0.5, 2.0, 0.25, 1e30, nan, 1.0, -2.0, 0.25, nan, 3.5, 0.5, -0.5,
                                 nan, -2.0, 1.0, nan, double=double))


FLOATS = [("input", TensorProto.FLOAT, 3)]
DOUBLES = [("input", TensorProto.DOUBLE, 3)]

INTEGERS = [("input", TensorProto.INT64, 1)]
ONE_FLOAT = [("input", TensorProto.FLOAT, 1)]
LARGE = [(1 << 62) + step for step in (1, 2, 3)]


def label_encoder(source: str, target: str, **attributes):
    return helper.make_node("LabelEncoder", [source], [target], name=target, domain=ML,
                            **attributes)


# Each with its inputs (name, type, columns), its nodes and the number of its scores.
GRAPHS = {
    "tree-ensemble-v5": (FLOATS, [tree_ensemble(False)], 2),
    "tree-ensemble-v5-double": (DOUBLES, [tree_ensemble(True)], 2),
    "label-encoder": (FLOATS, [
        helper.make_node("LabelEncoder", ["input"], ["codes"], name="codes", domain=ML,
                         keys_floats=[0.0, 1.0, 2.0], values_floats=[5.0, -1.0, 0.5],
                         default_float=9.0),
        helper.make_node("LinearRegressor", ["codes"], ["score"], name="line", domain=ML,
                         coefficients=[1.0, 2.0, -0.5, 0.25, 0.5, 1.5],
                         intercepts=[0.5, -1.0], targets=2),
    ], 2),
    "linear-softmax": (FLOATS, [
        helper.make_node("LinearClassifier", ["input"], ["label", "score"], name="line",
                         domain=ML, post_transform="SOFTMAX", classlabels_ints=[0, 1, 2],
                         coefficients=[0.5, -1.0, 0.25, 1.5, 0.5, -0.5, -1.0, 0.75, 0.1],
                         intercepts=[0.1, -0.2, 0.3]),
    ], 3),
    "feature-vectorizer": (FLOATS, [
        helper.make_node("ArrayFeatureExtractor", ["input", "first"], ["a"], domain=ML),
        helper.make_node("ArrayFeatureExtractor", ["input", "others"], ["b"], domain=ML),
        helper.make_node("FeatureVectorizer", ["b", "a"], ["ba"], name="join", domain=ML,
                         inputdimensions=[2, 1]),
        helper.make_node("LinearRegressor", ["ba"], ["score"], name="line", domain=ML,
                         coefficients=[1.0, 2.0, -0.5], intercepts=[0.5], targets=1),
    ], 1),
    "gemm-clip-softmax": (FLOATS, [
        helper.make_node("Gemm", ["input", "weights", "bias"], ["made"], transB=1),
        helper.make_node("Clip", ["made", "low", "high"], ["clipped"]),
        helper.make_node("Softmax", ["clipped"], ["score"], axis=1),
    ], 2),
    "several-inputs": ([("a", TensorProto.FLOAT, 1), ("b", TensorProto.INT64, 2)], [
        helper.make_node("Cast", ["b"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["numbers", "a"], ["joined"], axis=1),
        helper.make_node("LinearRegressor", ["joined"], ["score"], name="line", domain=ML,
                         coefficients=[1.0, 2.0, -0.5], intercepts=[0.5], targets=1),
    ], 1),
    "large-matrix": (FLOATS, [
        helper.make_node("MatMul", ["input", "wide"], ["hidden"]),
        helper.make_node("Tanh", ["hidden"], ["bent"]),
        helper.make_node("MatMul", ["bent", "narrow"], ["score"]),
    ], 1),
    "tree-ensemble-v5-modes": (FLOATS, [every_mode()], 2),
    "tree-ensemble-v5-modes-double": (DOUBLES, [every_mode(double=True)], 2),
    "tree-ensemble-v5-average": (FLOATS, [every_mode(aggregate=0)], 2),
    # Of one target: for those that no tree gave a value, implementations disagree.
    "tree-ensemble-v5-min": (FLOATS, [every_mode(aggregate=2, targets=1)], 1),
    "tree-ensemble-v5-max": (FLOATS, [every_mode(aggregate=3, targets=1)], 1),
    "tree-ensemble-v5-softmax": (FLOATS, [every_mode(post_transform=1)], 2),
    "tree-ensemble-v5-logistic": (FLOATS, [every_mode(post_transform=2)], 2),
    "two-targets": (FLOATS, [
        helper.make_node("LinearRegressor", ["input"], ["score"], name="line", domain=ML,
                         coefficients=[1.0, 0.0, 0.5, 0.0, 1.0, -0.5], intercepts=[100.0, 200.0],
                         targets=2),
    ], 2),
    # Integers: keys, values and places that floats of 24 or 53 bits do not tell apart.
    "integer-keys": (INTEGERS, [
        label_encoder("input", "score", keys_int64s=[16777216, 16777217, 900000001, 900000003],
                      values_floats=[1.0, 2.0, 3.0, 4.0], default_float=-1.0),
    ], 1),
    "integer-values": (INTEGERS, [
        label_encoder("input", "large", keys_int64s=[1, 2, 3], values_int64s=LARGE),
        helper.make_node("ArrayFeatureExtractor", ["large", "first"], ["picked"], domain=ML),
        label_encoder("picked", "score", keys_int64s=LARGE, values_floats=[1.0, 2.0, 3.0],
                      default_float=9.0),
    ], 1),
    # The same in a program of our own operators.
    "integer-columns": (FLOATS, [
        helper.make_node("ArrayFeatureExtractor", ["input", "first"], ["a"], domain=ML),
        helper.make_node("Cast", ["a"], ["whole"], to=TensorProto.INT64),
        label_encoder("whole", "large", keys_int64s=[0, 1, 3], values_int64s=LARGE,
                      default_int64=LARGE[0] - 1),
        helper.make_node("Concat", ["large", "whole"], ["both"], axis=1),
        helper.make_node("ArrayFeatureExtractor", ["both", "first"], ["picked"], domain=ML),
        label_encoder("picked", "score", keys_int64s=LARGE, values_floats=[1.0, 2.0, 3.0],
                      default_float=9.0),
    ], 1),
    "integer-imputed": (INTEGERS, [
        helper.make_node("Imputer", ["input"], ["known"], name="imputer", domain=ML,
                         imputed_value_int64s=[7], replaced_value_int64=16777217),
        helper.make_node("Cast", ["known"], ["score"], to=TensorProto.FLOAT),
    ], 1),
    "integer-trees": (INTEGERS, [
        helper.make_node(
            "TreeEnsembleRegressor", ["input"], ["score"], name="trees", domain=ML, n_targets=1,
            nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_values=[16777216.0, 0.0, 0.0],
            nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0], target_treeids=[0, 0],
            target_nodeids=[1, 2], target_ids=[0, 0], target_weights=[1.0, 2.0]),
    ], 1),
    "integer-gather": (INTEGERS, [
        helper.make_node("Sub", ["input", "ids"], ["place"]),
        helper.make_node("Gather", ["table", "place"], ["row"], name="look up", axis=0),
        helper.make_node("Reshape", ["row", "rows of 2"], ["cells"]),
        helper.make_node("ReduceSum", ["cells", "columns"], ["score"], keepdims=1),
    ], 1),
    "one-hot": (ONE_FLOAT, [
        helper.make_node("OneHot", ["input", "depth", "off on"], ["bits"], name="bits"),
        helper.make_node("Reshape", ["bits", "rows of 4"], ["cells"]),
        helper.make_node("MatMul", ["cells", "one of 4"], ["score"]),
    ], 1),
    "cast-missing": (ONE_FLOAT, [
        helper.make_node("Cast", ["input"], ["whole"], to=TensorProto.INT64),
        label_encoder("whole", "score", keys_int64s=[0, 2, -2], values_floats=[0.5, 2.0, -2.0],
                      default_float=-1.0),
    ], 1),
    "cast-missing-int32": (ONE_FLOAT, [
        helper.make_node("Cast", ["input"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Cast", ["whole"], ["score"], to=TensorProto.FLOAT),
    ], 1),
    "label-encoder-default": (ONE_FLOAT, [
        label_encoder("input", "score", keys_floats=[0.0, 2.0], values_floats=[10.0, 20.0]),
    ], 1),
    "label-encoder-nan": (ONE_FLOAT, [
        label_encoder("input", "codes", keys_floats=[0.0, 2.0, float("nan")],
                      values_int64s=[10, 20, 30]),
        helper.make_node("Cast", ["codes"], ["score"], to=TensorProto.FLOAT),
    ], 1),
    "label-encoder-nan-version-2": (ONE_FLOAT, [
        label_encoder("input", "codes", keys_floats=[0.0, 2.0, float("nan")],
                      values_int64s=[10, 20, 30]),
        helper.make_node("Cast", ["codes"], ["score"], to=TensorProto.FLOAT),
    ], 1),
    # Several columns at once, and integers that doubles do not tell apart.
    "one-hot-columns": (FLOATS, [
        helper.make_node("OneHotEncoder", ["input"], ["bits"], name="bits", domain=ML,
                         cats_int64s=[1, -2, 0], zeros=1),
        helper.make_node("Reshape", ["bits", "rows of 9"], ["cells"]),
        helper.make_node("LinearRegressor", ["cells"], ["score"], name="line", domain=ML,
                         coefficients=[2.0**place for place in range(9)], intercepts=[0.5],
                         targets=1),
    ], 1),
    "one-hot-integers": (INTEGERS, [
        helper.make_node("OneHotEncoder", ["input"], ["bits"], name="bits", domain=ML,
                         cats_int64s=[(1 << 53) - 1, 16777217, 16777216], zeros=1),
        helper.make_node("Gather", ["bits", "others"], ["picked"], axis=-1),
        helper.make_node("Concat", ["picked", "bits"], ["joined"], axis=-1),
        helper.make_node("Reshape", ["joined", "rows of 5"], ["cells"]),
        helper.make_node("LinearRegressor", ["cells"], ["score"], name="line", domain=ML,
                         coefficients=[1.0, 2.0, 4.0, 8.0, 16.0], intercepts=[0.5], targets=1),
    ], 1),
    "binarizer": (FLOATS, [
        helper.make_node("Binarizer", ["input"], ["bits"], name="bits", domain=ML, threshold=0.25),
        helper.make_node("LinearRegressor", ["bits"], ["score"], name="line", domain=ML,
                         coefficients=[1.0, 2.0, 4.0], intercepts=[0.5], targets=1),
    ], 1),
    "binarizer-integers": (INTEGERS, [
        helper.make_node("Binarizer", ["input"], ["bits"], name="bits", domain=ML,
                         threshold=16777216.0),
        helper.make_node("Cast", ["bits"], ["score"], to=TensorProto.FLOAT),
    ], 1),
    "tree-ensemble-v5-member": (FLOATS, [every_mode(member=True)], 2),
    "tree-ensemble-v5-members": (FLOATS, [members()], 1),
    "tree-ensemble-v5-members-double": (DOUBLES, [members(double=True)], 1),
}
# ONNX's evaluator leaves `post_transform` out, and ONNX Runtime 1.24 reads 1 as LOGISTIC and 2 as
# SOFTMAX. These are what the operator's text says.
POST_TRANSFORMS = {
    "tree-ensemble-v5-softmax": lambda raw: np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True),
    "tree-ensemble-v5-logistic": lambda raw: 1 / (1 + np.exp(-raw)),
}
# Rows of graphs that ask for more than small numbers; `None` is NaN.
ROWS = {
    "integer-keys": [16777215, 16777216, 16777217, 16777218, 900000000, 900000001, 900000002,
                     900000003, 0, -900000001, (1 << 53) - 1],
    "integer-values": [0, 1, 2, 3, 4, (1 << 53) - 1],
    "integer-imputed": [16777216, 16777217, 16777218, 0, -5],
    "integer-trees": [16777215, 16777216, 16777217, 16777218, -3, (1 << 53) - 1],
    "integer-gather": [900000000, 900000001, 900000002, 899999999, 899999998],
    "one-hot": [0.0, 1.0, 3.0, -1.0, -4.0, 1.5, None],
    "cast-missing": [0.0, 2.0, 2.7, -2.9, 0.9, -0.9, None, 1e30, -1e30, 3.0],
    "cast-missing-int32": [0.0, 2.7, -2.9, None, 1e30, -1e30, 3e9, 2147483520.0],
    "label-encoder-default": [0.0, -0.0, 2.0, 3.0, None],
    "one-hot-integers": [16777215, 16777216, 16777217, 16777218, (1 << 53) - 1, (1 << 53) - 2, -1],
    "binarizer-integers": [16777215, 16777216, 16777217, 0, -16777217, (1 << 53) - 1],
    "label-encoder-nan": [0.0, 2.0, 3.0, None],
    "label-encoder-nan-version-2": [0.0, 2.0, 3.0, None],
}
# Files that are written for another version of ai.onnx.ml than 5.
VERSIONS = {"label-encoder-nan-version-2": 2}
# Since version 4 ONNX Runtime finds a key that is NaN, and ONNX's evaluator never does.
BY_RUNTIME = {"label-encoder-nan", "label-encoder-nan-version-2"}
CONSTANTS = {
    "columns": np.array([1], np.int64),
    "huge": np.array([1, 1 << 40], np.int64),
    "first": np.array([0], np.int64),
    "others": np.array([2, 1], np.int64),
    "weights": np.array([[0.5, -1.0, 0.25], [1.5, 0.5, -0.5]], np.float32),
    "bias": np.array([0.1, -0.3], np.float32),
    "low": np.array(-0.5, np.float32),
    "high": np.array(0.75, np.float32),
    "ids": np.array([900000000], np.int64),
    "table": np.array([[1.0, 0.5], [2.0, 0.25], [3.0, 0.125]], np.float32),
    "rows of 2": np.array([-1, 2], np.int64),
    "rows of 4": np.array([-1, 4], np.int64),
    "rows of 5": np.array([-1, 5], np.int64),
    "rows of 9": np.array([-1, 9], np.int64),
    "depth": np.array(4, np.int64),
    "off on": np.array([0.0, 1.0], np.float32),
    "one of 4": np.array([[1.0], [2.0], [3.0], [4.0]], np.float32),
    "wide": RANDOM.normal(0, 0.1, (3, 6000)).astype(np.float32),
    "narrow": RANDOM.normal(0, 0.1, (6000, 1)).astype(np.float32),
}


def doubled(times: int):
    """Rows joined with themselves again and again: a few bytes that ask for all memory."""
    names = ["input"] + [f"wide_{step}" for step in range(times)]
    return [helper.make_node("Concat", [before, before], [after], name=after, axis=1)
            for before, after in zip(names, names[1:])] + [
        helper.make_node("ReduceSum", [names[-1], "columns"], ["score"], keepdims=1)]


# What is refused; these have no golden scores.
REFUSED = {
    "one-hot-text": (FLOATS, [
        helper.make_node("OneHotEncoder", ["input"], ["score"], name="bits", domain=ML,
                         cats_strings=["red", "green"]),
    ], 2),
    "one-hot-large": (ONE_FLOAT, [
        helper.make_node("OneHotEncoder", ["input"], ["bits"], name="bits", domain=ML,
                         cats_int64s=[16777217, 16777216]),
        helper.make_node("Reshape", ["bits", "rows of 2"], ["score"]),
    ], 2),
    "hostile-concat": (FLOATS, doubled(40), 1),
    "hostile-shape": (FLOATS, [
        helper.make_node("ConstantOfShape", ["huge"], ["zeros"], name="zeros"),
        helper.make_node("ReduceSum", ["zeros", "columns"], ["sum"], keepdims=1),
        helper.make_node("Add", ["input", "sum"], ["score"]),
    ], 3),
}


def values(name: str, inputs) -> dict[str, np.ndarray]:
    """Rows with ties at the thresholds and keys above, and missing values where trees read them."""
    if name in ROWS:
        ((source, element, _),) = inputs
        cells = [np.nan if cell is None else cell for cell in ROWS[name]]
        return {source: np.array(cells, helper.tensor_dtype_to_np_dtype(element)).reshape(-1, 1)}
    made = {}
    for source, element, columns in inputs:
        cells = RANDOM.choice([-2.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 3.5], (40, columns))
        if name.startswith("tree"):
            cells[RANDOM.random(cells.shape) < 0.15] = np.nan
        made[source] = cells.astype(helper.tensor_dtype_to_np_dtype(element))
    return made


def save(name: str, inputs, nodes, scores: int) -> onnx.ModelProto:
    """Writes NAME/model.onnx."""
    read = {used for node in nodes for used in node.input}
    constants = [numpy_helper.from_array(value, key) for key, value in CONSTANTS.items()
                 if key in read]
    output = TensorProto.DOUBLE if inputs is DOUBLES else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(each, element, [None, columns])
         for each, element, columns in inputs],
        [helper.make_tensor_value_info("score", output, [None, scores])], constants)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ML, VERSIONS.get(name, 5))]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    (HERE / name).mkdir(exist_ok=True)
    (HERE / name / "model.onnx").write_bytes(model.SerializeToString())
    return model


def record(name: str, inputs, model: onnx.ModelProto, scores: int) -> None:
    """Writes NAME/golden.csv."""
    features = values(name, inputs)
    if name in BY_RUNTIME:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"])
        found = session.run(["score"], features)[0]
    else:
        found = ReferenceEvaluator(model).run(["score"], features)[0]
    if name in POST_TRANSFORMS:
        found = POST_TRANSFORMS[name](found.astype(np.float64))
    matrix = np.hstack([cells.astype(np.float64) for cells in features.values()])
    header = [f"f{place}" for place in range(matrix.shape[1])]
    header += [f"score_{place}" for place in range(scores)]
    lines = [",".join(header)]
    for cells, made in zip(matrix, found.reshape(len(matrix), scores)):
        lines.append(",".join(f"{float(cell):.17g}" for cell in [*cells, *made]))
    (HERE / name / "golden.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    for each, (inputs, nodes, scores) in GRAPHS.items():
        record(each, inputs, save(each, inputs, nodes, scores), scores)
    for each, (inputs, nodes, scores) in REFUSED.items():
        save(each, inputs, nodes, scores)
