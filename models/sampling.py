"""Rows to hold a graph against its library: where it branches, and what lies around."""

from dataclasses import dataclass

import numpy as np
import onnx

from exporting import attribute, tree_nodes

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
    return rows
