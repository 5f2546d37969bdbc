"""HistGradientBoosting with categories, which skl2onnx converts as if they were numbers: here as a
`TreeEnsemble` of ai.onnx.ml 5, whose branches ask for membership in a set.

A branch of scikit-learn has a set of categories that go left; one that it doesn't know goes where a
missing one goes. In ONNX what is no member goes the other way, as NaN does: so each branch asks for the
categories of the side that unknown ones don't take.
"""

from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes,
)

LEQ, MEMBER = 0, 6
SUM = 1
ML_OPSET = 5


class CategoricalClassifier(HistGradientBoostingClassifier):
    """One with categories that are numbers, as this module converts it."""


class CategoricalRegressor(HistGradientBoostingRegressor):
    """The same of a regressor."""


KINDS = {HistGradientBoostingClassifier: CategoricalClassifier,
         HistGradientBoostingRegressor: CategoricalRegressor}


def has_categories(part) -> bool:
    return type(part) in KINDS and getattr(part, "is_categorical_", None) is not None


def prepared(part, names: list[str] | None):
    """The estimator, which has categories, as one that is converted here; where they are texts,
    behind an encoder. `names` are the columns that it reads, if it reads named ones."""
    part.__class__ = KINDS[type(part)]
    encoder = part._preprocessor.named_transformers_["encoder"]
    chosen = np.flatnonzero(part.is_categorical_)
    known = [list(categories) for categories in encoder.categories_]
    part.values_ = [values if not has_texts(values) else list(range(len(present(values))))
                    for values in known]
    texts = [place for place, values in zip(chosen, known) if has_texts(values)]
    if not texts:
        return part
    lists = [present(values) for values in known if has_texts(values)]
    encode = OrdinalEncoder(categories=[np.array(values, dtype=object) for values in lists],
                            handle_unknown="use_encoded_value", unknown_value=-1)
    encode.fit(np.array([[values[0] for values in lists]], dtype=object))
    columns = names or list(range(len(part.is_categorical_)))
    others = [place for place in range(len(columns)) if place not in texts]
    # The encoded columns come first in what follows.
    part.order_ = [*texts, *others]
    chooser = ColumnTransformer([("texts", encode, [columns[place] for place in texts]),
                                 ("others", "passthrough", [columns[place] for place in others])])
    chooser.transformers_ = [(name, step, chosen) for name, step, chosen in chooser.transformers
                             if chosen]
    chooser._n_features = chooser.n_features_in_ = len(columns)
    chooser.sparse_output_ = False
    return Pipeline([("encode", chooser), ("trees", part)])


def present(values: list) -> list:
    """The categories that are not the missing one."""
    return [value for value in values if value is not None and value == value]


def has_texts(values: list) -> bool:
    return any(isinstance(value, str) for value in values)


@dataclass
class Ensemble:
    """The lists of a `TreeEnsemble`, filled tree by tree."""

    places: list[int]
    values: dict[int, list[float]]
    lists: dict[str, list[int]] = field(default_factory=lambda: {key: [] for key in (
        "nodes_featureids", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids",
        "nodes_falseleafs", "nodes_missing_value_tracks_true")})
    roots: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, predictor, target: int) -> None:
        """One tree, which adds to `target`."""
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        position = np.where(leaf, len(self.weights) + np.cumsum(leaf) - 1,
                            len(self.modes) + np.cumsum(~leaf) - 1)
        if leaf.all():
            self._add_stump(target, float(nodes["value"][0]))
            return
        self.roots.append(len(self.modes))
        for node in nodes[~leaf]:
            self._add_branch(node, predictor.raw_left_cat_bitsets, position, leaf)
        self.weights += nodes["value"][leaf].tolist()
        self.targets += [target] * int(leaf.sum())

    def _add_stump(self, target: int, value: float) -> None:
        """A tree of one leaf is a branch with a leaf of the same weight on both sides. With the same
        leaf on both, ONNX Runtime takes the leaf whose number is the branch's."""
        self.roots.append(len(self.modes))
        self.modes.append(LEQ)
        self.splits.append(0.0)
        first = len(self.weights)
        for key, number in (("featureids", 0), ("truenodeids", first), ("trueleafs", 1),
                            ("falsenodeids", first + 1), ("falseleafs", 1),
                            ("missing_value_tracks_true", 0)):
            self.lists[f"nodes_{key}"].append(number)
        self.weights += [value, value]
        self.targets += [target, target]

    @staticmethod
    def threshold(value: float) -> float:
        from .exporting import floor_to_float32

        return floor_to_float32(value)

    def _add_branch(self, node, bitsets, position, leaf) -> None:
        left, right = int(node["left"]), int(node["right"])
        missing_left = bool(node["missing_go_to_left"])
        place = int(node["feature_idx"])
        tracks = int(missing_left)
        if node["is_categorical"]:
            bits = bitsets[node["bitset_idx"]]
            goes_left = [bool(bits[code >> 5] >> (code & 31) & 1)
                         for code in range(len(self.values[place]))]
            members = [value for value, is_left in zip(self.values[place], goes_left)
                       if is_left != missing_left]
            if missing_left:
                left, right = right, left
            tracks = 0
            self.members += [*members, np.nan]
            self.modes.append(MEMBER)
            self.splits.append(0.0)
        else:
            self.modes.append(LEQ)
            self.splits.append(self.threshold(float(node["num_threshold"])))
        self.lists["nodes_featureids"].append(self.places[place])
        self.lists["nodes_missing_value_tracks_true"].append(tracks)
        for side, child in (("true", left), ("false", right)):
            self.lists[f"nodes_{side}nodeids"].append(int(position[child]))
            self.lists[f"nodes_{side}leafs"].append(int(leaf[child]))


