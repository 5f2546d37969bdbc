"""Rows as messages of gRPC: `shardgate.v1.Prediction`, of which `protocol/predict.binpb` is the
description that protoc made of `shards/proto/shardgate/v1/predict.proto`."""

import importlib
import importlib.resources
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .answers import Prediction, prediction_of
from .asking import Asked, Row, failed, of_row
from .cells import member
from .errors import ColumnsError, GatewayUnreachable, RequestError, ShardgateError, TimedOut, refusal

SERVICE = "shardgate.v1.Prediction"
PUSHBACK = "grpc-retry-pushback-ms"
NEEDS = "gRPC needs grpcio and protobuf, which aren't installed here: pip install 'shardgate[grpc]'"
INTEGER = range(-(2**63), 2**63)
# Of a gateway that is not there grpcio says the same code as a gateway whose store is not there.
LOST = ("failed to connect", "connection refused", "connection reset", "socket closed", "dns resolution",
        "name resolution", "no route to host", "network is unreachable", "broken pipe", "goaway",
        "connection attempt", "connection closed", "handshake", "empty address list", "stream removed")
# The status of HTTP that says the same as a code.
STATUSES = {"INVALID_ARGUMENT": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404,
            "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNIMPLEMENTED": 501, "FAILED_PRECONDITION": 503,
            "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504}
NUMBERED = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 503, 12: 501, 13: 500, 14: 503, 16: 401}


@dataclass(frozen=True)
class Trusted:
    """What TLS needs, in PEM; None for what the system has."""

    authorities: bytes | None = None
    key: bytes | None = None
    certificate: bytes | None = None


class GrpcDoor:
    """Asks by gRPC. Threads may share it; after a fork a process makes a connection of its own."""

    def __init__(self, target: str, tls: Trusted | None, headers: Mapping[str, str], timeout_s: float,
                 retries: int) -> None:
        self._grpc = imported("grpc")
        self._target, self._tls = target, tls
        self._headers = [(name.lower(), value) for name, value in headers.items()]
        self._timeout_s, self._retries = timeout_s, retries
        self._lock = threading.Lock()
        self._channel: Any = None
        self._owner = os.getpid()
        self._messages = messages()

    def one(self, row: Row, asked: Asked) -> Prediction:
        """The answer for one row."""
        call = self._open().unary_unary(
            f"/{SERVICE}/Predict", request_serializer=_serialized,
            response_deserializer=self._messages["PredictResponse"].FromString)
        until = self._until(asked)
        try:
            answer = call(self._message(row, asked), **self._options(asked, until))
        except self._grpc.RpcError as error:
            raise self._error(error, until) from error
        return self._prediction(row, answer)

    def many(self, rows: Sequence[Row], asked: Asked) -> list[Prediction]:
        """The answers for rows, of one stream."""
        made = []
        for place, row in enumerate(rows):
            try:
                made.append(self._message(row, asked))
            except ColumnsError as error:
                raise of_row(place, error) from None
        call = self._open().stream_stream(
            f"/{SERVICE}/PredictStream", request_serializer=_serialized,
            response_deserializer=self._messages["PredictResponse"].FromString)
        until = self._until(asked)
        found: list[Prediction] = []
        try:
            answers: Iterator[Any] = call(iter(made), **self._options(asked, until))
            for row, answer in zip(rows, answers, strict=False):
                found.append(self._prediction(row, answer))
        except self._grpc.RpcError as error:
            said = self._error(error, until)
            if not asked.keeps or not isinstance(said, RequestError):
                raise said from error
            found += [failed(said)] * (len(rows) - len(found))
        if len(found) != len(rows):
            raise ShardgateError(f"{len(rows)} rows were asked, and {len(found)} were answered")
        return found

    def close(self) -> None:
        """Closes its connection. A later request opens another."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _open(self) -> Any:
        with self._lock:
            if self._owner != os.getpid():
                # The parent's connection carries the parent's requests.
                self._channel, self._owner = None, os.getpid()
            if self._channel is None:
                self._channel = self._made()
            return self._channel

    def _made(self) -> Any:
        retries = {"maxAttempts": min(self._retries + 1, 5), "initialBackoff": "0.05s",
                   "maxBackoff": "2s", "backoffMultiplier": 2,
                   "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}
        config = {"methodConfig": [{"name": [{"service": SERVICE}],
                                    **({"retryPolicy": retries} if self._retries else {})}]}
        options = [("grpc.service_config", json.dumps(config)), ("grpc.enable_http_proxy", 0)]
        if self._tls is None:
            return self._grpc.insecure_channel(self._target, options)
        credentials = self._grpc.ssl_channel_credentials(self._tls.authorities, self._tls.key,
                                                         self._tls.certificate)
        return self._grpc.secure_channel(self._target, credentials, options)

    def _until(self, asked: Asked) -> float:
        return time.monotonic() + (self._timeout_s if asked.timeout_s is None else asked.timeout_s)

    def _options(self, asked: Asked, until: float) -> dict[str, Any]:
        sent = [*self._headers, *([] if asked.priority is None else [("x-priority", asked.priority)])]
        return {"timeout": max(until - time.monotonic(), 0.001), "metadata": sent}

    def _message(self, row: Row, asked: Asked) -> Any:
        made = self._messages["PredictRequest"](model=asked.model or "")
        for name, value in row.items():
            fields = made.keys if name in asked.keys else made.fields
            put(fields[str(name)], member(str(name), value))
        for name, value in asked.members.items():
            if name == "explain":
                made.options.explain = True
                if value is not True:
                    made.options.max_reasons = value
            else:
                setattr(made.options, name, True)
        return made

    def _prediction(self, row: Row, answer: Any) -> Prediction:
        if answer.HasField("failure"):
            said = answer.failure
            status = NUMBERED.get(said.code, 500)
            return failed(RequestError(status, said.message))
        return prediction_of({**document_of(answer), "user_id": row.get("user_id")}, {})

    def _error(self, error: Any, until: float) -> Exception:
        """The error of this package for one of grpcio."""
        name, said = error.code().name, error.details() or error.code().name
        where = f"the gateway at {self._target}"
        if name == "DEADLINE_EXCEEDED" and time.monotonic() >= until:
            return TimedOut(f"{where} did not answer in time: Client(timeout_s=…) waits longer")
        if name == "UNAVAILABLE" and any(word in said.lower() for word in LOST):
            return GatewayUnreachable(f"{where} cannot be reached by gRPC: {said}")
        if name == "UNIMPLEMENTED":
            return RequestError(501, said, advice="is the gateway older than this package?")
        pushback = dict(error.trailing_metadata() or ()).get(PUSHBACK)
        retry_after_s = int(pushback) / 1000 if pushback and pushback.isdigit() else None
        return refusal(STATUSES.get(name, 500), said, retry_after_s)


def imported(name: str) -> Any:
    """A module that only this door needs. Its types are not looked for, which have packages of their own."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ShardgateError(NEEDS) from error


