"""A fitted estimator as ONNX, and the proof that it scores the same. No files are written here.

scikit-learn compares float32 features with float64 thresholds; ONNX holds float32 thresholds.
The converters round to the nearest float32 for some estimators, which sends a feature that lies
between the two thresholds down the wrong branch. `to_onnx` rounds them down instead: for every
float32 x, `x <= t` and `x <= floor32(t)` are the same. It also writes where missing values go,
which the converters leave out for some estimators and get wrong for others.
"""

import contextlib
import copy
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import pandas
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common import tree_ensemble
from skl2onnx.common.data_types import (
    DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType,
)
from skl2onnx.operator_converters import decision_tree, random_forest
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Binarizer
from sklearn.svm import SVC, NuSVC

from ..errors import ExportError
from . import covers
from . import histogram
from . import indicators
from . import infrequent
from .inputs import Inputs, imputes_text

DIFFERENCE_MAX = 1e-5
LINE_MAX = 300
ELSEWHERE = ("; what cannot be exported another server can compute, for a model.toml with "
             'backend = "remote"')
OPSETS = {"": 17, "ai.onnx.ml": 3}


def first_line(error: BaseException) -> str:
    """What an error says, in one line of some length: libraries add pages to it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return line if len(line) <= LINE_MAX else f"{line[:LINE_MAX]}…"


def floor_to_float32(value: float) -> float:
    """The largest float32 that isn't above `value`."""
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
    if float(rounded) > value:
        rounded = np.nextafter(rounded, np.float32(-np.inf))
    return float(rounded)


def _scikit_learn_node(original, rounded):
    def add_node(*args, dtype=None, nodes_missing_value_tracks_true=0, **options):
        args = list(args)
        feature, mode, value = args[5:8]
        if mode == "BRANCH_LEQ":
            args[7] = rounded(feature, value)
        original(
            *args,
            dtype=dtype,
            # HistGradientBoosting hands over a numpy boolean, which ONNX doesn't take.
            nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true),
            **options,
        )

    return add_node


def _scikit_learn_tree(original):
    def add_tree(attributes, is_classifier, tree, *args, **options):
        original(attributes, is_classifier, tree, *args, **options)
        # skl2onnx sends missing values right; scikit-learn decides that at each branch.
        to_left = np.where(tree.feature >= 0, tree.missing_go_to_left, 0)
        tracks = attributes["nodes_missing_value_tracks_true"]
        tracks[-tree.node_count :] = [int(left) for left in to_left]

    return add_tree


def _lightgbm_node(original, rounded, node_position):
    def parse(*args):
        node = args[node_position]
        if "threshold" in node and node["decision_type"] == "<=":
            missing = node["missing_type"]
            if missing == "Zero":
                raise ExportError("LightGBM's zero_as_missing has no equivalent in ONNX")
            if missing == "None":
                # A tree that saw no missing value reads NaN as 0.
                node["default_left"] = 0.0 <= float(node["threshold"])
            node["threshold"] = rounded(node["split_feature"], float(node["threshold"]))
        original(*args)

    return parse


@contextlib.contextmanager
def _exact_trees(thresholds: dict[tuple[int, float], float]):
    """Makes the converters write the branches that the library itself takes.

    `thresholds` receives the library's own threshold for each feature and rounded threshold.
    """
    def rounded(feature: int, value: float) -> float:
        floor = floor_to_float32(value)
        thresholds[int(feature), floor] = float(value)
        return floor

    with contextlib.ExitStack() as patches:
        node = _scikit_learn_node(tree_ensemble.add_node, rounded)
        patches.enter_context(mock.patch.object(tree_ensemble, "add_node", node))
        tree = _scikit_learn_tree(tree_ensemble.add_tree_to_attribute_pairs)
        for module in (decision_tree, random_forest):
            patch = mock.patch.object(module, "add_tree_to_attribute_pairs", tree)
            patches.enter_context(patch)
        with contextlib.suppress(ImportError):
            from onnxmltools.convert.lightgbm.operator_converters import LightGbm

            for name, position in (("_parse_tree_structure", 3), ("_parse_node", 6)):
                parse = _lightgbm_node(getattr(LightGbm, name), rounded, position)
                patches.enter_context(mock.patch.object(LightGbm, name, parse))
        yield


