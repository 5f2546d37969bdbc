"""What model.toml says of columns, and the rows that the gateway is asked about."""

import numpy as np
import pandas

from .artefacts import Column, column_of, float32_text, shares_of
from ..errors import ExportError
from .inputs import Input
from .sources import Sources


def described(subject, rows: pandas.DataFrame | None, double: bool, ranges: bool) -> list[Column]:
    """The columns as model.toml has them. Without rows nothing is known that a value which is not
    known could be replaced by."""
    takes_numbers = takes_missing(subject, rows, lambda column: not column.is_text)
    columns = []
    for column in subject.inputs.columns:
        cells = None if rows is None else rows[column.name]
        if column.is_text:
            takes = takes_missing(subject, rows, lambda other, own=column: other is own)
            columns.append(text_column(column, cells, takes))
        else:
            columns.append(number_column(column, cells, takes_numbers, double, ranges))
    unknown = [column.name for column in columns if rows is not None and column.type != "text"
               and column.default is None and column.nan == "default"]
    if unknown:
        raise ExportError(f"--rows: no row has a value of {', '.join(unknown)}, which a default "
                          "could be made of")
    return columns


def require(columns: list[Column], sources: Sources, rows: pandas.DataFrame | None) -> None:
    """Has requests bring each of their columns that no row lacks."""
    if rows is None:
        raise ExportError("--required: --rows FILE has to show which columns are never missing")
    chosen = [column for column in columns if sources.of(column.name).get("source") == "request"]
    if not chosen:
        raise ExportError("--required: no column comes from requests: --source request says that they do")
    for column in chosen:
        column.required = bool(rows[column.name].notna().all())


def takes_missing(subject, rows: pandas.DataFrame | None, chosen) -> bool:
    """Whether the library scores a row in which the columns that are `chosen` are missing, instead
    of refusing it."""
    def cell(column: Input):
        if chosen(column):
            return None if column.is_text else np.nan
        if column.is_text or column.categories:
            return next(iter(column.categories or []), _any_of(rows, column))
        return np.float32(0)

    try:
        made = pandas.DataFrame({
            column.name: pandas.Series([cell(column)], dtype=object if column.is_text else None)
            for column in subject.inputs.columns})
        return bool(np.isfinite(subject.scores(made)).all())
    except ExportError:
        return False


def _any_of(rows: pandas.DataFrame | None, column: Input) -> str:
    known = [] if rows is None else rows[column.name].dropna().tolist()
    return known[0] if known else ""


def number_column(column: Input, cells: pandas.Series | None, takes: bool, double: bool,
                  ranges: bool) -> Column:
    kind = "bigint" if column.is_wide else "double" if double or column.is_double else "float"
    if cells is None:
        return Column(column.name, default=None, nan="missing" if takes else "reject", type=kind)
    values = cells.to_numpy(np.float64)
    made = column_of(column.name, cells.to_numpy(),
                     "missing" if takes else "default", type=kind)
    if np.isnan(values).all():
        made.default = float("nan") if takes else None
    elif column.categories or column.is_wide:
        # The most frequent one: between two categories lies none.
        most_frequent = float(cells.mode().iloc[0])
        made.default = int(most_frequent) if column.is_wide else most_frequent
        made.quantiles = []
    if ranges and not column.categories and not np.isnan(values).all():
        made.range = (float(np.nanmin(values)), float(np.nanmax(values)))
    return made


def text_column(column: Input, cells: pandas.Series | None, takes: bool) -> Column:
    """The default is what an imputer of the model puts in, the word that stands for a missing text in
    the model's graph, or the most frequent text that the model knows."""
    made = Column(column.name, default=None, type="text",
                  nan="missing" if takes else "reject" if cells is None else "default")
    if column.fill is not None and column.fill in (column.categories or [column.fill]):
        made.nan, made.default = "default", column.fill
    elif column.word is not None and takes:
        made.nan, made.default = "default", column.word
    elif cells is not None:
        known = cells.dropna()
        if column.categories is not None:
            known = known[known.isin(column.categories)]
        if not known.empty:
            made.default = str(known.value_counts(sort=True).sort_index(kind="stable").idxmax())
    if cells is not None and column.categories:
        made.shares = shares_of(cells, column.texts)
    # A text that an imputer puts in, and that no encoder knows, has no place in model.toml.
    if column.fill not in (None, made.default) or (made.nan == "default" and made.default is None):
        made.nan = "reject"
    return made


def scored_rows(subject, given: pandas.DataFrame | None, columns: list[Column]):
    """(notes, rows as golden.csv has them, rows as the model gets them, the library's scores)."""
    takes = any(column.nan == "missing" for column in columns if column.type != "text")
    rows = given if given is not None else subject.generated(200, takes)
    rows, notes = without_refused(with_texts(rows, columns), columns)
    rows, more = without_unanswered(subject, rows)
    notes += more
    asked = with_defaults(rows, columns)
    try:
        return notes, rows, asked, subject.scores(asked)
    except ExportError as error:
        if given is not None:
            raise
        raise ExportError(f"{error}; the rows were made up: give real ones by --rows FILE.csv"
                          ) from error


def without_refused(rows: pandas.DataFrame, columns: list[Column]):
    """The rows without those that the gateway refuses: their missing texts have no answer in the
    model's file."""
    refused = [column.name for column in columns if column.type == "text" and column.nan == "reject"]
    kept = rows[refused].notna().all(axis=1)
    if kept.all():
        return rows, []
    if not kept.any():
        raise ExportError(f"--rows: no row has a value of all of {', '.join(refused)}")
    note = (f"{int((~kept).sum())} rows are left out whose missing text the gateway refuses: the "
            "model's file doesn't say what it makes of it.")
    return rows[kept].reset_index(drop=True), [note]


def with_texts(rows: pandas.DataFrame, columns: list[Column]) -> pandas.DataFrame:
    """The rows with defaults for missing texts: in golden.csv an empty text is what a model reads as
    missing."""
    filled = {column.name: column.default for column in columns
              if column.type == "text" and column.nan == "default" and column.default is not None}
    made = rows.copy()
    for name, default in filled.items():
        made[name] = made[name].where(made[name].notna(), default)
    return made


def with_defaults(rows: pandas.DataFrame, columns: list[Column]) -> pandas.DataFrame:
    """The rows as the gateway hands them to the model."""
    made = rows.copy()
    for column in columns:
        if column.type != "text" and column.nan == "default":
            # As model.toml has it.
            kind = made[column.name].dtype.type
            default = column.default if column.type == "bigint" else float32_text(column.default)
            made[column.name] = made[column.name].fillna(kind(default))
    return made


def without_unanswered(subject, rows: pandas.DataFrame) -> tuple[pandas.DataFrame, list[str]]:
    """The rows without those that no score is known of: texts that training never saw, where the
    library takes them for another one."""
    if subject.takes_unknown:
        return rows, []
    kept = np.ones(len(rows), dtype=bool)
    for column in subject.inputs.columns:
        if column.categories is not None:
            cells = rows[column.name]
            kept &= (cells.isna() | cells.isin(column.categories)).to_numpy()
    left = int((~kept).sum())
    if left == 0:
        return rows, []
    if not kept.any():
        raise ExportError("--rows: every row has a category that training never saw")
    note = (f"{left} rows with categories that training never saw are left out: the library has no "
            "score of its own for them.")
    return rows[kept].reset_index(drop=True), [note]
