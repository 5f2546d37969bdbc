"""Scorecards of optbinning and scorecardpy, as they are: points of each variable's bins, and their sum.

A card becomes a `TreeEnsemble` in 64 bits, one tree a variable, so that points add up as in the library.
Which points a value has is asked of the library itself, bin by bin.
"""

import re
import warnings
from dataclasses import dataclass, field

import numpy as np
import onnx
import pandas
from onnx import TensorProto, helper

from . import raw_boosters
from . import raw_values
from ..errors import ExportError
from .exporting import compare, first_line, onnx_scores
from .inputs import Input, Inputs
from .joining import side_by_side
from .sampling import generated_frame
from .subjects import Opinion

TENSOR = "points"
LEQ, LT, EQ = 0, 1, 4
# Behind all texts, so that a `nan` that follows is seen to stand for a missing one.
LAST_TEXT = "\U0010ffff"
INTERVAL = re.compile(r"\[(-?[^,\[\]]+),(-?[^,\[\]]+)\)")
# What scorecardpy takes for missing.
BLANK = ""
# What stands for a missing text in a graph.
MARKS = {"nan", "None"}
UNKNOWN = "\ufffd no such text"


@dataclass
class Variable:
    """A column of a card, with the points of its bins."""

    name: str
    is_text: bool = False
    # Where bins begin, ascending; the first has no beginning.
    cuts: list[float] = field(default_factory=list)
    # Values and texts with points of their own.
    exact: list = field(default_factory=list)
    points: list[float] = field(default_factory=list)
    exact_points: list[float] = field(default_factory=list)
    missing: float = 0.0
    # Of a text that the card doesn't know.
    unknown: float = 0.0

    def probes(self) -> list:
        """A value of each bin, each exact value, a missing one, and for a text an unknown one."""
        if self.is_text:
            return [*self.exact, None, UNKNOWN]
        return [*self._inside(), *self.exact, np.nan]

    def _inside(self) -> list[float]:
        """A value of each bin that is none of the exact ones."""
        ends = [*self.cuts, np.inf]
        found = []
        for place, end in enumerate(ends):
            begin = self.cuts[place - 1] if place else -np.inf
            value = begin if place else (end - 1 if np.isfinite(end) else 0.0)
            while value in self.exact:
                value = float(np.nextafter(value, end if place else -np.inf))
            if not begin <= value < end:
                raise ExportError(f"{self.name}: no value lies in the bin from {begin} to {end}")
            found.append(float(value))
        return found

    def learn(self, points: np.ndarray) -> None:
        """Takes the library's points of `probes`."""
        points = [float(value) for value in points]
        if not np.isfinite(points).all():
            raise ExportError(f"{self.name}: the card has bins without points")
        if self.is_text:
            *self.exact_points, self.missing, self.unknown = points
        else:
            count = len(self.cuts) + 1
            self.points, self.exact_points = points[:count], points[count:-1]
            self.missing = points[-1]


def subject_of(model, name: str) -> "Card | None":
    """The card that a pickle holds, if it is one."""
    if is_optbinning(model):
        return Card(model, *_of_optbinning(model), name)
    if is_scorecardpy(model):
        return Card(model, *_of_scorecardpy(model), name)
    return None


def is_card(model) -> bool:
    return is_optbinning(model) or is_scorecardpy(model)


def is_optbinning(model) -> bool:
    return type(model).__name__ == "Scorecard" and type(model).__module__.startswith("optbinning.")


def is_scorecardpy(model) -> bool:
    """A dict of frames, or one frame, with the columns variable, bin and points."""
    if isinstance(model, dict):
        return bool(model) and all(isinstance(part, pandas.DataFrame) and is_scorecardpy(part)
                                   for part in model.values())
    return isinstance(model, pandas.DataFrame) and {"variable", "bin", "points"} <= set(model)


def _of_optbinning(model) -> tuple[list[Variable], float]:
    """The variables that the card selected, and the points that every row has."""
    if not getattr(model, "_is_fitted", False):
        raise ExportError("the Scorecard isn't fitted: pickle it after fit()")
    process = model.binning_process_
    variables = []
    for name in process.get_support(names=True):
        binned = process.get_binned_variable(name)
        variable = Variable(str(name))
        special = special_values(binned.special_codes)
        if binned.dtype == "categorical":
            known = [value for bin_ in binned.splits for value in bin_] + special
            variable.is_text = any(isinstance(value, str) for value in known)
            if not variable.is_text:
                raise ExportError(f"{name}: its categories are numbers: bin the column as texts")
            if not all(isinstance(value, str) for value in known):
                raise ExportError(f"{name}: its categories are texts and numbers: make them texts")
            variable.exact = sorted(set(known))
        else:
            variable.cuts = [float(cut) for cut in binned.splits]
            variable.exact = sorted({float(value) for value in special})
        variables.append(variable)
    for variable in variables:
        probes = variable.probes()
        frame = pandas.DataFrame({name: [np.nan] * len(probes) for name in process.variable_names})
        frame[variable.name] = cells(variable, probes)
        variable.learn(asked(model.transform, frame, model)[variable.name].to_numpy())
    return variables, float(np.ravel(model.intercept_)[0])


