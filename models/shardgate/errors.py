"""What can go wrong, one class for each thing that a caller can act on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .answers import Prediction


class ShardgateError(Exception):
    """The base of all errors of this package."""


class ExportError(ShardgateError):
    """The estimator can't be exported, or its export doesn't score as it does."""


class ProgramNotFound(ShardgateError):
    """There is no `shardgate` program to run."""


class ServeError(ShardgateError):
    """The gateway didn't start. The message ends in what it said."""


class ColumnsError(ShardgateError, ValueError):
    """A row has a field that the model doesn't know, in the place of one that it reads; or a value
    that no request can carry."""


class GatewayUnreachable(ShardgateError, ConnectionError):
    """There is no connection to the gateway, or it ended before the answer.

    `was_sent` says whether the request had left: it may then have been answered.
    """

    def __init__(self, message: str, was_sent: bool = False) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class TimedOut(ShardgateError, TimeoutError):
    """No answer came within the time-out of the client."""


class RequestError(ShardgateError):
    """The gateway refused a request.

    `status` is the status of HTTP, `reason` what the gateway said, `retry_after_s` when to come back
    in seconds, where it said so.
    """

    def __init__(self, status: int, reason: str, retry_after_s: float | None = None,
                 advice: str = "") -> None:
        super().__init__(f"status {status}: {reason}" + (f" ({advice})" if advice else ""))
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


class NotAllowed(RequestError):
    """401 or 403: the key is missing, unknown, or not for this model or call."""


class NotFound(RequestError):
    """404: no such model, user or path."""


class Overloaded(RequestError):
    """429: the gateway has no room for the request, or the key is beyond its rate."""


class Unavailable(RequestError):
    """503: the model's policies refuse to score on such features, or the store doesn't answer."""


class DeadlineExceeded(RequestError):
    """504: the answer would come too late."""


class RowsFailed(ShardgateError):
    """Some rows of a request have no score.

    `predictions` has all rows in their order; those that failed have `error` and `status`, and NaN as
    their score. `errors="keep"` returns them instead of raising.
    """

    def __init__(self, predictions: Sequence["Prediction"]) -> None:
        failed = [(place, one) for place, one in enumerate(predictions) if one.error is not None]
        place, first = failed[0]
        super().__init__(
            f"{len(failed)} of {len(predictions)} rows have no score; row {place}: status "
            f"{first.status}: {first.error}. errors=\"keep\" gives the others")
        self.predictions = list(predictions)


def refusal(status: int, reason: str, retry_after_s: float | None) -> RequestError:
    """The error of a status."""
    kinds: dict[int, tuple[type[RequestError], str]] = {
        401: (NotAllowed, "Client(api_key=…) sends one"),
        403: (NotAllowed, ""),
        404: (NotFound, ""),
        429: (Overloaded, "ask again later, or less"),
        503: (Unavailable, ""),
        504: (DeadlineExceeded, ""),
    }
    kind, advice = kinds.get(status, (RequestError, ""))
    return kind(status, reason, retry_after_s, advice)
