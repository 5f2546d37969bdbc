"""Expressions of columns: what they read beside the model's own columns, and of which types that is."""

import datetime
import decimal
import re
import uuid

import pandas

from ..errors import ExportError
from .sources import Sources

# Texts, names in backticks, comments, numbers, then names: what stands in a text is no name.
WORDS = re.compile(
    r"""[rR]"[^"]*"|[rR]'[^']*'|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?P<quoted>[^`]*)`|//[^\n]*"""
    r"""|\d[\w.]*|(?P<dotted>\.\s*)?(?P<name>[A-Za-z_]\w*)(?P<call>\s*\()?""", re.ASCII)
KEYWORDS = {"true", "false", "null", "in"}


def names_of(text: str) -> list[str]:
    """The names that an expression reads: neither functions nor members."""
    made = []
    for word in WORDS.finditer(text):
        if word["quoted"] is not None:
            made.append(word["quoted"])
        elif word["name"] and not word["dotted"] and not word["call"] and word["name"] not in KEYWORDS:
            made.append(word["name"])
    return list(dict.fromkeys(made))


def others_of(sources: Sources, columns: list[str]) -> list[str]:
    """What expressions read and the model does not."""
    named = [name for text in sources.expressions.values() for name in names_of(text)]
    return [name for name in dict.fromkeys(named) if name not in columns]


def learn(sources: Sources, columns: list[str], frame_of) -> pandas.DataFrame | None:
    """Notes the types of what expressions read and the model does not; gives those columns of the rows.
    `frame_of` has the rows' columns of these names, or None where there are no rows."""
    others = others_of(sources, columns)
    stored = [name for entity in sources.entities.values() for name in entity.stored()]
    for name in stored:
        if name not in columns and name not in others:
            raise ExportError(f"--entity: neither the model nor an expression reads a column {name}")
    if not others:
        return None
    frame = frame_of(others)
    if frame is None:
        raise ExportError(f"--expr: it reads {', '.join(others)}, and nothing says of which types: "
                          "--rows FILE with these columns does")
    sources.inputs = {name: type_of(name, frame[name]) for name in others}
    return frame


def type_of(name: str, cells: pandas.Series) -> str:
    """The type that model.toml has for cells of pandas."""
    known = cells.dropna()
    kind = cells.dtype.kind
    if kind == "b":
        return "boolean"
    if kind in "iu":
        return "bigint"
    if kind == "f":
        # An integer column with a missing value has floats in pandas.
        return "double"
    if kind == "M":
        return "timestamp"
    for held, type_name in [(bool, "boolean"), (str, "text"), (datetime.datetime, "timestamp"),
                            (datetime.date, "date"), (uuid.UUID, "uuid"), (decimal.Decimal, "decimal"),
                            (int, "bigint"), (float, "double")]:
        if not known.empty and all(isinstance(value, held) for value in known):
            return type_name
    raise ExportError(f"--expr: the rows' column {name} has values of several types, or none that is "
                      "known: give it one type, as by frame[column].astype(…)")
