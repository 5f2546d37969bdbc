"""Calibrated classifiers: a graph of the values that are calibrated, and the curves beside it.

skl2onnx approximates isotonic curves, so the graph ends before them: its columns are what each member of a
`CalibratedClassifierCV` says, and `calibration.csv` has the members' curves, which the gateway computes
in 64 bits.
"""

import argparse
import copy
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas
from onnx import TensorProto, helper
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from skl2onnx import convert_sklearn

import histogram
import raw_values
import scorecards
from exporting import (
    ELSEWHERE, ExportError, compare, library_scores, onnx_scores, score_output, to_onnx,
)
from inputs import Input, Inputs, is_permuted, look, used_names
from loading import unpickled
from raw_values import RawValues
from sampling import generated_rows, spread_rows
from subjects import Estimator, Opinion, subject_of as subject_without_curves

CALIBRATION_FILE = "calibration.csv"
TENSOR = "values"
# How many parts a `Concat` of the gateway has.
PARTS_MAX = 16
# Less than this is what a steep curve makes of the last bits.
CLOSE = 1e-2
METHODS = ("sigmoid", "isotonic")
STEEP = ("; the values that are calibrated have 32 bits in its graph, and the curve is steep: another "
         "estimator, or method=\"sigmoid\", keeps closer")


@dataclass
class Curve:
    """What a calibrator makes of a value: knots, or a and b of a sigmoid."""

    method: str
    rows: list[tuple[float, float]]

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """As the gateway computes them."""
        first, second = map(np.array, zip(*self.rows))
        if self.method == "isotonic":
            return np.interp(values, first, second)
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(first[0] * values + second[0]))


def curve_of(calibrator) -> Curve:
    """The curve of a fitted calibrator of scikit-learn."""
    name = type(calibrator).__name__
    if isinstance(calibrator, IsotonicRegression):
        if not hasattr(calibrator, "X_thresholds_"):
            raise ExportError("the IsotonicRegression isn't fitted")
        if calibrator.out_of_bounds != "clip":
            raise ExportError(f"the IsotonicRegression has out_of_bounds={calibrator.out_of_bounds!r}: "
                              "it has no answer for every score: fit it with out_of_bounds=\"clip\"")
        knots = zip(calibrator.X_thresholds_.tolist(), calibrator.y_thresholds_.tolist())
        return Curve("isotonic", [(float(x), float(y)) for x, y in knots])
    if name == "_SigmoidCalibration":
        return Curve("sigmoid", [(float(calibrator.a_), float(calibrator.b_))])
    if isinstance(calibrator, LogisticRegression):
        if np.shape(getattr(calibrator, "coef_", None)) != (1, 1):
            raise ExportError("the LogisticRegression isn't one of two classes by one score")
        # It has the probability of the second class by the opposite sign.
        return Curve("sigmoid", [(-float(calibrator.coef_[0, 0]), -float(calibrator.intercept_[0]))])
    raise ExportError(f"a {name} isn't a calibrator that the gateway computes: expected an "
                      "IsotonicRegression, or a LogisticRegression of the score alone")


def calibration_text(curves: list[list[Curve]]) -> str:
    """calibration.csv of curves, member by member and class by class."""
    several = sum(map(len, curves)) > 1
    names = ["x", "y"] if curves[0][0].method == "isotonic" else ["a", "b"]
    lines = [[*(["member", "class"] if several else []), *names]]
    for member, of_member in enumerate(curves):
        for place, curve in enumerate(of_member):
            begin = [str(member), str(place)] if several else []
            lines += [[*begin, *map(repr, row)] for row in curve.rows]
    return "\n".join(map(",".join, lines)) + "\n"


def calibrated_part(model) -> tuple[list, CalibratedClassifierCV] | None:
    """The calibrated classifier that a model is or ends in, and the steps before it."""
    steps = []
    while isinstance(model, Pipeline):
        steps += model.steps[:-1]
        model = model.steps[-1][1]
    return (steps, model) if isinstance(model, CalibratedClassifierCV) else None


def read_curve(path: Path) -> Curve:
    """The curve of a pickled calibrator, or of a CSV with the columns x,y or a,b."""
    if path.suffix.lower() != ".csv":
        try:
            return curve_of(unpickled(path))
        except ExportError as error:
            raise ExportError(f"--calibration: {error}") from error
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.DictReader(file, skipinitialspace=True)
        found = [name.strip() for name in lines.fieldnames or []]
        names = next((names for names in (["x", "y"], ["a", "b"]) if found == names), None)
        if names is None:
            raise ExportError(f"--calibration: {path}: its columns are {','.join(found)}, expected x,y "
                              "(knots) or a,b (a sigmoid)")
        rows = []
        for line in lines:
            try:
                rows.append(tuple(float(cell) for cell in line.values()))
            except (TypeError, ValueError):
                raise ExportError(f"--calibration: {path}, line {lines.line_num}: expected two numbers"
                                  ) from None
    if not rows or (names == ["a", "b"] and len(rows) > 1):
        raise ExportError(f"--calibration: {path}: {len(rows)} rows, expected "
                          f"{'one' if names == ['a', 'b'] else 'one for each knot'}")
    return Curve("isotonic" if names == ["x", "y"] else "sigmoid", rows)


