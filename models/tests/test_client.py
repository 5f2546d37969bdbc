"""The client: what it sends, what it takes, and what it sends again. The gateway is a stand-in that
answers as it is told."""

import contextlib
import datetime
import decimal
import json
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas
import pytest

import shardgate
from shardgate import Client
from shardgate.answers import prediction_of
from shardgate.cells import batches, cell
from shardgate.described import ensure_fits, model_of

CONFIG = {
    "name": "credit",
    "input": [{"name": "user_id", "data_type": "TYPE_STRING", "optional": True},
              {"name": "age", "data_type": "TYPE_FP32", "optional": True},
              {"name": "purpose", "data_type": "TYPE_STRING", "optional": True}],
    "parameters": {"columns": {"string_value": "age,purpose"}},
    "version_policy": {"specific": {"versions": [3]}},
}


class StandIn:
    """A server that gives the answers of `said`, one after another, then scores each row by its age."""

    def __init__(self):
        self.said, self.heard, self.connections = [], [], 0
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                stand_in.connections += 1
                super().setup()

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.answer(200, {}, CONFIG if "/config" in self.path else {"ready": True})

            def do_DELETE(self):
                stand_in.heard.append((self.path, dict(self.headers), b""))
                self.answer(200, {}, {"removed": 1})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                stand_in.heard.append((self.path, dict(self.headers), body))
                said = stand_in.said.pop(0) if stand_in.said else scored
                if said == "hang up":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                status, headers, answer = said(json.loads(body)) if callable(said) else said
                self.answer(status, headers, answer)

            def answer(self, status, headers, answer):
                text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": len(text)}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)
                self.close_connection = "x-then-close" in headers

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def scored(asked):
    def one(row):
        if row.get("age") is None:
            return {"error": "no age", "status": 400}
        return {"score": row["age"] / 100}

    if isinstance(asked, list):
        return 200, {"x-features": "stored"}, list(map(one, asked))
    return 200, {"x-model-version": "3"}, one(asked)


@pytest.fixture
def server():
    made = StandIn()
    thread = threading.Thread(target=made.server.serve_forever, args=[0.01])
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def client(server):
    with Client(server.url, "credit", api_key="secret") as made:
        yield made


def test_one_row_is_a_prediction(server, client):
    answer = client.predict({"age": 41, "purpose": "car"}, priority="high")
    assert answer.score == 0.41 == float(answer) and answer.model_version == "3"
    path, headers, body = server.heard[0]
    assert path == "/predict/credit" and json.loads(body) == {"age": 41, "purpose": "car"}
    assert headers["authorization"] == "Bearer secret" and headers["x-priority"] == "high"
    assert 9000 < int(headers["x-deadline-ms"]) <= 10000


def test_many_rows_are_predictions_over_one_connection(server, client):
    rows = [{"age": age, "purpose": "car"} for age in range(2500)]
    answers = client.predict(rows)
    assert [answer.score for answer in answers] == [age / 100 for age in range(2500)]
    assert [len(json.loads(body)) for _, _, body in server.heard] == [1000, 1000, 500]
    assert server.connections == 1


def test_a_frame_is_a_series_with_its_index(server, client):
    frame = pandas.DataFrame({"purpose": ["car", None], "age": [30.5, 40], "label": ["good", "bad"]},
                             index=["a", "b"])
    scores = client.predict(frame)
    assert scores.name == "score" and dict(scores) == {"a": 0.305, "b": 0.4}
    assert json.loads(server.heard[0][2]) == [{"purpose": "car", "age": 30.5},
                                              {"purpose": None, "age": 40.0}]
    with pytest.raises(shardgate.ColumnsError, match=r"table\(frame, label=…\)"):
        client.predict(frame, label=True)


def test_a_table_has_what_was_asked_for(server, client):
    answer = {"score": 0.4, "decision": "approve", "probabilities": {"bad": 0.4, "good": 0.6},
              "reasons": [{"code": "AA07", "column": "age", "contribution": 0.5, "value": 30}]}
    server.said.append((200, {}, [answer, answer]))
    frame = pandas.DataFrame({"age": [30, 40], "purpose": ["car", "tv"]}, index=[7, 9])
    table = client.table(frame, probabilities=True, explain=1)
    assert json.loads(server.heard[0][2])[0] == {"age": 30, "purpose": "car", "probabilities": True,
                                                 "explain": 1}
    assert list(table) == ["score", "decision", "probability_bad", "probability_good", "reasons"]
    assert list(table.index) == [7, 9] and table.reasons[7] == ["AA07"]


