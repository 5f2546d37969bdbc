"""Rows that stand for the average one, against which the gateway explains scores: a sample of --rows,
the same one each time."""

import argparse
import csv
import io

import pandas

from .artefacts import cell_text
from ..errors import ExportError

FILE = "background.csv"
SEED = 24
ROWS_MAX = 10_000


def add_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--background", type=int, metavar="N",
                        help=f"answers have reasons, against N of --rows that are written to {FILE}: "
                             "what linear models need, and trees whose file has no covers; 100 are "
                             "plenty")


def rows_of(count: int | None, given: pandas.DataFrame | None) -> pandas.DataFrame | None:
    """So many of the rows, in their order."""
    if count is None:
        return None
    if given is None:
        raise ExportError("--background: --rows FILE has to give the rows that it is taken from")
    if not 1 <= count <= ROWS_MAX:
        raise ExportError(f"--background: {count} rows, expected 1 to {ROWS_MAX}")
    if count >= len(given):
        return given
    return given.sample(count, random_state=SEED).sort_index()


def text_of(rows: pandas.DataFrame, double: bool) -> str:
    """The file: a text as it is, and an empty one for what is missing."""
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(list(rows.columns))
    for cells in zip(*(rows[name].to_numpy() for name in rows)):
        lines.writerow([cell_text(cell, double) for cell in cells])
    return file.getvalue()
