"""Six models of the German credit data as it comes, of libraries that read its texts."""

import numpy as np
import pandas
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import german_credit

FRAME, BAD = german_credit.load_frame()
TEXTS = [name for name in FRAME if FRAME[name].dtype == object]
NUMBERS = [name for name in FRAME if name not in TEXTS]
USERS = [f"applicant-{place + 1:04}" for place in range(len(FRAME))]
# Applicants whose texts training never saw, or who left some out: by column, what they said.
LONG = "x" * 10_240
ODD = {
    "odd-unseen": {"purpose": "a boat"},
    "odd-case": {"purpose": "Car (new)", "housing": " own"},
    "odd-missing": {"purpose": None, "property": None},
    "odd-empty": {"purpose": ""},
    "odd-umlaut": {"purpose": "Möbel & Küche 東京 🚲"},
    "odd-long": {"job": LONG},
}


def categories() -> dict:
    return {name: pandas.CategoricalDtype(sorted(FRAME[name].unique())) for name in TEXTS}


def one_hot():
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("texts", encoder, TEXTS)], remainder="passthrough")
    model = make_pipeline(columns, GradientBoostingClassifier(n_estimators=60, random_state=1))
    return model.fit(FRAME, BAD)


def ordinal():
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("texts", encoder, TEXTS)], remainder="passthrough")
    trees = HistGradientBoostingClassifier(
        max_iter=40, categorical_features=list(range(len(TEXTS))), random_state=1)
    return make_pipeline(columns, trees).fit(FRAME, BAD)


def calibrated():
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("texts", encoder, TEXTS)], remainder="passthrough")
    member = make_pipeline(columns, GradientBoostingClassifier(n_estimators=30, random_state=1))
    return CalibratedClassifierCV(member, method="isotonic", cv=4).fit(FRAME, BAD)


def lightgbm():
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=40, min_child_samples=5, verbose=-1, n_jobs=1,
                           random_state=1)
    return model.fit(FRAME.astype(categories()), BAD)


def xgboost():
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=40, max_depth=4, enable_categorical=True, n_jobs=1,
                          random_state=1)
    return model.fit(FRAME.astype(categories()), BAD)


def catboost():
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(iterations=40, depth=4, verbose=0, random_seed=1, thread_count=1,
                               allow_writing_files=False)
    return model.fit(FRAME, BAD, cat_features=TEXTS)


MODELS = {"one-hot": one_hot, "ordinal": ordinal, "calibrated": calibrated,
          "lightgbm": lightgbm, "xgboost": xgboost, "catboost": catboost}


def odd_rows() -> pandas.DataFrame:
    """The first applicants, with odd texts."""
    rows = FRAME.head(len(ODD)).astype(object).copy()
    for place, changes in enumerate(ODD.values()):
        for name, text in changes.items():
            rows.loc[place, name] = text
    return rows


def library_score(name: str, model, rows: pandas.DataFrame) -> np.ndarray | None:
    """What a user of pandas gets for these rows; None where the library has no score of its own for
    them."""
    rows = rows.copy()
    rows[NUMBERS] = rows[NUMBERS].astype(np.int64)
    for text in TEXTS:
        rows[text] = rows[text].astype(object).where(rows[text].notna(), np.nan)
    if name in ("lightgbm", "xgboost"):
        known = categories()
        unseen = any((rows[text].notna() & ~rows[text].isin(known[text].categories)).any()
                     for text in TEXTS)
        if unseen and name == "xgboost":
            return None
        rows = rows.astype(known)
    if name == "catboost" and rows[TEXTS].isna().any(axis=None):
        return None
    return model.predict_proba(rows)[:, 1]
