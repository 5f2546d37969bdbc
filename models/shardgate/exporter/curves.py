"""Curves of calibrations, and `calibration.csv`, which has them: the gateway computes them in 64 bits."""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ..errors import ExportError
from .loading import unpickled

CALIBRATION_FILE = "calibration.csv"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calibration", type=Path, metavar="FILE",
                        help="what makes a probability of the score: an IsotonicRegression or a "
                             "LogisticRegression that was fitted on the score alone, pickled, or a CSV "
                             "of knots (x,y) or of a sigmoid (a,b)")


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


def standalone_of(calibrator, subject, width: int) -> Standalone | None:
    """What --calibration says of a model with so many scores a row: a path, or what was fitted."""
    if calibrator is None:
        return None
    if "calibration" in subject.own_output:
        raise ExportError("--calibration: the model is calibrated already")
    if width > 2:
        raise ExportError(f"--calibration: one curve is of one score, and the model has {width} classes: "
                          "calibrate it by CalibratedClassifierCV")
    is_path = isinstance(calibrator, (str, Path))
    return Standalone(read_curve(Path(calibrator)) if is_path else curve_of(calibrator))
