"""Entries that compare rows with those of the training: neighbours and kernels. skl2onnx says
distance by a `Scan`, or with `optim` by `CDist` of com.microsoft."""

from collections.abc import Iterator

from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF, ConstantKernel, DotProduct, Matern, RationalQuadratic, WhiteKernel,
)
from sklearn.linear_model import Ridge
from sklearn.neighbors import (
    KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor, RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zoo_data import SEED, Entry

CDIST = {"optim": "cdist"}


def scaled(*models):
    return make_pipeline(StandardScaler(), *models)


def neighbours() -> Iterator[Entry]:
    """The nearest rows of the training, and those within a radius. Weights by distance are all equal
    in ONNX Runtime, as the converter has their signs wrong, and it fails on rows outside a radius."""
    yield Entry("neighbours-classifier-binary", "binary",
                lambda: scaled(KNeighborsClassifier(5)), rows=100)
    yield Entry("neighbours-classifier-multi", "multi",
                lambda: scaled(KNeighborsClassifier(3)), rows=100, strings=True)
    yield Entry("neighbours-classifier-weighted", "multi",
                lambda: scaled(KNeighborsClassifier(4, weights="distance")), rows=100,
                runtime_differs=True)
    yield Entry("neighbours-classifier-cdist", "binary",
                lambda: scaled(KNeighborsClassifier(5)), rows=100,
                options={KNeighborsClassifier: CDIST})
    yield Entry("neighbours-regressor", "regression",
                lambda: scaled(KNeighborsRegressor(4)), rows=100)
    yield Entry("neighbours-regressor-double", "regression",
                lambda: scaled(KNeighborsRegressor(4)), rows=100, double=True)
    yield Entry("neighbours-regressor-manhattan", "regression",
                lambda: scaled(KNeighborsRegressor(3, p=1)), rows=100)
    yield Entry("neighbours-regressor-minkowski", "regression",
                lambda: scaled(KNeighborsRegressor(3, p=3, weights="distance")), rows=100,
                runtime_differs=True)
    yield Entry("neighbours-regressor-cdist", "regression",
                lambda: scaled(KNeighborsRegressor(4, weights="distance")), rows=100,
                options={KNeighborsRegressor: CDIST}, runtime_differs=True)
    yield Entry("neighbours-two-targets", "targets",
                lambda: scaled(KNeighborsRegressor(4)), rows=100)
    yield Entry("radius-classifier", "binary",
                lambda: scaled(RadiusNeighborsClassifier(14.0)), rows=100,
                runtime_differs=True)
    yield Entry("radius-regressor", "regression",
                lambda: scaled(RadiusNeighborsRegressor(14.0)), rows=100,
                runtime_differs=True)
    yield Entry("radius-regressor-weighted", "regression",
                lambda: scaled(RadiusNeighborsRegressor(14.0, weights="distance")),
                rows=100, runtime_differs=True)
    outliers = lambda: scaled(LocalOutlierFactor(n_neighbors=5, novelty=True))
    yield Entry("local-outlier-factor", "outliers", outliers, rows=100,
                method="decision_function")
    yield Entry("local-outlier-factor-cdist", "outliers", outliers, rows=100,
                method="decision_function", options={LocalOutlierFactor: CDIST})
    yield Entry("local-outlier-factor-score-samples", "outliers", outliers, rows=100,
                method="score_samples", output="score_samples",
                options={LocalOutlierFactor: {"score_samples": True}})


def kernels() -> Iterator[Entry]:
    """Gaussian processes, and what is computed from kernels."""
    def process(kernel, **more):
        return scaled(GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None, **more))

    yield Entry("gaussian-process-rbf", "regression", lambda: process(RBF(2.0)), rows=60)
    yield Entry("gaussian-process-rbf-double", "regression",
                lambda: process(ConstantKernel(2.0) * RBF(2.0) + WhiteKernel(0.1)), rows=60,
                double=True)
    yield Entry("gaussian-process-normalised", "regression",
                lambda: process(RBF(2.0), normalize_y=True), rows=60)
    yield Entry("gaussian-process-cdist", "regression", lambda: process(RBF(2.0)), rows=60,
                options={GaussianProcessRegressor: CDIST})
    yield Entry("gaussian-process-quadratic", "regression",
                lambda: process(RationalQuadratic(2.0)), rows=60)
    yield Entry("gaussian-process-matern", "regression",
                lambda: process(Matern(2.0, nu=1.5)), rows=60)
    yield Entry("gaussian-process-dot", "regression", lambda: process(DotProduct(1.0)), rows=60,
                double=True)
    for kernel in ("rbf", "poly", "sigmoid", "cosine", "linear"):
        yield Entry(f"kernel-pca-{kernel}", "regression",
                    lambda kernel=kernel: scaled(
                        KernelPCA(3, kernel=kernel, random_state=SEED), Ridge()), rows=60)


def entries() -> Iterator[Entry]:
    yield from neighbours()
    yield from kernels()
