"""Entries whose scores are no probabilities: decision values, outliers, labels; and those of
several labels or targets, which have to be chosen."""

from collections.abc import Iterator

from sklearn.ensemble import (
    ExtraTreesRegressor, IsolationForest, RandomForestRegressor, VotingClassifier,
)
from sklearn.linear_model import (
    LinearRegression, LogisticRegression, Perceptron, RidgeClassifier, SGDOneClassSVM,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC, OneClassSVM

from zoo_data import SEED, Entry


def scaled(model):
    return make_pipeline(StandardScaler(), model)


def vectors() -> Iterator[Entry]:
    """Support vectors without probabilities. ONNX Runtime has the signs of two classes turned
    around, unless the graph turns them (`raw_scores`)."""
    raw = {kind: {"raw_scores": True} for kind in (SVC, NuSVC)}
    yield Entry("svc-decision-binary", "binary", lambda: scaled(SVC(C=0.5)), rows=100,
                runtime_differs=True)
    yield Entry("svc-decision-binary-strings", "binary", lambda: scaled(SVC(kernel="linear")),
                rows=100, strings=True, zipmap=True, runtime_differs=True)
    yield Entry("svc-decision-binary-raw", "binary", lambda: scaled(SVC(kernel="poly", degree=2)),
                rows=100, options=raw)
    yield Entry("svc-decision-binary-double", "binary", lambda: scaled(SVC(kernel="sigmoid")),
                rows=100, double=True, runtime_differs=True)
    yield Entry("svc-decision-multi", "multi", lambda: scaled(SVC(C=0.5)), rows=100)
    yield Entry("svc-decision-multi-strings", "multi", lambda: scaled(SVC(kernel="linear")),
                rows=100, strings=True)
    yield Entry("svc-decision-pairs", "multi",
                lambda: scaled(SVC(decision_function_shape="ovo")), rows=100)
    yield Entry("nu-svc-decision-binary", "binary", lambda: scaled(NuSVC(nu=0.3)), rows=100,
                runtime_differs=True)
    yield Entry("nu-svc-decision-binary-raw", "binary", lambda: scaled(NuSVC(nu=0.3)), rows=100,
                options=raw)
    yield Entry("nu-svc-decision-multi", "multi", lambda: scaled(NuSVC(nu=0.3)), rows=100)
    linear = {LinearSVC: {"raw_scores": True}}
    yield Entry("linear-svc-raw-binary", "binary", lambda: LinearSVC(random_state=SEED),
                options=linear)
    yield Entry("linear-svc-raw-multi", "multi", lambda: LinearSVC(random_state=SEED),
                options=linear)
    yield Entry("ridge-classifier-multi", "multi", RidgeClassifier)
    yield Entry("perceptron-multi", "multi", lambda: scaled(Perceptron(random_state=SEED)))


def outliers() -> Iterator[Entry]:
    """What finds outliers: greater scores are more usual, as the library has it."""
    def forest():
        return IsolationForest(n_estimators=5, max_samples=64, random_state=SEED)

    more = {IsolationForest: {"score_samples": True}}
    yield Entry("isolation-forest", "outliers", forest, method="decision_function")
    yield Entry("isolation-forest-score-samples", "outliers", forest, method="score_samples",
                options=more, output="score_samples")
    yield Entry("one-class-svm", "outliers", lambda: scaled(OneClassSVM(nu=0.2)), rows=150,
                method="decision_function")
    yield Entry("sgd-one-class-svm", "outliers",
                lambda: scaled(SGDOneClassSVM(random_state=SEED)), method="decision_function")


def votes() -> Iterator[Entry]:
    """One against one, and several labels or targets."""
    def logistic():
        return LogisticRegression(max_iter=1000)

    yield Entry("one-vs-one-logistic", "multi", lambda: OneVsOneClassifier(logistic()))
    yield Entry("one-vs-one-linear-svc", "multi",
                lambda: OneVsOneClassifier(LinearSVC(random_state=SEED)))
    yield Entry("multi-label-logistic", "labels", lambda: OneVsRestClassifier(logistic()))
    yield Entry("multi-label-network", "two labels",
                lambda: scaled(MLPClassifier((6,), max_iter=100, random_state=SEED)))
    yield Entry("voting-soft", "multi", lambda: VotingClassifier(
        [("a", logistic()), ("b", scaled(logistic()))], voting="soft", weights=[2, 1]))
    yield Entry("two-targets-linear", "targets", LinearRegression)
    yield Entry("two-targets-random-forest", "targets",
                lambda: RandomForestRegressor(4, max_depth=4, random_state=SEED))
    yield Entry("two-targets-extra-trees", "targets",
                lambda: ExtraTreesRegressor(4, max_depth=4, random_state=SEED))


def entries() -> Iterator[Entry]:
    yield from vectors()
    yield from outliers()
    yield from votes()
