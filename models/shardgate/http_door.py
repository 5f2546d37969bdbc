"""Rows as JSON: `POST /predict`."""

import urllib.parse
from collections.abc import Sequence

from .answers import Prediction, prediction_of
from .asking import Asked, Row, failed, of_row
from .cells import batches, encoded
from .errors import ColumnsError, RequestError, ShardgateError
from .transport import Transport

# What the gateway takes of one array unless it is told otherwise: 1,024 rows, 1 MiB.
MAX_ROWS = 1000
MAX_BYTES = 900_000


class HttpDoor:
    """Asks by HTTP/1.1."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def one(self, row: Row, asked: Asked) -> Prediction:
        """The answer for one row."""
        answer = self._transport.ask("POST", path_of(asked.model), encoded({**row, **asked.members}),
                                     headers_of(asked), asked.timeout_s)
        return prediction_of(answer.json(), answer.headers)

    def many(self, rows: Sequence[Row], asked: Asked) -> list[Prediction]:
        """The answers for rows, by as few requests as the gateway takes."""
        texts = []
        for place, row in enumerate(rows):
            try:
                texts.append(encoded({**row, **asked.members}))
            except ColumnsError as error:
                raise of_row(place, error) from None
        found: list[Prediction] = []
        for part in batches(texts, MAX_ROWS, MAX_BYTES):
            found += self._of_part(part, asked)
        return found

    def close(self) -> None:
        """Closes its connections."""
        self._transport.close()

    def _of_part(self, part: list[bytes], asked: Asked) -> list[Prediction]:
        """The answers of one request. A gateway that takes smaller ones gets halves."""
        try:
            answer = self._transport.ask("POST", path_of(asked.model), b"[" + b",".join(part) + b"]",
                                         headers_of(asked), asked.timeout_s)
        except RequestError as error:
            if error.status == 413 and len(part) > 1:
                middle = len(part) // 2
                return [*self._of_part(part[:middle], asked), *self._of_part(part[middle:], asked)]
            if asked.keeps:
                return [failed(error)] * len(part)
            raise
        said = answer.json()
        if not isinstance(said, list) or len(said) != len(part):
            raise ShardgateError(f"{len(part)} rows were asked, and the answer is another: "
                                 f"{answer.body[:80]!r}")
        return [prediction_of(one, answer.headers) for one in said]


def path_of(model: str | None) -> str:
    """Where a model is asked."""
    return "/predict" if model is None else f"/predict/{urllib.parse.quote(model, safe='')}"


def headers_of(asked: Asked) -> dict[str, str]:
    """The headers of a request."""
    made = {"content-type": "application/json"}
    if asked.priority is not None:
        made["x-priority"] = asked.priority
    return made