def _register_boosters():
    """Teaches skl2onnx the wrappers of LightGBM and XGBoost, where they are installed."""
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes as classifier,
        calculate_linear_regressor_output_shapes as regressor,
    )

    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    with contextlib.suppress(ImportError):
        import lightgbm
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

        update_registered_converter(
            lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", classifier, convert_lightgbm,
            options=options,
        )
        update_registered_converter(
            lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", regressor, convert_lightgbm,
        )
    with contextlib.suppress(ImportError):
        import xgboost
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

        update_registered_converter(
            xgboost.XGBClassifier, "XGBoostXGBClassifier", classifier, convert_xgboost,
            options=options,
        )
        update_registered_converter(
            xgboost.XGBRegressor, "XGBoostXGBRegressor", regressor, convert_xgboost,
        )


def _parts(model):
    """An estimator and those that it is made of, where it is a pipeline or joins columns."""
    yield model
    if isinstance(model, Pipeline):
        parts = [part for _, part in model.steps]
    elif isinstance(model, ColumnTransformer):
        parts = [part for _, part, _ in model.transformers_]
    elif isinstance(model, FeatureUnion):
        parts = [part for _, part in model.transformer_list]
    else:
        parts = []
    for part in parts:
        yield from _parts(part)


def ensure_no_words(model) -> None:
    """Refuses a model that cuts texts into words. Its graph is another one than the library's too:
    skl2onnx makes [a-zA-Z0-9_]+ of \\w\\w+."""
    for part in _parts(model):
        if hasattr(part, "analyzer"):
            raise ExportError(
                f"{type(part).__name__} cuts texts into words, and the gateway reads a text as one "
                "category: fit it before the model, and the model on the columns of numbers that it gives, "
                f"which requests then bring{ELSEWHERE}")


def _prepared(model, columns: list[str], double: bool, is_split: bool):
    """A copy without what the converters stumble over and scores don't depend on, and with
    thresholds that their graphs compare as the library does. `is_split`: each column is an input of
    its own, which is found by its name."""
    ensure_no_words(model)
    model = _with_categories(copy.deepcopy(model), columns if is_split else None)
    for part in _parts(model):
        indicators.prepare(part)
        infrequent.prepare(part)
        if isinstance(part, Pipeline):
            # Their texts are the columns' defaults, which the gateway puts in.
            part.steps = [(name, step) for name, step in part.steps if not imputes_text(step)]
        if isinstance(part, Binarizer):
            # A float32 is compared by `>` with a float32, and a float64 by `<`.
            part.threshold = (np.nextafter(float(part.threshold), np.inf) if double
                              else floor_to_float32(part.threshold))
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    if isinstance(steps[0], ColumnTransformer) and not is_split:
        # Fitted by name it selects by position here: one tensor has no names.
        steps[0].transformers_ = [
            (name, transformer, _positions(chosen, columns))
            for name, transformer, chosen in steps[0].transformers_
            if not (isinstance(transformer, str) and transformer == "drop")
        ]
    for step in steps:
        if hasattr(step, "get_booster"):
            step.get_booster().feature_names = None
        if hasattr(step, "flatten_transform"):
            step.flatten_transform = False
    return model


def _with_categories(model, columns: list[str] | None):
    """HistGradientBoosting with categories in the form that histogram.py converts."""
    if histogram.has_categories(model):
        return histogram.prepared(model, columns)
    if isinstance(model, Pipeline) and histogram.has_categories(model[-1]):
        last = histogram.prepared(model[-1], columns if len(model) == 1 else None)
        more = last.steps if isinstance(last, Pipeline) else [(model.steps[-1][0], last)]
        model.steps = [*model.steps[:-1], *more]
    return model


def _positions(chosen, columns: list[str]):
    if isinstance(chosen, str):
        return [columns.index(chosen)]
    if isinstance(chosen, (list, np.ndarray)) and all(isinstance(c, str) for c in chosen):
        return [columns.index(c) for c in chosen]
    return chosen


def _from_catboost(model) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            model.save_model(str(path), format="onnx")
            return onnx.load(path)
        except Exception as error:
            advice = ""
            if "symmetric" in str(error):
                advice = ": train it with grow_policy='SymmetricTree', CatBoost's default"
            elif "ategorical" in str(error):
                advice = ": encode categorical features as numbers before training"
            raise ExportError(f"CatBoost cannot export this model: {first_line(error)}{advice}"
                              ) from error


