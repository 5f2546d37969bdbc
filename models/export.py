"""Turns a pickled estimator into a model that the gateway serves.

    python models/export.py model.pkl --columns a,b,c --name NAME

writes models/NAME/model.toml and a new version, NAME/1/model.onnx with NAME/1/golden.csv, after the
gateway itself has scored as the estimator does. Any scikit-learn estimator that skl2onnx knows; the
scikit-learn wrappers of LightGBM, XGBoost (both also inside a pipeline) and CatBoost where they are
installed.
"""

import argparse
import csv
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from sklearn.base import is_classifier

import gateway
import publishing
from artefacts import Column, Description, column_of, write_scored_rows
from exporting import (
    DIFFERENCE_MAX, ELSEWHERE, ExportError, compare, first_line, library_scores, onnx_scores, score_output,
    to_onnx,
)
from folding import is_foldable, to_folded_onnx
from loading import load
from sampling import generated_rows

WARNING = "warning: loading a pickle runs the code in it; export only files that you trust"
REPOSITORY = Path(__file__).resolve().parent
# As `shardgate import` reads them.
NULL_WORDS = {"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "null", "NULL", "Null",
              "None", "none", "nil", r"\N"}
TRUTH = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
NO_ROWS = """\
Without --rows nothing is known of the columns' usual values, so the model has no defaults: it refuses
users that the store does not know (404), values that are not known, unless the model takes them (503),
and everybody while the store does not answer (503). With --rows FILE.csv medians take their place."""


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="export.py",
        description="Turns a pickled estimator into a model that the gateway serves.",
        epilog=WARNING,
    )
    parser.add_argument("pickle", type=Path, help="made by pickle or joblib")
    parser.add_argument("--columns", required=True, metavar="a,b,c",
                        help="the features' names, in the order that the model was fitted on")
    parser.add_argument("--name", required=True, help="the model's name, and its folder's")
    parser.add_argument("--class", dest="score_class", metavar="CLASS",
                        help="the class whose probability is the score, by label or index; "
                             "the last one of two by default. Of a regressor with several targets, "
                             "the target's index")
    parser.add_argument("--version", type=int, metavar="N",
                        help="the version to write, which must not be there; the next by default")
    parser.add_argument("--output-dir", type=Path, default=REPOSITORY, metavar="DIR",
                        help="the model repository (the folder of this script by default)")
    parser.add_argument("--rows", type=Path, metavar="FILE.csv",
                        help="real rows to compare with and to take defaults and quantiles from; "
                             "empty fields are missing values. Made up by default, and then the "
                             "model has no defaults")
    parser.add_argument("--double", action="store_true",
                        help="give the graph float64 inputs, for models that float32 isn't "
                             "precise enough for")
    parser.add_argument("--gateway", type=Path, metavar="PATH",
                        help="the shardgate that is asked whether it scores alike; by default the "
                             "one that the variable SHARDGATE names, the one built here, or the one "
                             "on the PATH")
    parser.add_argument("--traceback", action="store_true",
                        help="show where in the code an error came from")
    return parser.parse_args(given)


def checked_columns(model, text: str) -> list[str]:
    """The columns' names, if they can be the model's."""
    columns = [name.strip() for name in text.split(",")]
    doubled = {name for name in columns if columns.count(name) > 1}
    if doubled or "" in columns:
        raise ExportError(f"--columns: names are empty or doubled: {sorted(doubled)}")
    width = getattr(model, "n_features_in_", 0) or len(columns)
    if width != len(columns):
        raise ExportError(f"--columns: {len(columns)} names, the model takes {width} features")
    fitted = list(getattr(model, "feature_names_in_", columns))
    made_up = [f"Column_{index}" for index in range(width)]  # by LightGBM, for plain arrays
    if fitted not in (columns, made_up):
        raise ExportError(f"--columns: the model was fitted on {','.join(fitted)}")
    return columns


