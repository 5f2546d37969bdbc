"""Makes shards/tests/texts: models of text columns, with their libraries' own scores.

    python models/text_fixtures.py [--output DIR] [--only NAME]

Each folder has a model's file and golden.csv: the cells of each row as a user has them (those of
the German credit data are in german.csv, once for all of them), and `score`, the probability of the
second class. `\\N` is a missing value. `refused` in the place of a score: the
library fails on the row, or its file doesn't say what the library would have made of it.

The pipelines are exported as from a DataFrame: one input for each column. The rows include texts
that training never saw, missing ones, the empty text, texts beyond ASCII and one of 10 kB.
"""

import argparse
import csv
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import catboost
import numpy as np
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

from shardgate.exporter import exporting
import text_entries

FOLDER = Path(__file__).parents[1] / "shards" / "tests" / "texts"
MISSING = r"\N"
REFUSED = "refused"
ROWS = 60
GERMAN = Path(__file__).parent / "data" / "germancredit.csv"


@dataclass
class Data:
    """A frame with its target, and rows to ask about."""

    frame: pd.DataFrame
    target: np.ndarray
    asked: pd.DataFrame
    texts: list[str] = field(default_factory=list)


def made_up(missing: object) -> Data:
    """Rows on which texts matter; a tenth of the purposes are `missing`, where it is given."""
    def frame(seed: int, count: int) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        purposes = ["car", "tv", "Übung", "", "repairs"]
        made = pd.DataFrame({
            "age": random.integers(18, 70, count).astype(np.float32),
            "amount": (random.random(count) * 1000).astype(np.float32),
            "purpose": random.choice(purposes, count, p=[0.4, 0.2, 0.2, 0.1, 0.1]),
            "country": random.choice(["NL", "DE", "FR"], count),
            "zip": random.integers(0, 5, count),
            "own": random.random(count) < 0.5,
        })
        if missing is not text_entries.NOTHING:
            made["purpose"] = made["purpose"].where(random.random(count) > 0.1, missing)
        return made

    training, asked = frame(1, 400), frame(2, ROWS)
    signal = ((training.age > 40).astype(int) + (training.purpose == "car") * 2
              + (training.country == "NL") + (training.purpose == "") * 2
              + training.zip.isin([1, 4]) * 2 + training.own)
    asked = with_strange_texts(asked, "purpose", "country", missing)
    target = (signal > signal.median()).to_numpy().astype(int)
    return Data(training, target, asked, text_entries.TEXTS)


def with_strange_texts(asked, one: str, other: str, missing: object) -> pd.DataFrame:
    """The rows with texts among them that training never saw."""
    asked = asked.copy()
    for at, text in enumerate(text_entries.STRANGE):
        asked.loc[at, one] = text
    asked.loc[8, other] = "XX"
    asked.loc[9, other] = "car"
    asked.loc[10, one] = np.nan if missing is text_entries.NOTHING else missing
    asked.loc[11, other] = np.nan
    return asked


def german(missing: object) -> Data:
    """The German credit data as it comes: all applicants, then strange ones."""
    frame = pd.read_csv(GERMAN, keep_default_na=False)
    target = (frame.pop("creditability") == "bad").to_numpy().astype(int)
    texts = [name for name in frame if frame[name].dtype == object]
    strange = with_strange_texts(frame.iloc[:12].copy(), "purpose", "housing", missing)
    return Data(frame, target, pd.concat([frame, strange], ignore_index=True), texts)


def to_onnx(model, frame: pd.DataFrame, name: str):
    """A graph with one input for each column."""
    types = {np.dtype(object): StringTensorType, np.dtype(np.int64): Int64TensorType,
             np.dtype(np.float32): FloatTensorType}
    inputs = [(column, types[frame[column].dtype]([None, 1])) for column in frame]
    exporting._register_boosters()
    with exporting._exact_trees({}):
        return convert_sklearn(model, name, inputs, options={id(model): {"zipmap": False}},
                               target_opset=exporting.OPSETS)


def score(entry, model, row: pd.DataFrame) -> str:
    """What the library says of a row."""
    try:
        found = entry.predict(model, row)
    except (ValueError, TypeError, catboost.CatBoostError) as error:
        print(f"    {entry.name}: {str(error).splitlines()[0][:90]}")
        return REFUSED
    cells = row.iloc[0]
    return REFUSED if entry.refused(cells) else repr(float(found))


def cell(value: object) -> str:
    """A cell as text."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, (float, np.floating)):
        return repr(float(value)).removesuffix(".0")
    return str(value)


def write(folder: Path, entry) -> None:
    """A model's two files."""
    data = german(entry.missing) if entry.german else made_up(entry.missing)
    frame = data.frame[entry.columns] if entry.columns else data.frame
    asked = data.asked[frame.columns]
    texts = entry.categories or data.texts
    model = entry.make(texts)
    target = folder / entry.name
    target.mkdir(parents=True, exist_ok=True)
    model = entry.fit(model, frame, data.target, texts)
    if entry.save:
        entry.save(model, target)
    else:
        proto = to_onnx(model, frame, entry.name)
        (target / "model.onnx").write_bytes(proto.SerializeToString(deterministic=True))
    rows = [asked.iloc[[at]].reset_index(drop=True) for at in range(len(asked))]
    cells = [[cell(value) for value in row.iloc[0]] for row in rows]
    scores = [[score(entry, model, row)] for row in rows]
    if entry.german:
        write_csv(folder / "german.csv", list(frame.columns), cells)
        write_csv(target / "golden.csv", ["score"], scores)
        return
    both = [row + score for row, score in zip(cells, scores)]
    write_csv(target / "golden.csv", [*frame.columns, "score"], both)


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(header)
        lines.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for entry in text_entries.entries():
        if options.only in (None, entry.name):
            print(entry.name)
            write(options.output, entry)


if __name__ == "__main__":
    main()