def messages() -> dict[str, Any]:
    """The classes of the messages, by their names."""
    descriptor_pb2, descriptor_pool, message_factory = (
        imported(f"google.protobuf.{name}")
        for name in ("descriptor_pb2", "descriptor_pool", "message_factory"))
    described = importlib.resources.files(__package__).joinpath("protocol", "predict.binpb").read_bytes()
    # A pool of its own: a program may have generated classes of the same file.
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(described).file:
        pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shardgate.v1.{name}"))
            for name in ("PredictRequest", "PredictResponse")}


def put(made: Any, value: Any) -> None:
    """A value of a row, as a message has it; None is one without a kind."""
    if value is None:
        return
    if isinstance(value, bool):
        made.boolean = value
    elif isinstance(value, int):
        if value in INTEGER:
            made.integer = value
        else:
            # No integer of the message holds it; its digits are what a key of text has.
            made.text = str(value)
    elif isinstance(value, float):
        made.number = value
    else:
        made.text = value


def document_of(answer: Any) -> dict[str, Any]:
    """An answer as `/predict` would write it."""
    made: dict[str, Any] = {"score": answer.score if answer.HasField("score") else None,
                            "model_version": answer.model_version, "defaulted": answer.defaulted}
    for name in ("decision", "label", "rule"):
        if getattr(answer, name, ""):
            made[name] = getattr(answer, name)
    for name in ("points", "margin", "base"):
        if answer.HasField(name):
            made[name] = getattr(answer, name)
    if answer.provenance:
        made["features"] = dict(answer.entities) or answer.provenance
    if answer.probabilities:
        made["probabilities"] = {one.label: one.probability for one in answer.probabilities}
    if answer.outputs:
        made["outputs"] = list(answer.outputs)
    made["reasons"] = [
        {"code": one.code, "contribution": one.contribution, "columns": list(one.columns),
         **({"column": one.columns[0]} if len(one.columns) == 1 else {}),
         **({"text": one.text} if one.text else {}), "value": value_of(one.value)}
        for one in answer.reasons]
    return made


def value_of(value: Any) -> Any:
    """What a value of a message holds."""
    kind = value.WhichOneof("kind")
    return None if kind is None else getattr(value, kind)


def _serialized(message: Any) -> bytes:
    made: bytes = message.SerializeToString()
    return made
