"""How a file of CSV separates columns and points numbers, as `shardgate import` finds it out."""

import csv
import re
from dataclasses import dataclass
from typing import TextIO

from .inputs import Input

DELIMITERS = ",;\t|"
SAMPLE_CHARACTERS = 1 << 16
# Numbers whose mark can be nothing but a comma: `1,5`, `0,250`, `1.234,5`.
IS_COMMA = re.compile(r"[+-]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,})|\d{1,3}(?:\.\d{3})+,\d+)")
IS_POINT = re.compile(r"[+-]?\d+\.\d+(?:[eE][+-]?\d+)?")
HAS_COMMA = re.compile(r"[+-]?\d+,\d+")
HAS_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[., '’]\d{3})+(?:[.,]\d+)?|[+-]?\d+,\d+")


@dataclass(frozen=True)
class Dialect:
    """What separates columns, and whether `1,5` is a number."""

    delimiter: str = ","
    has_comma: bool = False

    def pointed(self, text: str | None, column: Input) -> str | None:
        """A cell with the decimal mark that Python reads."""
        is_number = not (column.is_text or column.is_open)
        if text is None or not self.has_comma or not is_number or not HAS_COMMA.fullmatch(text.strip()):
            return text
        return text.replace(",", ".")


def of(file: TextIO, names: list[str]) -> Dialect:
    """The dialect of a file whose header has these names among others; the file is at its start
    afterwards. The first line says what separates: the first of the usual ones by which all names are
    there, else the comma."""
    start = file.tell()
    sample = file.read(SAMPLE_CHARACTERS)
    file.seek(start)
    lines = sample.splitlines()
    # What was cut off says nothing.
    lines = lines[:-1] if len(sample) == SAMPLE_CHARACTERS else lines
    for delimiter in DELIMITERS:
        rows = list(csv.reader(lines, delimiter=delimiter))
        if rows and set(names) <= set(rows[0]):
            return Dialect(delimiter, delimiter != "," and has_comma(rows[1:]))
    return Dialect()


def has_comma(rows: list[list[str]]) -> bool:
    """Whether a number of the rows can have no other mark than a comma, and none has a point."""
    cells = [cell.strip() for row in rows for cell in row]
    return any(map(IS_COMMA.fullmatch, cells)) and not any(
        IS_POINT.fullmatch(cell) and not HAS_THOUSANDS.fullmatch(cell) for cell in cells)
