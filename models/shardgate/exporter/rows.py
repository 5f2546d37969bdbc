"""Rows of a file, as the columns of a model: CSV, or Parquet where pyarrow is installed."""

import csv
from pathlib import Path

import numpy as np
import pandas

from . import dialect
from ..errors import ExportError
from .exporting import first_line
from .inputs import Input, Inputs

# As `shardgate import` reads them.
NULL_WORDS = {"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "null", "NULL", "Null",
              "None", "none", "nil", r"\N"}
# Of columns of text: `NA` is Namibia, too.
TEXT_NULL_WORDS = {"", r"\N"}
TRUTH = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
PARQUET = b"PAR1"
# A text may be a page long.
csv.field_size_limit(1 << 24)


def read_rows(path: Path, inputs: Inputs) -> pandas.DataFrame:
    """The rows of a file: numbers as the float32 that the gateway's store would hold unless told
    otherwise, texts as they are, and None for a text that is missing.

    Where a model doesn't say whether the categories of a column are texts, the rows do: `inputs`
    knows it then.
    """
    with path.open("rb") as file:
        is_parquet = file.read(4) == PARQUET
    cells = _read_parquet(path, inputs) if is_parquet else _read_csv(path, inputs)
    return _settled(cells, inputs, str(path))


def rows_of_frame(frame: pandas.DataFrame, inputs: Inputs, source: str) -> pandas.DataFrame:
    """The same of a data frame's rows."""
    return _settled(_cells_of(frame, inputs, source), inputs, source)


class RowSource:
    """Real rows: a file, or a data frame."""

    def __init__(self, rows: Path | pandas.DataFrame) -> None:
        self.rows = rows

    def of_model(self, inputs: Inputs) -> pandas.DataFrame:
        """The columns that a model reads."""
        if isinstance(self.rows, Path):
            return read_rows(self.rows, inputs)
        return rows_of_frame(self.rows, inputs, "rows")

    def others(self, names: list[str]) -> pandas.DataFrame:
        """Columns that it does not read, as pandas tells their types."""
        frame, source = self.rows, "rows"
        if isinstance(frame, Path):
            source = str(frame)
            with frame.open("rb") as file:
                is_parquet = file.read(4) == PARQUET
            try:
                frame = pandas.read_parquet(frame) if is_parquet else _as_pandas_reads(frame, names)
            except UnicodeDecodeError as error:
                raise ExportError(f"{source}: {_not_utf8(error)}") from error
            except (ValueError, ImportError) as error:
                raise ExportError(f"{source}: {first_line(error)}") from error
        frame = frame.set_axis([str(name) for name in frame], axis=1)
        absent = [name for name in names if name not in frame]
        if absent:
            raise ExportError(f"{source}: no column {', '.join(absent)}, which an expression reads; "
                              f"there is: {', '.join(frame)}")
        return frame[names].reset_index(drop=True)


