"""Turns a pickled estimator into a model that the gateway serves.

    python models/export.py model.pkl --name NAME --rows FILE.csv

writes models/NAME/model.toml and a new version, NAME/1/model.onnx with NAME/1/golden.csv, after the
gateway itself has scored as the estimator does. Any scikit-learn estimator that skl2onnx knows, with
columns of text where it encodes them. Models of LightGBM, XGBoost and CatBoost are written as their
libraries' own files; inside a pipeline the first two become part of its graph.
"""

import argparse
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

import answers
import background
import calibrating
import curves
import gateway
import publishing
from artefacts import Description, write_frame
from describing import described, scored_rows
from exporting import DIFFERENCE_MAX, ELSEWHERE, ExportError, first_line
from loading import load
from rows import read_rows
from subjects import library_of

WARNING = "warning: loading a pickle runs the code in it; export only files that you trust"
REPOSITORY = Path(__file__).resolve().parent
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
    parser.add_argument("pickle", type=Path,
                        help="made by pickle or joblib, or the file that LightGBM, XGBoost or "
                             "CatBoost saved")
    parser.add_argument("--columns", metavar="a,b,c",
                        help="the features' names, in order, of a model that was fitted on a plain "
                             "array; one that was fitted on a data frame knows them")
    parser.add_argument("--name", required=True, help="the model's name, and its folder's")
    parser.add_argument("--class", dest="score_class", metavar="CLASS",
                        help="the class whose probability is the score, by label or index; "
                             "the last one of two numbers by default. Of a regressor with several "
                             "targets, the target's index")
    parser.add_argument("--version", type=int, metavar="N",
                        help="the version to write, which must not be there; the next by default")
    parser.add_argument("--output-dir", type=Path, default=REPOSITORY, metavar="DIR",
                        help="the model repository (the folder of this script by default)")
    parser.add_argument("--rows", type=Path, metavar="FILE",
                        help="real rows to compare with and to take defaults and quantiles from, as "
                             "CSV or Parquet; empty fields are missing values. Made up by default, "
                             "and then the model has no defaults")
    parser.add_argument("--ranges", action="store_true",
                        help="write the least and the greatest number of --rows as each column's "
                             "range: the gateway takes a stored one outside for not known, and "
                             "refuses a request's")
    parser.add_argument("--double", action="store_true",
                        help="give the graph float64 inputs, for models that float32 isn't "
                             "precise enough for")
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


def checked_class(labels: list | None, chosen: str | None, width: int) -> int | None:
    """The index of the score among the `width` ones that the library gives; None where there is
    but one."""
    if labels is None:
        return checked_target(chosen, width)
    named = [str(label) for label in labels]
    if chosen is None:
        if len(labels) != 2 or any(isinstance(label, str) for label in labels):
            raise ExportError(f"--class: choose the score's class, one of {', '.join(named)}")
        return 1
    if chosen in named:
        return named.index(chosen)
    if chosen.isdigit() and int(chosen) < len(labels):
        return int(chosen)
    raise ExportError(f"--class: {chosen} isn't one of {', '.join(named)}")


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


@dataclass
class Exported:
    """What came of an export."""

    place: publishing.Place
    rows: int
    difference_onnx_runtime: float | None
    difference_gateway: float
    keeps_manifest: bool
    # Notes on the score and on the rows.
    notes: list[str]


def export(options: argparse.Namespace) -> Exported:
    """Writes a new version of the model, if the gateway scores as the library does."""
    print(WARNING, file=sys.stderr)
    place = publishing.place_for(options.output_dir, options.name, options.version)
    program = gateway.find(options.gateway)
    subject = calibrating.subject_of(load(options.pickle), options.columns, options.name,
                                     options.double)
    given = read_rows(options.rows, subject.inputs) if options.rows else None
    subject.learn(given)
    about_columns = described(subject, given, options.double, options.ranges)
    notes, rows, asked, expected = scored_rows(subject, given, about_columns)
    score_class = checked_class(subject.labels, options.score_class, expected.shape[1])
    opinion = subject.second_opinion(asked, expected)
    if opinion.difference is not None and opinion.difference > DIFFERENCE_MAX:
        raise ExportError(
            f"the graph's scores differ by {opinion.difference:.1e} from "
            f"{type(subject.model).__name__}'s, allowed {DIFFERENCE_MAX:.0e}"
            + (subject.hint(asked) or ELSEWHERE)
        )
    about = Description(
        description=f"{type(subject.model).__name__} exported from {options.pickle.name}",
        tensor=subject.tensor,
        score_class=score_class if opinion.width > 1 else None,
        metadata={"library": library_of(subject.model)},
        policies={} if given is not None else {"on_missing": "reject", "on_error": "reject"},
    )
    curve = curves.standalone_of(options.calibration, subject, opinion.width)
    average = background.rows_of(options.background, given)
    said = answers.answers_of(options, subject, opinion.width, curve is not None)
    about.output, about.tables = {**subject.own_output, **said.output}, said.tables
    if subject.labels is not None:
        about.class_label = str(subject.labels[score_class])
        about.metadata["classes"] = ", ".join(map(str, subject.labels))
        notes.insert(0, said_of_class(subject.labels, score_class, expected.shape[1]))
    scores = expected[:, 0 if score_class is None or expected.shape[1] == 1 else score_class]
    if curve is not None:
        about.output.update(curve.output)
        scores = curve.scores(scores)
    if given is not None:
        is_margin = opinion.width == 1 and curve is None
        about.output.update(answers.shares_of(scores, subject, is_margin))
    manifest, is_kept = publishing.manifest_for(place, about, about_columns)
    with tempfile.TemporaryDirectory() as temporary:
        tried = Path(temporary).resolve() / options.name
        # What somebody wrote by hand may name other versions, which aren't there: it isn't asked.
        text = publishing.model_toml(about, about_columns)
        files = {subject.file: subject.saved(), **subject.beside, **(curve.beside if curve else {})}
        if average is not None:
            files[background.FILE] = background.text_of(average, subject.is_double)
        publishing.write(tried, place.version, files, text,
                         lambda path: write_frame(path, rows, scores, subject.is_double))
        difference_gateway = gateway.ask(program, tried, len(rows))
        publishing.publish(place, tried, None if is_kept else manifest)
    return Exported(place, len(rows), opinion.difference, difference_gateway, is_kept, notes)


def said_of_class(labels: list, score_class: int, width: int) -> str:
    """Which class the score stands for, in words."""
    kind = "the probability of" if width > 1 else "the margin of"
    others = ", ".join(str(label) for label in labels)
    return f"The score is {kind} class {labels[score_class]} (of {others}); --class chooses another."


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
    second = ("" if done.difference_onnx_runtime is None
              else f" and {done.difference_onnx_runtime:.1e} by ONNX Runtime")
    print(f"{done.place.version_folder}: {done.rows} rows agree; the largest difference is "
          f"{done.difference_gateway:.1e} by the gateway{second}")
    for note in done.notes:
        print(note)
    if done.keeps_manifest:
        print(f"{done.place.folder / 'model.toml'} was edited by hand, fits, and was left as it is.")
    elif not options.rows:
        print(NO_ROWS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
