"""What a classifier says before it is calibrated, as a graph in 64 bits.

A calibration's curve may be steep: of values of 32 bits it makes other probabilities than the library.
skl2onnx writes trees and linear models in 32 bits, so those that are calibrated most are written here,
with the library's own thresholds and sums in the library's order. Of other estimators the values are
what skl2onnx makes of them.
"""

import contextlib
from unittest import mock

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.svm import NuSVC, SVC
from sklearn.tree import DecisionTreeClassifier
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import RegisteredConverter, _converter_pool
from skl2onnx.common.data_types import DoubleTensorType

from . import histogram
from . import raw_boosters

FORESTS = (RandomForestClassifier, ExtraTreesClassifier)
KERNELS = ("rbf", "linear", "poly", "sigmoid")


class DoubleEnsemble(histogram.Ensemble):
    """Trees whose thresholds and weights have 64 bits."""

    @staticmethod
    def threshold(value: float) -> float:
        return value

    def add_constant(self, target: int, value: float) -> None:
        """A tree of one leaf."""
        self._add_stump(target, value)

    def add_tree(self, tree, target: int, weights: np.ndarray) -> None:
        """A tree of scikit-learn's, which adds the weight of the leaf that is reached."""
        nodes = raw_boosters.Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold,
                                  tree.missing_go_to_left, target)
        self.add_nodes(nodes, target, histogram.LEQ, weights)

    def add_nodes(self, tree: raw_boosters.Tree, target: int, mode: int | np.ndarray,
                  weights: np.ndarray | None = None) -> None:
        """A tree by its nodes, whose leaves have these weights, or else have them as thresholds."""
        weights = tree.threshold if weights is None else weights
        leaf = tree.left == -1
        if leaf.all():
            self._add_stump(target, float(weights[0]))
            return
        position = np.where(leaf, len(self.weights) + np.cumsum(leaf) - 1,
                            len(self.modes) + np.cumsum(~leaf) - 1)
        self.roots.append(len(self.modes))
        inner = np.flatnonzero(~leaf)
        self.modes += np.broadcast_to(mode, leaf.shape)[inner].tolist()
        self.splits += tree.threshold[inner].tolist()
        self.lists["nodes_featureids"] += tree.feature[inner].tolist()
        self.lists["nodes_missing_value_tracks_true"] += [
            int(left) for left in tree.missing_left[inner]]
        for side, children in (("true", tree.left[inner]),
                               ("false", tree.right[inner])):
            self.lists[f"nodes_{side}nodeids"] += position[children].tolist()
            self.lists[f"nodes_{side}leafs"] += leaf[children].astype(int).tolist()
        self.weights += weights[leaf].tolist()
        self.targets += [target] * int(leaf.sum())


class RawValues(BaseEstimator):
    """Stands for classifiers that read the same columns, one after the other: `width` values of each."""

    def __init__(self, members: list):
        self.members = members

    def fit(self, rows, labels=None):
        return self

    def predict(self, rows):
        raise NotImplementedError

    @property
    def width(self) -> int:
        return width_of(self.members[0])


def width_of(model) -> int:
    """How many values a classifier gives: of two classes that of the second."""
    return 1 if len(model.classes_) == 2 else len(model.classes_)


def is_known(model) -> bool:
    """Whether it is written here."""
    if raw_boosters.library_of(model):
        return raw_boosters.boosted(model) is not None
    if isinstance(model, (SVC, NuSVC)):
        return (len(model.classes_) == 2 and model.kernel in KERNELS
                and not hasattr(model.support_vectors_, "toarray"))
    if type(model) is GradientBoostingClassifier:
        return isinstance(model.init_, (str, DummyClassifier))
    return (isinstance(model, (*FORESTS, DecisionTreeClassifier, LinearClassifierMixin))
            or type(model) is HistGradientBoostingClassifier
            or type(model) is histogram.CategoricalClassifier)


def register() -> None:
    """Teaches skl2onnx what `RawValues` is."""
    update_registered_converter(RawValues, "ShardgateRawValues", _shape, _convert)


@contextlib.contextmanager
def imputers_of_64_bits():
    """Has skl2onnx write a SimpleImputer of doubles with numbers of 64 bits, which an `Imputer` of ONNX
    has no place for. A value that isn't equal to itself is the missing one."""
    known = _converter_pool["SklearnSimpleImputer"]

    def convert(scope, operator, container):
        model = operator.raw_operator
        values = np.asarray(model.statistics_)
        is_ours = (all(isinstance(source.type, DoubleTensorType) for source in operator.inputs)
                   and values.dtype.kind in "fi" and not np.isnan(values).any()
                   and model.missing_values != model.missing_values)
        if not is_ours:
            known._fct(scope, operator, container)
            return
        writer = _Writer(scope, container)
        source = writer.joined([one.full_name for one in operator.inputs])
        is_there = writer.node("Equal", [source, source], 13)
        found = writer.node("Where", [is_there, source, writer.constant(values[np.newaxis])], 9)
        writer.node("Identity", [found], 14, output=operator.outputs[0].full_name)

    ours = RegisteredConverter(convert, known._options)
    with mock.patch.dict(_converter_pool, {"SklearnSimpleImputer": ours}):
        yield


