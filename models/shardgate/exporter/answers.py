"""What an answer has beside the score, as the flags of export.py say it: `[output]` of model.toml."""

import argparse
import json
import math
from dataclasses import dataclass, field

import numpy as np
import onnx

from . import background
from ..errors import ExportError

REASONS = 4
SHARES = 20


@dataclass
class Answers:
    """What the flags say, as model.toml has it."""

    # Keys of [output].
    output: dict = field(default_factory=dict)
    # The tables that follow it.
    tables: str = ""


def add_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("answers", "what an answer has beside the score")
    group.add_argument("--probabilities", action="store_true",
                       help="every answer has the probability of each class")
    group.add_argument("--label", action="store_true",
                       help="every answer has the label of the most probable class")
    group.add_argument("--bands", metavar="TEXT",
                       help="decisions by ascending score, as \"approve<0.05,review<0.2,decline\"")
    group.add_argument("--points", type=float, metavar="N",
                       help="with --odds and --pdo: every answer has points on a scale, on which odds of "
                            "ODDS to 1 have so many")
    group.add_argument("--odds", type=float, metavar="ODDS")
    group.add_argument("--pdo", type=float, metavar="N", help="so many points more double the odds")
    group.add_argument("--adverse", choices=["high", "low"],
                       help="which end of the score is the adverse one, high by default: what reasons "
                            "push towards, and the odds that points count against")
    group.add_argument("--explain", action="store_true",
                       help=f"answers have reasons, {REASONS} of them, where a request asks")


def answers_of(options: argparse.Namespace, subject, width: int, is_calibrated: bool) -> Answers:
    """What the flags say of a model whose output has `width` columns."""
    labels = subject.labels
    is_margin = width == 1 and not is_calibrated
    if labels is None and (options.probabilities or options.label):
        raise ExportError("--probabilities, --label: the model is no classifier and has no classes")
    wanted = {key: True for key in ("probabilities", "label") if getattr(options, key)}
    if wanted and is_margin:
        raise ExportError(f"--{next(iter(wanted))}: the model's score is a margin and no probability: "
                          "calibrate it, by CalibratedClassifierCV or --calibration")
    if options.adverse:
        wanted["adverse"] = options.adverse
    made = Answers(wanted)
    # The gateway computes two columns always, and more where they are wanted.
    if labels is not None and not is_margin and (len(labels) == 2 or options.probabilities or options.label) \
            and not has_labels(subject, [str(label) for label in labels]):
        made.output["labels"] = [str(label) for label in labels]
    tables = []
    scale = scale_of(options)
    if scale:
        if labels is None:
            raise ExportError("--points: the score is no probability, and has no odds")
        tables.append(table("[output.scale]", scale | ({"of": "log-odds"} if is_margin else {})))
    if options.bands is not None:
        tables += [table("[[output.bands]]", band) for band in bands_of(options.bands)]
    if options.explain or options.background:
        against = {"background": background.FILE} if options.background else {}
        tables.append(table("[explain]", {"max_reasons": REASONS, **against}))
    made.tables = "\n".join(tables)
    return made


def shares_of(scores: np.ndarray, subject, is_margin: bool) -> dict:
    """The share of the rows in each twentieth of the probabilities, by which the gateway measures how
    scores drift: a score at the end of one lies in it."""
    if subject.labels is None or is_margin:
        return {}
    places = np.clip(np.ceil(scores * SHARES).astype(int) - 1, 0, SHARES - 1)
    return {"shares": (np.bincount(places, minlength=SHARES) / len(scores)).tolist()}


def has_labels(subject, labels: list[str]) -> bool:
    """Whether the gateway finds the labels in the model's own file."""
    if "labels" in subject.own_output or labels == [str(place) for place in range(len(labels))]:
        return True
    proto = getattr(subject, "proto", None)
    if proto is None:
        return False
    for node in proto.graph.node:
        for found in node.attribute:
            if found.name.startswith("classlabels_"):
                value = onnx.helper.get_attribute_value(found)
                return [one.decode() if isinstance(one, bytes) else str(one) for one in value] == labels
    constants = (onnx.numpy_helper.to_array(tensor).ravel() for tensor in proto.graph.initializer
                 if tensor.data_type in (onnx.TensorProto.STRING, onnx.TensorProto.INT64))
    return any([one.decode() if isinstance(one, bytes) else str(one) for one in values] == labels
               for values in constants)


def scale_of(options: argparse.Namespace) -> dict:
    scale = {key: getattr(options, key) for key in ("points", "odds", "pdo")}
    absent = [f"--{key}" for key, value in scale.items() if value is None]
    if len(absent) == len(scale):
        return {}
    if absent:
        raise ExportError(f"--points, --odds and --pdo say a scale together: {', '.join(absent)} is "
                          "missing")
    return scale


def bands_of(text: str) -> list[dict]:
    """The decisions of `approve<0.05,review<0.2,decline`."""
    bands = []
    parts = [part.strip() for part in text.split(",")]
    for place, part in enumerate(parts):
        name, sign, bound = (piece.strip() for piece in part.partition("<"))
        is_last = place == len(parts) - 1
        expected = "a name alone, as the last one" if is_last else "NAME<NUMBER"
        if not name or bool(sign) == is_last:
            raise ExportError(f"--bands: {part!r}: expected {expected}")
        if is_last:
            bands.append({"decision": name})
            continue
        try:
            below = float(bound)
        except ValueError:
            below = math.nan
        if not math.isfinite(below) or (bands and below <= bands[-1]["below"]):
            raise ExportError(f"--bands: {part!r}: expected a number above the band before")
        bands.append({"below": below, "decision": name})
    return bands


def table(header: str, entries: dict) -> str:
    """A table of TOML, whose numbers have 64 bits."""
    lines = [f"{key} = {value_text(value)}" for key, value in entries.items()]
    return "\n".join([header, *lines]) + "\n"


def value_text(value) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
