"""What a fitted estimator says of its columns: which of them are text, and which texts it knows."""

from dataclasses import dataclass, field

import numpy as np
import pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline

# The integers that float32 tells apart.
EXACT_MAX = 2**24
# Estimators whose columns are as the ones that they get, so that what follows tells of them too.
KEEPS_COLUMNS = ("SimpleImputer", "FunctionTransformer")
# What holds other estimators that read the same columns.
HOLDERS = ("best_estimator_", "estimator_", "estimators_", "calibrated_classifiers_")


@dataclass
class Input:
    """One column that a model reads."""

    name: str
    is_text: bool = False
    # What an encoder knows; None where nobody says.
    categories: list | None = None
    # The missing text as the library has it.
    missing: object = np.nan
    # The text that stands for the missing one in a graph, where the graph doesn't say that it does.
    word: str | None = None
    # The text that an imputer of the model puts in a missing one's place.
    fill: str | None = None
    # Whether the library wants it as a category of pandas.
    is_category: bool = False
    # Whether it holds integers that only integers hold.
    is_wide: bool = False
    # Whether it holds 64-bit floats.
    is_double: bool = False
    # A column of categories whose file doesn't say whether they are texts: its rows do.
    is_open: bool = False

    @property
    def texts(self) -> list[str]:
        """The texts that are known."""
        return [known for known in self.categories or [] if isinstance(known, str)]


@dataclass
class Inputs:
    """All columns, in the order that the model reads them."""

    columns: list[Input]
    is_named: bool = True
    by_name: dict[str, Input] = field(init=False)

    def __post_init__(self):
        self.by_name = {column.name: column for column in self.columns}

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def texts(self) -> list[Input]:
        return [column for column in self.columns if column.is_text]

    def numbers(self, frame: pandas.DataFrame) -> np.ndarray:
        """The cells of columns that are numbers all of them."""
        return frame.to_numpy(np.float32)

    def as_trained(self, frame: pandas.DataFrame):
        """Rows as the library was given them: a data frame, or an array where that has no names."""
        cells = {column.name: self._cells(column, frame[column.name]) for column in self.columns}
        made = pandas.DataFrame(cells, columns=self.names)
        if self.is_named:
            return made
        return made.to_numpy(object if self.texts else np.float64)

    @staticmethod
    def _cells(column: Input, cells: pandas.Series):
        if column.is_category and column.categories is not None:
            known = [category for category in column.categories if category == category]
            return pandas.Categorical(cells.where(cells.isin(known)), categories=known)
        if column.is_text:
            is_known = cells.notna() & (cells != column.word)
            return cells.astype(object).where(is_known, column.missing)
        if column.is_wide:
            return cells.astype(np.int64) if cells.notna().all() else cells.astype(np.float64)
        return cells.astype(np.float64)


def chosen_columns(model) -> list | None:
    """What each transformer of the ColumnTransformer that a model begins with gets, but for those that
    are dropped; None where it begins otherwise."""
    while isinstance(model, Pipeline):
        model = model.steps[0][1]
    if not isinstance(model, ColumnTransformer):
        return None
    return [chosen for _, transformer, chosen in model.transformers_
            if not (isinstance(transformer, str) and transformer == "drop")]


def used_names(model, names: list[str]) -> list[str]:
    """The columns that a model reads: not those of a data frame that its ColumnTransformer drops."""
    selections = chosen_columns(model)
    if selections is None:
        return names
    used: set[str] = set()
    for chosen in selections:
        chosen = [chosen] if isinstance(chosen, str) else chosen
        if isinstance(chosen, (int, slice)) or not all(isinstance(name, str) for name in chosen):
            return names
        used.update(chosen)
    return [name for name in names if name in used]


def is_permuted(model, names: list[str]) -> bool:
    """Whether one transformer gets all columns in another order, which skl2onnx takes for all columns
    as they come."""
    orders = [chosen_names(chosen, names) for chosen in chosen_columns(model) or []]
    return any(sorted(order) == sorted(names) and order != names for order in orders)


def inputs_of(model, names: list[str], is_named: bool) -> Inputs:
    """The columns of an estimator of scikit-learn, by what its encoders say."""
    inputs = Inputs([Input(name) for name in names], is_named)
    look(model, names, inputs)
    return inputs


