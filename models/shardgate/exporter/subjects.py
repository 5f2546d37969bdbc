"""What is exported: an estimator that becomes a graph, or a model that its library writes itself.

Both say which columns they read, score rows as their library does, and give the bytes of a version's
file.
"""

import dataclasses
import sys

import numpy as np
import onnx
import pandas
from sklearn.base import is_classifier

from . import native
from ..errors import ExportError
from .exporting import (
    DIFFERENCE_MAX, compare, decision_options, ensure_no_words, library_scores, onnx_scores,
    score_output, to_onnx,
)
from .folding import is_foldable, to_folded_onnx
from .inputs import Inputs, inputs_of, is_permuted, used_names
from .native import Native
from .sampling import generated_frame, generated_rows, spread_rows


def subject_of(model, columns: list[str] | None, name: str, double: bool) -> "Estimator | Booster":
    """What `--columns` and the model itself say together."""
    if native.library_of_native(model):
        return Booster(native.read_native(model), columns)
    return Estimator(model, columns, name, double)


def checked_columns(fitted: list[str] | None, made_up: list[str], width: int,
                    columns: list[str] | None) -> list[str]:
    """The columns' names: those that the model was fitted on, or for an array those of `--columns`."""
    if columns is None:
        if fitted is None or fitted == made_up:
            raise ExportError(
                "--columns: the model was fitted on a plain array, so it knows no names: give those "
                f"of its {width or '…'} columns, in order, as --columns a,b,c")
        return fitted
    doubled = {name for name in columns if columns.count(name) > 1}
    if doubled or "" in columns:
        raise ExportError(f"--columns: names are empty or doubled: {sorted(doubled)}")
    if width and width != len(columns):
        raise ExportError(f"--columns: {len(columns)} names, the model takes {width} features")
    if fitted is not None and fitted not in (columns, made_up):
        raise ExportError(f"--columns: the model was fitted on {','.join(fitted)}: leave --columns "
                          "out")
    return columns


@dataclasses.dataclass
class Opinion:
    """What another program makes of the file: its largest difference, where it was asked, and how
    many scores a row has."""

    difference: float | None
    width: int


class Estimator:
    """An estimator of scikit-learn, whose file is a graph."""

    file = "model.onnx"
    takes_unknown = True
    # What [output] says of it besides the score, and the texts of the files beside its own.
    own_output: dict = {}
    beside: dict[str, str] = {}

    def __init__(self, model, columns: list[str] | None, name: str, double: bool):
        self.model, self.name, self.is_double = model, name, double
        ensure_no_words(model)
        names = getattr(model, "feature_names_in_", None)
        fitted = None if names is None else [str(name) for name in names]
        width = getattr(model, "n_features_in_", 0) or 0
        chosen = checked_columns(fitted, made_up("Column_", width), width, columns)
        is_named = names is not None
        if is_named and fitted == made_up("Column_", width) and fitted != chosen:
            is_named = False
        self.inputs = inputs_of(model, used_names(model, chosen) if is_named else chosen, is_named)
        self.is_split = is_permuted(model, self.inputs.names) or any(
            column.is_text or column.is_wide for column in self.inputs.columns)
        self.labels = None
        if is_classifier(model):
            if isinstance(model.classes_, list):
                raise ExportError(f"the model has {len(model.classes_)} outputs with classes of "
                                  "their own: export one estimator for each")
            self.labels = list(model.classes_)
        self._proto: onnx.ModelProto | None = None

    @property
    def proto(self) -> onnx.ModelProto:
        if self._proto is None:
            self._proto = self._graph(self.is_double)
        return self._proto

    def _graph(self, double: bool) -> onnx.ModelProto:
        if self.is_split:
            return to_onnx(self.model, self.inputs.names, self.name, double, split=self.inputs,
                           options=decision_options(self.model))
        if not double and is_foldable(self.model):
            return to_folded_onnx(self.model, self.inputs.names, self.name)
        return to_onnx(self.model, self.inputs.names, self.name, double,
                       options=decision_options(self.model))

    def saved(self) -> bytes:
        return self.proto.SerializeToString(deterministic=True)

    @property
    def tensor(self) -> str:
        return score_output(self.proto)

    def learn(self, rows: pandas.DataFrame | None) -> None:
        """Takes from rows what the model itself doesn't know."""

    def scores(self, rows: pandas.DataFrame) -> np.ndarray:
        if self.is_split:
            return library_scores(self.model, self.inputs.as_trained(rows))
        return library_scores(self.model, self.inputs.numbers(rows), self.inputs.names)

    def generated(self, count: int, with_missing: bool) -> pandas.DataFrame:
        """Rows to compare with where nobody gave any."""
        if self.is_split:
            return spread_rows(self.inputs, count, with_missing)
        rows = generated_rows(self.proto, len(self.inputs.columns), count, with_missing)
        return pandas.DataFrame(rows, columns=self.inputs.names)

    def second_opinion(self, rows: pandas.DataFrame, expected: np.ndarray) -> "Opinion":
        """ONNX Runtime's. It knows no missing texts: those rows are left to the gateway."""
        if not self.is_split:
            found = onnx_scores(self.proto, self.inputs.numbers(rows))
            return Opinion(compare(expected, found), found.shape[1])
        kept = ~rows[[column.name for column in self.inputs.columns
                      if column.is_text or column.is_wide]].isna().any(axis=1).to_numpy()
        if not kept.any():
            return Opinion(None, expected.shape[1])
        found = onnx_scores(self.proto, rows[kept])
        return Opinion(compare(expected[kept], found), found.shape[1])

    def hint(self, rows: pandas.DataFrame) -> str:
        """What is to be said of --double where the graph differs: that it helps, if it does."""
        if self.is_double:
            return ""
        try:
            given = rows if self.is_split else self.inputs.numbers(rows)
            difference = compare(self.scores(rows), onnx_scores(self._graph(double=True), given))
        except ExportError:
            return ""
        return "; with --double they agree" if difference <= DIFFERENCE_MAX else ""


