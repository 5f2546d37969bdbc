"""Turns a pickled estimator into a model that the gateway serves.

    python models/export.py model.pkl --columns a,b,c --name NAME

writes NAME/model.toml, NAME/1/model.onnx and NAME/golden.csv, after comparing the ONNX graph with
the estimator's own scores. Any scikit-learn estimator that skl2onnx knows; the scikit-learn
wrappers of LightGBM, XGBoost (both also inside a pipeline) and CatBoost where they are installed.
"""

import argparse
import csv
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import is_classifier

from artefacts import Description, column_of, write_model, write_scored_rows
from exporting import (
    DIFFERENCE_MAX, ExportError, compare, library_scores, onnx_scores, score_output, to_onnx,
)
from folding import is_foldable, to_folded_onnx
from sampling import generated_rows

WARNING = "warning: loading a pickle runs the code in it; export only files that you trust"


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Turns a pickled estimator into a model that the gateway serves.",
        epilog=WARNING,
    )
    parser.add_argument("pickle", type=Path, help="made by pickle or joblib")
    parser.add_argument("--columns", required=True, metavar="a,b,c",
                        help="the features' names, in the order that the model was fitted on")
    parser.add_argument("--name", required=True, help="the model's name, and its folder's")
    parser.add_argument("--class", dest="score_class", metavar="CLASS",
                        help="the class whose probability is the score, by label or index; "
                             "the last one of two by default")
    parser.add_argument("--output-dir", type=Path, default=Path("."), metavar="DIR",
                        help="where the model's folder is made (here by default)")
    parser.add_argument("--rows", type=Path, metavar="FILE.csv",
                        help="real rows to compare with and to take defaults and quantiles from; "
                             "empty fields are missing values. Made up by default")
    parser.add_argument("--double", action="store_true",
                        help="give the graph float64 inputs, for models that float32 isn't "
                             "precise enough for")
    return parser.parse_args(given)


def load(path: Path):
    """The estimator in a pickle. What a pickle can raise is anything, so all of it is caught."""
    try:
        return joblib.load(path)
    except OSError:
        raise
    except Exception as error:
        raise ExportError(f"{path}: not a pickle that loads here: {error!r}") from error


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


def checked_class(model, chosen: str | None) -> int | None:
    """The index of the class that is the score; None for a regressor."""
    if not is_classifier(model):
        if chosen is not None:
            raise ExportError("--class: the model is a regressor and has no classes")
        return None
    labels = [str(label) for label in model.classes_]
    if chosen is None:
        if len(labels) != 2:
            raise ExportError(f"--class: choose the score's class, one of {', '.join(labels)}")
        return 1
    if chosen in labels:
        return labels.index(chosen)
    if chosen.isdigit() and int(chosen) < len(labels):
        return int(chosen)
    raise ExportError(f"--class: {chosen} isn't one of {', '.join(labels)}")


def read_rows(path: Path, columns: list[str]) -> np.ndarray:
    """The columns of a CSV, as the float32 that the gateway's store would hold."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        absent = [name for name in columns if name not in (reader.fieldnames or [])]
        if absent:
            raise ExportError(f"{path}: no column {', '.join(absent)}")
        rows = []
        for row in reader:
            try:
                rows.append([float(row[name] or "nan") for name in columns])
            except (TypeError, ValueError) as error:
                raise ExportError(f"{path}, line {reader.line_num}: {error}") from error
    if not rows:
        raise ExportError(f"{path}: no rows")
    return np.array(rows, dtype=np.float32)


def takes_missing(model, width: int) -> bool:
    """Whether the library scores a row with missing values instead of refusing it."""
    try:
        return bool(np.isfinite(library_scores(model, np.full((1, width), np.nan))).all())
    except ValueError:
        return False


def library_of(model) -> str:
    """The package that made the estimator, with its version."""
    package = type(model).__module__.split(".")[0]
    version = getattr(sys.modules[package], "__version__", "")
    return f"{package.replace('sklearn', 'scikit-learn')} {version}".strip()


def export(options: argparse.Namespace) -> tuple[Path, float, int]:
    """Writes the model's folder; returns it, the largest difference, and of how many rows."""
    print(WARNING, file=sys.stderr)
    model = load(options.pickle)
    columns = checked_columns(model, options.columns)
    score_class = checked_class(model, options.score_class)
    if not options.double and is_foldable(model):
        proto = to_folded_onnx(model, columns, options.name)
    else:
        proto = to_onnx(model, columns, options.name, double=options.double)
    missing = takes_missing(model, len(columns))
    if options.rows:
        rows = read_rows(options.rows, columns)
        training = rows
    else:
        rows = generated_rows(proto, len(columns), 200, missing)
        training = np.full((1, len(columns)), np.nan)
    expected, found = library_scores(model, rows), onnx_scores(proto, rows)
    difference = compare(expected, found)
    if difference > DIFFERENCE_MAX:
        raise ExportError(
            f"the graph's scores differ by {difference:.1e} from {type(model).__name__}'s, "
            f"allowed {DIFFERENCE_MAX:.0e}"
            + ("" if options.double else "; --double may help")
        )
    about = Description(
        description=f"{type(model).__name__} exported from {options.pickle.name}",
        tensor=score_output(proto),
        score_class=score_class if found.shape[1] > 1 else None,
        metadata={"library": library_of(model)},
    )
    folder = options.output_dir / options.name
    nan = "missing" if missing else "default"
    described = [column_of(name, training[:, i], nan) for i, name in enumerate(columns)]
    write_model(folder, proto, about, described)
    scores = expected[:, 0 if score_class is None or expected.shape[1] == 1 else score_class]
    write_scored_rows(folder / "golden.csv", columns, rows, scores)
    return folder, difference, len(rows)


def main() -> int:
    options = arguments()
    try:
        folder, difference, count = export(options)
    except (ExportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: {count} rows agree, largest difference {difference:.1e}")
    if not options.rows:
        print("Every column's default is 0: with --rows FILE.csv they are medians instead.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
