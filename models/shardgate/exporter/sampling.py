"""Rows to hold a graph against its library: where it branches, and what lies around."""

from dataclasses import dataclass

import numpy as np
import onnx
import pandas

from .exporting import attribute, tree_nodes
from .inputs import Inputs

# The attributes that hold thresholds, of which a tree operator has one.
THRESHOLDS = ("nodes_values", "nodes_values_as_tensor", "nodes_splits")


def neighbours(threshold: np.floating) -> list[np.floating]:
    """A threshold and the numbers of its own precision one step below and above it."""
    kind = type(threshold)
    return [np.nextafter(threshold, kind(-np.inf)), threshold,
            np.nextafter(threshold, kind(np.inf))]


@dataclass
class Centre:
    """Where a feature's values lie, as far as the graph tells."""

    middle: np.ndarray
    spread: np.ndarray


def thresholds(proto: onnx.ModelProto) -> list[tuple[int, np.floating]]:
    """(column, threshold) of each branch of the trees that read the input directly."""
    pairs = []
    for node in tree_nodes(proto):
        features = attribute(node, "nodes_featureids")
        modes = attribute(node, "nodes_modes")
        values = next(
            values for values in (attribute(node, name) for name in THRESHOLDS)
            if values is not None
        )
        if not isinstance(values, np.ndarray):
            values = np.array(values, dtype=np.float32)
        for mode, feature, value in zip(modes, features, values, strict=True):
            if mode != b"LEAF":
                pairs.append((int(feature), value))
    return pairs


def source_columns(proto: onnx.ModelProto, name: str) -> list[int] | None:
    """The columns of the input that a value is, in order, where it is nothing else."""
    made = {output: node for node in proto.graph.node for output in node.output}
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor)
                 for tensor in proto.graph.initializer}
    picks = []
    while name in made:
        node = made[name]
        if node.op_type in ("ArrayFeatureExtractor", "Gather") and node.input[1] in constants:
            picks.append(constants[node.input[1]].ravel())
        elif node.op_type not in ("Cast", "Identity"):
            return None
        name = node.input[0]
    source = proto.graph.input[0]
    if name != source.name:
        return None
    columns = np.arange(source.type.tensor_type.shape.dim[1].dim_value)
    for pick in reversed(picks):
        columns = columns[pick]
    return [int(column) for column in columns]


def categories(proto: onnx.ModelProto) -> dict[int, list[int]]:
    """The categories of each column that a one-hot encoder reads, and one more where it takes any.
    """
    known: dict[int, list[int]] = {}
    for node in proto.graph.node:
        if node.op_type == "OneHotEncoder" and attribute(node, "cats_int64s"):
            own = list(attribute(node, "cats_int64s"))
            more = [max(own) + 1] if attribute(node, "zeros") != 0 else []
            for column in source_columns(proto, node.input[0]) or []:
                known[column] = own + more
    return known


def centre_of(proto: onnx.ModelProto, width: int) -> Centre:
    """Where to draw values from: around the thresholds or a scaler's means, else around 0."""
    centre = Centre(np.zeros(width), np.ones(width))
    for node in proto.graph.node:
        if node.op_type == "Scaler":
            offset = np.asarray(attribute(node, "offset"), dtype=np.float64)
            scale = np.asarray(attribute(node, "scale"), dtype=np.float64)
            if len(offset) == len(scale) == width:
                centre = Centre(offset, 1 / np.where(scale == 0, 1, scale))
    by_column: dict[int, list[float]] = {}
    for column, value in thresholds(proto):
        by_column.setdefault(column, []).append(value)
    for column, values in by_column.items():
        centre.middle[column] = np.mean(values)
        centre.spread[column] = np.std(values) or max(1.0, abs(values[0]) / 2)
    return centre


def generated_rows(
    proto: onnx.ModelProto, width: int, count: int, with_missing: bool, seed: int = 7
) -> np.ndarray:
    """Rows around what the graph branches on, a third of them with one value at an edge."""
    random = np.random.default_rng(seed)
    centre = centre_of(proto, width)
    rows = random.normal(centre.middle, centre.spread, (count, width)).astype(np.float32)
    rows[0] = 0
    pairs = thresholds(proto)
    for row in rows[1 : 1 + count // 3] if pairs else []:
        column, value = pairs[random.integers(len(pairs))]
        row[column] = neighbours(value)[random.integers(3)]
    if with_missing:
        rows[random.random(rows.shape) < 0.05] = np.nan
    for column, known in categories(proto).items():
        rows[:, column] = random.choice(known, count)
    return rows


def generated_frame(
    inputs: Inputs, thresholds: dict[int, list[float]], count: int, with_missing: bool,
    kind: type = np.float32, seed: int = 7,
) -> pandas.DataFrame:
    """Rows around the thresholds of each column, by its place, and of the texts that it knows. `kind`
    is the thresholds' precision."""
    random = np.random.default_rng(seed)
    cells = {}
    for place, column in enumerate(inputs.columns):
        known = [category for category in column.categories or [] if category == category]
        if known:
            drawn = random.choice(np.array(known, dtype=object), count)
        elif column.is_text:
            drawn = np.array(["text"] * count, dtype=object)
        else:
            drawn = _around(thresholds.get(place, []), count, random, kind)
        if not column.is_text:
            drawn = drawn.astype(np.float64 if column.is_wide or column.is_double else np.float32)
        if with_missing and not (column.is_text or column.is_wide):
            drawn[random.random(count) < 0.05] = np.nan
        cells[column.name] = drawn
    return pandas.DataFrame(cells)


def _around(values: list[float], count: int, random, kind: type) -> np.ndarray:
    if not values:
        return random.normal(0, 1, count).astype(kind)
    spread = np.std(values) or max(1.0, abs(values[0]) / 2)
    drawn = random.normal(np.mean(values), spread, count).astype(kind)
    for at in range(1, 1 + count // 3):
        with np.errstate(over="ignore"):
            value = kind(values[random.integers(len(values))])
        if np.isfinite(value):
            drawn[at] = neighbours(value)[random.integers(3)]
    return drawn


def spread_rows(inputs: Inputs, count: int, with_missing: bool) -> pandas.DataFrame:
    """Rows where nothing is known of numbers: of all sizes."""
    sizes = [value * sign for value in (0.0, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4)
             for sign in (1, -1)]
    return generated_frame(inputs, dict.fromkeys(range(len(inputs.columns)), sizes), count,
                           with_missing)