def checked_class(model, chosen: str | None, width: int) -> int | None:
    """The index of the score among the `width` ones that the library gives; None where there is
    but one."""
    if not is_classifier(model):
        return checked_target(chosen, width)
    classes = model.classes_
    if isinstance(classes, list):
        raise ExportError(f"the model has {len(classes)} outputs with classes of their own: export "
                          "one estimator for each")
    labels = [str(label) for label in classes]
    if chosen is None:
        if len(labels) != 2:
            raise ExportError(f"--class: choose the score's class, one of {', '.join(labels)}")
        return 1
    if chosen in labels:
        return labels.index(chosen)
    if chosen.isdigit() and int(chosen) < len(labels):
        return int(chosen)
    raise ExportError(f"--class: {chosen} isn't one of {', '.join(labels)}")


def checked_target(chosen: str | None, width: int) -> int | None:
    """The same of a regressor."""
    if width == 1:
        if chosen is not None:
            raise ExportError("--class: the model is a regressor and has no classes")
        return None
    if chosen is None or not chosen.isdigit() or int(chosen) >= width:
        raise ExportError(f"--class: the model has {width} targets: choose the one that is the "
                          f"score, from 0 to {width - 1}")
    return int(chosen)


def read_rows(path: Path, columns: list[str]) -> np.ndarray:
    """The columns of a CSV, as the float32 that the gateway's store would hold."""
    rows = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            absent = [name for name in columns if name not in (reader.fieldnames or [])]
            if absent:
                raise ExportError(f"{path}: no column {', '.join(absent)}; there is: "
                                  f"{', '.join(reader.fieldnames or [])}")
            for row in reader:
                rows.append([cell(row[name], name) for name in columns])
        except UnicodeDecodeError as error:
            raise ExportError(f"{path}, after line {reader.line_num}: not UTF-8 (byte "
                              f"0x{error.object[error.start]:02X}): convert it, as with iconv -f "
                              "WINDOWS-1252 -t UTF-8") from error
        except (ValueError, csv.Error) as error:
            raise ExportError(f"{path}, line {reader.line_num}: {error}") from error
    if not rows:
        raise ExportError(f"{path}: no rows")
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float32)


def cell(text: str | None, column: str) -> float:
    """A field's value: NaN where it isn't known."""
    if text is None:
        raise ValueError(f"no field for {column}")
    text = text.strip()
    if text in NULL_WORDS:
        return np.nan
    try:
        return TRUTH[text] if text in TRUTH else float(text)
    except ValueError:
        raise ValueError(f"{column}: {text!r} isn't a number") from None


def takes_missing(model, width: int) -> bool:
    """Whether the library scores a row with missing values instead of refusing it."""
    try:
        return bool(np.isfinite(library_scores(model, np.full((1, width), np.nan))).all())
    except ExportError:
        return False


def library_of(model) -> str:
    """The package that made the estimator, with its version."""
    package = type(model).__module__.split(".")[0]
    version = getattr(sys.modules[package], "__version__", "")
    return f"{package.replace('sklearn', 'scikit-learn')} {version}".strip()


def described(columns: list[str], rows: np.ndarray | None, missing: bool) -> list[Column]:
    """The columns as model.toml has them. Without rows nothing is known that a value which is not
    known could be replaced by."""
    if rows is None:
        nan = "missing" if missing else "reject"
        return [Column(name, default=None, nan=nan) for name in columns]
    nan = "missing" if missing else "default"
    made = [column_of(name, rows[:, index], nan) for index, name in enumerate(columns)]
    unknown = [column.name for column, values in zip(made, rows.T) if np.isnan(values).all()]
    if unknown and not missing:
        raise ExportError(f"--rows: no row has a value of {', '.join(unknown)}, which a default "
                          "could be made of")
    for column in made:
        if column.name in unknown:
            column.default = float("nan")
    return made


def with_defaults(rows: np.ndarray, columns: list[Column]) -> np.ndarray:
    """The rows as the gateway hands them to the model."""
    defaults = np.array([np.nan if column.nan != "default" else column.default
                         for column in columns], dtype=np.float32)
    return np.where(np.isnan(rows), defaults, rows)


def graph_of(model, columns: list[str], name: str, double: bool) -> onnx.ModelProto:
    if not double and is_foldable(model):
        return to_folded_onnx(model, columns, name)
    return to_onnx(model, columns, name, double=double)


