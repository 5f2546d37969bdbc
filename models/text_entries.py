"""The models of text columns that text_fixtures.py makes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder,
)

NOTHING = object()
TEXTS = ["purpose", "country"]
NUMBERS = ["age", "amount"]
PLAIN = [*NUMBERS, *TEXTS]
# Texts that training never saw.
STRANGE = ["never seen", "", "NL", "Zürich 東京 🚲", "x" * 10_240, "Car", " car", "car "]


def predicted(model, row) -> float:
    """The probability of the second class."""
    return model.predict_proba(row)[0, 1]


def fitted(model, frame, target, texts):
    return model.fit(frame, target)


@dataclass
class Entry:
    """A model; `missing` is what training had for a missing purpose, `refused` says on which rows
    the gateway refuses what the library scores: where the file doesn't say what it does."""

    name: str
    make: Callable[[list[str]], object]
    missing: object = NOTHING
    columns: list[str] | None = None
    refused: Callable[[object], bool] = lambda row: False
    german: bool = False
    # The columns of categories, where they are not those of text.
    categories: list[str] | None = None
    fit: Callable = fitted
    predict: Callable = predicted
    save: Callable[[object, Path], None] | None = None


def pipeline(encoder, last=None, more=(), scaler=None) -> Callable:
    """Texts through an encoder, numbers scaled, then a model."""
    def make(_):
        parts = [("numbers", scaler or StandardScaler(), NUMBERS), ("texts", encoder, TEXTS), *more]
        return make_pipeline(ColumnTransformer(parts), LogisticRegression() if last is None else last)
    return make


def ignoring(**more) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", **more)


def never(row, *known) -> bool:
    return row["purpose"] not in known or row["country"] not in ("NL", "DE", "FR")


def one_hot() -> Iterator[Entry]:
    yield Entry("onehot-ignore", pipeline(ignoring()), columns=PLAIN)
    yield Entry("onehot-error", pipeline(OneHotEncoder()), columns=PLAIN)
    yield Entry("onehot-drop", pipeline(OneHotEncoder(drop="first")), columns=PLAIN)
    yield Entry("onehot-drop-ignore", pipeline(ignoring(drop="if_binary")), columns=PLAIN)
    yield Entry("onehot-rare", pipeline(ignoring(min_frequency=70)), columns=PLAIN)
    # The export doesn't tell it from handle_unknown="error".
    yield Entry("onehot-infrequent",
                pipeline(OneHotEncoder(min_frequency=70, handle_unknown="infrequent_if_exist")),
                columns=PLAIN,
                refused=lambda row: never(row, "car", "tv", "Übung", "", "repairs"))
    yield Entry("onehot-nan", pipeline(ignoring()), missing=np.nan, columns=PLAIN)
    yield Entry("onehot-none", pipeline(ignoring()), missing=None, columns=PLAIN)
    integers = [("zip", ignoring(), ["zip"])]
    yield Entry("onehot-integers", pipeline(ignoring(), more=integers),
                columns=[*PLAIN, "zip"])
    yield Entry("onehot-trees", pipeline(ignoring(), GradientBoostingClassifier(n_estimators=20)),
                columns=PLAIN)
    # A matrix of texts alone, and texts between numbers.
    yield Entry("onehot-texts", lambda _: make_pipeline(ignoring(), LogisticRegression()),
                columns=TEXTS)


def others() -> Iterator[Entry]:
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    yield Entry("ordinal", pipeline(OrdinalEncoder()), columns=PLAIN)
    yield Entry("ordinal-unknown", pipeline(OrdinalEncoder(**unknown)), columns=PLAIN)
    yield Entry("ordinal-missing", pipeline(OrdinalEncoder(**unknown, encoded_missing_value=-2)),
                missing=np.nan, columns=PLAIN)
    yield Entry("ordinal-rare", pipeline(OrdinalEncoder(**unknown, min_frequency=70)),
                columns=PLAIN)
    yield Entry("ordinal-histogram",
                pipeline(OrdinalEncoder(**unknown), HistGradientBoostingClassifier(max_iter=20)),
                columns=PLAIN)
    yield Entry("target", pipeline(TargetEncoder()), columns=PLAIN)
    yield Entry("target-missing", pipeline(TargetEncoder()), missing=np.nan, columns=PLAIN)
    imputed = make_pipeline(SimpleImputer(missing_values="", strategy="most_frequent"), ignoring())
    yield Entry("imputer-frequent", pipeline(imputed), columns=PLAIN)
    filled = SimpleImputer(missing_values="", strategy="constant", fill_value="other")
    yield Entry("imputer-constant", pipeline(make_pipeline(filled, ignoring())), columns=PLAIN)
    yield Entry("imputer-ordinal",
                pipeline(make_pipeline(filled, OrdinalEncoder(**unknown))), columns=PLAIN)
    union = FeatureUnion([("one", ignoring()), ("two", OrdinalEncoder(**unknown))])
    yield Entry("union", pipeline(union), columns=PLAIN)
    bins = [("bins", KBinsDiscretizer(4, encode="onehot-dense"), NUMBERS)]
    yield Entry("bins", pipeline(ignoring(), more=bins), columns=PLAIN)
    holes = [("holes", SimpleImputer(add_indicator=True), ["amount"])]
    yield Entry("imputer-numbers", pipeline(ignoring(), more=holes), columns=PLAIN)


