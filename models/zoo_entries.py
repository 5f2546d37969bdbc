"""The estimators of the zoo, by library. How they are exported and scored is in zoo.py."""

from collections.abc import Iterator

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier, AdaBoostRegressor, ExtraTreesClassifier, ExtraTreesRegressor,
    GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingClassifier,
    HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet, LinearRegression, LogisticRegression, Ridge, SGDClassifier,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer, MaxAbsScaler, MinMaxScaler, Normalizer, OneHotEncoder, PolynomialFeatures,
    RobustScaler, StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import zoo_decisions
import zoo_neighbours
from zoo_data import SEED, WIDTH, Entry, made_up

__all__ = ["LIBRARIES", "SEED", "WIDTH", "Entry", "made_up"]

def linear() -> Iterator[Entry]:
    """Linear models, support vectors and networks of scikit-learn."""
    def logistic():
        return LogisticRegression(max_iter=1000)

    yield Entry("logistic-binary", "binary", logistic)
    yield Entry("logistic-binary-double", "binary", logistic, double=True)
    yield Entry("logistic-binary-zipmap", "binary", logistic, zipmap=True)
    yield Entry("logistic-binary-zipmap-strings", "binary", logistic, zipmap=True, strings=True)
    yield Entry("logistic-multi", "multi", logistic)
    yield Entry("logistic-multi-double", "multi", logistic, double=True)
    yield Entry("logistic-multi-zipmap", "multi", logistic, zipmap=True)
    yield Entry("logistic-multi-zipmap-strings", "multi", logistic, zipmap=True, strings=True)
    yield Entry("one-vs-rest-logistic", "multi", lambda: OneVsRestClassifier(logistic()))
    # Its labels are no attribute: they lie in a constant that the label is picked from.
    yield Entry("one-vs-rest-logistic-strings", "multi",
                lambda: OneVsRestClassifier(logistic()), strings=True)
    yield Entry("sgd-logistic", "binary",
                lambda: make_pipeline(StandardScaler(),
                                      SGDClassifier(loss="log_loss", random_state=SEED)))
    yield Entry("linear-regression", "regression", LinearRegression)
    yield Entry("linear-regression-double", "regression", LinearRegression, double=True)
    yield Entry("ridge", "regression", Ridge)
    yield Entry("elastic-net", "regression", lambda: ElasticNet(alpha=0.01))
    yield Entry("linear-svc-binary", "binary", lambda: LinearSVC(random_state=SEED))
    yield Entry("linear-svc-multi", "multi", lambda: LinearSVC(random_state=SEED))
    yield Entry("linear-svr", "regression", lambda: LinearSVR(random_state=SEED))

    def svc(kernel="linear"):
        return make_pipeline(StandardScaler(), SVC(
            kernel=kernel, C=0.5, probability=True, random_state=SEED))

    yield Entry("svc-linear-binary", "binary", svc, rows=150)
    yield Entry("svc-linear-multi", "multi", svc, rows=150)
    yield Entry("svc-rbf-binary", "binary", lambda: svc("rbf"), rows=150)
    yield Entry("svr-linear", "regression",
                lambda: make_pipeline(StandardScaler(), SVR(kernel="linear", C=0.1)), rows=150)

    def network(kind, activation, layers=(8, 4)):
        return make_pipeline(StandardScaler(), kind(
            hidden_layer_sizes=layers, activation=activation, max_iter=300, tol=1e-2,
            random_state=SEED))

    yield Entry("mlp-binary-relu", "binary", lambda: network(MLPClassifier, "relu"))
    yield Entry("mlp-binary-strings", "binary", lambda: network(MLPClassifier, "relu"),
                strings=True)
    yield Entry("mlp-binary-relu-double", "binary", lambda: network(MLPClassifier, "relu"),
                double=True)
    yield Entry("mlp-multi-tanh", "multi", lambda: network(MLPClassifier, "tanh"))
    yield Entry("mlp-regressor-logistic", "regression",
                lambda: network(MLPRegressor, "logistic", (6,)))


