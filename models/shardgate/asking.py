"""What rows are asked for, and the ways to ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .answers import Prediction, prediction_of
from .cells import cell
from .errors import ColumnsError, RequestError

Row = Mapping[str, Any]
Priority = Literal["high", "normal", "low"]


@dataclass(frozen=True)
class Asked:
    """What a call asks of its rows. `members` are those of a row that ask for more than the score."""

    model: str | None
    members: Mapping[str, bool | int]
    priority: Priority | None = None
    timeout_s: float | None = None
    # Whether rows of a refused request are answers, too.
    keeps: bool = False
    # The fields that are keys of a store.
    keys: frozenset[str] = frozenset({"user_id"})


class Door(Protocol):
    """A way to the gateway."""

    def one(self, row: Row, asked: Asked) -> Prediction:
        """The answer for one row; RequestError where it has no score."""

    def many(self, rows: Sequence[Row], asked: Asked) -> list[Prediction]:
        """The answers for rows, in their order. A row without a score has `error` and `status`.
        RequestError where a request was refused, unless its rows are to be kept, too."""

    def close(self) -> None:
        """Closes its connections."""


def members_of(probabilities: bool, label: bool, outputs: bool,
               explain: bool | int) -> dict[str, bool | int]:
    """The members of a row that ask for more than the score."""
    asked = {"probabilities": probabilities, "label": label, "outputs": outputs, "explain": explain}
    return {name: cell(value) for name, value in asked.items() if value}


def failed(error: RequestError) -> Prediction:
    """A row that a refused request had."""
    return prediction_of({"error": error.reason, "status": error.status}, {})


def of_row(place: int, error: ColumnsError) -> ColumnsError:
    """The error of a row among others."""
    return ColumnsError(f"row {place}: {error}")
