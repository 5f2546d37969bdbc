"""Makes shards/tests/native: models as their libraries write them, with the libraries' own scores.

    python models/native_fixtures.py [--output DIR]

Run it once in an environment of each version: it makes the fixtures of each of LightGBM, XGBoost
and CatBoost that the environment has, under LIBRARY-VERSION-CASE/. The versions committed are
LightGBM 3.3.5 and 4.6.0, XGBoost 1.0.2, 1.7.6, 2.1.4, 3.1.3 and 3.4.1, CatBoost 1.0.6 and 1.2.10;
each environment also needs scikit-learn (XGBoost from 1.7) and pandas before 3.

A golden file has the cells of each row, then `margin_K` (the raw sums) and `score_K` (what the
library predicts: of two classes, both probabilities).
"""

import argparse
import importlib
import json
import warnings
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "shards" / "tests" / "native"
NAMES = ["x0", "x1", "x2", "x3", "c0", "c1"]
CATEGORICAL = [4, 5]
CATEGORIES = {4: 6, 5: 45}
ROWS = 40
FOREST_ROWS = 2_000


def made_up(seed, count, missing=True):
    """Rows that a model can learn something from: ties, zeros, missing values and codes."""
    random = np.random.default_rng(seed)
    rows = np.zeros((count, len(NAMES)))
    rows[:, 0] = random.normal(size=count).round(3)
    rows[:, 1] = np.where(random.random(count) < 0.4, 0.0, random.normal(size=count).round(2))
    rows[:, 2] = random.normal(size=count).round(2)
    rows[:, 3] = random.integers(-3, 4, count)
    for column, codes in CATEGORIES.items():
        rows[:, column] = random.integers(0, codes, count)
    if missing:
        holes = random.random(rows.shape) < 0.06
        holes[:, 0] = False
        rows[holes] = np.nan
    return rows


def signal(rows):
    """What targets are made of."""
    cells = np.nan_to_num(rows)
    odd = np.isin(cells[:, 4], [1, 4]) * 1.5 + np.isin(cells[:, 5] % 7, [2, 3]) * 1.0
    return cells[:, 0] + np.abs(cells[:, 2]) + odd + 0.3 * cells[:, 3] - (cells[:, 1] == 0)


def target(rows, kind, seed=1):
    """Targets of a kind."""
    random = np.random.default_rng(seed)
    value = signal(rows) + random.normal(scale=0.3, size=len(rows))
    if kind == "binary":
        return (value > 1).astype(int)
    if kind == "multi":
        return np.digitize(value, [0.5, 1.8])
    if kind == "positive":
        return np.round(np.exp(value / 3), 3)
    if kind == "count":
        return random.poisson(np.exp(value / 4))
    if kind == "share":
        return np.round(1 / (1 + np.exp(-value)), 3)
    if kind == "rank":
        return np.digitize(value, [0, 1, 2])
    if kind == "two":
        return np.column_stack([value, value * value + rows[:, 0]]).round(3)
    return value.round(3)


def asked(thresholds, count=ROWS, infinite=True, wild=True):
    """Rows to score: ordinary ones, then ties at thresholds, zeros and unseen categories."""
    rows = made_up(7, count)
    random = np.random.default_rng(5)
    for column, values in thresholds.items():
        values = np.asarray(sorted(values), dtype=np.float64)
        if len(values) == 0 or column >= rows.shape[1]:
            continue
        for row in random.choice(count, count // 3, replace=False):
            value = random.choice(values)
            beside = random.integers(3)
            rows[row, column] = [value, np.nextafter(value, -1e9), np.nextafter(value, 1e9)][beside]
    odd = [np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-35, 2e-35, 1e300 if infinite else 1e30]
    if infinite:
        odd += [np.inf, -np.inf]
    for row, value in enumerate(odd):
        rows[row, :4] = value
    unseen = [1000.0, CATEGORIES[5] + 3.0, 63.0, 64.0, np.nan]
    if wild:
        unseen += [-1.0, 2.5, -0.5, 3e9]
    for at, value in enumerate(unseen):
        rows[len(odd) + at, CATEGORICAL] = value
    return rows


def number(value):
    """A cell as text: the shortest that reads back."""
    if np.isnan(value):
        return ""
    return repr(float(value)) if value != int_or(value) else str(int_or(value))


def int_or(value):
    """The whole number that a value is, or None."""
    negative_zero = value == 0 and np.signbit(value)
    whole = np.isfinite(value) and value == np.floor(value) and abs(value) < 1e15
    return int(value) if whole and not negative_zero else None


class Case:
    """A fixture's folder."""

    def __init__(self, output, library, version, name):
        self.folder = output / f"{library}-{version}-{name}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, rows, margins, scores, names=None):
        """Writes golden.csv."""
        columns = [np.asarray(rows, dtype=np.float64)]
        header = list(names or NAMES[: rows.shape[1]])
        for kind, values in (("margin", margins), ("score", scores)):
            if values is None:
                continue
            values = np.asarray(values, dtype=np.float64).reshape(len(rows), -1)
            header += [f"{kind}_{k}" for k in range(values.shape[1])]
            columns.append(values)
        lines = [",".join(header)]
        lines += [",".join(map(number, row)) for row in np.column_stack(columns)]
        (self.folder / "golden.csv").write_text("\n".join(lines) + "\n")


def both(probability):
    """The probabilities of both classes."""
    return np.column_stack([1 - probability, probability])


def main():
    """Makes what this environment can."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FOLDER)
    output = parser.parse_args().output
    warnings.simplefilter("ignore")
    for library in ("lightgbm", "xgboost", "catboost"):
        try:
            importlib.import_module(library)
        except ImportError:
            continue
        importlib.import_module(f"native_{library}").make(output)


if __name__ == "__main__":
    main()