def test_an_array_is_an_array(server, client):
    scores = client.predict(np.array([[10, "car"], [20, "tv"]], dtype=object))
    assert isinstance(scores, np.ndarray) and scores.tolist() == [0.1, 0.2]
    with pytest.raises(shardgate.ColumnsError, match="3 columns, model credit 2: age, purpose"):
        client.predict(np.zeros((1, 3)))
    with pytest.raises(shardgate.ColumnsError, match=r"reshape\(1, -1\)"):
        client.predict(np.zeros(2))


@pytest.mark.parametrize("value, sent", [
    (np.float32(0.1), 0.10000000149011612), (np.int64(2**62), 2**62), (np.bool_(True), True),
    (float("nan"), None), (np.float64("nan"), None), (pandas.NaT, None), (pandas.NA, None),
    (None, None), (decimal.Decimal("2.5"), 2.5), (decimal.Decimal(2**70), 2**70),
    (pandas.Timestamp("2026-01-31 12:00"), "2026-01-31T12:00:00"),
    (datetime.date(2026, 1, 31), "2026-01-31"), (np.datetime64("2026-01-31"), "2026-01-31T00:00:00.000000"),
    (np.datetime64("NaT"), None), (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (np.str_("Übung"), "Übung"),
])
def test_values_of_every_library(value, sent):
    found = cell(value)
    assert found == sent and type(found) is type(sent)


@pytest.mark.parametrize("value", [float("inf"), np.float64("-inf"), [1], {"a": 1}, b"x", object()])
def test_what_json_cannot_carry_is_refused_by_name(client, value):
    with pytest.raises(shardgate.ColumnsError, match="row 1: age: "):
        client.predict([{"age": 1, "purpose": "car"}, {"age": value, "purpose": "car"}])


def test_a_wrong_name_is_refused(server, client):
    with pytest.raises(shardgate.ColumnsError, match=r"no column agee \(did you mean age\?\)"):
        client.predict({"agee": 41, "purpose": "car"})
    with pytest.raises(shardgate.ColumnsError, match="no column income, and there is no age"):
        client.predict(pandas.DataFrame({"income": [41], "purpose": ["car"]}))
    assert not server.heard
    # The store gives what a row of a user lacks, and other fields are nobody's.
    client.predict([{"user_id": "u", "channel": "web", "age": 5}])
    client.predict({"age": 5, "purpose": "car", "channel": "web"})
    with pytest.raises(shardgate.ColumnsError, match="did you mean purpose"):
        client.predict([{"user_id": "u", "porpose": "car"}])
    with Client(server.url, "credit", check=False) as unchecked:
        assert unchecked.predict({"age": 5, "porpose": "car"}).score == 0.05


def test_rows_that_failed_are_told(client):
    rows = [{"age": 5, "purpose": "a"}, {"age": None, "purpose": "b"}]
    with pytest.raises(shardgate.RowsFailed, match="1 of 2 rows .* row 1: status 400: no age") as failed:
        client.predict(rows)
    assert failed.value.predictions[0].score == 0.05
    kept = client.predict(rows, errors="keep")
    assert kept[1].error == "no age" and kept[1].status == 400 and np.isnan(kept[1].score)


@pytest.mark.parametrize("status, kind", [
    (400, shardgate.RequestError), (401, shardgate.NotAllowed), (403, shardgate.NotAllowed),
    (404, shardgate.NotFound), (429, shardgate.Overloaded), (503, shardgate.Unavailable),
    (504, shardgate.DeadlineExceeded), (500, shardgate.RequestError),
])
def test_a_refusal_is_an_error_of_its_own(server, client, status, kind):
    server.said.append((status, {}, {"error": "because"}))
    with pytest.raises(kind, match=f"status {status}: because") as refused:
        client.predict({"age": 1, "purpose": "a"})
    assert refused.value.status == status and refused.value.reason == "because"
    assert len(server.heard) == 1
    kept = (server.said.append((status, {}, {"error": "because"})),
            client.predict({"age": 1, "purpose": "a"}, errors="keep"))[1]
    assert (kept.error, kept.status) == ("because", status)


@pytest.mark.parametrize("status", [429, 503])
def test_it_comes_back_when_it_is_told_to(server, client, status):
    server.said += [(status, {"retry-after": "0"}, {"error": "full"})] * 2
    assert client.predict({"age": 1, "purpose": "a"}).score == 0.01
    server.said += [(status, {"retry-after": "0"}, {"error": "full"})] * 3
    with pytest.raises(shardgate.RequestError, match="full"):
        client.predict({"age": 1, "purpose": "a"})
    # Longer than anybody waits.
    server.said.append((status, {"retry-after": "60"}, {"error": "full"}))
    with pytest.raises(shardgate.RequestError, match="full") as refused:
        client.predict({"age": 1, "purpose": "a"})
    assert refused.value.retry_after_s == 60 and len(server.heard) == 3 + 3 + 1


def test_a_larger_request_than_it_takes_is_halved(server, client):
    server.said.append((413, {}, {"error": "too large"}))
    rows = [{"age": age, "purpose": "a"} for age in range(5)]
    assert [answer.score for answer in client.predict(rows)] == [0, 0.01, 0.02, 0.03, 0.04]
    assert [len(json.loads(body)) for _, _, body in server.heard] == [5, 2, 3]


def test_what_had_left_is_not_sent_again(server, client):
    """It may have been scored, and counted."""
    server.said.append("hang up")
    with pytest.raises(shardgate.GatewayUnreachable, match="may have been answered") as lost:
        client.predict({"age": 1, "purpose": "a"})
    assert lost.value.was_sent and len(server.heard) == 1


def test_a_write_is_sent_again_under_its_own_key(server, client):
    server.said += ["hang up", (200, {}, {"written": 1})]
    assert client.push("merchant", "a/b", {"rate": np.float32(0.5)}) == {"written": 1}
    (path, first, body), (_, second, _) = server.heard
    assert path == "/v2/features/merchant/a%2Fb" and json.loads(body) == {"rate": 0.5}
    assert first["idempotency-key"] == second["idempotency-key"] and len(first["idempotency-key"]) == 32


def test_a_column_that_is_computed_is_no_field():
    config = {**CONFIG, "parameters": {"columns": {"string_value": "age,purpose,ratio"}}}
    about = model_of(config)
    assert about.fields == {"age", "purpose"} and about.columns == ("age", "purpose", "ratio")
    ensure_fits(["age", "purpose", "born"], about)
    with pytest.raises(shardgate.ColumnsError, match="no column born, and there is no purpose, which it reads"):
        ensure_fits(["age", "born"], about)


def test_a_key_of_several_parts_is_the_stores(server, client):
    server.said = [(200, {}, {"written": 1})] * 3
    client.push("merchant", ["DE", 4111], {"rate": 1})
    client.push("merchant", ("Ü", uuid.UUID(int=1)), {"rate": 1})
    assert [path for path, _, _ in server.heard] == [
        "/v2/features/merchant/2%3ADE4%3A4111",
        "/v2/features/merchant/2%3A%C3%9C36%3A00000000-0000-0000-0000-000000000001"]
    client.push("card", 7, {}, event={"amount": np.float64(12.5), "at": datetime.date(2026, 1, 2)})
    assert json.loads(server.heard[2][2]) == {"event": {"amount": 12.5, "at": "2026-01-02"}}
    for bad in ["", 1.5, True, None, [], ["a", ""]]:
        with pytest.raises(shardgate.ColumnsError, match="is no key"):
            client.push("merchant", bad, {"rate": 1})


def test_rows_are_written_by_few_requests(server, client):
    frame = pandas.DataFrame({"country": "DE", "shop": range(1500), "rate": 0.5, "name": None})
    server.said = [(200, {}, {"written": 1000}), (200, {}, {"written": 500})]
    assert client.push_rows("merchant", frame, key=["country", "shop"], idempotency_key="day-1") == 1500
    (path, first, body), (_, second, _) = server.heard
    assert path == "/v2/features/merchant"
    assert json.loads(body.split(b"\n")[7]) == {"key": ["DE", "7"], "columns": {"rate": 0.5, "name": None}}
    assert [one["idempotency-key"] for one in (first, second)] == ["day-1-0", "day-1-1"]
    with pytest.raises(shardgate.ColumnsError, match="row 0 has no user_id, which its key is made of: key="):
        client.push_rows("user", [{"id": 7}])


def test_a_row_is_removed(server, client):
    assert client.remove("user", "u-7") == {"removed": 1}
    assert server.heard[0][0] == "/v2/features/user/u-7"


def test_a_connection_that_was_closed_meanwhile_is_replaced(server, client):
    server.said.append((200, {"x-then-close": "1"}, {"score": 0.5}))
    assert client.predict({"age": 1, "purpose": "a"}).score == 0.5
    idle = client._transport._idle[-1]
    idle.sock.settimeout(5)
    assert idle.sock.recv(1, socket.MSG_PEEK) == b""
    assert client.predict({"age": 1, "purpose": "a"}).score == 0.01
    assert server.connections == 2 and len(server.heard) == 2


def test_nobody_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(shardgate.GatewayUnreachable, match="cannot be reached: Connection refused"):
        Client(url).predict({"age": 1})
    assert not Client(url).ready()


def test_an_answer_that_does_not_come_is_a_time_out():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(shardgate.TimedOut, match="did not answer in time"):
            Client(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05).predict({"age": 1})


def test_what_is_no_gateway_is_told(server, client):
    server.said.append((200, {}, b"<html>"))
    with pytest.raises(shardgate.ShardgateError, match="does the URL name a gateway of shardgate"):
        client.predict({"age": 1, "purpose": "a"})
    for url in ["ftp://x", "http://", "http://u:p@x", "http://x:y"]:
        with pytest.raises(ValueError, match="expected|Port"):
            Client(url)


@pytest.mark.parametrize("rows", ["user-1", 5, b"x", {"a"}])
def test_what_is_no_row_is_told(client, rows):
    with pytest.raises(shardgate.ColumnsError, match="is no row"):
        client.predict(rows)


def test_threads_share_it(server, client):
    found = {}

    def ask(age):
        for _ in range(20):
            found.setdefault(age, set()).add(client.predict({"age": age, "purpose": "a"}).score)

    threads = [threading.Thread(target=ask, args=[age]) for age in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {age: {age / 100} for age in range(8)}
    assert server.connections <= 9


def test_parts_are_small_enough():
    assert list(batches([b"ab", b"c", b"d" * 9, b"e", b"f"], 2, 6)) == [
        [b"ab", b"c"], [b"d" * 9], [b"e", b"f"]]
    assert list(batches([], 2, 6)) == []


def test_it_is_closed_with_its_block(server):
    with contextlib.closing(Client(server.url)) as client:
        assert client.ready() and client.ready("credit")
        assert client.describe("credit").columns == ("age", "purpose")
        with pytest.raises(shardgate.ShardgateError, match="which model"):
            client.describe()
    assert client._transport._idle == []


@pytest.mark.parametrize("said, header, features, entities, defaulted", [
    (None, None, None, {}, None),
    (None, "stored; defaulted=3", "stored", {}, 3),
    ("missing", "missing; defaulted=18", "missing", {}, 18),
    ("cached", "missing", "cached", {}, 0),
    (None, "user=stored, merchant=stale", "user=stored, merchant=stale",
     {"user": "stored", "merchant": "stale"}, 0),
    ({"user": "cached"}, "user=missing, defaulted=2", "user=cached", {"user": "cached"}, 2),
])
def test_a_row_says_what_its_features_stood_on(said, header, features, entities, defaulted):
    answer = {"score": 0.5} if said is None else {"score": 0.5, "features": said}
    found = prediction_of(answer, {} if header is None else {"x-features": header})
    assert (found.features, found.entities, found.defaulted) == (features, entities, defaulted)