def special_values(codes) -> list:
    """The values that have bins of their own: a list, or a dict of values and lists."""
    if codes is None:
        return []
    parts = codes.values() if isinstance(codes, dict) else codes
    return [value for part in parts
            for value in (part if isinstance(part, (list, tuple, np.ndarray)) else [part])]


def _of_scorecardpy(model) -> tuple[list[Variable], float]:
    card = whole_card(model)
    base = card.loc[card["variable"] == "basepoints", "points"]
    variables = []
    for name in card.loc[card["variable"] != "basepoints", "variable"].unique():
        bins = card.loc[card["variable"] == name, "bin"]
        pieces = [piece for bin_ in bins for piece in str(bin_).split("%,%")]
        intervals = [found for found in map(INTERVAL.fullmatch, pieces) if found]
        variable = Variable(str(name), is_text=not intervals)
        others = [piece for piece in pieces if not INTERVAL.fullmatch(piece)]
        if variable.is_text:
            variable.exact = sorted({*others, BLANK})
        else:
            variable.cuts = sorted({float(found[1]) for found in intervals} - {-np.inf})
            variable.exact = sorted({value for value in map(number, others) if value is not None})
        variables.append(variable)
    for variable in variables:
        points = [library_points(card, variable, probe) for probe in variable.probes()]
        variable.learn(np.array(points))
    return variables, float(base.iloc[0]) if len(base) else 0.0


def whole_card(model) -> pandas.DataFrame:
    return pandas.concat(model, ignore_index=True) if isinstance(model, dict) else model


def number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def library_points(card: pandas.DataFrame, variable: Variable, probe) -> float:
    """What scorecardpy gives for one value. It writes numbers as texts, so that whole ones have to be
    integers; what no bin has adds nothing."""
    one = card[card["variable"] == variable.name]
    frame = pandas.DataFrame({variable.name: whole(cells(variable, [probe]))})
    found = scorecardpy_scores(frame, one)
    return float(np.nan_to_num(found[0]))


def whole(cells: pandas.Series) -> pandas.Series:
    """Integers, where all of a column are."""
    is_whole = cells.dtype != object and cells.notna().all() and (cells == np.floor(cells)).all()
    return cells.astype(np.int64) if is_whole and (cells.abs() < 2**53).all() else cells


def scorecardpy_scores(frame: pandas.DataFrame, card: pandas.DataFrame) -> np.ndarray:
    try:
        import scorecardpy
    except ImportError as error:
        raise ExportError("the pickle holds a scorecard of scorecardpy, which isn't installed here: pip "
                          "install scorecardpy") from error
    found = asked(lambda rows: scorecardpy.scorecard_ply(rows, card, print_step=0), frame, card)
    return found["score"].to_numpy(np.float64)


def asked(function, frame: pandas.DataFrame, model):
    """What a library says of rows."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(frame)
    except Exception as error:
        raise ExportError(f"{type(model).__name__} cannot score the rows: {first_line(error)}"
                          ) from error


def cells(variable: Variable, values: list) -> pandas.Series:
    if variable.is_text:
        return pandas.Series([np.nan if value is None else value for value in values], dtype=object)
    return pandas.Series(values, dtype=np.float64)


class Card:
    """A scorecard, whose file is a graph with an input for each variable."""

    file = "model.onnx"
    takes_unknown = True
    is_split = True
    is_double = True
    labels = None
    tensor = TENSOR
    beside: dict[str, str] = {}

    def __init__(self, model, variables: list[Variable], base: float, name: str):
        self.model, self.variables, self.base, self.name = model, variables, base, name
        if not variables:
            raise ExportError("the card has no variables")
        for one in variables:
            marks = MARKS.intersection(one.exact) if one.is_text else set()
            if marks:
                raise ExportError(f"{one.name}: the card has points for the text {min(marks)!r}, which "
                                  "stands for a missing one in a graph: name the category otherwise")
        self.inputs = Inputs([
            Input(one.name, one.is_text, list(one.exact) if one.is_text else None,
                  is_double=not one.is_text) for one in variables])
        self.proto = graph_of(variables, base, name)

    @property
    def own_output(self) -> dict:
        """More points are better, unless an optbinning card counts towards the event."""
        rises = is_optbinning(self.model) and (
            self.model.reverse_scorecard or self.model.scaling_method is None)
        return {} if rises else {"adverse": "low"}

    def learn(self, rows: pandas.DataFrame | None) -> None:
        pass

    def saved(self) -> bytes:
        return self.proto.SerializeToString(deterministic=True)

    def scores(self, rows: pandas.DataFrame) -> np.ndarray:
        frame = pandas.DataFrame({
            one.name: cells(one, rows[one.name].tolist()) for one in self.variables})
        if is_optbinning(self.model):
            for name in self.model.binning_process_.variable_names:
                if name not in frame:
                    frame[name] = np.nan
            found = asked(self.model.score, frame, self.model)
        else:
            frame = frame.apply(whole)
            found = scorecardpy_scores(frame, whole_card(self.model))
        return np.asarray(found, np.float64).reshape(-1, 1)

    def generated(self, count: int, with_missing: bool) -> pandas.DataFrame:
        cuts = {place: [*one.cuts, *one.exact] for place, one in enumerate(self.variables)
                if not one.is_text}
        made = generated_frame(self.inputs, cuts, count, with_missing, kind=np.float64)
        random = np.random.default_rng(3)
        for one in self.variables:
            if not one.is_text and one.exact:
                chosen = random.random(count) < 0.1
                made.loc[chosen, one.name] = random.choice(one.exact, int(chosen.sum()))
        return made

    def second_opinion(self, rows: pandas.DataFrame, expected: np.ndarray) -> Opinion:
        """ONNX Runtime's. It knows no missing texts: those rows are left to the gateway."""
        texts = [one.name for one in self.variables if one.is_text]
        kept = ~rows[texts].isna().any(axis=1).to_numpy()
        if not kept.any():
            return Opinion(None, 1)
        return Opinion(compare(expected[kept], onnx_scores(self.proto, rows[kept])), 1)

    def hint(self, rows: pandas.DataFrame) -> str:
        if is_optbinning(self.model):
            return ""
        return ("; scorecardpy gives another answer for a column of whole numbers than for one with a "
                "missing value")


