"""What the tests of export.py share: a small data set, and an export of a model fitted on it."""

import csv
import pickle
import tomllib

import numpy as np

from export import arguments, export

RANDOM = np.random.default_rng(1)
ROWS = RANDOM.normal(5, 2, (300, 3))
LABELS = (ROWS[:, 0] > ROWS[:, 1]).astype(int)
COLUMNS = ["a", "b", "c"]


def export_model(folder, model, *more, columns="a,b,c"):
    """Exports `model` as `mine`; returns what its model.toml says, and its golden rows."""
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    given = [str(path), "--columns", columns, "--name", "mine", "--output-dir", str(folder), *more]
    done = export(arguments(given))
    about = tomllib.loads((folder / "mine" / "model.toml").read_text())
    with (done.place.version_folder / "golden.csv").open(newline="") as file:
        return about, list(csv.DictReader(file))