def boosters() -> Iterator[Entry]:
    # Numbers as they are: an export scales them in 32 bits, which moves some across a threshold.
    rounds = {"n_estimators": 12, "random_state": 1}
    yield Entry("onehot-lightgbm",
                pipeline(ignoring(), lightgbm.LGBMClassifier(**rounds, verbose=-1),
                         scaler="passthrough"),
                columns=PLAIN)
    yield Entry("onehot-xgboost", pipeline(ignoring(sparse_output=False),
                                           xgboost.XGBClassifier(**rounds, max_depth=4),
                                           scaler="passthrough"),
                columns=PLAIN)
    # Categories that are numbers, or true and false; XGBoost takes no such ones.
    yield Entry("categories-lightgbm", lambda _: lightgbm.LGBMClassifier(**rounds, verbose=-1),
                fit=fit_categories, predict=predict_categories, save=save_lightgbm,
                categories=[*TEXTS, "zip", "own"], missing=np.nan)
    yield Entry("categories-xgboost",
                lambda _: xgboost.XGBClassifier(**rounds, enable_categorical=True),
                fit=fit_categories, predict=predict_categories, save=save_xgboost,
                categories=[*TEXTS, "zip"], missing=np.nan, columns=[*PLAIN, "zip"],
                refused=unseen_by_xgboost)


def unseen_by_xgboost(row) -> bool:
    """Version 3.1 means to fail on a category that training never saw, but takes many a text for
    the one next to it in the order of texts."""
    if "housing" in row:
        return row["purpose"] in STRANGE or row["housing"] in ("XX", "car")
    # Of a text with a character of several bytes, its file holds a part.
    return row["purpose"] in {*STRANGE, "Übung"} - {""} or row["country"] in ("XX", "car")


def save_lightgbm(model, folder: Path) -> None:
    model.booster_.save_model(folder / "model.txt")


def save_xgboost(model, folder: Path) -> None:
    model.save_model(folder / "model.ubj")


def fit_categories(model, frame, target, texts):
    """Fits on texts as pandas categories."""
    frame = frame.astype(dict.fromkeys(texts, "category"))
    model.shardgate_dtypes = frame.dtypes[texts]
    return model.fit(frame, target)


def predict_categories(model, row) -> float:
    """As a frame of its own has them: a missing text has no categories but those of training."""
    known = model.shardgate_dtypes
    dtypes = {name: "category" if row[name].notna().all() else known[name] for name in known.index}
    return model.predict_proba(row.astype(dtypes))[0, 1]


def fit_catboost(model, frame, target, texts):
    return model.fit(frame, target, cat_features=texts)


def german() -> Iterator[Entry]:
    """The German credit data as it comes."""
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}

    def encoded(encoder, last):
        def make(texts):
            parts = [("texts", encoder, texts)]
            return make_pipeline(ColumnTransformer(parts, remainder="passthrough"), last)
        return make

    boosting = GradientBoostingClassifier(n_estimators=40, random_state=1)
    yield Entry("german-onehot", encoded(ignoring(sparse_output=False), boosting), german=True)
    histogram = HistGradientBoostingClassifier(max_iter=30, random_state=1)
    yield Entry("german-ordinal", encoded(OrdinalEncoder(**unknown), histogram), german=True)
    yield Entry("german-lightgbm",
                lambda _: lightgbm.LGBMClassifier(n_estimators=30, verbose=-1), german=True,
                fit=fit_categories, predict=predict_categories,
                save=save_lightgbm)
    yield Entry("german-xgboost",
                lambda _: xgboost.XGBClassifier(n_estimators=30, max_depth=4,
                                                enable_categorical=True), german=True,
                fit=fit_categories, predict=predict_categories,
                save=save_xgboost, refused=unseen_by_xgboost)
    yield Entry("german-catboost",
                lambda _: catboost.CatBoostClassifier(iterations=30, depth=4, verbose=False,
                                                      random_seed=1, thread_count=1,
                                                      allow_writing_files=False),
                german=True, fit=fit_catboost,
                save=lambda model, at: model.save_model(str(at / "model.cbm")))


def entries() -> Iterator[Entry]:
    """All of them."""
    for some in (one_hot, others, boosters, german):
        yield from some()
