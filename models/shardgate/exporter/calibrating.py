"""Calibrated classifiers: a graph of the values that are calibrated, and the curves beside it.

skl2onnx approximates isotonic curves, so the graph ends before them: its columns are what each member of a
`CalibratedClassifierCV` says, and `calibration.csv` has the members' curves, which the gateway computes
in 64 bits.
"""

import copy

import numpy as np
import onnx
import onnxruntime
import pandas
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

from . import histogram
from . import raw_values
from . import scorecards
from .curves import CALIBRATION_FILE, calibration_text, curve_of
from ..errors import ExportError
from .exporting import (
    ELSEWHERE, compare, library_scores, onnx_scores, score_output, to_onnx,
)
from .inputs import Input, Inputs, is_permuted, look, used_names
from .joining import joined
from .raw_values import RawValues
from .sampling import generated_rows, spread_rows
from .subjects import Estimator, Opinion, subject_of as subject_without_curves

TENSOR = "values"
# Less than this is what a steep curve makes of the last bits.
CLOSE = 1e-2
METHODS = ("sigmoid", "isotonic")
STEEP = ("; the values that are calibrated have 32 bits in its graph, and the curve is steep: another "
         "estimator, or method=\"sigmoid\", keeps closer")


def calibrated_part(model) -> tuple[list, CalibratedClassifierCV] | None:
    """The calibrated classifier that a model is or ends in, and the steps before it."""
    steps = []
    while isinstance(model, Pipeline):
        steps += model.steps[:-1]
        model = model.steps[-1][1]
    return (steps, model) if isinstance(model, CalibratedClassifierCV) else None


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


def subject_of(model, columns: list[str] | None, name: str, double: bool):
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

    def __init__(self, model, columns: list[str] | None, name: str):
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
        return joined(parts, width, len(self.members) * width, self.name, TENSOR)

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
