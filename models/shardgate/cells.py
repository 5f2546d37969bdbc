"""Values of Python, NumPy and pandas as the JSON of a request."""

import datetime
import decimal
import json
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from .errors import ColumnsError


@runtime_checkable
class Frame(Protocol):
    """A data frame of pandas, which need not be installed."""

    @property
    def columns(self) -> Any: ...

    @property
    def index(self) -> Any: ...

    def itertuples(self, index: bool = ..., name: None = ...) -> Any: ...


def cell(value: Any) -> Any:
    """A value as JSON has it. NaN, NaT and NA are null: a missing value."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _not_finite(value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        # NaT is a datetime that differs from itself.
        return value.isoformat() if value == value else None
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return _decimal(value)
    if hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return cell(_unboxed(value))
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    raise ColumnsError(f"a {type(value).__name__} has no place in a request: give a number, a text, a "
                       "truth value, a date, or None")


def _not_finite(value: float) -> None:
    if math.isnan(value):
        return None
    raise ColumnsError(f"{value} has no place in JSON: give a number that is finite, or None for one "
                       "that is missing")


def _decimal(value: decimal.Decimal) -> Any:
    """A number; one that 64 bits do not hold goes as the gateway reads it best, by its nearest."""
    if not value.is_finite():
        return None if value.is_nan() else _not_finite(float(value))
    return int(value) if value == value.to_integral_value() else float(value)


def _unboxed(value: Any) -> Any:
    """What a scalar of NumPy holds."""
    if value.dtype.kind == "M":
        is_known = value == value
        return str(value.astype("datetime64[us]")) if is_known else None
    return value.item()


def member(name: str, value: Any) -> Any:
    """A value of a field, whose name goes into the error."""
    try:
        return cell(value)
    except ColumnsError as error:
        raise ColumnsError(f"{name}: {error}") from None


def encoded(row: Mapping[str, Any]) -> bytes:
    """A row as an object of JSON."""
    return json.dumps({str(name): member(str(name), value) for name, value in row.items()},
                      ensure_ascii=False, separators=(",", ":")).encode()


def rows_of(frame: Frame, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    """The rows of a data frame; of those columns alone where they are given."""
    names = [str(name) for name in frame.columns]
    kept = [place for place, name in enumerate(names) if columns is None or name in columns]
    for values in frame.itertuples(index=False, name=None):
        yield {names[place]: values[place] for place in kept}


def batches(rows: Sequence[bytes], max_rows: int, max_bytes: int) -> Iterator[list[bytes]]:
    """The rows in their order, in parts of so many at most; a row that is larger is a part of its
    own."""
    part: list[bytes] = []
    size = 0
    for row in rows:
        if part and (len(part) == max_rows or size + len(row) + 1 > max_bytes):
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row) + 1
    if part:
        yield part