def trees() -> Iterator[Entry]:
    """Trees and ensembles of trees of scikit-learn."""
    def boosted(**more):
        return GradientBoostingClassifier(n_estimators=10, random_state=SEED, **more)

    yield Entry("gbdt-binary", "binary", boosted)
    yield Entry("gbdt-binary-double", "binary", boosted, double=True)
    yield Entry("gbdt-binary-zipmap", "binary", boosted, zipmap=True)
    yield Entry("gbdt-binary-zipmap-strings", "binary", boosted, zipmap=True, strings=True)
    yield Entry("gbdt-binary-exponential", "binary", lambda: boosted(loss="exponential"))
    yield Entry("gbdt-binary-init-zero", "binary", lambda: boosted(init="zero"))
    yield Entry("gbdt-binary-depth-6", "binary", lambda: boosted(max_depth=6))
    yield Entry("gbdt-binary-single-leaves", "binary",
                lambda: boosted(max_depth=2, min_impurity_decrease=0.03, learning_rate=0.5))
    yield Entry("gbdt-multi", "multi", lambda: boosted(max_depth=2))
    yield Entry("gbdt-multi-zipmap-strings", "multi", lambda: boosted(max_depth=2), zipmap=True,
                strings=True)

    def boosted_regressor():
        return GradientBoostingRegressor(n_estimators=10, random_state=SEED)

    yield Entry("gbdt-regressor", "regression", boosted_regressor)
    yield Entry("gbdt-regressor-double", "regression", boosted_regressor, double=True)

    def histogram(kind, **more):
        return kind(max_iter=10, max_leaf_nodes=15, random_state=SEED, **more)

    for task, kind in (("binary", HistGradientBoostingClassifier),
                       ("multi", HistGradientBoostingClassifier),
                       ("regression", HistGradientBoostingRegressor)):
        make = lambda kind=kind: histogram(kind)
        yield Entry(f"hist-gbdt-{task}", task, make)
        yield Entry(f"hist-gbdt-{task}-missing", task, make, missing=True)
    yield Entry("hist-gbdt-binary-missing-double", "binary",
                lambda: histogram(HistGradientBoostingClassifier), missing=True, double=True)
    # Leaves of weight 0 and log odds as base value, which ONNX Runtime takes for a probability.
    yield Entry("hist-gbdt-binary-no-split", "binary",
                lambda: HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=100_000),
                runtime_differs=True)
    yield from forests()

    def single(kind):
        return kind(max_depth=5, random_state=SEED)

    yield Entry("decision-tree-binary", "binary", lambda: single(DecisionTreeClassifier))
    yield Entry("decision-tree-multi", "multi", lambda: single(DecisionTreeClassifier))
    yield Entry("decision-tree-multi-missing", "multi", lambda: single(DecisionTreeClassifier),
                missing=True)
    yield Entry("decision-tree-regressor", "regression", lambda: single(DecisionTreeRegressor))
    yield Entry("decision-tree-single-leaf", "binary",
                lambda: DecisionTreeClassifier(min_samples_split=10_000))
    yield Entry("ada-boost-binary", "binary",
                lambda: AdaBoostClassifier(n_estimators=5, random_state=SEED))
    yield Entry("ada-boost-multi", "multi",
                lambda: AdaBoostClassifier(n_estimators=5, random_state=SEED))
    yield Entry("ada-boost-regressor", "regression",
                lambda: AdaBoostRegressor(n_estimators=5, random_state=SEED))


def forests() -> Iterator[Entry]:
    """Forests, whose trees are deep: three of them have more than 64 leaves."""
    def forest(kind, **more):
        more = {"n_estimators": 8, "max_depth": 5, **more}
        return kind(random_state=SEED, **more)

    deep = {"n_estimators": 3, "max_depth": None, "min_samples_leaf": 3}
    for name, classifier, regressor in (
        ("random-forest", RandomForestClassifier, RandomForestRegressor),
        ("extra-trees", ExtraTreesClassifier, ExtraTreesRegressor),
    ):
        yield Entry(f"{name}-binary", "binary", lambda kind=classifier: forest(kind))
        yield Entry(f"{name}-multi", "multi", lambda kind=classifier: forest(kind))
        yield Entry(f"{name}-regressor", "regression", lambda kind=regressor: forest(kind))
        yield Entry(f"{name}-binary-deep", "binary",
                    lambda kind=classifier: forest(kind, **deep), rows=1500)
    yield Entry("random-forest-regressor-deep", "regression",
                lambda: forest(RandomForestRegressor, **deep))
    yield Entry("random-forest-binary-double", "binary",
                lambda: forest(RandomForestClassifier), double=True)
    yield Entry("random-forest-binary-missing", "binary",
                lambda: forest(RandomForestClassifier), missing=True)
    yield Entry("random-forest-binary-unseen-missing", "binary",
                lambda: forest(RandomForestClassifier), asked_missing=True)
    yield Entry("random-forest-multi-zipmap", "multi",
                lambda: forest(RandomForestClassifier), zipmap=True)


