"""Scalers before trees, folded into the trees' thresholds.

A scaler computed in float32 may round a feature to the other side of a threshold, and XGBoost's
thresholds are the training data's own values: one bit decides. A scaler grows with its feature, so
there is a float32 threshold on the raw feature that takes the same branch for every float32.
"""

import numpy as np
import onnx
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from ..errors import ExportError
from .exporting import attribute, to_onnx, tree_nodes

SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)
# Trees that compare in float64, and those that round the scaled feature to float32 first.
DOUBLE = ("LGBM", "HistGradientBoosting")
SINGLE = ("XGB", "GradientBoosting", "RandomForest", "ExtraTrees", "DecisionTree")


def is_foldable(model) -> bool:
    """Whether the model is a pipeline of scalers and trees, and of nothing else."""
    if not isinstance(model, Pipeline) or len(model.steps) < 2:
        return False
    *scalers, last = [step for _, step in model.steps]
    return (all(type(scaler) in SCALERS for scaler in scalers)
            and type(last).__name__.startswith(DOUBLE + SINGLE))


def to_folded_onnx(model: Pipeline, columns: list[str], name: str) -> onnx.ModelProto:
    """The pipeline's last step alone, with thresholds on the features as they come."""
    thresholds: dict[tuple[int, float], float] = {}
    proto = to_onnx(model[-1], columns, name, thresholds=thresholds)
    nodes = tree_nodes(proto)
    if len(nodes) != 1:
        raise ExportError(f"{name}: {len(nodes)} tree operators instead of one")
    modes = np.array(attribute(nodes[0], "nodes_modes"))
    features = np.array(attribute(nodes[0], "nodes_featureids"))
    values = np.array(attribute(nodes[0], "nodes_values"), dtype=np.float32)
    branches = np.flatnonzero(modes != b"LEAF")
    scaled = values[branches]
    if type(model[-1]).__name__.startswith(DOUBLE):
        scaled = np.array([thresholds[feature, float(value)] for feature, value
                           in zip(features[branches], scaled, strict=True)])
    values[branches] = raw_thresholds(
        model[:-1], len(columns), features[branches], scaled, modes[branches])
    for found in nodes[0].attribute:
        if found.name == "nodes_values":
            found.floats[:] = values.tolist()
    return proto


def raw_thresholds(scalers, width: int, features, scaled, modes) -> np.ndarray:
    """For each branch the greatest float32 whose scaled value still takes it, by bisection.

    `x < t` is about the next float32 above that one. The precision of `scaled` is the one that
    the library compares in. Order among float32 is that of integers.
    """
    unknown = set(modes) - {b"BRANCH_LEQ", b"BRANCH_LT"}
    if unknown:
        raise ExportError(f"branches of mode {unknown} can't be folded")
    strict = modes == b"BRANCH_LT"
    rows = np.zeros((len(features), width))
    index = np.arange(len(features))

    def taken(raw: np.ndarray) -> np.ndarray:
        rows[index, features] = raw
        value = scalers.transform(rows)[index, features].astype(scaled.dtype)
        return np.where(strict, value < scaled, value <= scaled)

    limit = int(np.float32(np.finfo(np.float32).max).view(np.int32))
    low = np.full(len(features), -limit, dtype=np.int64)
    high = np.full(len(features), limit, dtype=np.int64)
    while (low < high).any():
        middle = (low + high + 1) // 2
        is_taken = taken(from_order(middle))
        low = np.where(is_taken, middle, low)
        high = np.where(is_taken, high, middle - 1)
    return np.where(strict, from_order(np.minimum(low + 1, limit)), from_order(low))


def from_order(order: np.ndarray) -> np.ndarray:
    """The float32 at a place of their order: 0 is 0.0, 1 the smallest positive one."""
    bits = np.abs(order).astype(np.int32)
    return np.where(order < 0, -bits.view(np.float32), bits.view(np.float32))