@dataclass
class Standalone:
    """A calibration of the score alone, by --calibration."""

    curve: Curve

    @property
    def output(self) -> dict:
        return {"calibration": self.curve.method}

    @property
    def beside(self) -> dict[str, str]:
        return {CALIBRATION_FILE: calibration_text([[self.curve]])}

    def scores(self, scores: np.ndarray) -> np.ndarray:
        return self.curve.probabilities(scores)


def standalone_of(path: Path | None, subject, width: int) -> Standalone | None:
    """What --calibration says of a model with so many scores a row."""
    if path is None:
        return None
    if isinstance(subject, Calibrated):
        raise ExportError("--calibration: the model is calibrated already")
    if width > 2:
        raise ExportError(f"--calibration: one curve is of one score, and the model has {width} classes: "
                          "calibrate it by CalibratedClassifierCV")
    return Standalone(read_curve(path))


def unwrapped(model):
    """The estimator itself, of one that is frozen or was searched."""
    while True:
        if type(model).__name__ == "FrozenEstimator":
            model = model.estimator
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def steps_of(model) -> list:
    """The steps of an estimator, the last of them the classifier."""
    model = unwrapped(model)
    if not isinstance(model, Pipeline):
        return [("classifier", model)]
    return [*model.steps[:-1], *steps_of(model.steps[-1][1])]


def named(steps: list) -> list:
    """Steps whose names differ."""
    return [(f"{place}-{name}", step) for place, (name, step) in enumerate(steps)]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calibration", type=Path, metavar="FILE",
                        help="what makes a probability of the score: an IsotonicRegression or a "
                             "LogisticRegression that was fitted on the score alone, pickled, or a CSV "
                             "of knots (x,y) or of a sigmoid (a,b)")


def subject_of(model, columns: str | None, name: str, double: bool):
    """What is exported of a model."""
    card = scorecards.subject_of(model, name)
    if card:
        return card
    if calibrated_part(model):
        return Calibrated(model, columns, name)
    return subject_without_curves(model, columns, name, double)