def ensemble_of(model) -> Ensemble:
    """All trees."""
    made = Ensemble(*places_of(model))
    for iteration in model._predictors:
        for target, predictor in enumerate(iteration):
            made.add(predictor, target)
    return made


def places_of(model) -> tuple[list[int], dict[int, list[float]]]:
    """The column of each feature, as the model's own encoder puts categories first, and each
    category's number."""
    chosen = np.flatnonzero(model.is_categorical_)
    rest = np.flatnonzero(~model.is_categorical_)
    order = getattr(model, "order_", None) or list(range(len(model.is_categorical_)))
    places = [order.index(place) for place in [*chosen, *rest]]
    values = {place: [float(value) for value in present(known)]
              for place, known in enumerate(model.values_)}
    return places, values


def convert(scope, operator, container) -> None:
    """Writes the operators of one estimator."""
    model = operator.raw_operator
    made = ensemble_of(model)
    base = np.asarray(model._baseline_prediction, dtype=np.float32).ravel()
    name = scope.get_unique_variable_name
    source = operator.inputs[0].full_name
    total, shifted = name("sum"), name("shifted")
    attributes = {
        "n_targets": len(base), "aggregate_function": SUM, "post_transform": 0,
        "tree_roots": made.roots, "leaf_targetids": made.targets,
        "leaf_weights": numpy_helper.from_array(np.array(made.weights, np.float32), "leaf_weights"),
        "nodes_splits": numpy_helper.from_array(np.array(made.splits, np.float32), "nodes_splits"),
        "nodes_modes": numpy_helper.from_array(np.array(made.modes, np.uint8), "nodes_modes"),
        **made.lists,
    }
    if made.members:
        attributes["membership_values"] = numpy_helper.from_array(
            np.array(made.members, np.float32), "membership_values")
    container.add_node("TreeEnsemble", [source], [total], op_domain="ai.onnx.ml",
                       op_version=1, name=scope.get_unique_operator_name("TreeEnsemble"),
                       **attributes)
    constant = name("base")
    container.add_initializer(constant, TensorProto.FLOAT, [1, len(base)], base.tolist())
    container.add_node("Add", [total, constant], [shifted], op_version=14, name=name("Add"))
    if isinstance(model, CategoricalClassifier):
        _add_classes(scope, container, shifted, len(base), model,
                     [output.full_name for output in operator.outputs])
    else:
        link = "Exp" if model.loss in ("poisson", "gamma") else "Identity"
        container.add_node(link, [shifted], [operator.outputs[0].full_name], op_version=13,
                           name=name(link))


def _add_classes(scope, container, raw: str, width: int, model, outputs: list[str]) -> None:
    name = scope.get_unique_variable_name
    label, probabilities = outputs
    if width == 1:
        second, first, one = name("second"), name("first"), name("one")
        container.add_node("Sigmoid", [raw], [second], op_version=13, name=name("Sigmoid"))
        container.add_initializer(one, TensorProto.FLOAT, [1], [1.0])
        container.add_node("Sub", [one, second], [first], op_version=14, name=name("Sub"))
        container.add_node("Concat", [first, second], [probabilities], axis=1, op_version=13,
                           name=name("Concat"))
    else:
        container.add_node("Softmax", [raw], [probabilities], axis=1, op_version=13,
                           name=name("Softmax"))
    place = name("place")
    container.add_node("ArgMax", [probabilities], [place], axis=1, keepdims=0, op_version=13,
                       name=name("ArgMax"))
    classes = list(model.classes_)
    kind = "strings" if isinstance(classes[0], str) else "int64s"
    keys = {"keys_int64s": list(range(len(classes))),
            f"values_{kind}": [value if kind == "strings" else int(value) for value in classes]}
    container.add_node("LabelEncoder", [place], [label], op_domain="ai.onnx.ml", op_version=2,
                       name=name("LabelEncoder"), **keys)


def register() -> None:
    """Teaches skl2onnx the two."""
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    update_registered_converter(CategoricalClassifier, "ShardgateCategoricalClassifier",
                                calculate_linear_classifier_output_shapes, convert, options=options)
    update_registered_converter(CategoricalRegressor, "ShardgateCategoricalRegressor",
                                calculate_linear_regressor_output_shapes, convert)
