"""Makes the bundled models again: `python models/train.py`. The same bytes every time.

The data set is in data/, so that this needs no network once requirements.txt is installed.
"""

from pathlib import Path

import numpy as np
import sklearn
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import german_credit
from shardgate.exporter.artefacts import (
    Column, Description, column_of, double_text, float32_text, write_csv, write_model,
    write_scored_rows,
)
from shardgate.exporter.describing import described
from shardgate.exporter.answers import REASONS, shares_of, table
from shardgate.exporter.exporting import (
    DIFFERENCE_MAX, ExportError, compare, library_scores, onnx_scores, score_output, to_onnx,
)
from shardgate.exporter.rows import typed
from shardgate.exporter.sampling import neighbours
from shardgate.exporter.subjects import Estimator

FOLDER = Path(__file__).parent
SEED = 20
EDGES = 100
DATA = "Statlog (German Credit Data), Hans Hofmann, 1994, https://doi.org/10.24432/C5NC77"
LIBRARY = f"scikit-learn {sklearn.__version__}"


def write_features(folder: Path, columns: list[str], users: dict[str, np.ndarray]) -> None:
    """features.csv: what the store is filled with."""
    lines = [[user, *map(float32_text, row)] for user, row in users.items()]
    write_csv(folder / "features.csv", ["user_id", *columns], lines)


def write_golden(folder: Path, users: list[str], scores: np.ndarray) -> None:
    """golden.csv: the library's own score of each user."""
    lines = [[user, double_text(score)] for user, score in zip(users, scores, strict=True)]
    write_csv(folder / "golden.csv", ["user_id", "score"], lines)


def checked(name: str, model, proto, rows: np.ndarray) -> np.ndarray:
    """The library's scores of `rows`, once ONNX Runtime agrees with them."""
    expected = library_scores(model, rows)
    difference = compare(expected, onnx_scores(proto, rows))
    print(f"{name}: {len(rows)} rows, largest difference {difference:.1e}")
    if difference > DIFFERENCE_MAX:
        raise ExportError(f"{name}: scores differ by {difference}, allowed {DIFFERENCE_MAX}")
    return expected[:, 1]


