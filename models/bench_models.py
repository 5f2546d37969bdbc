"""Models as large as those in production, to measure speed on. Not committed: zoo.py --bench."""

from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import (
    GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier,
)

from shardgate.exporter.artefacts import (
    Description, column_of, float32_text, write_csv, write_model, write_scored_rows,
)
from shardgate.exporter.exporting import (
    DIFFERENCE_MAX, ExportError, compare, library_scores, onnx_scores, score_output, to_onnx,
)

SEED = 11
WIDTH = 30
TRAINING = 20_000
ASKED = 4096
GOLDEN = 256
COLUMNS = [f"f{index}" for index in range(WIDTH)]


def rows_and_labels(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy rows: deep trees need noise to grow deep."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, WIDTH)).astype(np.float32)
    signal = rows[:, :10].sum(axis=1) + 2 * rows[:, 10] * rows[:, 11] + np.abs(rows[:, 12])
    return rows, (signal + random.normal(0, 2, count) > 1).astype(np.int64)


def models() -> Iterator[tuple[str, int, Callable[[], object]]]:
    """(name, training rows, estimator). The boosters are skipped where they aren't installed."""
    yield "gbdt-100x3", TRAINING, lambda: GradientBoostingClassifier(
        n_estimators=100, max_depth=3, subsample=0.2, max_features=6, random_state=SEED)
    yield "gbdt-100x6", TRAINING, lambda: GradientBoostingClassifier(
        n_estimators=100, max_depth=6, subsample=0.2, max_features=6, random_state=SEED)
    yield "hist-gbdt-100x31", TRAINING, lambda: HistGradientBoostingClassifier(
        max_iter=100, random_state=SEED)
    yield "random-forest-200", 5000, lambda: RandomForestClassifier(
        n_estimators=200, random_state=SEED)
    try:
        from lightgbm import LGBMClassifier

        yield "lightgbm-500x31", TRAINING, lambda: LGBMClassifier(
            n_estimators=500, num_leaves=31, verbosity=-1, random_state=SEED)
    except ImportError:
        print("lightgbm isn't installed: its model is left out")
    try:
        from xgboost import XGBClassifier

        yield "xgboost-500x6", TRAINING, lambda: XGBClassifier(
            n_estimators=500, max_depth=6, random_state=SEED)
    except ImportError:
        print("xgboost isn't installed: its model is left out")


def write_native(folder: Path, model) -> None:
    """The estimator itself, and the boosters' own formats, which lleaves and treelite read."""
    joblib.dump(model, folder / "model.pkl")
    if hasattr(model, "booster_"):
        model.booster_.save_model(folder / "model.txt")
    elif hasattr(model, "get_booster"):
        model.get_booster().save_model(folder / "model.ubj")


def write(folder: Path) -> None:
    """A model repository with each model, its native form beside it, and the rows to ask about."""
    folder.mkdir(parents=True, exist_ok=True)
    asked, _ = rows_and_labels(ASKED, SEED + 1)
    np.save(folder / "rows.npy", asked)
    write_csv(folder / "rows.csv", COLUMNS, [list(map(float32_text, row)) for row in asked])
    for name, count, make in models():
        rows, labels = rows_and_labels(count, SEED)
        model = make().fit(rows, labels)
        proto = to_onnx(model, COLUMNS, name)
        expected = library_scores(model, asked)
        difference = compare(expected, onnx_scores(proto, asked))
        print(f"{name}: {ASKED} rows, largest difference {difference:.1e}, "
              f"{proto.ByteSize() / 1e6:.1f} MB", flush=True)
        if difference > DIFFERENCE_MAX:
            raise ExportError(f"{name}: scores differ by {difference:.1e}")
        about = Description(f"{type(model).__name__} to measure speed on",
                            score_output(proto), {}, score_class=1)
        columns = [column_of(column, rows[:, i]) for i, column in enumerate(COLUMNS)]
        write_model(folder / name, proto, about, columns)
        write_scored_rows(folder / name / "golden.csv", COLUMNS, asked[:GOLDEN],
                          expected[:GOLDEN, 1])
        write_native(folder / name, model)
