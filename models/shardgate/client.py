"""A client of the gateway. By HTTP it needs the standard library alone."""

import os
import ssl
import urllib.parse
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

from . import writes
from .answers import Prediction
from .asking import Asked, Door, Priority, Row, failed, members_of
from .cells import Frame, rows_of
from .described import Model, ModelState, ensure_fits, model_of
from .errors import ColumnsError, RequestError, RowsFailed, ShardgateError
from .grpc_door import GrpcDoor, Trusted
from .http_door import HttpDoor
from .transport import Transport, address_of

URL = "http://127.0.0.1:8888"
# Of a URL for gRPC: the gateway answers both on one port.
OF_GRPC = {"grpc": "http", "grpcs": "https"}

Errors = Literal["raise", "keep"]


class Client:
    """Asks a gateway. Threads may share it; it keeps connections open, until `close()`.

    `model` is the model that is asked where a call names none; without it, the gateway's default one,
    and rows are not compared with its columns. `timeout_s` is how long a call may take, in seconds;
    the gateway hears of it, and leaves work that nobody waits for. `retries` is how often a request is
    sent again, where that is safe.

    `grpc://HOST:PORT` asks for scores by gRPC, which `pip install 'shardgate[grpc]'` is needed for, and for
    the rest by HTTP on the same port. `https://` and `grpcs://` URLs are encrypted. `ca_file` names the authorities that are trusted instead of the
    system's, `certificate_file` and `key_file` what this client shows of itself, all PEM. `api_key`
    goes along as `Authorization: Bearer`. `admin_url` and `admin_token` are those of the admin port,
    which `models()` and `push()` ask.

    With `check` a row is refused here that has an unknown field in the place of one of the model's.
    """

    def __init__(
        self,
        url: str = URL,
        model: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = 10.0,
        retries: int = 2,
        ca_file: str | Path | None = None,
        certificate_file: str | Path | None = None,
        key_file: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        admin_url: str | None = None,
        admin_token: str | None = None,
        check: bool = True,
        said_at_loss: Callable[[], str] = str,
    ) -> None:
        def context() -> ssl.SSLContext:
            made = ssl.create_default_context(cafile=None if ca_file is None else os.fspath(ca_file))
            if certificate_file is not None:
                made.load_cert_chain(certificate_file, key_file)
            return made

        sent = dict(headers or {})
        if api_key is not None:
            sent["authorization"] = f"Bearer {api_key}"
        self.url, self.model, self.check = url, model, check
        scheme, sign, rest = url.partition("://")
        plain = f"{OF_GRPC[scheme]}://{rest}" if sign and scheme in OF_GRPC else url
        address = address_of(plain, context)
        self._transport = Transport(address, sent, timeout_s, retries, said_at_loss)
        self._door: Door = HttpDoor(self._transport)
        if plain is not url:
            tls = None if scheme == "grpc" else Trusted(*(
                None if file is None else Path(file).read_bytes()
                for file in (ca_file, key_file or certificate_file, certificate_file)))
            self._door = GrpcDoor(f"{address.shown_host()}:{address.port}", tls, sent, timeout_s, retries)
        self._admin: Transport | None = None
        if admin_url is not None:
            token = {} if admin_token is None else {"authorization": f"Bearer {admin_token}"}
            self._admin = Transport(address_of(admin_url, context), token, timeout_s, retries,
                                    said_at_loss)
        self._described: dict[str, Model] = {}

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r}, model={self.model!r})"

    def close(self) -> None:
        """Closes its connections."""
        self._door.close()
        self._transport.close()
        if self._admin is not None:
            self._admin.close()

    @overload
    def predict(self, rows: Row, *, model: str | None = ..., probabilities: bool = ...,
                label: bool = ..., outputs: bool = ..., explain: bool | int = ...,
                priority: Priority | None = ..., errors: Errors = ...,
                timeout_s: float | None = ...) -> Prediction: ...
    @overload
    def predict(self, rows: Sequence[Row], *, model: str | None = ..., probabilities: bool = ...,
                label: bool = ..., outputs: bool = ..., explain: bool | int = ...,
                priority: Priority | None = ..., errors: Errors = ...,
                timeout_s: float | None = ...) -> list[Prediction]: ...
    @overload
    def predict(self, rows: Frame, *, model: str | None = ..., probabilities: bool = ...,
                label: bool = ..., outputs: bool = ..., explain: bool | int = ...,
                priority: Priority | None = ..., errors: Errors = ...,
                timeout_s: float | None = ...) -> Any: ...

    def predict(self, rows: Any, *, model: str | None = None, probabilities: bool = False,
                label: bool = False, outputs: bool = False, explain: bool | int = False,
                priority: Priority | None = None, errors: Errors = "raise",
                timeout_s: float | None = None) -> Any:
        """Scores rows: a Prediction of one dict, a list of them of a list of dicts, a Series of scores
        of a data frame (with its index), an array of scores of an array of two dimensions, whose
        columns are the model's, in its order.

        A row has the fields that the model reads, or the key by which the store is asked:
        `{"user_id": "u-7"}`. NaN, NaT and None are missing values. `probabilities`, `label`, `outputs`
        and `explain` (how many reasons, or True) ask for more than the score: of a data frame
        `table()` has it.

        RowsFailed where rows have no score; with `errors="keep"` theirs is NaN, and `error` and
        `status` say why. RequestError where the gateway refuses the request, GatewayUnreachable and
        TimedOut where there is no answer.
        """
        members = members_of(probabilities, label, outputs, explain)
        asked = self._asked(model, members, priority, errors, timeout_s)
        if isinstance(rows, Frame):
            if members:
                raise ColumnsError(f"of a data frame predict() gives scores alone: table(frame, "
                                   f"{next(iter(members))}=…) has a column for each of the others")
            found = self._of_frame(rows, asked)
            return _pandas().Series([one.score for one in found], index=rows.index, name="score",
                                    dtype="float64")
        if getattr(rows, "ndim", None) is not None:
            found = self._of_rows(self._of_array(rows, asked.model), asked)
            return _numpy().array([one.score for one in found], dtype="float64")
        if isinstance(rows, Mapping):
            return self._of_row(rows, asked)
        if isinstance(rows, (str, bytes)) or not isinstance(rows, Sequence):
            raise ColumnsError(f"a {type(rows).__name__} is no row: give a dict like "
                               '{"user_id": "u-7"}, a list of them, or a data frame')
        return self._of_rows(rows, asked)

    @overload
    def explain(self, rows: Row, reasons: int | None = ..., *, model: str | None = ...,
                errors: Errors = ..., timeout_s: float | None = ...) -> Prediction: ...
    @overload
    def explain(self, rows: Sequence[Row] | Frame, reasons: int | None = ..., *,
                model: str | None = ..., errors: Errors = ...,
                timeout_s: float | None = ...) -> list[Prediction]: ...

    def explain(self, rows: Any, reasons: int | None = None, *, model: str | None = None,
                errors: Errors = "raise", timeout_s: float | None = None) -> Any:
        """Scores rows and says why: each Prediction has `reasons`, `margin` and `base`.

        `reasons` is how many, as many as the model is configured for without it. A model is explained
        that was exported with `explain=True`, or whose model.toml has `[explain]`.
        """
        members = members_of(False, False, False, True if reasons is None else reasons)
        asked = self._asked(model, members, None, errors, timeout_s)
        if isinstance(rows, Frame):
            return self._of_frame(rows, asked)
        if isinstance(rows, Mapping):
            return self._of_row(rows, asked)
        return self._of_rows(list(rows), asked)

    def table(self, frame: Frame, *, model: str | None = None, probabilities: bool = False,
              label: bool = False, outputs: bool = False, explain: bool | int = False,
              priority: Priority | None = None, errors: Errors = "raise",
              timeout_s: float | None = None) -> Any:
        """The answers for a data frame's rows as a data frame with its index: `score`, and the columns
        `decision`, `rule`, `points`, `label`, `probability_…`, `output_…`, `margin`, `base`, `reasons`,
        `features` and `error` where a row has them."""
        members = members_of(probabilities, label, outputs, explain)
        found = self._of_frame(frame, self._asked(model, members, priority, errors, timeout_s))
        return _pandas().DataFrame(_columns_of(found), index=frame.index)

    def push(self, entity: str, key: writes.Key, values: Row, *, event: Row | None = None,
             idempotency_key: str | None = None, timeout_s: float | None = None) -> dict[str, Any]:
        """Writes features of one key of an entity into the store, and gives what the gateway says of it.
        Columns that `values` lacks keep theirs. The next prediction of the same gateway sees them.

        `entity` is the store's table: `"user"` is the one of the users. A key of several columns is a
        list. `event` is what happened with the key, `{"amount": 12.5}`, which the store's aggregates
        count; its `at` says when. `idempotency_key` names the write: what is sent again under the same one is written once.
        One is made up without it, under which this call may be sent again.

        The admin port takes writes, and the serving port where the gateway's configuration says so
        (`[features.writes] on_serving_port`): NotAllowed where it does not.
        """
        return self._write("POST", writes.path_of_key(entity, key), writes.body_of(values, event),
                           idempotency_key or uuid.uuid4().hex, timeout_s)

    def push_rows(self, entity: str, rows: Frame | Sequence[Row], key: str | Sequence[str] = "user_id", *,
                  idempotency_key: str | None = None, timeout_s: float | None = None) -> int:
        """Writes features of many keys, and gives how many rows were written. `key` names the column
        that is the key, or the columns. Each request is written whole or not at all."""
        lines = list(writes.lines_of(rows, key))
        count = 0
        for named, body in writes.requests_of(lines, idempotency_key):
            said = self._write("POST", writes.path_of(entity), body, named, timeout_s)
            count += int(said.get("written", 0))
        return count

    def remove(self, entity: str, key: writes.Key, *, timeout_s: float | None = None) -> dict[str, Any]:
        """Removes the features of one key of an entity from the store."""
        return self._write("DELETE", writes.path_of_key(entity, key), None, uuid.uuid4().hex, timeout_s)

    def _write(self, method: str, path: str, body: bytes | None, idempotency_key: str,
               timeout_s: float | None) -> dict[str, Any]:
        headers = {"content-type": "application/json", "idempotency-key": idempotency_key}
        answer = self._operator().ask(method, path, body, headers, timeout_s, is_repeatable=True)
        said = answer.json() if answer.body else {}
        return said if isinstance(said, dict) else {"answer": said}

    def models(self) -> list[ModelState]:
        """The versions of the repository's models. It asks the admin port, or the serving one where
        that is configured to answer."""
        answer = self._operator().ask("POST", "/v2/repository/index", b"{}",
                                      {"content-type": "application/json"}, is_repeatable=True)
        return [ModelState(str(one.get("name")), str(one.get("version")), str(one.get("state")),
                           str(one.get("reason", ""))) for one in answer.json()]

    def describe(self, model: str | None = None) -> Model:
        """A model's columns, keys and versions, as they are now."""
        name = self.model if model is None else model
        if name is None:
            raise ShardgateError("which model? Client(url, model=…) or describe(model) names it")
        quoted = urllib.parse.quote(name, safe="")
        found = model_of(self._transport.ask("GET", f"/v2/models/{quoted}/config",
                                             is_repeatable=True).json())
        self._described[name] = found
        return found

    def ready(self, model: str | None = None) -> bool:
        """Whether the gateway answers and serves, or one of its models."""
        path = "/v2/health/ready" if model is None else (
            f"/v2/models/{urllib.parse.quote(model, safe='')}/ready")
        try:
            said = self._transport.ask("GET", path, is_repeatable=True).json()
        except (RequestError, ConnectionError, TimeoutError):
            return False
        return isinstance(said, dict) and bool(said.get("ready", True))

    def _asked(self, model: str | None, members: dict[str, bool | int], priority: Priority | None,
               errors: Errors, timeout_s: float | None) -> Asked:
        name = self.model if model is None else model
        return Asked(name, members, priority, timeout_s, keeps=errors == "keep")

    def _operator(self) -> Transport:
        return self._transport if self._admin is None else self._admin

    def _of_row(self, row: Row, asked: Asked) -> Prediction:
        about = self._ensure_fits(row, asked.model)
        try:
            return self._door.one(row, with_keys(asked, about))
        except RequestError as error:
            if asked.keeps:
                return failed(error)
            raise

    def _of_frame(self, frame: Frame, asked: Asked) -> list[Prediction]:
        about = self._ensure_fits([str(name) for name in frame.columns], asked.model)
        kept = None if about is None else {*about.columns, *about.keys, "user_id"}
        rows = list(rows_of(frame, None if kept is None else sorted(kept)))
        return self._of_checked(rows, with_keys(asked, about))

    def _of_array(self, array: Any, model: str | None) -> list[Row]:
        if array.ndim != 2:
            raise ColumnsError(f"an array of {array.ndim} dimensions: expected rows of columns; of one "
                               "row array.reshape(1, -1)")
        if model is None:
            raise ColumnsError("an array names no columns: Client(url, model=…) asks the gateway for "
                               "the model's, or give a data frame")
        columns = self._about(model).columns
        if len(columns) != array.shape[1]:
            raise ColumnsError(f"the array has {array.shape[1]} columns, model {model} "
                               f"{len(columns)}: {', '.join(columns)}")
        return [dict(zip(columns, row, strict=True)) for row in array]

    def _of_rows(self, rows: Sequence[Row], asked: Asked) -> list[Prediction]:
        about = None
        for row in rows:
            if not isinstance(row, Mapping):
                raise ColumnsError(f"a {type(row).__name__} is no row: give dicts like "
                                   '{"user_id": "u-7"}')
            about = self._ensure_fits(row, asked.model)
        return self._of_checked(rows, with_keys(asked, about))

    def _of_checked(self, rows: Sequence[Row], asked: Asked) -> list[Prediction]:
        found = self._door.many(rows, asked) if rows else []
        if not asked.keeps and any(one.error is not None for one in found):
            raise RowsFailed(found)
        return found

    def _ensure_fits(self, fields: Any, model: str | None) -> Model | None:
        """What is known of the model, if rows with such fields fit it."""
        if not self.check or model is None:
            return None
        about = self._about(model)
        try:
            ensure_fits(fields, about)
        except ColumnsError:
            # Another version may have come into service meanwhile.
            about = self.describe(model)
            ensure_fits(fields, about)
        return about

    def _about(self, model: str) -> Model:
        return self._described.get(model) or self.describe(model)


def with_keys(asked: Asked, about: Model | None) -> Asked:
    """The same, with the keys of the model that is asked."""
    return asked if about is None else replace(asked, keys=asked.keys | about.keys)


def _columns_of(found: list[Prediction]) -> dict[str, list[Any]]:
    """The answers as columns; those that no row has are left out."""
    made: dict[str, list[Any]] = {"score": [one.score for one in found]}
    for name in ("decision", "rule", "points", "label", "margin", "base", "features", "error"):
        values = [getattr(one, name) for one in found]
        if any(value is not None for value in values):
            made[name] = values
    labels = list(dict.fromkeys(label for one in found for label in one.probabilities or ()))
    for label in labels:
        made[f"probability_{label}"] = [(one.probabilities or {}).get(label) for one in found]
    for place in range(max((len(one.outputs or ()) for one in found), default=0)):
        made[f"output_{place}"] = [one.outputs[place] if one.outputs else None for one in found]
    if any(one.reasons for one in found):
        made["reasons"] = [[reason.code for reason in one.reasons] for one in found]
    return made


def _pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ShardgateError("a data frame needs pandas: pip install 'shardgate[dataframe]'") from error
    return pandas


def _numpy() -> Any:
    import numpy  # Whoever gives an array has it.

    return numpy
