"""Whether the gateway computes what the model was trained on: `shardgate transform` of the real rows beside
their own columns."""

import csv
import io
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas

from .. import program
from ..errors import ExportError
from .artefacts import Column, Description
from .exporting import first_line
from .expressions import names_of
from .rows import RowSource

TIMEOUT_S = 300
# Of a column of 32 bits.
DIFFERENCE_MAX = 1e-6
NEEDS_CLOCK = "read the time of the request"


def ensure_computed(gateway: Path, folder: Path, about: Description, columns: list[Column],
                    given: pandas.DataFrame | None, real: RowSource | None) -> list[str]:
    """Compares the columns of expressions in `given`, the real rows as the model reads them, with what
    the gateway makes of the rows in `real`, by the model.toml in `folder`. Gives notes; ExportError names
    the first row that differs."""
    expressions = about.sources.expressions
    if not expressions:
        return []
    if given is None or real is None:
        return ["No row says whether the expressions give what the model was trained on; --rows FILE does."]
    read = dict.fromkeys(name for text in expressions.values() for name in names_of(text))
    frame = real.others([name for name in read if name not in expressions])
    answer = asked(gateway, folder, frame, len(given))
    if answer is None:
        return ["The expressions read the time of the request, so they were not tried on the rows."]
    for column in columns:
        if column.name in expressions:
            found = [row[column.name] for row in answer]
            compare(column, given[column.name].tolist(), found, expressions[column.name])
    return [f"The gateway computes {', '.join(expressions)} of the rows as the model was trained on."]


def asked(gateway: Path, folder: Path, frame: pandas.DataFrame, rows: int) -> list[dict] | None:
    """The columns that the gateway computes of rows; None where it would have to know the time."""
    with tempfile.TemporaryDirectory() as empty:
        path = Path(empty) / "rows.csv"
        frame.to_csv(path, index=False)
        command = [gateway, "transform", path, "--models", folder.parent, "--model", folder.name, "--only"]
        try:
            ended = subprocess.run(command, cwd=empty, env=program.environment(), capture_output=True,
                                   text=True, errors="replace", timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(f"the gateway cannot be asked: {first_line(error)}") from error
    if ended.returncode != 0:
        if NEEDS_CLOCK in ended.stderr:
            return None
        # Below the first line it shows where in the expression that is.
        lines = [line for line in ended.stderr.splitlines() if line and not line.startswith("note:")]
        said = (lines or [f"status {ended.returncode}"])[0]
        said = said.replace(f"{folder.parent}/", "").removeprefix("shardgate: ").strip()
        if "unrecognized subcommand" in said:
            said = "it is older than this package and knows no expressions"
        raise ExportError(f"--expr: the gateway does not compute the expressions: {said}")
    # A row of one cell that is null is an empty line, which DictReader leaves out.
    lines = csv.reader(io.StringIO(ended.stdout))
    header = next(lines, [])
    answer = [dict(zip(header, line or [""] * len(header), strict=False)) for line in lines]
    if len(answer) != rows:
        raise ExportError(f"--expr: the gateway computed {len(answer)} rows of {rows}")
    return answer


def compare(column: Column, given: list, found: list[str], text: str) -> None:
    """Refuses a column that the gateway computes otherwise."""
    for place, (known, cell) in enumerate(zip(given, found, strict=True)):
        if not is_same(known, cell, column):
            known, cell = (shown(value) for value in (known, cell))
            raise ExportError(
                f"--expr: row {place + 1} of --rows has {column.name} = {known}, and `{text}` gives {cell}: "
                "mend the expression, or train on what it gives (shardgate transform writes it)")


def is_same(known, cell: str, column: Column) -> bool:
    """Whether a cell that was given is the one that was computed; a missing one may be the default."""
    is_missing = known is None or known != known
    if column.type == "text":
        return cell in ("", column.default) if is_missing else cell == known
    number = number_of(cell)
    if is_missing:
        is_default = column.default is not None and np.float32(number) == np.float32(column.default)
        return math.isnan(number) or bool(is_default)
    # A null may take the default, which the row then has.
    return abs(number - float(known)) <= DIFFERENCE_MAX * max(1.0, abs(float(known)))


def number_of(cell: str) -> float:
    """A number as the gateway writes it."""
    truth = {"true": 1.0, "false": 0.0, "": math.nan}
    try:
        return truth[cell] if cell in truth else float(cell)
    except ValueError:
        return math.nan


def shown(value) -> str:
    """A cell for people."""
    return "no value" if value is None or value != value or value == "" else f"{value}"