class Booster:
    """A model of LightGBM, XGBoost or CatBoost, whose file is its library's own."""

    tensor = "prediction"
    own_output: dict = {}
    beside: dict[str, str] = {}
    is_split = True
    # LightGBM compares 64-bit floats, and the others know how to round them.
    is_double = True

    def __init__(self, model: Native, columns: list[str] | None):
        self.native, self.model = model, model.model
        self.takes_unknown = model.takes_unknown
        names = [column.name for column in model.columns]
        chosen = checked_columns(names, model.made_up_names, len(names), columns)
        renamed = [dataclasses.replace(column, name=name, is_double=True)
                   for column, name in zip(model.columns, chosen)]
        # What the library wants is a frame where it has categories, whatever its columns are called.
        has_categories = any(column.is_category or column.is_open for column in renamed)
        self.inputs = Inputs(renamed, is_named=has_categories or not model.made_up_names)

    @property
    def file(self) -> str:
        return self.native.file

    @property
    def labels(self) -> list | None:
        return self.native.labels

    def learn(self, rows: pandas.DataFrame | None) -> None:
        self.native.learn(self.inputs, rows)

    def saved(self) -> bytes:
        return self.native.saved()

    def scores(self, rows: pandas.DataFrame) -> np.ndarray:
        return self.native.scores(self.inputs, rows)

    def generated(self, count: int, with_missing: bool) -> pandas.DataFrame:
        """Rows to compare with where nobody gave any."""
        if any(column.is_open for column in self.inputs.columns):
            raise ExportError("--rows: a file of CatBoost holds no texts, only their hashes: give "
                              "real rows by --rows FILE to compare with")
        return generated_frame(self.inputs, self.native.thresholds(), count, with_missing,
                               kind=self.native.kind)

    def second_opinion(self, rows: pandas.DataFrame, expected: np.ndarray) -> "Opinion":
        """Nobody else reads its file."""
        return Opinion(None, expected.shape[1])

    def hint(self, rows: pandas.DataFrame) -> str:
        return ""


def made_up(prefix: str, width: int) -> list[str]:
    """The names that LightGBM makes up for plain arrays."""
    return [f"{prefix}{place}" for place in range(width)]


def library_of(model) -> str:
    """The package that made the estimator, with its version."""
    package = type(model).__module__.split(".")[0]
    version = getattr(sys.modules[package], "__version__", "")
    return f"{package.replace('sklearn', 'scikit-learn')} {version}".strip()
