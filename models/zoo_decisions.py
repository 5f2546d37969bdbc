"""Entries whose scores are no probabilities: decision values, outliers, labels; and those of
several labels or targets, which have to be chosen."""

from collections.abc import Iterator

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesRegressor, IsolationForest, RandomForestRegressor, StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import (
    LinearRegression, LogisticRegression, Perceptron, RidgeClassifier, SGDOneClassSVM,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import (
    BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
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
    yield Entry("multi-label-network", "labels",
                lambda: scaled(MLPClassifier((6,), max_iter=100, random_state=SEED)))
    yield Entry("multi-label-two", "two labels", lambda: OneVsRestClassifier(logistic()))
    yield Entry("voting-soft", "multi", lambda: VotingClassifier(
        [("a", logistic()), ("b", scaled(logistic()))], voting="soft",
        weights=np.array([2, 1])))
    yield Entry("two-targets-linear", "targets", LinearRegression)
    yield Entry("two-targets-random-forest", "targets",
                lambda: RandomForestRegressor(4, max_depth=4, random_state=SEED))
    yield Entry("two-targets-extra-trees", "targets",
                lambda: ExtraTreesRegressor(4, max_depth=4, random_state=SEED))


def bayes() -> Iterator[Entry]:
    """Naive Bayes, whose likelihoods are far below what 32 bits hold, and features that are selected."""
    yield Entry("naive-bayes-gaussian", "binary", lambda: scaled(GaussianNB()))
    yield Entry("naive-bayes-gaussian-double", "multi", lambda: scaled(GaussianNB()), double=True)
    yield Entry("naive-bayes-bernoulli", "multi", lambda: scaled(BernoulliNB()))
    yield Entry("naive-bayes-multinomial", "multi",
                lambda: make_pipeline(MinMaxScaler(clip=True), MultinomialNB()))
    yield Entry("naive-bayes-complement", "multi",
                lambda: make_pipeline(MinMaxScaler(clip=True), ComplementNB()))
    yield Entry("selected-logistic", "binary", lambda: make_pipeline(
        StandardScaler(), SelectFromModel(LogisticRegression(C=0.1)), LogisticRegression()))
    yield Entry("stacking", "binary", lambda: scaled(StackingClassifier(
        [("a", LogisticRegression()), ("b", GaussianNB())])))


def refused() -> Iterator[Entry]:
    """What is refused, and how the gateway says it."""
    yield Entry("refused-one-vs-rest-svc", "multi", lambda: OneVsRestClassifier(SVC()), rows=60,
                refused="computes on its decision values, whose sign the converter forgets there")
    yield Entry("refused-several-targets", "two labels",
                lambda: MultiOutputClassifier(LogisticRegression(max_iter=1000)),
                refused="is a list of tensors, one for each target")
    yield Entry("refused-quadratic-discriminant", "multi", QuadraticDiscriminantAnalysis,
                refused="it combines the rows of a batch")
    yield Entry("refused-naive-bayes-categorical", "binary", lambda: make_pipeline(
        ColumnTransformer([("codes", "passthrough", [4])]), CategoricalNB(min_categories=6)),
                refused="it cannot be planned (Op expects tensor of rank 2")
    yield Entry("refused-several-scores", "outliers",
                lambda: IsolationForest(n_estimators=2, max_samples=16, random_state=SEED),
                options={IsolationForest: {"score_samples": True}},
                refused="2 outputs hold floats (scores, score_samples): name the one")


def entries() -> Iterator[Entry]:
    yield from vectors()
    yield from outliers()
    yield from votes()
    yield from bayes()
    yield from refused()
