"""MissingIndicator, and SimpleImputer with `add_indicator`: skl2onnx knows no MissingIndicator, and
leaves the indicator of an imputer out. Here a column's indicator is a tree of one branch that no number
passes and a missing value does.
"""

import numpy as np
from onnx import TensorProto
from sklearn.impute import MissingIndicator, SimpleImputer
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType


class IndicatingImputer(SimpleImputer):
    """One that adds indicators, as this module converts it."""


def prepare(part) -> None:
    """Marks an imputer that skl2onnx would convert without its indicator."""
    if type(part) is SimpleImputer and part.add_indicator and len(part.indicator_.features_):
        part.__class__ = IndicatingImputer


def register() -> None:
    """Teaches skl2onnx both."""
    update_registered_converter(MissingIndicator, "ShardgateMissingIndicator", _shapes(
        lambda part: len(part.features_)), _convert_indicator)
    update_registered_converter(IndicatingImputer, "ShardgateIndicatingImputer", _shapes(
        lambda part: len(part.statistics_) + len(part.indicator_.features_)), _convert_imputer)


def _shapes(width):
    def shapes(operator):
        kind = DoubleTensorType if _is_double(operator) else FloatTensorType
        operator.outputs[0].type = kind([None, width(operator.raw_operator)])
    return shapes


def _is_double(operator) -> bool:
    return isinstance(operator.inputs[0].type, DoubleTensorType)


def _ensure_numbers(part, values) -> None:
    missing = part.missing_values
    if isinstance(missing, str) or missing is None or missing == missing:
        raise ValueError(f"{type(part).__name__} takes {missing!r} for a missing value: only NaN is "
                         "exported")
    if not all(isinstance(value, (float, int, np.number)) and value == value for value in values):
        raise ValueError(f"{type(part).__name__} has no number for a column that was missing in all "
                         "rows, or puts texts in: impute texts by an imputer of their own, without "
                         "add_indicator")


def _add_indicators(scope, operator, container, features, output: str) -> None:
    count = len(features)
    trees = [tree for tree in range(count) for _ in range(3)]
    made = scope.get_unique_variable_name("indicators") if _is_double(operator) else output
    container.add_node(
        "TreeEnsembleRegressor", operator.inputs[0].full_name, made, op_domain="ai.onnx.ml",
        op_version=3, name=scope.get_unique_operator_name("MissingIndicator"), n_targets=count,
        nodes_treeids=trees, nodes_nodeids=[0, 1, 2] * count,
        nodes_featureids=[int(feature) for feature in features for _ in range(3)],
        nodes_modes=["BRANCH_LT", "LEAF", "LEAF"] * count,
        nodes_values=[-np.inf, 0.0, 0.0] * count,
        nodes_truenodeids=[1, 0, 0] * count, nodes_falsenodeids=[2, 0, 0] * count,
        nodes_missing_value_tracks_true=[1, 0, 0] * count,
        target_treeids=[tree for tree in range(count) for _ in range(2)],
        target_nodeids=[1, 2] * count, target_ids=[tree for tree in range(count) for _ in range(2)],
        target_weights=[1.0, 0.0] * count)
    if made != output:
        container.add_node("Cast", made, output, to=TensorProto.DOUBLE, op_version=13,
                           name=scope.get_unique_operator_name("Cast"))


def _convert_indicator(scope, operator, container) -> None:
    part = operator.raw_operator
    _ensure_numbers(part, [])
    _add_indicators(scope, operator, container, part.features_, operator.outputs[0].full_name)


def _convert_imputer(scope, operator, container) -> None:
    part = operator.raw_operator
    _ensure_numbers(part, part.statistics_)
    values, indicators = (scope.get_unique_variable_name(name) for name in ("values", "missing"))
    container.add_node(
        "Imputer", operator.inputs[0].full_name, values, op_domain="ai.onnx.ml", op_version=1,
        name=scope.get_unique_operator_name("Imputer"), replaced_value_float=np.nan,
        imputed_value_floats=[float(value) for value in part.statistics_])
    _add_indicators(scope, operator, container, part.indicator_.features_, indicators)
    container.add_node("Concat", [values, indicators], operator.outputs[0].full_name, axis=1,
                       op_version=13, name=scope.get_unique_operator_name("Concat"))