def _sort_opsets(proto: onnx.ModelProto) -> None:
    """skl2onnx lists a graph's domains in the order of a set, some of them twice."""
    versions: dict[str, int] = {}
    for opset in proto.opset_import:
        versions[opset.domain] = max(opset.version, versions.get(opset.domain, 0))
    if any(node.op_type == "TreeEnsemble" for node in proto.graph.node):
        versions["ai.onnx.ml"] = histogram.ML_OPSET
    del proto.opset_import[:]
    for domain, version in sorted(versions.items()):
        proto.opset_import.append(onnx.helper.make_opsetid(domain, version))


def decision_options(model) -> dict:
    """Options by which a graph has the signs of decision values that the library's have: those of
    support vectors are turned around by default."""
    is_one = any(isinstance(part, (SVC, NuSVC)) and not part.probability for part in _parts(model))
    return {kind: {"raw_scores": True} for kind in (SVC, NuSVC)} if is_one else {}


def to_onnx(
    model, columns: list[str], name: str, double: bool = False, zipmap: bool = False,
    thresholds: dict[tuple[int, float], float] | None = None, split: Inputs | None = None,
    margins: bool = False, options: dict | None = None,
) -> onnx.ModelProto:
    """The estimator as a graph of one input of shape (rows, columns), or, where `split` says what
    each of them holds, of an input for each column.

    `double` makes that input float64; `zipmap` leaves a classifier's probabilities in the maps
    that skl2onnx makes by default. `thresholds`, where given, receives the library's own threshold
    for each feature and rounded threshold. With `margins` a classifier gives those in the place of
    probabilities. `options` are more of the converter's, by class.
    """
    if type(model).__module__.startswith("catboost"):
        proto = _from_catboost(model)
        return proto if zipmap else _without_zipmap(proto)
    _register_boosters()
    histogram.register()
    indicators.register()
    infrequent.register()
    given = type(model).__name__
    model = _prepared(model, columns, double, split is not None)
    tensor = DoubleTensorType if double else FloatTensorType
    inputs = [("input", tensor([None, len(columns)]))]
    if split is not None:
        inputs = [(column.name, (StringTensorType if column.is_text else Int64TensorType
                                 if column.is_wide else tensor)([None, 1]))
                  for column in split.columns]
    try:
        with _exact_trees({} if thresholds is None else thresholds):
            proto = _converted(model, name, inputs, zipmap, margins, options or {})
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(f"{given} has no ONNX export: {first_line(error)}") from error
    _sort_opsets(proto)
    _tree_outputs_are_float(proto)
    covers.fill(proto, model)
    return proto


def _converted(
    model, name: str, inputs: list, zipmap: bool, margins: bool, more: dict,
) -> onnx.ModelProto:
    options = dict(more)
    if is_classifier(model):
        options[id(model)] = {"zipmap": zipmap, **more.get(type(model), {})}
    if margins:
        last = model.steps[-1][1] if isinstance(model, Pipeline) else model
        options.setdefault(id(last), {})["raw_scores"] = True
    try:
        return convert_sklearn(model, name, inputs, options=options, target_opset=OPSETS)
    except NameError as error:
        # Some classifiers, and all that contain them, don't know the option.
        if "zipmap" not in str(error) or margins:
            raise
    proto = convert_sklearn(model, name, inputs, options=dict(more), target_opset=OPSETS)
    return proto if zipmap else _without_zipmap(proto)