def look(part, names: list[str], inputs: Inputs) -> None:
    """Notes what an estimator that gets the columns `names` says of them."""
    if isinstance(part, Pipeline):
        for _, step in part.steps:
            look(step, names, inputs)
            if step != "passthrough" and type(step).__name__ not in KEEPS_COLUMNS:
                return
    elif isinstance(part, ColumnTransformer):
        for _, transformer, chosen in part.transformers_:
            look(transformer, chosen_names(chosen, names), inputs)
    elif isinstance(part, FeatureUnion):
        for _, transformer in part.transformer_list:
            look(transformer, names, inputs)
    elif isinstance(part, SimpleImputer):
        for name, value in zip(names, part.statistics_, strict=False):
            if isinstance(value, str):
                _note_text(inputs.by_name[name], None)
                if imputes_text(part):
                    inputs.by_name[name].fill = value
                    inputs.by_name[name].missing = part.missing_values
    elif hasattr(part, "analyzer"):
        # A vectorizer of words gets a column of its own.
        for name in names[:1]:
            _note_text(inputs.by_name[name], None)
    elif getattr(part, "is_categorical_", None) is not None and hasattr(part, "_preprocessor"):
        _look_at_histogram(part, names, inputs)
    elif isinstance(getattr(part, "categories_", None), list):
        for name, known in zip(names, part.categories_, strict=False):
            _note_categories(inputs.by_name[name], list(known))
    else:
        _look_at_held(part, names, inputs)


def imputes_text(part) -> bool:
    """Whether it puts texts in the place of missing ones, and does nothing else."""
    return (isinstance(part, SimpleImputer) and not part.add_indicator
            and (part.missing_values is None or part.missing_values != part.missing_values)
            and any(isinstance(value, str) for value in getattr(part, "statistics_", [])))


def _look_at_histogram(part, names: list[str], inputs: Inputs) -> None:
    """HistGradientBoosting encodes its categories itself."""
    encoder = part._preprocessor.named_transformers_["encoder"]
    chosen = [name for name, is_chosen in zip(names, part.is_categorical_) if is_chosen]
    for name, known in zip(chosen, encoder.categories_, strict=True):
        column = inputs.by_name[name]
        _note_categories(column, list(known))
        column.is_category = column.is_text and inputs.is_named


def _look_at_held(part, names: list[str], inputs: Inputs) -> None:
    for attribute in HOLDERS:
        held = getattr(part, attribute, None)
        held = held if isinstance(held, list) else [held]
        for one in held:
            one = getattr(one, "estimator", one)
            if isinstance(one, (Pipeline, ColumnTransformer, FeatureUnion)):
                look(one, names, inputs)


def _note_categories(column: Input, known: list) -> None:
    missing = [category for category in known if category is None or category != category]
    known = [category for category in known if category is not None and category == category]
    if any(isinstance(category, str) for category in known):
        _note_text(column, known)
        if missing:
            column.missing = missing[0]
            word = str(missing[0])
            # skl2onnx writes it as a text. It is known for what it is by its place, behind all others,
            # unless it belongs there as a text.
            if max(known) < word:
                column.word = word
    else:
        column.categories = [*(column.categories or []), *known]
        column.is_wide |= any(abs(float(category)) > EXACT_MAX for category in known)


def _note_text(column: Input, known: list | None) -> None:
    column.is_text = True
    if known is not None:
        before = column.categories or []
        column.categories = before + [category for category in known if category not in before]


def chosen_names(chosen, names: list[str]) -> list[str]:
    """The columns that a selection of a ColumnTransformer means."""
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, (int, np.integer)):
        return [names[chosen]]
    if isinstance(chosen, slice):
        if isinstance(chosen.start, str) or isinstance(chosen.stop, str):
            first = 0 if chosen.start is None else names.index(chosen.start)
            last = len(names) - 1 if chosen.stop is None else names.index(chosen.stop)
            return names[first : last + 1]
        return names[chosen]
    chosen = list(chosen)
    if chosen and isinstance(chosen[0], (bool, np.bool_)):
        return [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]
    return [name if isinstance(name, str) else names[name] for name in chosen]