def pipelines() -> Iterator[Entry]:
    """Preparation of numeric columns before a model, and calibration after it."""
    def boosted():
        return GradientBoostingClassifier(n_estimators=10, random_state=SEED)

    def logistic():
        return LogisticRegression(max_iter=1000)

    yield Entry("standard-scaler-logistic", "binary",
                lambda: make_pipeline(StandardScaler(), logistic()))
    yield Entry("standard-scaler-logistic-zipmap", "binary",
                lambda: make_pipeline(StandardScaler(), logistic()), zipmap=True)
    yield Entry("standard-scaler-logistic-double", "binary",
                lambda: make_pipeline(StandardScaler(), logistic()), double=True)
    yield Entry("standard-scaler-gbdt", "binary",
                lambda: make_pipeline(StandardScaler(), boosted()))
    yield Entry("min-max-scaler-gbdt-multi", "multi",
                lambda: make_pipeline(MinMaxScaler(), GradientBoostingClassifier(
                    n_estimators=5, max_depth=2, random_state=SEED)))
    yield Entry("min-max-scaler-clip-logistic", "binary",
                lambda: make_pipeline(MinMaxScaler(clip=True), logistic()))
    yield Entry("max-abs-scaler-logistic", "multi",
                lambda: make_pipeline(MaxAbsScaler(), logistic()))
    yield Entry("robust-scaler-ridge", "regression",
                lambda: make_pipeline(RobustScaler(), Ridge()))
    yield Entry("robust-scaler-random-forest", "binary",
                lambda: make_pipeline(RobustScaler(), RandomForestClassifier(
                    8, max_depth=5, random_state=SEED)))
    for norm in ("l1", "l2", "max"):
        yield Entry(f"normalizer-{norm}-logistic", "binary",
                    lambda norm=norm: make_pipeline(Normalizer(norm), logistic()))
    yield Entry("imputer-mean-logistic", "binary",
                lambda: make_pipeline(SimpleImputer(), logistic()), missing=True)
    yield Entry("imputer-median-scaler-gbdt", "binary",
                lambda: make_pipeline(SimpleImputer(strategy="median"), StandardScaler(),
                                      boosted()), missing=True)
    yield Entry("imputer-constant-ridge", "regression",
                lambda: make_pipeline(SimpleImputer(strategy="constant", fill_value=-1), Ridge()),
                missing=True)
    yield Entry("columns-scaled-logistic", "binary", lambda: make_pipeline(
        ColumnTransformer([("standard", StandardScaler(), [3, 0]),
                           ("min-max", MinMaxScaler(), [1, 5])], remainder="passthrough"),
        logistic()))
    yield Entry("columns-imputed-random-forest", "multi", lambda: make_pipeline(
        ColumnTransformer([
            ("filled", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1, 2]),
            ("median", SimpleImputer(strategy="median"), [4, 5]),
        ]), RandomForestClassifier(6, max_depth=4, random_state=SEED)), missing=True)
    yield Entry("pca-logistic", "binary",
                lambda: make_pipeline(StandardScaler(), PCA(3), logistic()))
    yield Entry("polynomial-ridge", "regression",
                lambda: make_pipeline(StandardScaler(), PolynomialFeatures(2), Ridge()))
    yield Entry("calibrated-sigmoid-gbdt", "binary",
                lambda: CalibratedClassifierCV(boosted(), method="sigmoid", cv=2))
    yield Entry("calibrated-sigmoid-linear-svc", "binary", lambda: make_pipeline(
        StandardScaler(), CalibratedClassifierCV(LinearSVC(random_state=SEED), cv=2)))
    yield Entry("calibrated-sigmoid-multi", "multi",
                lambda: CalibratedClassifierCV(logistic(), method="sigmoid", cv=2))


