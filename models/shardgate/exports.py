"""`shardgate.export`: from a fitted estimator to a model that the gateway serves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

from .entity import Entity
from .errors import ExportError
from .exported import Exported

if TYPE_CHECKING:
    from .exporter.rows import RowSource

# Rows: a data frame, columns by their names, rows of columns, a plain array with `columns`, or the
# path of a CSV or Parquet file.
Rows = Union["DataFrame", Mapping[str, Sequence[Any]], Sequence[Mapping[str, Any]], str, Path, Any]
DataFrame = Any
# Packages that the exporter imports itself, with what installs them.
NEEDED = {"numpy", "pandas", "sklearn", "skl2onnx", "onnx", "onnxruntime", "joblib"}
FLAG = re.compile(
    r"--(class|columns|rows|name|version|double|calibration|gateway|background|points|odds|pdo"
    r"|probabilities|label|required|bands|adverse|explain|entity|entity-key|entity-table|entity-of|expr)\b(?!-)(?: (a,b,c|FILE\.csv|FILE|PATH|N)\b)?")
KEYWORDS = {"class": "score_class", "gateway": "program", "entity": "entities", "expr": "expressions",
            "entity-key": "Entity.key", "entity-table": "Entity.table", "entity-of": "Entity.of"}
IN_WORDS = {"columns a,b,c": 'columns=["a", "b", "c"]', "double": "double=True"}


def export(
    estimator: Any,
    name: str,
    *,
    rows: Rows | None = None,
    columns: Sequence[str] | None = None,
    score_class: object = None,
    output_dir: str | Path = "models",
    source: Literal["request", "store"] = "request",
    entities: Mapping[str, Entity | Sequence[str]] | None = None,
    expressions: Mapping[str, str] | None = None,
    version: int | None = None,
    ranges: bool = False,
    required: bool = False,
    double: bool = False,
    probabilities: bool = False,
    label: bool = False,
    bands: str | None = None,
    points: float | None = None,
    odds: float | None = None,
    pdo: float | None = None,
    adverse: Literal["high", "low"] | None = None,
    explain: bool = False,
    background: int | None = None,
    calibration: Any = None,
    program: str | Path | None = None,
) -> Exported:
    """Writes `output_dir/name/` with a new version of the model, which the gateway has scored as the
    estimator does.

    `estimator` is a fitted estimator or pipeline of scikit-learn, a model of LightGBM, XGBoost or
    CatBoost, a scorecard, or the path of a pickle or of a boosting library's file. `rows` are real
    rows: scores are compared on them, and defaults for missing values, quantiles and shares come from
    them. They may have more columns than the model. `columns` names those of a model that was fitted
    on a plain array. `score_class` is the class whose probability is the score: needed where labels
    are texts, or where there are three and more.

    With `source="request"` requests bring the columns; with `"store"` they come from a feature store,
    by the user's id. `entities={"merchant": ["rate"]}` has columns that come from the store's table of
    merchants, by the request's field `merchant_id`; an `Entity` says another key or table.
    `expressions={"ratio": "amount / income"}` has columns that the gateway computes, which it has tried
    on `rows`. With `required=True` a request has to bring each of its columns of which no row of `rows`
    lacks a value; it may leave out others, and all without it. The other options are those of the command, `python -m shardgate.exporter
    --help`.

    ExportError says why a model cannot be served exactly as its library computes it, and what to do.
    """
    try:
        from .exporter.exporting import first_line
        from .exporter.loading import checked_estimator, load
        from .exporter.writing import Options, written
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in NEEDED:
            raise
        raise ExportError(f"to export needs {error.name}, which isn't installed here: pip install "
                          "'shardgate[export]'") from error
    is_path = isinstance(estimator, (str, Path))
    chosen = [str(column) for column in columns] if columns is not None else None
    options = Options(
        name=name, output_dir=Path(output_dir), columns=chosen,
        score_class=None if score_class is None else str(score_class), version=version, ranges=ranges, required=required,
        double=double, source=source,
        entities={name: one if isinstance(one, Entity) else Entity(one)
                  for name, one in (entities or {}).items()},
        expressions=dict(expressions or {}), probabilities=probabilities, label=label, bands=bands,
        points=points, odds=odds, pdo=pdo, adverse=adverse, explain=explain, background=background,
        calibration=calibration, gateway=None if program is None else Path(program),
    )
    if source not in ("request", "store"):
        raise ExportError(f"source: {source!r}, expected \"request\" or \"store\"")
    try:
        done = written(
            lambda: load(Path(estimator)) if is_path else checked_estimator("the export", estimator),
            options, _source_of(rows, chosen),
            origin=Path(estimator).name if is_path else "Python")
        return replace(done, notes=list(map(as_keywords, done.notes)))
    except ExportError as error:
        raise ExportError(as_keywords(str(error))) from error
    except OSError:
        raise
    except Exception as error:  # A converter can raise anything.
        raise ExportError(f"{type(error).__name__}: {first_line(error)}: that is a fault of shardgate "
                          "or of a converter") from error


def as_keywords(text: str) -> str:
    """A message of the command, in which flags are keywords."""
    def keyword(found: re.Match[str]) -> str:
        whole = f"{found[1]} {found[2]}" if found[2] else found[1]
        named = KEYWORDS.get(found[1], found[1])
        is_key = text[found.end():found.end() + 1] in (":", ",") and not found[2]
        return IN_WORDS.get(whole, named if is_key or "." in named else f"{named}=")
    return FLAG.sub(keyword, text)


def _source_of(rows: Rows | None, columns: list[str] | None) -> "RowSource | None":
    """The rows, however they were given."""
    from .exporter.rows import RowSource
    import pandas

    if rows is None:
        return None
    if isinstance(rows, (str, Path)):
        return RowSource(Path(rows))
    if isinstance(rows, pandas.DataFrame):
        frame = rows
    elif isinstance(rows, Mapping):
        frame = pandas.DataFrame(dict(rows))
    else:
        has_names = len(rows) > 0 and isinstance(rows[0], Mapping)
        try:
            frame = pandas.DataFrame(rows, columns=None if has_names else columns)
        except ValueError as error:
            raise ExportError(f"rows: {error}") from error
    return RowSource(frame)
