"""Rows of a feature store, as requests write them."""

import json
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .cells import Frame, batches, cell, member, rows_of
from .errors import ColumnsError

# A key: one part, or several of a table whose key has several columns.
Part = str | int | uuid.UUID
Key = Part | Sequence[Part]
# What the gateway takes of one request unless it is told otherwise: 1 MiB.
MAX_ROWS = 1000
MAX_BYTES = 900_000


def parts_of(key: Key) -> list[str]:
    """The parts of a key, as texts."""
    parts = [key] if isinstance(key, (str, int, uuid.UUID)) or not isinstance(key, Sequence) else key
    return [part_of(part) for part in parts]


def part_of(part: Any) -> str:
    """A part of a key, as its column's text is."""
    value = cell(part)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise ColumnsError(f"{part!r} is no key: expected a text that is not empty, an integer, or a list "
                           "of these where the table's key has several columns")
    return str(value)


def stored_key(key: Key) -> str:
    """A key as the store has it: of several parts each behind its length in bytes, `2:DE4:4111`."""
    parts = parts_of(key)
    if not parts:
        raise ColumnsError("a key without parts is no key")
    return parts[0] if len(parts) == 1 else "".join(f"{len(part.encode())}:{part}" for part in parts)


def path_of(entity: str) -> str:
    """Where rows of an entity are written."""
    return f"/v2/features/{urllib.parse.quote(entity, safe='')}"


def path_of_key(entity: str, key: Key) -> str:
    """Where one of them is."""
    return f"{path_of(entity)}/{urllib.parse.quote(stored_key(key), safe='')}"


def body_of(values: Mapping[str, Any], event: Mapping[str, Any] | None) -> bytes:
    """A row's columns, and what happened, which aggregates count."""
    made: dict[str, Any] = {str(name): member(str(name), value) for name, value in values.items()}
    if event is not None:
        made["event"] = {str(name): member(str(name), value) for name, value in event.items()}
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def lines_of(rows: Frame | Sequence[Mapping[str, Any]], key: str | Sequence[str]) -> Iterator[bytes]:
    """Rows as lines of JSON, each with its key beside its columns."""
    names = [key] if isinstance(key, str) else list(key)
    for place, row in enumerate(rows_of(rows, None) if isinstance(rows, Frame) else rows):
        absent = [name for name in names if name not in row]
        if absent:
            raise ColumnsError(f"row {place} has no {', '.join(absent)}, which its key is made of: key=… "
                               f"names the column, or columns, of the key; it has {', '.join(row)}")
        try:
            parts = [part_of(row[name]) for name in names]
            columns = {str(name): member(str(name), value) for name, value in row.items()
                       if name not in names}
        except ColumnsError as error:
            raise ColumnsError(f"row {place}: {error}") from None
        line = {"key": parts[0] if len(parts) == 1 else parts, "columns": columns}
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def requests_of(lines: Sequence[bytes], idempotency_key: str | None) -> Iterator[tuple[str, bytes]]:
    """The lines as few requests, each with a name of its own by which it is written once."""
    named = idempotency_key or uuid.uuid4().hex
    for place, part in enumerate(batches(lines, MAX_ROWS, MAX_BYTES)):
        yield f"{named}-{place}", b"\n".join(part)
