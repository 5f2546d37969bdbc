"""What a file holds that is to be exported: a fitted estimator, or why not and what to do."""

import importlib
from pathlib import Path

import joblib
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from . import scorecards
from ..errors import ExportError
from .exporting import first_line
from .native import library_of_native

WRAPPED = "joblib.dump(model, 'model.pkl')"
OLD_XGBOOST = ("load it and save it again: model = xgboost.Booster(); model.load_model(FILE); "
               "model.save_model('model.ubj')")
TORCH = "export it by torch.onnx.export, and put the file into models/NAME/1/model.onnx"
KERAS = "convert it by tf2onnx, and put the file into models/NAME/1/model.onnx"

# How the files of boosting libraries begin.
NATIVE = [(b"tree\nversion=", "lightgbm"), (b'{"learner"', "xgboost"), (b"{L\x00", "xgboost"),
          (b"CBM1", "catboost")]
# How files begin that are no pickles.
FORMATS = [
    (b"binf", "an old model file of XGBoost", OLD_XGBOOST),
    (b"\x89HDF", "a model file of Keras", KERAS),
]
# By their names, where they begin as others do.
SUFFIXES = {
    ".onnx": ("an ONNX file", "it needs no export: put it into models/NAME/1/model.onnx; "
                              "models/README.md has what belongs into model.toml beside it"),
    ".pt": ("a file of PyTorch", TORCH),
    ".pth": ("a file of PyTorch", TORCH),
    ".keras": ("a model file of Keras", KERAS),
    ".skops": ("a file of skops", f"load it by skops.io.load, and pickle it: {WRAPPED}"),
}
# Objects of these packages score, and are no estimators.
STRANGERS = {
    "torch": ("a model of PyTorch", TORCH),
    "keras": ("a model of Keras", KERAS),
}


def load(path: Path):
    """The fitted model in a pickle, or in a file of LightGBM, XGBoost or CatBoost; ExportError says
    what else it is and what to do."""
    with path.open("rb") as file:
        start = file.read(16)
    for prefix, package in NATIVE:
        if start.startswith(prefix):
            return native_file(path, package)
    for prefix, found, advice in FORMATS:
        if start.startswith(prefix):
            raise ExportError(f"{path} is {found}, not a pickle: {advice}")
    if path.suffix in SUFFIXES:
        found, advice = SUFFIXES[path.suffix]
        raise ExportError(f"{path} is {found}, not a pickle: {advice}")
    return checked_estimator(path, unpickled(path))


def native_file(path: Path, package: str):
    """A model file, read by the library that wrote it."""
    try:
        library = importlib.import_module(package)
    except ImportError as error:
        raise ExportError(f"{path} is a model file of {package}, which isn't installed here: pip "
                          f"install {package}") from error
    try:
        if package == "lightgbm":
            return library.Booster(model_file=str(path))
        model = library.Booster() if package == "xgboost" else library.CatBoost()
        model.load_model(str(path))
        return model
    except Exception as error:
        raise ExportError(f"{path} begins as a model file of {package}, which cannot read it: "
                          f"{first_line(error)}") from error


def unpickled(path: Path):
    """What a pickle can raise is anything, so all of it is caught."""
    try:
        return joblib.load(path)
    except OSError:
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        raise ExportError(f"{path}: the pickle needs the package {package}, which isn't installed "
                          "here: install the version that it was made with") from error
    except AttributeError as error:
        raise ExportError(f"{path}: {first_line(error)}: the pickle needs code that isn't here: put "
                          "it into a module on PYTHONPATH under the name that it was pickled by, or "
                          "install the version of the package that it was made with") from error
    except Exception as error:
        raise ExportError(f"{path}: not a pickle that loads here: {first_line(error)}") from error


def checked_estimator(path: Path | str, model):
    """The model, if it is a fitted estimator of scikit-learn's kind, or of a boosting library; of a
    search its best estimator. `path` says where it is from."""
    if scorecards.is_card(model):
        return model
    if hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    for kind in type(model).__mro__:
        package = kind.__module__.split(".")[0]
        found = STRANGERS.get(package)
        if found:
            raise ExportError(f"{path} holds {found[0]}: {found[1]}")
    if isinstance(model, dict):
        held = ", ".join(map(str, list(model)[:8]))
        raise ExportError(f"{path} holds a dict ({held}): pickle the fitted estimator alone")
    if isinstance(model, type) or not hasattr(model, "predict"):
        name = model.__name__ if isinstance(model, type) else f"a {type(model).__name__}"
        raise ExportError(f"{path} holds {name}, which scores nothing: pickle the fitted estimator, "
                          "or the pipeline that ends in it")
    if library_of_native(model):
        return fitted_native(path, model)
    try:
        is_classifier(model)
        check_is_fitted(model)
    except NotFittedError as error:
        raise ExportError(f"{path} holds a {type(model).__name__} that isn't fitted: pickle it after "
                          "fit()") from error
    except (AttributeError, TypeError) as error:
        raise ExportError(f"{path} holds a {type(model).__name__}, which is no estimator of "
                          f"scikit-learn's kind: {first_line(error)}") from error
    return model


def fitted_native(path: Path | str, model):
    """A model of a boosting library, if it is fitted."""
    is_fitted = getattr(model, "is_fitted", None) or getattr(model, "__sklearn_is_fitted__", None)
    if is_fitted is not None and not (is_fitted() if callable(is_fitted) else is_fitted):
        raise ExportError(f"{path} holds a {type(model).__name__} that isn't fitted: pickle it after "
                          "fit()")
    return model
