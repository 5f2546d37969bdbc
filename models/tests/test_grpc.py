"""The client by gRPC: what it sends, what it takes, and what becomes of errors. The gateway is a
stand-in; scripts/wheel/check.py asks the real one."""

import math
import re
from concurrent import futures
from pathlib import Path

import pytest

import shardgate
from shardgate import Client

grpc = pytest.importorskip("grpc")
from shardgate.grpc_door import SERVICE, messages, value_of  # noqa: E402

MESSAGES = messages()
REQUEST, RESPONSE = MESSAGES["PredictRequest"], MESSAGES["PredictResponse"]
PROTO = Path(__file__).parents[2] / "shards" / "proto" / "shardgate" / "v1" / "predict.proto"


class StandIn:
    """A server that scores each row by its age, and fails where there is none."""

    def __init__(self):
        self.heard, self.metadata, self.aborts, self.breaks_after = [], [], [], None
        service = grpc.method_handlers_generic_handler(SERVICE, {
            "Predict": grpc.unary_unary_rpc_method_handler(
                self.predict, REQUEST.FromString, RESPONSE.SerializeToString),
            "PredictStream": grpc.stream_stream_rpc_method_handler(
                self.stream, REQUEST.FromString, RESPONSE.SerializeToString),
        })
        self.server = grpc.server(futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers([service])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def hear(self, request, context):
        self.heard.append(request)
        self.metadata.append(dict(context.invocation_metadata()))

    def predict(self, request, context):
        self.hear(request, context)
        if self.aborts:
            code, message, trailing = self.aborts.pop(0)
            context.set_trailing_metadata(trailing)
            context.abort(code, message)
        return self.answer(request)

    def stream(self, requests, context):
        for place, request in enumerate(requests):
            self.hear(request, context)
            if place == self.breaks_after:
                context.abort(grpc.StatusCode.INTERNAL, "it broke")
            yield self.answer(request)

    def answer(self, request):
        made = RESPONSE(model_version=3, provenance="stored", defaulted=1)
        if "age" not in request.fields or value_of(request.fields["age"]) is None:
            made.failure.code, made.failure.message = 3, "no age"
            return made
        made.score = value_of(request.fields["age"]) / 100
        if request.options.explain:
            made.margin, made.base = -0.5, -1.5
            reason = made.reasons.add(code="AGE", columns=["age"], contribution=0.25)
            reason.value.number = 41
        if request.options.probabilities:
            made.probabilities.add(label="good", probability=0.6)
            made.probabilities.add(label="bad", probability=0.4)
        made.entities["merchant"] = "stale"
        return made


@pytest.fixture
def server():
    made = StandIn()
    yield made
    made.server.stop(None).wait()


@pytest.fixture
def client(server):
    with Client(f"grpc://127.0.0.1:{server.port}", "credit", api_key="secret", check=False) as made:
        yield made


def test_one_row_is_a_prediction(server, client):
    row = {"user_id": "u-7", "age": 41, "purpose": "car", "is_new": True, "rate": 0.5, "note": None,
           "big": 2**70}
    answer = client.predict(row, priority="high", probabilities=True)
    assert (answer.score, answer.model_version, answer.user_id) == (0.41, "3", "u-7")
    assert answer.probabilities == {"good": 0.6, "bad": 0.4} and answer.defaulted == 1
    assert answer.features == "merchant=stale" and answer.entities == {"merchant": "stale"}
    assert answer.decision is None and answer.margin is None and answer.reasons == ()
    heard, = server.heard
    assert heard.model == "credit" and {name: value_of(one) for name, one in heard.keys.items()} == {
        "user_id": "u-7"}
    assert {name: one.WhichOneof("kind") for name, one in heard.fields.items()} == {
        "age": "integer", "purpose": "text", "is_new": "boolean", "rate": "number", "note": None,
        "big": "text"}
    assert heard.options.probabilities and not heard.options.explain
    assert server.metadata[0]["authorization"] == "Bearer secret"
    assert server.metadata[0]["x-priority"] == "high"


def test_reasons_are_those_of_http(server, client):
    answer = client.explain({"age": 41}, reasons=2)
    assert answer.reasons == (shardgate.Reason("AGE", 0.25, "age", ("age",), None, 41),)
    assert (answer.margin, answer.base) == (-0.5, -1.5)
    assert server.heard[0].options.max_reasons == 2
    client.explain({"age": 41})
    assert server.heard[1].options.explain and not server.heard[1].options.HasField("max_reasons")


def test_rows_go_by_one_stream(server, client):
    answers = client.predict([{"age": age} for age in range(500)])
    assert [answer.score for answer in answers] == [age / 100 for age in range(500)]
    assert client.predict([]) == []
    with pytest.raises(shardgate.RowsFailed, match="1 of 3 rows have no score; row 1: status 400: no age"):
        client.predict([{"age": 1}, {}, {"age": 3}])
    kept = client.predict([{"age": 1}, {"age": math.nan}, {"age": 3}], errors="keep")
    assert [one.error for one in kept] == [None, "no age", None] and math.isnan(kept[1].score)
    server.breaks_after = 2
    kept = client.predict([{"age": 1}] * 4, errors="keep")
    assert [one.status for one in kept] == [200, 200, 500, 500] and kept[3].error == "it broke"
    with pytest.raises(shardgate.RequestError, match="status 500: it broke"):
        client.predict([{"age": 1}] * 4)


def test_a_data_frame_and_an_array(server, client):
    import pandas
    scores = client.predict(pandas.DataFrame({"age": [10, 20]}, index=["a", "b"]))
    assert scores.to_dict() == {"a": 0.1, "b": 0.2}


@pytest.mark.parametrize("code, kind, status", [
    ("INVALID_ARGUMENT", shardgate.RequestError, 400), ("UNAUTHENTICATED", shardgate.NotAllowed, 401),
    ("PERMISSION_DENIED", shardgate.NotAllowed, 403), ("NOT_FOUND", shardgate.NotFound, 404),
    ("FAILED_PRECONDITION", shardgate.Unavailable, 503), ("INTERNAL", shardgate.RequestError, 500),
    ("DEADLINE_EXCEEDED", shardgate.DeadlineExceeded, 504),
    ("UNIMPLEMENTED", shardgate.RequestError, 501),
])
def test_a_code_is_the_error_of_its_status(server, client, code, kind, status):
    server.aborts = [(grpc.StatusCode[code], "said so", ())]
    with pytest.raises(kind, match=f"status {status}: said so") as caught:
        client.predict({"age": 1})
    assert type(caught.value) is kind and caught.value.status == status


def test_what_is_shed_is_sent_again_as_the_gateway_says(server, client):
    shed = (grpc.StatusCode.RESOURCE_EXHAUSTED, "too much", (("grpc-retry-pushback-ms", "1"),))
    server.aborts = [shed, shed]
    assert client.predict({"age": 1}).score == 0.01
    assert len(server.heard) == 3
    server.aborts = [shed] * 3
    with pytest.raises(shardgate.Overloaded) as caught:
        client.predict({"age": 1})
    assert caught.value.retry_after_s == 0.001


def test_nobody_there_is_unreachable(server):
    server.server.stop(None).wait()
    with Client(f"grpc://127.0.0.1:{server.port}", retries=0) as client:
        with pytest.raises(shardgate.GatewayUnreachable, match="cannot be reached by gRPC"):
            client.predict({"age": 1})


def test_the_description_is_that_of_the_proto():
    """`scripts/protos` makes the gateway's side of the same file."""
    if not PROTO.exists():
        pytest.skip("the gateway speaks no gRPC yet")
    text = re.sub(r"//[^\n]*", "", PROTO.read_text(encoding="utf-8"))
    described = REQUEST.DESCRIPTOR.file
    found = {}
    for name, body in re.findall(r"message (\w+) \{((?:[^{}]|oneof \w+ \{[^{}]*\})*)\}", text):
        for field, number in re.findall(r"(\w+) = (\d+)", body):
            found[name, field] = int(number)
    ours = {(name, field.name): field.number
            for name, message in described.message_types_by_name.items() for field in message.fields}
    assert found == ours
