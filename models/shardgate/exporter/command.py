"""Turns a pickled estimator into a model that the gateway serves.

    python -m shardgate.exporter model.pkl --name NAME --rows FILE.csv

writes models/NAME/model.toml and a new version, NAME/1/model.onnx with NAME/1/golden.csv, after the
gateway itself has scored as the estimator does. Any scikit-learn estimator that skl2onnx knows, with
columns of text where it encodes them. Models of LightGBM, XGBoost and CatBoost are written as their
libraries' own files; inside a pipeline the first two become part of its graph.
"""

import argparse
import sys
import traceback
from pathlib import Path

from . import answers
from . import background
from . import curves
from ..errors import ExportError
from .exporting import first_line
from .loading import load
from . import sources
from .rows import RowSource
from .writing import Exported, Options, written

WARNING = "warning: loading a pickle runs the code in it; export only files that you trust"
PROGRAM = "python -m shardgate.exporter"
REPOSITORY = Path("models")
# Flags that are no fields of Options.
ELSEWHERE = {"pickle", "rows", "traceback", "entity", "entity_key", "entity_table", "entity_of", "expr"}
NO_ROWS = """\
Without --rows nothing is known of the columns' usual values, so the model has no defaults: it refuses
users that the store does not know (404), values that are not known, unless the model takes them (503),
and everybody while the store does not answer (503). With --rows FILE.csv medians take their place."""


def names_of(text: str) -> list[str]:
    """The names of `a,b,c`."""
    return [name.strip() for name in text.split(",")]


def arguments(given: list[str] | None = None, repository: Path = REPOSITORY,
              program: str = PROGRAM) -> argparse.Namespace:
    """The flags, with the folder that models go into where none says another."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Turns a pickled estimator into a model that the gateway serves.",
        epilog=WARNING,
    )
    parser.add_argument("pickle", type=Path,
                        help="made by pickle or joblib, or the file that LightGBM, XGBoost or "
                             "CatBoost saved")
    parser.add_argument("--columns", metavar="a,b,c", type=names_of,
                        help="the features' names, in order, of a model that was fitted on a plain "
                             "array; one that was fitted on a data frame knows them")
    parser.add_argument("--name", required=True, help="the model's name, and its folder's")
    parser.add_argument("--class", dest="score_class", metavar="CLASS",
                        help="the class whose probability is the score, by label or index; "
                             "the last one of two numbers by default. Of a regressor with several "
                             "targets, the target's index")
    parser.add_argument("--version", type=int, metavar="N",
                        help="the version to write, which must not be there; the next by default")
    parser.add_argument("--output-dir", type=Path, default=repository, metavar="DIR",
                        help=f"the model repository ({repository} by default)")
    parser.add_argument("--rows", type=Path, metavar="FILE",
                        help="real rows to compare with and to take defaults and quantiles from, as "
                             "CSV or Parquet; empty fields are missing values. Made up by default, "
                             "and then the model has no defaults")
    parser.add_argument("--ranges", action="store_true",
                        help="write the least and the greatest number of --rows as each column's "
                             "range: the gateway takes a stored one outside for not known, and "
                             "refuses a request's")
    parser.add_argument("--required", action="store_true",
                        help="a request has to bring each of its columns of which no row of --rows lacks "
                             "a value; others may be left out, and are missing then")
    parser.add_argument("--double", action="store_true",
                        help="give the graph float64 inputs, for models that float32 isn't "
                             "precise enough for")
    parser.add_argument("--source", choices=["store", "request"], default="store",
                        help="where the columns' values come from: a feature store, by the user's id "
                             "(the default), or the request's own fields")
    sources.add_flags(parser)
    answers.add_flags(parser)
    background.add_flag(parser)
    curves.add_flags(parser)
    parser.add_argument("--gateway", type=Path, metavar="PATH",
                        help="the shardgate that is asked whether it scores alike; by default the "
                             "one that the variable SHARDGATE names, the one built here, or the one "
                             "on the PATH")
    parser.add_argument("--traceback", action="store_true",
                        help="show where in the code an error came from")
    return parser.parse_args(given)


def export(options: argparse.Namespace) -> Exported:
    """Writes a new version of the model in a file, if the gateway scores as its library does."""
    print(WARNING, file=sys.stderr)
    wanted = Options(
        **{name: value for name, value in vars(options).items() if name not in ELSEWHERE},
        entities=sources.entities_of(options), expressions=sources.expressions_of(options))
    return written(lambda: load(options.pickle), wanted,
                   RowSource(options.rows) if options.rows else None, origin=options.pickle.name)


def main(given: list[str] | None = None, repository: Path = REPOSITORY,
         program: str = PROGRAM) -> int:
    """The command. `program` is what it calls itself."""
    options = arguments(given, repository, program)
    try:
        done = export(options)
    except Exception as error:  # A converter can raise anything, and its user wants one line.
        if options.traceback:
            traceback.print_exc()
        is_ours = isinstance(error, (ExportError, OSError))
        said = str(error) if is_ours else (
            f"{type(error).__name__}: {first_line(error)}: that is a fault of export.py or of a "
            "converter; --traceback shows where")
        print(f"{program}: error: {' '.join(said.split())}", file=sys.stderr)
        return 1
    for line in done.said():
        print(line)
    if not done.keeps_manifest and not options.rows:
        print(NO_ROWS)
    return 0