def graph_of(variables: list[Variable], base: float, name: str) -> onnx.ModelProto:
    graph = onnx.GraphProto(name=name)
    columns = []
    for place, one in enumerate(variables):
        kind = TensorProto.STRING if one.is_text else TensorProto.DOUBLE
        graph.input.append(helper.make_tensor_value_info(one.name, kind, [None, 1]))
        columns.append(encoded(graph, one, place) if one.is_text else one.name)
    together = side_by_side(graph, columns, "columns")
    made = raw_values.DoubleEnsemble([], {})
    for place, one in enumerate(variables):
        branches = text_branches(one) if one.is_text else number_branches(one)
        add_tree(made, place, branches)
    if base:
        made.add_constant(0, base)
    graph.node.append(raw_values.ensemble_node(together, TENSOR, made, 1))
    graph.output.append(helper.make_tensor_value_info(TENSOR, TensorProto.DOUBLE, [None, 1]))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 5)]
    proto = helper.make_model(graph, opset_imports=opsets, producer_name="shardgate")
    proto.ir_version = 10
    return proto


def encoded(graph: onnx.GraphProto, one: Variable, place: int) -> str:
    """The number of each text: 0 for an unknown one, and the last one for a missing one."""
    known = [*one.exact, LAST_TEXT, "nan"]
    numbers = [*range(1, len(one.exact) + 1), 0, len(one.exact) + 1]
    code, wide = f"code-{place}", f"column-{place}"
    graph.node.append(helper.make_node(
        "LabelEncoder", [one.name], [code], domain="ai.onnx.ml", keys_strings=known,
        values_int64s=numbers, default_int64=0))
    graph.node.append(helper.make_node("Cast", [code], [wide], to=TensorProto.DOUBLE))
    return wide


def text_branches(one: Variable) -> tuple | float:
    return by_cuts([place + 0.5 for place in range(len(one.exact) + 1)],
                   [one.unknown, *one.exact_points, one.missing], LEQ)


def number_branches(one: Variable) -> tuple:
    """Missing values, values with points of their own, and the bins."""
    branches = by_cuts(one.cuts, one.points, LT)
    for value, points in zip(reversed(one.exact), reversed(one.exact_points)):
        branches = (EQ, value, points, branches)
    # NaN alone is not at most infinite.
    return (LEQ, np.inf, branches, one.missing)


def by_cuts(cuts: list[float], points: list[float], mode: int) -> tuple | float:
    """A tree of branches (mode, threshold, where it holds, where not) to the bin of a value."""
    if not cuts:
        return points[0]
    middle = len(cuts) // 2
    return (mode, cuts[middle], by_cuts(cuts[:middle], points[: middle + 1], mode),
            by_cuts(cuts[middle + 1:], points[middle + 1:], mode))


def add_tree(made: raw_values.DoubleEnsemble, column: int, root: tuple) -> None:
    nodes, rows = [root], []
    for node in nodes:
        if not isinstance(node, tuple):
            rows.append((-1, -1, LEQ, node))
            continue
        mode, threshold, holds, fails = node
        rows.append((len(nodes), len(nodes) + 1, mode, threshold))
        nodes += [holds, fails]
    left, right, modes, values = (np.array(one) for one in zip(*rows))
    tree = raw_boosters.Tree(left, right, np.full(len(rows), column), values.astype(np.float64),
                             np.zeros(len(rows), bool), 0)
    made.add_nodes(tree, 0, modes)