def _without_zipmap(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Puts the tensor of probabilities in the place of the maps that a ZipMap makes of it."""
    for node in [node for node in proto.graph.node if node.op_type == "ZipMap"]:
        for output in proto.graph.output:
            if output.name == node.output[0]:
                labels = attribute(node, "classlabels_int64s") or attribute(
                    node, "classlabels_strings")
                output.CopyFrom(onnx.helper.make_tensor_value_info(
                    node.input[0], onnx.TensorProto.FLOAT, [None, len(labels)]))
        proto.graph.node.remove(node)
    return proto


def _tree_outputs_are_float(proto: onnx.ModelProto) -> None:
    """Trees on float64 inputs still give float32, which skl2onnx declares as float64."""
    names = set()
    for node in proto.graph.node:
        # A `TreeEnsemble` has the type of its input.
        if node.op_type in ("TreeEnsembleClassifier", "TreeEnsembleRegressor") or (
            node.op_type == "Identity" and node.input[0] in names
        ):
            names.update(node.output)
    for output in proto.graph.output:
        tensor = output.type.tensor_type
        if output.name in names and tensor.elem_type == onnx.TensorProto.DOUBLE:
            tensor.elem_type = onnx.TensorProto.FLOAT


def library_scores(model, rows, names: list[str] | None = None) -> np.ndarray:
    """What the library itself says, as (rows, classes) or (rows, 1) float64; `rows` are numbers, or
    what `Inputs.as_trained` made. `names` are those of the numbers' columns, by default all that the
    model was fitted on.

    It gets the same values as float64, as it does from a user's data frame: a scaler that is given
    float32 rounds more often.
    """
    if isinstance(rows, np.ndarray) and rows.dtype != object:
        rows = rows.astype(np.float64)
        fitted = getattr(model, "feature_names_in_", None)
        if fitted is not None:
            names = fitted if len(fitted) == rows.shape[1] else names
            rows = pandas.DataFrame(rows, columns=names)
    try:
        if hasattr(model, "predict_proba"):
            scores = model.predict_proba(rows)
        elif is_classifier(model):
            scores = model.decision_function(rows)
        else:
            scores = model.predict(rows)
        scores = np.asarray(scores, dtype=np.float64)
        return scores.reshape(len(rows), -1)
    except Exception as error:
        raise ExportError(
            f"{type(model).__name__} cannot score the rows: {first_line(error)}") from error


def score_output(proto: onnx.ModelProto) -> str:
    """The name of the output that holds scores: probabilities if there are any."""
    names = [output.name for output in proto.graph.output]
    return next((name for name in names if "prob" in name), names[-1])


def onnx_scores(proto: onnx.ModelProto, rows, output: str = "") -> np.ndarray:
    """What ONNX Runtime says, as (rows, classes) or (rows, 1) float64. `rows` is an array, or a data
    frame for a graph with an input for each column. `output` is the scores' tensor, where it is
    another one than usual."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # What fails is raised, and said once.
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (scores,) = session.run([output or score_output(proto)], _fed(session, rows))
    except Exception as error:
        raise ExportError("the converter made a graph that ONNX Runtime cannot compute: "
                          f"{first_line(error)}{ELSEWHERE}") from error
    if isinstance(scores, list):
        scores = [list(row.values()) for row in scores]
    return np.asarray(scores, dtype=np.float64).reshape(len(rows), -1)


def _fed(session, rows) -> dict[str, np.ndarray]:
    """The rows as the graph's inputs."""
    types = {"tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(string)": object}
    inputs = session.get_inputs()
    if isinstance(rows, np.ndarray):
        return {inputs[0].name: rows.astype(types.get(inputs[0].type, np.float32))}
    if len(inputs) != rows.shape[1]:
        raise ExportError(f"the graph has {len(inputs)} inputs, the model {rows.shape[1]} columns")
    # In order: the converter renames one that is called as an output is.
    return {source.name: rows[[column]].to_numpy().astype(types.get(source.type, np.float32))
            for source, column in zip(inputs, rows, strict=True)}


def compare(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest difference between the library's scores and the graph's.

    Relative to the score where that is above 1, which only regressors' scores are.
    """
    if expected.shape[1] == 1 and found.shape[1] == 2:
        found = found[:, 1:]
    if expected.shape != found.shape:
        raise ExportError(f"the library gives scores of shape {expected.shape}, "
                          f"the graph {found.shape}{ELSEWHERE}")
    if not np.isfinite(expected).all() or not np.isfinite(found).all():
        raise ExportError("a score isn't finite")
    return float((np.abs(expected - found) / np.maximum(1.0, np.abs(expected))).max())


def tree_nodes(proto: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The tree ensembles of the graph that read its input directly."""
    sources = {proto.graph.input[0].name}
    return [
        node for node in proto.graph.node
        if node.op_type.startswith("TreeEnsemble") and node.input[0] in sources
    ]


def attribute(node: onnx.NodeProto, name: str):
    """The value of a node's attribute, tensors as arrays; None where it has none."""
    for found in node.attribute:
        if found.name == name:
            value = onnx.helper.get_attribute_value(found)
            return onnx.numpy_helper.to_array(value) if found.type == found.TENSOR else value
    return None