def _shape(operator) -> None:
    raw = operator.raw_operator
    operator.outputs[0].type = DoubleTensorType([None, len(raw.members) * raw.width])


def _convert(scope, operator, container) -> None:
    raw = operator.raw_operator
    writer = _Writer(scope, container)
    source = operator.inputs[0].full_name
    first = raw.members[0]
    if isinstance(first, LinearClassifierMixin):
        found = _linear(writer, raw.members, writer.double(source))
    elif isinstance(first, (SVC, NuSVC)):
        wide = writer.double(source)
        each = [_support_vectors(writer, member, wide) for member in raw.members]
        found = writer.joined(each)
    elif raw_boosters.library_of(first):
        found = writer.joined([_boosted(writer, member, source) for member in raw.members])
    else:
        found = _trees(writer, raw.members, source)
    writer.node("Identity", [found], 14, output=operator.outputs[0].full_name)


class _Writer:
    """Adds nodes to a graph that skl2onnx makes."""

    def __init__(self, scope, container):
        self.scope, self.container = scope, container

    def node(self, kind: str, inputs: list[str], version: int, output: str | None = None,
             domain: str = "", **attributes) -> str:
        output = output or self.scope.get_unique_variable_name(kind.lower())
        self.container.add_node(kind, inputs, [output], op_domain=domain, op_version=version,
                                name=self.scope.get_unique_operator_name(kind), **attributes)
        return output

    def constant(self, values, kind: int = TensorProto.DOUBLE) -> str:
        values = np.asarray(values, np.float64)
        name = self.scope.get_unique_variable_name("constant")
        self.container.add_initializer(name, kind, list(values.shape),
                                       values.ravel().tolist())
        return name

    def double(self, source: str) -> str:
        return self.node("Cast", [source], 13, to=TensorProto.DOUBLE)

    def single(self, source: str) -> str:
        return self.node("Cast", [source], 13, to=TensorProto.FLOAT)

    def rounded(self, source: str) -> str:
        """As 32 bits hold it, which scikit-learn's trees compare."""
        return self.double(self.single(source))

    def joined(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else self.node("Concat", parts, 13, axis=1)


def _linear(writer: _Writer, members: list, source: str) -> str:
    def dense(values):
        return values.toarray() if hasattr(values, "toarray") else np.asarray(values)

    weights = np.vstack([np.atleast_2d(dense(member.coef_)) for member in members])
    width = width_of(members[0])
    offsets = np.concatenate([np.broadcast_to(np.ravel(member.intercept_), (width,))
                              for member in members])
    product = writer.node("MatMul", [source, writer.constant(weights.T)], 13)
    return writer.node("Add", [product, writer.constant(offsets)], 14)


def _support_vectors(writer: _Writer, model: SVC, source: str) -> str:
    """The decision function of two classes, as scikit-learn turns its sign."""
    vectors, gamma = model.support_vectors_, float(model._gamma)
    product = writer.node("MatMul", [source, writer.constant(vectors.T)], 13)
    if model.kernel == "rbf":
        squares = writer.node("ReduceSumSquare", [source], 13, axes=[1], keepdims=1)
        twice = writer.node("Mul", [product, writer.constant([-2.0])], 14)
        lengths = writer.constant((vectors**2).sum(axis=1)[np.newaxis])
        sums = writer.node("Add", [writer.node("Add", [twice, squares], 14), lengths], 14)
        scaled = writer.node("Mul", [sums, writer.constant([-gamma])], 14)
        kernel = writer.node("Exp", [scaled], 13)
    elif model.kernel == "linear":
        kernel = product
    else:
        scaled = writer.node("Mul", [product, writer.constant([gamma])], 14)
        shifted = writer.node("Add", [scaled, writer.constant([model.coef0])], 14)
        kernel = (writer.node("Tanh", [shifted], 13) if model.kernel == "sigmoid" else
                  writer.node("Pow", [shifted, writer.constant([float(model.degree)])], 13))
    weights = np.asarray(model.dual_coef_).ravel()[:, np.newaxis]
    total = writer.node("MatMul", [kernel, writer.constant(weights)], 13)
    return writer.node("Add", [total, writer.constant(model.intercept_)], 14)


def _trees(writer: _Writer, members: list, source: str) -> str:
    """One ensemble for the trees of all members: of each a target for each value."""
    first, width = members[0], width_of(members[0])
    is_histogram = isinstance(first, HistGradientBoostingClassifier)
    source = writer.double(source) if is_histogram else writer.rounded(source)
    # An average is a sum that is divided; a forest's trees are added as the library adds them.
    divisor = len(first.estimators_) if isinstance(first, FORESTS) else 1
    made = DoubleEnsemble(*_places(first)) if is_histogram else DoubleEnsemble([], {})
    for place, member in enumerate(members):
        if is_histogram:
            made.places, made.values = _places(member)
        _add(made, member, place * width, width)
    total = _ensemble(writer, source, made, width * len(members), np.float64)
    if divisor == 1:
        return total
    return writer.node("Div", [total, writer.constant([float(divisor)])], 14)


def _boosted(writer: _Writer, model, source: str) -> str:
    """The probabilities of a booster: of two classes that of the second."""
    found = raw_boosters.boosted(model)
    made = DoubleEnsemble([], {})
    raw_boosters.add(made, found, 0)
    if found.is_single:
        sums = _ensemble(writer, writer.single(source), made, len(found.base), np.float32)
        return writer.double(_single_shares(writer, sums, found))
    read = writer.rounded(source) if found.rounds else writer.double(source)
    sums = _ensemble(writer, read, made, len(found.base), np.float64)
    if found.divisor > 1:
        sums = writer.node("Div", [sums, writer.constant([float(found.divisor)])], 14)
    if found.sigmoid is None:
        return writer.node("Softmax", [sums], 13, axis=1)
    shares = writer.node("Sigmoid", [writer.node("Mul", [sums, writer.constant([found.sigmoid])], 14)], 13)
    if len(found.base) == 1:
        return shares
    ones = writer.constant(np.ones((len(found.base), 1)))
    return writer.node("Div", [shares, writer.node("MatMul", [shares, ones], 13)], 14)


def _single_shares(writer: _Writer, sums: str, found: raw_boosters.Boosted) -> str:
    """XGBoost's sigmoid or softmax, each step rounded to 32 bits as the library does."""
    def exponential(values: str) -> str:
        return writer.single(writer.node("Exp", [writer.double(values)], 13))

    if found.sigmoid is not None:
        one = writer.constant([1.0], TensorProto.FLOAT)
        odds = exponential(writer.node("Neg", [sums], 13))
        return writer.node("Div", [one, writer.node("Add", [odds, one], 14)], 14)
    greatest = writer.node("ReduceMax", [sums], 13, axes=[1], keepdims=1)
    shares = exponential(writer.node("Sub", [sums, greatest], 14))
    ones = writer.constant(np.ones((len(found.base), 1)))
    total = writer.single(writer.node("MatMul", [writer.double(shares), ones], 13))
    return writer.node("Div", [shares, total], 14)


def _ensemble(writer: _Writer, source: str, made: DoubleEnsemble, targets: int, kind) -> str:
    return writer.node(
        "TreeEnsemble", [source], 1, domain="ai.onnx.ml", n_targets=targets,
        aggregate_function=histogram.SUM, post_transform=0, tree_roots=made.roots,
        leaf_targetids=made.targets, **_tensors(made, kind), **made.lists)


def ensemble_node(source: str, output: str, made: DoubleEnsemble, targets: int) -> onnx.NodeProto:
    """The node of trees of 64 bits, for a graph that is made by hand."""
    return onnx.helper.make_node(
        "TreeEnsemble", [source], [output], domain="ai.onnx.ml", n_targets=targets,
        aggregate_function=histogram.SUM, post_transform=0, tree_roots=made.roots,
        leaf_targetids=made.targets, **_tensors(made, np.float64), **made.lists)


def _tensors(made: DoubleEnsemble, wide) -> dict:
    def tensor(name: str, values: list, kind) -> tuple:
        return name, numpy_helper.from_array(np.array(values, kind), name)

    tensors = [tensor("leaf_weights", made.weights, wide),
               tensor("nodes_splits", made.splits, wide),
               tensor("nodes_modes", made.modes, np.uint8)]
    if made.members:
        tensors.append(tensor("membership_values", made.members, wide))
    return dict(tensors)


def _places(model) -> tuple[list[int], dict[int, list[float]]]:
    if getattr(model, "is_categorical_", None) is None:
        return list(range(model.n_features_in_)), {}
    return histogram.places_of(model)


def _add(made: DoubleEnsemble, model, first: int, width: int) -> None:
    """The trees of a member, whose values are the targets from `first` on."""
    classes = range(width)
    if isinstance(model, HistGradientBoostingClassifier):
        for target, base in enumerate(np.ravel(model._baseline_prediction)):
            made.add_constant(first + target, float(base))
        for iteration in model._predictors:
            for target, predictor in enumerate(iteration):
                made.add(predictor, first + target)
    elif isinstance(model, GradientBoostingClassifier):
        base = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
        for target in classes:
            made.add_constant(first + target, float(base[target]))
        for stage in model.estimators_:
            for target in classes:
                tree = stage[target].tree_
                made.add_tree(tree, first + target, model.learning_rate * tree.value[:, 0, 0])
    else:
        trees = getattr(model, "estimators_", [model])
        for tree in trees:
            for target in classes:
                chosen = 1 if width == 1 else target
                made.add_tree(tree.tree_, first + target, tree.tree_.value[:, 0, chosen])