def hint_of_double(model, columns: list[str], options: argparse.Namespace, rows: np.ndarray) -> str:
    """What is to be said of --double where the graph differs: that it helps, if it does."""
    if options.double:
        return ""
    try:
        proto = graph_of(model, columns, options.name, double=True)
        difference = compare(library_scores(model, rows), onnx_scores(proto, rows))
    except ExportError:
        return ""
    return "; with --double they agree" if difference <= DIFFERENCE_MAX else ""


@dataclass
class Exported:
    """What came of an export."""

    place: publishing.Place
    rows: int
    difference_onnx_runtime: float
    difference_gateway: float
    keeps_manifest: bool


def export(options: argparse.Namespace) -> Exported:
    """Writes a new version of the model, if the gateway scores as the library does."""
    print(WARNING, file=sys.stderr)
    place = publishing.place_for(options.output_dir, options.name, options.version)
    program = gateway.find(options.gateway)
    model = load(options.pickle)
    columns = checked_columns(model, options.columns)
    missing = takes_missing(model, len(columns))
    given = read_rows(options.rows, columns) if options.rows else None
    about_columns = described(columns, given, missing)
    proto = graph_of(model, columns, options.name, options.double)
    rows = given if given is not None else generated_rows(proto, len(columns), 200, missing)
    asked = with_defaults(rows, about_columns)
    try:
        expected = library_scores(model, asked)
    except ExportError as error:
        if given is not None:
            raise
        raise ExportError(f"{error}; the rows were made up: give real ones by --rows FILE.csv"
                          ) from error
    score_class = checked_class(model, options.score_class, expected.shape[1])
    found = onnx_scores(proto, asked)
    difference = compare(expected, found)
    if difference > DIFFERENCE_MAX:
        raise ExportError(
            f"the graph's scores differ by {difference:.1e} from {type(model).__name__}'s, "
            f"allowed {DIFFERENCE_MAX:.0e}"
            + (hint_of_double(model, columns, options, asked) or ELSEWHERE)
        )
    about = Description(
        description=f"{type(model).__name__} exported from {options.pickle.name}",
        tensor=score_output(proto),
        score_class=score_class if found.shape[1] > 1 else None,
        metadata={"library": library_of(model)},
        policies={} if given is not None else {"on_missing": "reject", "on_error": "reject"},
    )
    scores = expected[:, 0 if score_class is None or expected.shape[1] == 1 else score_class]
    # What reads float64 must read the float32 itself, not the shortest number that rounds to it.
    written = rows.astype(np.float64) if options.double else rows
    manifest, is_kept = publishing.manifest_for(place, about, about_columns)
    with tempfile.TemporaryDirectory() as temporary:
        tried = Path(temporary).resolve() / options.name
        # What somebody wrote by hand may name other versions, which aren't there: it isn't asked.
        text = publishing.model_toml(about, about_columns)
        publishing.write(tried, place.version, proto, text,
                         lambda path: write_scored_rows(path, columns, written, scores))
        difference_gateway = gateway.ask(program, tried, len(rows))
        publishing.publish(place, tried, None if is_kept else manifest)
    return Exported(place, len(rows), difference, difference_gateway, is_kept)


def main(given: list[str] | None = None) -> int:
    options = arguments(given)
    try:
        done = export(options)
    except Exception as error:  # A converter can raise anything, and its user wants one line.
        if options.traceback:
            traceback.print_exc()
        is_ours = isinstance(error, (ExportError, OSError))
        said = str(error) if is_ours else (
            f"{type(error).__name__}: {first_line(error)}: that is a fault of export.py or of a "
            "converter; --traceback shows where")
        print(f"export.py: error: {' '.join(said.split())}", file=sys.stderr)
        return 1
    print(f"{done.place.version_folder}: {done.rows} rows agree; the largest difference is "
          f"{done.difference_gateway:.1e} by the gateway and {done.difference_onnx_runtime:.1e} by "
          "ONNX Runtime")
    if done.keeps_manifest:
        print(f"{done.place.folder / 'model.toml'} was edited by hand, fits, and was left as it is.")
    elif not options.rows:
        print(NO_ROWS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