class Calibrated(Estimator):
    """A classifier that is calibrated: its file is the graph of the values that are, and its curves
    are in calibration.csv."""

    def __init__(self, model, columns: str | None, name: str):
        self.before, calibrated = calibrated_part(model)
        self.members = calibrated.calibrated_classifiers_
        self.method = calibrated.method
        check(self.method, self.members, len(calibrated.classes_))
        self.curves = [[curve_of(one) for one in member.calibrators] for member in self.members]
        self.steps = [[*self.before, *steps_of(member.estimator)] for member in self.members]
        super().__init__(model, columns, name, double=True)
        self._look_at_members()

    def _look_at_members(self) -> None:
        """Which columns the members read, and which of those hold texts: each knows the texts of its
        part of the rows."""
        names = self.inputs.names
        pipelines = [Pipeline(named(steps)) for steps in self.steps]
        if self.inputs.is_named:
            used = {name for pipeline in pipelines for name in used_names(pipeline, names)}
            names = [name for name in names if name in used]
        self.inputs = Inputs([Input(name) for name in names], self.inputs.is_named)
        for pipeline in pipelines:
            look(pipeline, names, self.inputs)
        for column in self.inputs.columns:
            column.is_double = not (column.is_text or column.is_wide)
        self.is_split = any(is_permuted(pipeline, names) for pipeline in pipelines) or any(
            column.is_text or column.is_wide for column in self.inputs.columns)

    @property
    def tensor(self) -> str:
        return TENSOR

    @property
    def own_output(self) -> dict:
        return {"labels": [str(label) for label in self.labels], "members": len(self.members),
                "calibration": self.method}

    @property
    def beside(self) -> dict[str, str]:
        return {CALIBRATION_FILE: calibration_text(self.curves)}

    def _graph(self, double: bool) -> onnx.ModelProto:
        raw_values.register()
        lasts = [steps[-1][1] for steps in self.steps]
        shares = len(self.steps[0]) == len(self.before) + 1
        if shares and is_alike(lasts):
            # What is before them is computed once, and their trees are one ensemble.
            return self._ended([self._part([*self.before, ("values", RawValues(lasts))])])
        parts = []
        for steps in self.steps:
            last = steps[-1][1]
            with_values = last if not raw_values.is_known(last) else RawValues([last])
            parts.append(self._part([*steps[:-1], ("values", with_values)]))
        return self._ended(parts)

    def _part(self, steps: list) -> onnx.ModelProto:
        """The graph of a member's values, or of all members'; its last output has them."""
        names, last = self.inputs.names, steps[-1][1]
        if isinstance(last, RawValues) and histogram.has_categories(last.members[0]):
            steps = with_categories(steps, names)
        model = Pipeline(named(steps)) if len(steps) > 1 else steps[0][1]
        split = self.inputs if self.is_split else None
        return uncalibrated(model, steps[-1][1], names, self.name, split)

    def _ended(self, parts: list[onnx.ModelProto]) -> onnx.ModelProto:
        width = raw_values.width_of(self.steps[0][-1][1])
        return joined(parts, width, len(self.members) * width, self.name)

    def scores(self, rows: pandas.DataFrame) -> np.ndarray:
        given = (self.inputs.as_trained(rows) if self.is_split else rows.to_numpy(np.float64))
        return library_scores(self.model, given, self.inputs.names)

    def generated(self, count: int, with_missing: bool) -> pandas.DataFrame:
        if self.is_split:
            return spread_rows(self.inputs, count, with_missing)
        width = len(self.inputs.columns)
        rows = generated_rows(without_casts(self.proto), width, count, with_missing)
        return pandas.DataFrame(rows.astype(np.float64), columns=self.inputs.names)

    def raw(self, rows: pandas.DataFrame) -> np.ndarray:
        """What ONNX Runtime makes of the graph: the values that are calibrated."""
        return onnx_scores(self.proto, rows if self.is_split else rows.to_numpy(np.float64))

    def calibrated(self, values: np.ndarray) -> np.ndarray:
        """The classes' probabilities of the members' values, as the gateway computes them."""
        members = len(self.curves)
        values = values.reshape(len(values), members, -1)
        each = [np.column_stack([curve.probabilities(values[:, member, place])
                                 for place, curve in enumerate(self.curves[member])])
                for member in range(members)]
        if len(self.labels) == 2:
            second = np.mean(each, axis=0)[:, 0]
            return np.column_stack([1 - second, second])
        count = len(self.labels)
        sums = [one.sum(axis=1, keepdims=True) for one in each]
        shares = [np.where(total == 0, 1 / count, one / np.where(total == 0, 1, total))
                  for one, total in zip(each, sums)]
        return np.mean(shares, axis=0)

    def second_opinion(self, rows: pandas.DataFrame, expected: np.ndarray) -> Opinion:
        """ONNX Runtime's values through the curves. It knows no missing texts."""
        kept = np.ones(len(rows), dtype=bool)
        if self.is_split:
            named_texts = [column.name for column in self.inputs.columns
                           if column.is_text or column.is_wide]
            kept = ~rows[named_texts].isna().any(axis=1).to_numpy()
        if not kept.any():
            return Opinion(None, expected.shape[1])
        found = self.calibrated(self.raw(rows[kept].reset_index(drop=True)))
        return Opinion(compare(expected[kept], found), expected.shape[1])

    def hint(self, rows: pandas.DataFrame) -> str:
        difference = self.second_opinion(rows, self.scores(rows)).difference
        return STEEP if difference is not None and difference < CLOSE else ""


def check(method: str, members: list, classes: int) -> None:
    """Refuses what the gateway does not compute."""
    if method not in METHODS:
        raise ExportError(f"CalibratedClassifierCV(method={method!r}) is no calibration that the gateway "
                          f"computes: expected one of {', '.join(METHODS)}")
    for member in members:
        if len(member.estimator.classes_) != classes:
            raise ExportError(
                f"a member of the CalibratedClassifierCV saw {len(member.estimator.classes_)} of "
                f"{classes} classes in its part of the rows: calibrate with more rows of each class")


def is_alike(lasts: list) -> bool:
    """Whether all members can be written as one."""
    first = lasts[0]
    return (all(type(one) is type(first) for one in lasts) and all(map(raw_values.is_known, lasts))
            and len({len(getattr(one, "estimators_", [])) for one in lasts}) == 1
            and not any(map(histogram.has_categories, lasts)))


