"""What the gateway says of a model, and whether rows fit it."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ColumnsError

# Members of a request that are no columns.
ASKED = {"explain", "probabilities", "label", "outputs", "user_id"}
CLOSE = 0.7
# How many columns an error lists.
SHOWN_MAX = 6


@dataclass(frozen=True)
class Model:
    """A model that is served. `columns` are those that it reads, in its order; `fields` are those that
    requests bring: others come from a store or an expression. `keys` are the other fields: those by which
    a store is asked, and what expressions read. `score` says what the score is."""

    name: str
    versions: tuple[str, ...]
    columns: tuple[str, ...]
    keys: frozenset[str]
    score: str = ""
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ModelState:
    """A version of a model of the repository, and whether it is served: READY, or why not."""

    name: str
    version: str
    state: str
    reason: str


def model_of(config: Mapping[str, Any]) -> Model:
    """The model of an answer of `/v2/models/NAME/config`."""
    parameters = config.get("parameters", {})
    inputs = [str(one["name"]) for one in config.get("input", [])]
    said = str(parameters.get("columns", {}).get("string_value", ""))
    named = [name for name in said.split(",") if name]
    # A name with a comma in it is told by the tensors alone.
    with_commas = [name for name in inputs if "," in name and name in said]
    columns = [name for name in inputs if name in said] if with_commas else named or inputs
    versions = config.get("version_policy", {}).get("specific", {}).get("versions", [])
    return Model(
        name=str(config.get("name", "")),
        versions=tuple(map(str, versions)),
        columns=tuple(columns),
        keys=frozenset(inputs) - frozenset(columns),
        fields=frozenset(inputs) & frozenset(columns),
        score=str(parameters.get("score", {}).get("string_value", "")),
    )


def ensure_fits(fields: Collection[str], model: Model) -> None:
    """Refuses fields that have one which the model doesn't know, where it reads one that they lack.

    A mistyped name would go unnoticed: the gateway takes no notice of other fields, and the column may
    have a default. Of rows whose columns a store may give, only names that are nearly the same are
    refused.
    """
    absent = [name for name in model.columns if name not in fields]
    known = {*model.columns, *model.keys, *ASKED}
    unknown = [name for name in fields if name not in known]
    if not absent or not unknown:
        return
    candidates = [*absent, *(name for name in sorted(model.keys) if name not in fields)]
    meant = {name: close[0] for name in unknown
             if (close := difflib.get_close_matches(name, candidates, 1, CLOSE))}
    is_stored = any(name in model.keys or name == "user_id" for name in fields)
    if is_stored or model.fields.isdisjoint(absent):
        if not meant:
            return
        unknown = list(meant)
    lacked = [name for name in absent if name in model.fields and name not in meant.values()]
    if len(lacked) > SHOWN_MAX:
        lacked = [*lacked[:SHOWN_MAX], f"… ({len(lacked)} in all)"]
    said = [f"{name} (did you mean {meant[name]}?)" if name in meant else name for name in unknown]
    raise ColumnsError(
        f"model {model.name} has no column {', '.join(said)}, and there is no "
        f"{', '.join([*meant.values(), *lacked])}, which it reads: name fields as the columns are called, "
        "leave out the others, or ask by Client(check=False)")