def edge_rows(model: GradientBoostingClassifier, rows: np.ndarray, count: int) -> np.ndarray:
    """Rows that reach a branch with a value at its threshold, one step below and one above.

    Half of the branches are ones whose float64 threshold isn't a float32: there a threshold
    rounded the wrong way shows.
    """
    random = np.random.default_rng(SEED)
    branches = [
        (tree.tree_, node)
        for (tree,) in model.estimators_
        for node in np.flatnonzero(tree.tree_.feature >= 0)
    ]
    random.shuffle(branches)
    branches.sort(key=lambda b: b[0].threshold[b[1]] == np.float32(b[0].threshold[b[1]]))
    edges = []
    for tree, node in branches[: count // 2] + branches[-(count // 2) :]:
        reached = tree.decision_path(rows)[:, node].toarray().ravel()
        row = rows[random.choice(np.flatnonzero(reached))]
        for value in neighbours(np.float32(tree.threshold[node])):
            edge = row.copy()
            edge[tree.feature[node]] = value
            edges.append(edge)
    return np.array(edges)


def credit_classifier() -> GradientBoostingClassifier:
    """The trees of both credit models, not fitted yet."""
    return GradientBoostingClassifier(
        n_estimators=100, max_depth=3, learning_rate=0.05, subsample=0.5, max_features=0.3,
        min_samples_leaf=10, random_state=SEED,
    )


def credit_pipeline():
    """The pipeline of `credit-risk`, not fitted yet: what a user of pandas would write."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((encoder, make_column_selector(dtype_include=object)),
                                      remainder="passthrough")
    return make_pipeline(columns, credit_classifier())


def cross_validated(name: str, model, rows, labels) -> str:
    """The area under the ROC curve that 10-fold cross-validation finds."""
    folds = StratifiedKFold(10, shuffle=True, random_state=SEED)
    auc = cross_val_score(model, rows, labels, cv=folds, scoring="roc_auc").mean()
    print(f"{name}: area under the ROC curve in 10-fold cross-validation {auc:.3f}")
    return f"{auc:.3f}"


def credit_metadata(model: str, auc: str) -> dict[str, str]:
    return {
        "library": LIBRARY,
        "model": model,
        "data": DATA,
        "licence": "CC BY 4.0",
        "trained_on": "1000 applicants, of whom 300 defaulted",
        "cross_validated_auc": auc,
    }


def applicants(count: int) -> list[str]:
    return [f"applicant-{index + 1:04}" for index in range(count)]


def train_credit_risk() -> None:
    """The probability that an applicant of the German credit data defaults, from the data as it
    comes: texts, and a pipeline that encodes them."""
    frame, bad = german_credit.load_frame()
    labels = np.where(bad == 1, "bad", "good")
    model = credit_pipeline()
    auc = cross_validated("credit-risk", model, frame, bad)
    model.fit(frame, labels)

    folder = FOLDER / "credit-risk"
    subject = Estimator(model, None, "credit-risk", double=False)
    rows = typed(frame, subject.inputs)
    columns = described(subject, rows, double=False, ranges=False)
    for column in columns:
        column.range = german_credit.FRAME_RANGES.get(column.name)
    expected = subject.scores(rows)
    kind = "OneHotEncoder and GradientBoostingClassifier, 100 trees of depth 3"
    about = Description(
        description="Probability that an applicant defaults",
        tensor=subject.tensor,
        score_class=0,
        class_label="bad",
        metadata=credit_metadata(kind, auc) | {"classes": ", ".join(subject.labels)},
        output=shares_of(expected[:, 0], subject, is_margin=False),
        tables=table("[explain]", {"max_reasons": REASONS}),
    )
    write_model(folder, subject.proto, about, columns)
    difference = subject.second_opinion(rows, expected).difference
    print(f"credit-risk: {len(rows)} rows, largest difference {difference:.1e}")
    if difference > DIFFERENCE_MAX:
        raise ExportError(f"credit-risk: scores differ by {difference}")
    users = applicants(len(frame))
    write_typed_features(folder / "features.csv", users, frame)
    write_golden(folder, users, expected[:, 0])


def train_bench_credit_numeric() -> None:
    """The same trees on 32 floats, encoded by hand: what other servers take too, and what was
    measured before models read texts."""
    name = "bench-credit-numeric"
    rows, bad = german_credit.load()
    model = credit_classifier()
    auc = cross_validated(name, model, rows, bad)
    model.fit(rows, bad)

    folder = FOLDER / name
    proto = to_onnx(model, german_credit.COLUMNS, name)
    about = Description(
        description="Probability that an applicant defaults, of numbers alone: to measure with",
        tensor=score_output(proto),
        score_class=1,
        metadata=credit_metadata("GradientBoostingClassifier, 100 trees of depth 3", auc),
    )
    columns = [
        column_of(column, rows[:, index], range=german_credit.RANGES[column])
        for index, column in enumerate(german_credit.COLUMNS)
    ]
    write_model(folder, proto, about, columns)
    users = dict(zip(applicants(len(rows)), rows, strict=True))
    write_features(folder, german_credit.COLUMNS, users)
    write_golden(folder, list(users), checked(name, model, proto, rows))
    edges = edge_rows(model, rows, EDGES)
    scores = checked(f"{name} at its thresholds", model, proto, edges)
    write_scored_rows(folder / "golden_edges.csv", german_credit.COLUMNS, edges, scores)


def write_typed_features(path: Path, users: list[str], frame) -> None:
    """features.csv with the type of each text column in its header, as `shardgate import` reads it."""
    is_text = frame.dtypes == object
    stored = frame.rename(columns={name: f"{name}:text" for name in frame if is_text[name]})
    stored.insert(0, "user_id", users)
    stored.to_csv(path, index=False, lineterminator="\n")


def train_demo_logistic() -> None:
    """A model small enough to check by hand."""
    names = ["feature_1", "feature_2", "feature_3"]
    random = np.random.default_rng(SEED)
    rows = random.normal(size=(2000, 3)).astype(np.float32)
    odds = rows @ np.array([1.5, 0.75, -1.0]) + 0.25
    label = (random.random(2000) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    model = LogisticRegression().fit(rows.astype(np.float64), label)

    folder = FOLDER / "demo-logistic"
    proto = to_onnx(model, names, "demo-logistic")
    about = Description(
        description="Logistic regression on three features, to try things with",
        tensor=score_output(proto),
        score_class=1,
        metadata={
            "library": LIBRARY,
            "model": "LogisticRegression",
            "data": "synthetic, fixed seed",
            "trained_on": "2000 rows",
        },
    )
    columns = [
        Column(name, range=(-100.0, 100.0),
               quantiles=column_of(name, rows[:, index]).quantiles)
        for index, name in enumerate(names)
    ]
    write_model(folder, proto, about, columns)
    users = {
        "user-001": np.array([0.5, 1.2, -0.8], dtype=np.float32),
        "user-002": np.array([-1.1, 0.3, 2.5], dtype=np.float32),
    }
    write_features(folder, names, users)
    # A user that the store doesn't know gets the columns' defaults.
    scored = {**users, "unknown": np.zeros(3, dtype=np.float32)}
    scores = checked("demo-logistic", model, proto, np.array(list(scored.values())))
    write_golden(folder, list(scored), scores)


if __name__ == "__main__":
    train_credit_risk()
    train_bench_credit_numeric()
    train_demo_logistic()