def without_casts(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose trees read what casts before them read: for a look at their thresholds."""
    made = copy.deepcopy(proto)
    casts = {node.output[0]: node.input[0] for node in made.graph.node if node.op_type == "Cast"}
    for node in made.graph.node:
        while node.op_type.startswith("TreeEnsemble") and node.input[0] in casts:
            node.input[0] = casts[node.input[0]]
    return made


def with_categories(steps: list, names: list[str]) -> list:
    """The steps with an encoder before HistGradientBoosting that has categories of its own."""
    *before, (name, raw) = steps
    part = histogram.prepared(copy.deepcopy(raw.members[0]), None if before else names)
    more = part.steps if isinstance(part, Pipeline) else [(name, part)]
    return [*before, *more[:-1], (name, RawValues([more[-1][1]]))]


def uncalibrated(model, last, names: list[str], name: str, split: Inputs | None) -> onnx.ModelProto:
    """The graph of a classifier: margins where it has them, else probabilities. It reads 32 bits where a
    converter makes no graph of 64, or one that is none."""
    margins = hasattr(last, "decision_function") and not isinstance(last, RawValues)
    def written(double: bool) -> onnx.ModelProto:
        with raw_values.imputers_of_64_bits():
            return to_onnx(model, names, name, double, split=split, margins=margins)

    try:
        proto = written(double=True)
        onnxruntime.InferenceSession(proto.SerializeToString(), silent())
    except Exception:
        try:
            proto = written(double=False)
        except ExportError as error:
            if not margins or "raw_scores" not in str(error):
                raise
            raise ExportError(
                f"{type(last).__name__} has no ONNX export of its decision_function, which is what "
                f"was calibrated{ELSEWHERE}") from error
    kept = score_output(proto)
    for output in [output for output in proto.graph.output if output.name != kept]:
        proto.graph.output.remove(output)
    return proto


def silent() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # What fails is raised.
    return options


def joined(parts: list[onnx.ModelProto], width: int, columns: int, name: str) -> onnx.ModelProto:
    """One graph of several that read the same inputs: the last `width` columns of each, side by side
    and in 64 bits. One that has the columns of several members already is the only one."""
    graph = onnx.GraphProto(name=name)
    graph.input.extend(parts[0].graph.input)
    for source in graph.input:
        if source.type.tensor_type.elem_type == TensorProto.FLOAT:
            source.type.tensor_type.elem_type = TensorProto.DOUBLE
    inputs = [source.name for source in graph.input]
    made = []
    for place, part in enumerate(parts):
        add_part(graph, part, f"m{place}_", inputs)
        found = f"m{place}_{part.graph.output[0].name}"
        cast = f"{found}_double"
        graph.node.append(helper.make_node("Cast", [found], [cast], to=TensorProto.DOUBLE))
        if len(parts) > 1 or columns == width:
            cast = last_columns(graph, cast, part, width)
        made.append(cast)
    level = 0
    while len(made) > 1:
        groups = [made[at:at + PARTS_MAX] for at in range(0, len(made), PARTS_MAX)]
        made = []
        for place, group in enumerate(groups):
            made.append(f"join_{level}_{place}")
            graph.node.append(helper.make_node("Concat", group, [made[-1]], axis=1))
        level += 1
    graph.node.append(helper.make_node("Identity", made, [TENSOR]))
    graph.output.append(helper.make_tensor_value_info(TENSOR, TensorProto.DOUBLE, [None, columns]))
    proto = onnx.ModelProto(ir_version=parts[0].ir_version, producer_name="shardgate", graph=graph)
    versions: dict[str, int] = {}
    for opset in (opset for part in parts for opset in part.opset_import):
        versions[opset.domain] = max(opset.version, versions.get(opset.domain, 0))
    for domain, version in sorted(versions.items()):
        proto.opset_import.append(helper.make_opsetid(domain, version))
    return proto


def last_columns(graph: onnx.GraphProto, found: str, part: onnx.ModelProto, width: int) -> str:
    """Of two classes the second's value, where a graph has one for each."""
    shape = part.graph.output[0].type.tensor_type.shape.dim
    if width != 1 or len(shape) != 2 or shape[1].dim_value != 2:
        return found
    place, chosen = f"{found}_place", f"{found}_second"
    graph.initializer.append(helper.make_tensor(place, TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("ArrayFeatureExtractor", [found, place], [chosen],
                                       domain="ai.onnx.ml"))
    return chosen


def add_part(graph: onnx.GraphProto, part: onnx.ModelProto, prefix: str, inputs: list[str]) -> None:
    """Adds a graph's nodes, whose names get a prefix: but those of its inputs, which are shared."""
    shared = {source.name: name for source, name in zip(part.graph.input, inputs, strict=True)}
    for source in part.graph.input:
        if source.type.tensor_type.elem_type == TensorProto.FLOAT:
            single = f"{prefix}{source.name}_single"
            graph.node.append(helper.make_node("Cast", [shared[source.name]], [single],
                                               to=TensorProto.FLOAT))
            shared[source.name] = single

    def renamed(name: str) -> str:
        return shared.get(name) or (name and prefix + name)

    for tensor in part.graph.initializer:
        copied = graph.initializer.add()
        copied.CopyFrom(tensor)
        copied.name = renamed(tensor.name)
    for node in part.graph.node:
        copied = graph.node.add()
        copied.CopyFrom(node)
        copied.name = prefix + node.name
        copied.input[:] = map(renamed, node.input)
        copied.output[:] = map(renamed, node.output)
