"""What a file holds that is to be exported: a fitted estimator, or why not and what to do."""

from pathlib import Path

import joblib
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from exporting import ExportError, first_line

WRAPPED = "joblib.dump(model, 'model.pkl')"
LIGHTGBM = ("train with LGBMClassifier or LGBMRegressor (a Booster doesn't say which of them it is) "
            f"and pickle that: {WRAPPED}")
XGBOOST = (f"load it into the wrapper that it is of and pickle that: model = xgboost.XGBClassifier(); "
           f"model.load_model(FILE); {WRAPPED}; for a regressor, XGBRegressor")
CATBOOST = (f"load it into the wrapper that it is of and pickle that: model = "
            f"catboost.CatBoostClassifier(); model.load_model(FILE); {WRAPPED}; for a regressor, "
            "CatBoostRegressor")
TORCH = "export it by torch.onnx.export, and put the file into models/NAME/1/model.onnx"
KERAS = "convert it by tf2onnx, and put the file into models/NAME/1/model.onnx"

# How files begin that are no pickles.
FORMATS = [
    (b"tree\nversion=", "a model file of LightGBM", LIGHTGBM),
    (b'{"learner"', "a model file of XGBoost", XGBOOST),
    (b"{L\x00", "a model file of XGBoost", XGBOOST),
    (b"binf", "an old model file of XGBoost", XGBOOST),
    (b"CBM1", "a model file of CatBoost", CATBOOST),
    (b"\x89HDF", "a model file of Keras", KERAS),
]
# By their names, where they begin as others do.
SUFFIXES = {
    ".onnx": ("an ONNX file", "it needs no export: put it into models/NAME/1/model.onnx; "
                              "models/README.md has what belongs into model.toml beside it"),
    ".pt": ("a file of PyTorch", TORCH),
    ".pth": ("a file of PyTorch", TORCH),
    ".keras": ("a model file of Keras", KERAS),
    ".cbm": ("a model file of CatBoost", CATBOOST),
    ".ubj": ("a model file of XGBoost", XGBOOST),
    ".skops": ("a file of skops", f"load it by skops.io.load, and pickle it: {WRAPPED}"),
}
# Objects of these classes score, and are no estimators.
NATIVE = {
    ("lightgbm", "Booster"): ("LightGBM's Booster", LIGHTGBM),
    ("xgboost", "Booster"): ("XGBoost's Booster", XGBOOST),
    ("catboost", "CatBoost"): ("CatBoost's plain model", CATBOOST),
    ("torch", None): ("a model of PyTorch", TORCH),
    ("keras", None): ("a model of Keras", KERAS),
}


def load(path: Path):
    """The fitted estimator in a pickle; ExportError says what else it is and what to do."""
    with path.open("rb") as file:
        start = file.read(16)
    for prefix, found, advice in FORMATS:
        if start.startswith(prefix):
            raise ExportError(f"{path} is {found}, not a pickle: {advice}")
    if path.suffix in SUFFIXES:
        found, advice = SUFFIXES[path.suffix]
        raise ExportError(f"{path} is {found}, not a pickle: {advice}")
    return checked_estimator(path, unpickled(path))


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


def checked_estimator(path: Path, model):
    """The model, if it is a fitted estimator of scikit-learn's kind."""
    for kind in type(model).__mro__:
        package = kind.__module__.split(".")[0]
        found = NATIVE.get((package, None))
        if kind is type(model):
            found = found or NATIVE.get((package, kind.__name__))
        if found:
            raise ExportError(f"{path} holds {found[0]}: {found[1]}")
    if isinstance(model, dict):
        held = ", ".join(map(str, list(model)[:8]))
        raise ExportError(f"{path} holds a dict ({held}): pickle the fitted estimator alone")
    if isinstance(model, type) or not hasattr(model, "predict"):
        name = model.__name__ if isinstance(model, type) else f"a {type(model).__name__}"
        raise ExportError(f"{path} holds {name}, which scores nothing: pickle the fitted estimator, "
                          "or the pipeline that ends in it")
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
