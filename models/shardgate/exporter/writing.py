"""An estimator becomes a new version of a model, if the gateway scores as the estimator does."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas

from . import answers
from . import background
from . import calibrating
from . import computed
from . import curves
from . import expressions
from . import gateway
from . import publishing
from ..entity import Entity
from ..errors import ExportError
from ..exported import Exported
from .artefacts import Description, write_frame
from .describing import described, require, scored_rows
from .exporting import DIFFERENCE_MAX, ELSEWHERE
from .rows import RowSource
from .sources import Sources, sources_of
from .subjects import library_of


@dataclass(kw_only=True)
class Options:
    """What is to be exported, and how: the flags of the command."""

    name: str
    output_dir: Path
    columns: list[str] | None = None
    score_class: str | None = None
    version: int | None = None
    ranges: bool = False
    required: bool = False
    double: bool = False
    source: str = "store"
    entities: dict[str, Entity] = field(default_factory=dict)
    expressions: dict[str, str] = field(default_factory=dict)
    probabilities: bool = False
    label: bool = False
    bands: str | None = None
    points: float | None = None
    odds: float | None = None
    pdo: float | None = None
    adverse: str | None = None
    explain: bool = False
    background: int | None = None
    # A path, or a fitted calibrator.
    calibration: Any = None
    gateway: Path | None = None


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


def written(model: Callable[[], Any], options: Options, real: RowSource | None,
            origin: str) -> Exported:
    """Writes a new version of the model that `model` loads, if the gateway scores as its library
    does. `real` has real rows, `origin` is where the model came from."""
    place = publishing.place_for(options.output_dir, options.name, options.version)
    program = gateway.find(options.gateway)
    subject = calibrating.subject_of(model(), options.columns, options.name, options.double)
    sources = sources_of(options.entities, options.expressions, options.source, subject.inputs.names)
    given = real.of_model(subject.inputs) if real else None
    expressions.learn(sources, subject.inputs.names, lambda names: real.others(names) if real else None)
    subject.learn(given)
    about_columns = described(subject, given, options.double, options.ranges)
    if options.required:
        require(about_columns, sources, given)
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
        description=f"{type(subject.model).__name__} exported from {origin}",
        tensor=subject.tensor,
        score_class=score_class if opinion.width > 1 else None,
        metadata={"library": library_of(subject.model)},
        policies=policies_of(given, sources, subject.inputs.names),
        sources=sources,
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
        notes += computed.ensure_computed(program, tried, about, about_columns, given, real)
        difference_gateway = gateway.ask(program, tried, len(rows))
        publishing.publish(place, tried, None if is_kept else manifest)
    return Exported(place.folder, place.version, len(rows), opinion.difference, difference_gateway,
                    is_kept, notes)


def policies_of(given: pandas.DataFrame | None, sources: Sources,
                columns: list[str]) -> dict[str, object]:
    """What becomes of rows without features: without rows, no column has a default."""
    if given is not None or not sources.needs_store(columns):
        return {}
    return {"on_missing": "reject", "on_error": "reject"}


def said_of_class(labels: list, score_class: int, width: int) -> str:
    """Which class the score stands for, in words."""
    kind = "the probability of" if width > 1 else "the margin of"
    others = ", ".join(str(label) for label in labels)
    return f"The score is {kind} class {labels[score_class]} (of {others}); --class chooses another."
