"""The files of a model repository's folder: model.toml and the CSVs beside it."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pandas

from .sources import Sources

DECILES = np.arange(1, 10) / 10
# Of a column's texts those whose shares model.toml has; of more than these each is rare.
SHARES_MAX = 50
SHARE_UNITS = 1_000_000


@dataclass
class Column:
    """One column of the input tensor, as model.toml describes it."""

    name: str
    default: float | str | None = 0.0
    range: tuple[float, float] | None = None
    nan: str = "default"
    quantiles: list[float] = field(default_factory=list)
    type: str = "float"
    # Whether a request has to bring it.
    required: bool = False
    # Of a text: which share of the training data had it.
    shares: dict[str, float] = field(default_factory=dict)


@dataclass
class Description:
    """What model.toml says besides the columns."""

    description: str
    tensor: str
    metadata: dict[str, str]
    score_class: int | None = None
    policies: dict[str, object] = field(default_factory=dict)
    # Of the class, for people.
    class_label: str | None = None
    # More keys of [output], and the tables that follow it.
    output: dict[str, object] = field(default_factory=dict)
    tables: str = ""
    # Where the columns' values come from.
    sources: Sources = field(default_factory=Sources)


def column_of(name: str, values: np.ndarray, nan: str = "default", **more) -> Column:
    """A column whose default and quantiles come from its training values."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return Column(name, nan=nan, **more)
    quantiles = np.quantile(known, DECILES, method="inverted_cdf")
    return Column(name, float(np.float32(np.median(known))), nan=nan,
                  quantiles=[float(q) for q in quantiles], **more)


def shares_of(cells: pandas.Series, known: list[str]) -> dict[str, float]:
    """Which share of the rows has each of the most frequent texts that the model knows. What is left
    to 1 is all other cells, the missing ones among them."""
    counts = cells[cells.isin([text for text in known if text])].value_counts()
    counts = counts.sort_index().sort_values(ascending=False, kind="stable").head(SHARES_MAX)
    # Rounded down, so that they add up to 1 at most.
    return {str(text): int(count) * SHARE_UNITS // len(cells) / SHARE_UNITS
            for text, count in counts.items()}


def float32_text(value) -> str:
    """The shortest decimal that reads back as the same float32."""
    return str(np.float32(value))


def double_text(value) -> str:
    """A float64 to 17 digits, which always read back as the same number."""
    return f"{value:.17g}"


def _toml(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return float32_text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return str(value)


def toml_table(header: str, entries: dict) -> str:
    """A table of TOML, with its header; empty for no entries."""
    if not entries:
        return ""
    lines = [f"{key} = {_toml(value)}" for key, value in entries.items()]
    return "\n".join([header, *lines]) + "\n"


def model_toml(about: Description, columns: list[Column]) -> str:
    """The text of model.toml."""
    output = {"tensor": about.tensor, **about.output}
    if about.score_class is not None:
        output["class"] = about.score_class
    table = toml_table("[output]", output)
    if about.score_class is not None and about.class_label is not None:
        table = f"{table.rstrip()}  # {json.dumps(about.class_label, ensure_ascii=False)}\n"
    parts = [
        f"description = {_toml(about.description)}\n",
        toml_table("[metadata]", about.metadata),
        table,
        about.tables,
        toml_table("[policies]", about.policies),
        *(toml_table("[[entities]]", entity) for entity in about.sources.declared()),
        *(toml_table("[[inputs]]", {"name": name, "type": kind, **about.sources.of(name)})
          for name, kind in about.sources.inputs.items()),
    ]
    for column in columns:
        entries = {"name": column.name, "type": column.type, **about.sources.of(column.name)}
        if column.required:
            entries["required"] = True
        if column.default is not None:
            entries["default"] = column.default
        if column.range is not None:
            entries["range"] = [float(bound) for bound in column.range]
        entries["nan"] = column.nan
        if column.quantiles:
            entries["quantiles"] = column.quantiles
        if column.shares:
            entries["shares"] = column.shares
        parts.append(toml_table("[[columns]]", entries))
    return "\n".join(part for part in parts if part)


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """Fields are names and numbers: nothing here needs quotes."""
    lines = [",".join(row) for row in [header, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_scored_rows(
    path: Path, columns: list[str], rows: np.ndarray, scores: np.ndarray
) -> None:
    """`<columns...>,score`, or `score_0,score_1,...` where a row has several scores."""
    scores = scores.reshape(len(rows), -1)
    width = scores.shape[1]
    names = ["score"] if width == 1 else [f"score_{index}" for index in range(width)]
    feature = double_text if rows.dtype == np.float64 else float32_text
    lines = [
        [*map(feature, row), *map(double_text, values)]
        for row, values in zip(rows, scores, strict=True)
    ]
    write_csv(path, [*columns, *names], lines)


def cell_text(value, double: bool) -> str:
    """A cell of a CSV file. With `double` a float32 has the digits by which 64-bit floats tell it, not
    only those of 32 bits."""
    if value is None or isinstance(value, str):
        return value or ""
    wide = double or not isinstance(value, np.float32)
    return double_text(float(value)) if wide else float32_text(value)


def write_frame(path: Path, rows: pandas.DataFrame, scores: np.ndarray, double: bool) -> None:
    """`<columns...>,score`; a text as it is, and an empty one for what is missing."""
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow([*rows.columns, "score"])
        for cells, score in zip(zip(*(rows[name].to_numpy() for name in rows)), scores, strict=True):
            lines.writerow([*(cell_text(cell, double) for cell in cells), double_text(score)])


def write_model(
    folder: Path, proto: onnx.ModelProto, about: Description, columns: list[Column]
) -> None:
    """`folder/model.toml` and `folder/1/model.onnx`."""
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "1" / "model.onnx").write_bytes(proto.SerializeToString(deterministic=True))
    (folder / "model.toml").write_text(model_toml(about, columns), encoding="utf-8")