def _as_pandas_reads(path: Path, names: list[str]) -> pandas.DataFrame:
    """A file of CSV, with the types that pandas finds."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        form = dialect.of(file, names)
        return pandas.read_csv(file, sep=form.delimiter, decimal="," if form.has_comma else ".")


def _settled(cells: dict[str, list], inputs: Inputs, source: str) -> pandas.DataFrame:
    for column in inputs.columns:
        if column.is_open:
            _settle(column, cells[column.name])
    return typed(cells, inputs, source)


def _cells_of(frame: pandas.DataFrame, inputs: Inputs, source: str) -> dict[str, list]:
    _ensure_there(source, [str(name) for name in frame], inputs)
    if frame.empty:
        raise ExportError(f"{source}: no rows")
    named = frame.set_axis([str(name) for name in frame], axis=1)
    return {name: named[name].astype(object).where(named[name].notna(), None).tolist()
            for name in inputs.names}


def typed(cells, inputs: Inputs, source: str = "the rows") -> pandas.DataFrame:
    """The columns of a model among `cells`, by their names, as the gateway would hold them."""
    return pandas.DataFrame({
        column.name: _typed(source, column, list(cells[column.name])) for column in inputs.columns
    })


def _read_csv(path: Path, inputs: Inputs) -> dict[str, list]:
    """The cells of each column."""
    rows = []
    line = 1
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            form = dialect.of(file, inputs.names)
            reader = csv.DictReader(file, strict=True, delimiter=form.delimiter)
            _ensure_there(str(path), list(reader.fieldnames or []), inputs)
            for row in reader:
                line = reader.line_num
                rows.append([cell(form.pointed(row[column.name], column), column)
                             for column in inputs.columns])
        except UnicodeDecodeError as error:
            raise ExportError(f"{path}: {_not_utf8(error)}") from error
        except (ValueError, csv.Error) as error:
            raise ExportError(f"{path}, line {max(line, reader.line_num)}: {error}") from error
    if not rows:
        raise ExportError(f"{path}: no rows")
    return {column.name: list(cells) for column, cells in zip(inputs.columns, zip(*rows))}


def _not_utf8(error: UnicodeDecodeError) -> str:
    """What a file is that is no UTF-8, and what to do."""
    first = error.object[error.start]
    coding = "UTF-16" if error.start == 0 and first in (0xFE, 0xFF) else "WINDOWS-1252"
    return (f"not UTF-8 (byte 0x{first:02X}): convert it, as with iconv -f {coding} -t UTF-8, save it from "
            "Excel as \"CSV UTF-8\", or give a data frame in Python: "
            f"pandas.read_csv(…, encoding=\"{coding.lower()}\")")


def _read_parquet(path: Path, inputs: Inputs) -> dict[str, list]:
    try:
        frame = pandas.read_parquet(path)
    except ImportError as error:
        raise ExportError(f"{path} is Parquet, which needs pyarrow: pip install pyarrow, or give "
                          "the rows as CSV") from error
    except Exception as error:
        raise ExportError(f"{path}: {first_line(error)}") from error
    return _cells_of(frame, inputs, str(path))


def _ensure_there(source: str, found: list[str], inputs: Inputs) -> None:
    absent = [name for name in inputs.names if name not in found]
    if absent:
        raise ExportError(f"{source}: no column {', '.join(absent)}; there is: {', '.join(found)}")


def cell(text: str | None, column: Input) -> str | float | None:
    """A field's value: None, or NaN, where it isn't known."""
    if text is None:
        raise ValueError(f"no field for {column.name}")
    if column.is_text or column.is_open:
        return None if text in TEXT_NULL_WORDS else text
    text = text.strip()
    if text in NULL_WORDS:
        return np.nan
    try:
        return TRUTH[text] if text in TRUTH else float(text)
    except ValueError:
        advice = (": write it without separators of thousands" if dialect.HAS_THOUSANDS.fullmatch(text)
                  else "")
        raise ValueError(f"{column.name}: {text!r} isn't a number, and the model knows no texts "
                         f"there{advice}") from None


def _settle(column: Input, cells: list) -> None:
    """Categories are texts, unless all of them are whole numbers."""
    def is_whole(value) -> bool:
        try:
            return int(str(value)) == float(value)
        except ValueError:
            return False

    known = [value for value in cells if value is not None]
    column.is_text = not known or not all(map(is_whole, known))
    column.is_open = False


def _typed(source: str, column: Input, cells: list) -> pandas.Series:
    if column.is_text:
        odd = [value for value in cells if value is not None and not isinstance(value, str)]
        if odd:
            raise ExportError(f"{source}: {column.name}: {odd[0]!r} is no text, and the model knows "
                              "texts there: write the column as text")
        return pandas.Series(cells, dtype=object)
    try:
        values = np.array([np.nan if value is None else value for value in cells], np.float64)
    except (TypeError, ValueError):
        odd = next(value for value in cells if isinstance(value, str) or value is not None
                   and not np.isscalar(value))
        raise ExportError(f"{source}: {column.name}: {odd!r} isn't a number, and the model knows no "
                          "texts there") from None
    if column.is_wide or column.is_double:
        return pandas.Series(values)
    with np.errstate(over="ignore"):
        return pandas.Series(values.astype(np.float32))
