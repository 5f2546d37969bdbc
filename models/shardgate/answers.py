"""What the gateway answers."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a score: a column, or a group of them, that pushed it towards its adverse end.

    `contribution` is in units of the margin, `value` the cell as the model read it.
    """

    code: str
    contribution: float
    column: str | None = None
    columns: tuple[str, ...] = ()
    text: str | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one row.

    What was neither asked for nor configured is None. `features` says what the features stood on
    (`stored`, `cached`, `missing`, …), where a store was asked, and `entities` says it of each entity,
    where the model has several. `defaulted` is how many cells took their column's default; of several
    rows of one request the most of any. `rule` is the reason of the
    rule that decided, where it was one. `error` and `status` are those of a row that has no score; its `score` is NaN then. `raw` is
    all that the answer had.
    """

    score: float
    decision: str | None = None
    points: float | None = None
    label: str | None = None
    probabilities: Mapping[str, float] | None = None
    outputs: tuple[float, ...] | None = None
    margin: float | None = None
    base: float | None = None
    reasons: tuple[Reason, ...] = ()
    user_id: str | int | None = None
    model_version: str | None = None
    features: str | None = None
    entities: Mapping[str, str] = field(default_factory=dict)
    defaulted: int | None = None
    rule: str | None = None
    error: str | None = None
    status: int = 200
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __float__(self) -> float:
        return self.score

    def __repr__(self) -> str:
        """Its score, and what the answer has beside it."""
        said = [f"{one.name}={value!r}" for one in fields(self)
                if one.repr and (value := getattr(self, one.name)) != default_of(one)
                and one.name != "score"]
        return f"Prediction({', '.join([f'score={self.score!r}', *said])})"


def default_of(one: "Field[Any]") -> object:
    """The value of a field that nothing was said of."""
    return one.default if one.default_factory is MISSING else one.default_factory()


def prediction_of(answer: Mapping[str, Any], headers: Mapping[str, str]) -> Prediction:
    """The prediction of an object of an answer. `headers` have lower-case names."""
    error = answer.get("error")
    score = answer.get("score")
    version = answer.get("model_version", headers.get("x-model-version"))
    outputs = answer.get("outputs")
    features, entities, defaulted = provenance_of(answer.get("features"), headers.get("x-features"))
    return Prediction(
        score=math.nan if score is None else float(score),
        decision=answer.get("decision"),
        points=answer.get("points"),
        label=answer.get("label"),
        probabilities=answer.get("probabilities"),
        outputs=None if outputs is None else tuple(outputs),
        margin=answer.get("margin"),
        base=answer.get("base"),
        reasons=tuple(map(reason_of, answer.get("reasons") or ())),
        user_id=answer.get("user_id"),
        model_version=None if version is None else str(version),
        features=features,
        entities=entities,
        defaulted=answer.get("defaulted", defaulted),
        rule=answer.get("rule"),
        error=None if error is None else str(error),
        status=int(answer.get("status", 200)),
        raw=answer,
    )


def provenance_of(said: object, header: str | None) -> tuple[str | None, dict[str, str], int | None]:
    """What the features of a row stood on, the same of each entity, and how many cells took a default.

    `said` is what the row itself says, `header` what its request's `x-features` does: `stored;
    defaulted=3`, or `user=stored, merchant=stale, defaulted=3`.
    """
    entities: dict[str, str] = {}
    words: list[str] = []
    defaulted = None if header is None else 0
    for part in (header or "").replace(";", ",").split(","):
        name, sign, status = part.strip().partition("=")
        if name == "defaulted" and status.isdigit():
            defaulted = int(status)
        elif sign:
            entities[name] = status
        elif name:
            words.append(name)
    if isinstance(said, Mapping):
        entities = {str(name): str(status) for name, status in said.items()}
        words = []
    elif isinstance(said, str):
        words = [said]
    shown = words or [f"{name}={status}" for name, status in entities.items()]
    return ", ".join(shown) or None, entities, defaulted


def reason_of(answer: Mapping[str, Any]) -> Reason:
    """One of an answer's `reasons`."""
    column = answer.get("column")
    return Reason(
        code=str(answer.get("code", column)),
        contribution=float(answer["contribution"]),
        column=column,
        columns=tuple(answer.get("columns") or ([column] if column else ())),
        text=answer.get("text"),
        value=answer.get("value"),
    )
