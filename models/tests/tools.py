"""What the tests of export.py share: two small data sets, and an export of a model fitted on one."""

import csv
import tomllib

import joblib
import numpy as np
import pandas
from sklearn.preprocessing import OneHotEncoder

from shardgate.exporter import command

# An array of numbers.
RANDOM = np.random.default_rng(1)
ROWS = RANDOM.normal(5, 2, (300, 3))
LABELS = (ROWS[:, 0] > ROWS[:, 1]).astype(int)
COLUMNS = ["a", "b", "c"]

# A data frame of numbers and texts.
COUNT = 300
TEXTS = ["purpose", "country"]
_FRAME_RANDOM = np.random.default_rng(5)
FRAME = pandas.DataFrame({
    "age": _FRAME_RANDOM.integers(18, 70, COUNT),
    "purpose": _FRAME_RANDOM.choice(["car", "tv, \"radio\"", "Übung", "none"], COUNT),
    "country": _FRAME_RANDOM.choice(["NL", "DE", "NA"], COUNT),
    "amount": _FRAME_RANDOM.random(COUNT) * 1000,
})
TARGET = ((FRAME.age > 40).astype(int) + (FRAME.purpose == "car") + (FRAME.country == "NL") > 1
          ).to_numpy().astype(int)
IGNORING = OneHotEncoder(handle_unknown="ignore", sparse_output=False)


def exported(folder, model, *more):
    """Exports `model` as `mine`: (what was said, model.toml, the golden rows)."""
    path = folder / "model.pkl"
    joblib.dump(model, path)
    given = [str(path), "--name", "mine", "--output-dir", str(folder), *more]
    done = command.export(command.arguments(given))
    about = tomllib.loads((folder / "mine" / "model.toml").read_text(encoding="utf-8"))
    with (done.version_path / "golden.csv").open(newline="", encoding="utf-8") as file:
        return done, about, list(csv.DictReader(file))


def export_model(folder, model, *more, columns="a,b,c"):
    """The same of a model that was fitted on an array: model.toml, and the golden rows."""
    return exported(folder, model, "--columns", columns, *more)[1:]


def rows_of(folder, frame=FRAME):
    """The rows of a frame as an option."""
    path = folder / "rows.csv"
    frame.to_csv(path, index=False)
    return ["--rows", str(path)]


def columns_of(about):
    """The columns of model.toml, by name."""
    return {column["name"]: column for column in about["columns"]}