def encoders() -> Iterator[Entry]:
    """Categories as columns, beside scaled numbers and alone."""
    def columns(encoder, model, chosen=(4,), alone=False):
        parts = [] if alone else [("numbers", StandardScaler(), [0, 1, 2, 3])]
        return make_pipeline(
            ColumnTransformer([*parts, ("categories", encoder, list(chosen))], sparse_threshold=0),
            model)

    def logistic():
        return LogisticRegression(max_iter=1000)

    def ignoring(**more):
        return OneHotEncoder(handle_unknown="ignore", **more)

    def boosted():
        return GradientBoostingClassifier(n_estimators=10, max_depth=3, random_state=SEED)

    # ONNX Runtime makes a category of 2.5 that scikit-learn doesn't know.
    strange = {"categories": "strange", "runtime_differs": True}
    yield Entry("one-hot-alone-logistic", "multi",
                lambda: columns(OneHotEncoder(), logistic(), alone=True), categories="known")
    yield Entry("one-hot-logistic", "binary", lambda: columns(OneHotEncoder(), logistic()),
                categories="known")
    yield Entry("one-hot-ignore-logistic", "binary", lambda: columns(ignoring(), logistic()),
                **strange)
    yield Entry("one-hot-ignore-logistic-double", "binary",
                lambda: columns(ignoring(), logistic()), double=True, **strange)
    yield Entry("one-hot-drop-logistic", "binary",
                lambda: columns(ignoring(drop="first"), logistic(), (4, 4)), **strange)
    yield Entry("one-hot-gbdt", "binary", lambda: columns(OneHotEncoder(), boosted()),
                categories="known")
    yield Entry("one-hot-ignore-gbdt-multi", "multi", lambda: columns(
        ignoring(dtype=np.int64), GradientBoostingClassifier(
            n_estimators=5, max_depth=2, random_state=SEED)), **strange)
    yield Entry("one-hot-ignore-ridge", "regression",
                lambda: columns(ignoring(), Ridge(), (4, 4)), **strange)
    yield Entry("one-hot-network", "binary", lambda: columns(
        OneHotEncoder(), MLPClassifier((6,), max_iter=60, random_state=SEED)), categories="known")
    yield Entry("one-hot-network-double", "binary", lambda: columns(
        OneHotEncoder(), MLPClassifier((6,), max_iter=60, random_state=SEED)), double=True,
                categories="known")


def binarizers() -> Iterator[Entry]:
    """Thresholds that no float32 holds, alone and before an encoder."""
    def logistic():
        return LogisticRegression(max_iter=1000)

    yield Entry("binarizer-logistic", "binary",
                lambda: make_pipeline(Binarizer(threshold=0.1), logistic()))
    yield Entry("binarizer-logistic-double", "binary",
                lambda: make_pipeline(Binarizer(threshold=0.1), logistic()), double=True)
    yield Entry("binarizer-one-hot-gbdt", "binary", lambda: make_pipeline(
        ColumnTransformer([
            ("bits", make_pipeline(Binarizer(threshold=0.3), OneHotEncoder(drop="if_binary")),
             [0, 3, 5]),
            ("numbers", "passthrough", [1, 2]),
        ], sparse_threshold=0),
        GradientBoostingClassifier(n_estimators=10, random_state=SEED)))


def lightgbm() -> Iterator[Entry]:
    """LightGBM's scikit-learn wrappers."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    def make(kind, **more):
        return kind(n_estimators=10, num_leaves=15, n_jobs=1, deterministic=True,
                    force_row_wise=True, verbosity=-1, random_state=SEED, **more)

    yield Entry("lightgbm-binary", "binary", lambda: make(LGBMClassifier))
    yield Entry("lightgbm-binary-missing", "binary", lambda: make(LGBMClassifier), missing=True)
    yield Entry("lightgbm-binary-unseen-missing", "binary", lambda: make(LGBMClassifier),
                asked_missing=True)
    yield Entry("lightgbm-binary-zipmap-strings", "binary", lambda: make(LGBMClassifier),
                zipmap=True, strings=True)
    yield Entry("lightgbm-multi", "multi", lambda: make(LGBMClassifier))
    yield Entry("lightgbm-multi-missing", "multi", lambda: make(LGBMClassifier), missing=True)
    yield Entry("lightgbm-regressor", "regression", lambda: make(LGBMRegressor))
    yield Entry("lightgbm-regressor-missing", "regression", lambda: make(LGBMRegressor),
                missing=True)
    # Sets of categories, which the converter spells as chains of tests for one each.
    categorical = {"categorical_feature": [4], "cat_smooth": 1.0, "max_cat_to_onehot": 1}
    yield Entry("lightgbm-categorical", "binary", lambda: make(LGBMClassifier, **categorical),
                categories="known")
    yield Entry("lightgbm-categorical-multi", "multi", lambda: make(LGBMClassifier, **categorical),
                categories="known")
    yield Entry("lightgbm-categorical-regressor", "regression",
                lambda: make(LGBMRegressor, **categorical), categories="known")
    yield Entry("standard-scaler-lightgbm", "binary",
                lambda: make_pipeline(StandardScaler(), make(LGBMClassifier)))


def xgboost() -> Iterator[Entry]:
    """XGBoost's scikit-learn wrappers."""
    from xgboost import XGBClassifier, XGBRegressor

    def make(kind, **more):
        return kind(n_estimators=10, max_depth=4, n_jobs=1, random_state=SEED, **more)

    yield Entry("xgboost-binary", "binary", lambda: make(XGBClassifier))
    yield Entry("xgboost-binary-missing", "binary", lambda: make(XGBClassifier), missing=True)
    yield Entry("xgboost-binary-unseen-missing", "binary", lambda: make(XGBClassifier),
                asked_missing=True)
    yield Entry("xgboost-binary-zipmap", "binary", lambda: make(XGBClassifier), zipmap=True)
    yield Entry("xgboost-multi", "multi", lambda: make(XGBClassifier))
    yield Entry("xgboost-multi-missing", "multi", lambda: make(XGBClassifier), missing=True)
    yield Entry("xgboost-regressor", "regression", lambda: make(XGBRegressor))
    yield Entry("xgboost-regressor-missing", "regression", lambda: make(XGBRegressor),
                missing=True)
    # Trees of one node, where the converter writes the base score as a probability.
    yield Entry("xgboost-binary-no-split", "binary",
                lambda: make(XGBClassifier, min_child_weight=1e9))
    yield Entry("xgboost-binary-first-empty", "binary",
                lambda: make(XGBClassifier, min_child_weight=62.5, subsample=0.5),
                runtime_differs=True)
    # ONNX Runtime leaves LOGISTIC out where no weight is negative.
    yield Entry("xgboost-binary-positive", "binary",
                lambda: XGBClassifier(n_estimators=1, max_depth=2, base_score=0.01, n_jobs=1,
                                      min_child_weight=1, random_state=SEED),
                runtime_differs=True)
    yield Entry("xgboost-two-classes-softprob", "binary",
                lambda: make(XGBClassifier, objective="multi:softprob", num_class=2),
                runtime_differs=True)
    yield Entry("imputer-xgboost", "binary",
                lambda: make_pipeline(SimpleImputer(), make(XGBClassifier)), missing=True)


def catboost() -> Iterator[Entry]:
    """CatBoost, through its own ONNX export, which always makes a ZipMap."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    def make(kind):
        return kind(iterations=10, depth=4, thread_count=1, random_seed=SEED, verbose=False,
                    allow_writing_files=False)

    yield Entry("catboost-binary", "binary", lambda: make(CatBoostClassifier), zipmap=True)
    yield Entry("catboost-binary-missing", "binary", lambda: make(CatBoostClassifier),
                zipmap=True, missing=True)
    yield Entry("catboost-multi", "multi", lambda: make(CatBoostClassifier), zipmap=True)
    yield Entry("catboost-regressor", "regression", lambda: make(CatBoostRegressor))


def scikit_learn() -> Iterator[Entry]:
    """Everything that needs requirements.txt alone."""
    yield from linear()
    yield from trees()
    yield from pipelines()
    yield from encoders()
    yield from binarizers()
    yield from zoo_decisions.entries()
    yield from zoo_neighbours.entries()


LIBRARIES = {
    "scikit-learn": scikit_learn,
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
}
