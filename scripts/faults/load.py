"""A constant load that looks at every answer: its status, and its score to the last digit that counts.

Each connection asks for one user after another. What becomes of a request is an HTTP status, or
`defaults` (200, and the answer says that the features did not come), `wrong` (a score that is not the
user's), `lost` (it was sent, and no whole answer came) or `refused` (no connection could be made).
"""

import csv
import json
import random
import socket
import threading
import time
from collections import Counter

TOLERANCE = 1e-5
# An answer that takes longer is lost.
PATIENCE_S = 15.0
# Whoever had the answer wrong is shown this often.
WRONG_SHOWN_MAX = 5


class Request:
    """When a request was sent and answered, by the monotonic clock, and what came of it."""

    __slots__ = ("sent", "ended", "outcome")

    def __init__(self, sent, ended, outcome):
        self.sent, self.ended, self.outcome = sent, ended, outcome


def golden(folder):
    """Each user's score as the model's own library computed it."""
    with (folder / "golden.csv").open(newline="") as file:
        return {row["user_id"]: float(row["score"]) for row in csv.DictReader(file)}


def predict(user, **fields):
    """The bytes of a request for a user's score."""
    body = json.dumps({"user_id": user}).encode()
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return (f"POST /predict HTTP/1.1\r\nhost: load\r\n{head}"
            f"content-length: {len(body)}\r\n\r\n").encode() + body


class Client:
    """One connection, made again whenever the server ended it."""

    def __init__(self, port):
        self.port = port
        self.socket = None
        self.input = b""

    def connect(self):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket, self.input = None, b""

    def ask(self, request):
        """The status, fields and body of the answer."""
        self.connect()
        self.socket.sendall(request)
        return self.receive()

    def receive(self):
        """The next answer; `OSError` where it does not come whole."""
        while b"\r\n\r\n" not in self.input:
            self.read()
        head, _, self.input = self.input.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        length = int(fields["content-length"])
        while len(self.input) < length:
            self.read()
        body, self.input = self.input[:length], self.input[length:]
        if fields.get("connection") == "close":
            self.close()
        return int(lines[0].split(" ")[1]), fields, body

    def read(self):
        received = self.socket.recv(65_536)
        if not received:
            raise ConnectionResetError("the connection ended before the answer did")
        self.input += received


class Load:
    """Connections that ask for users' scores until they are told to stop."""

    def __init__(self, port, scores, connections=16, pause_s=0.002):
        self.port, self.scores, self.pause_s = port, scores, pause_s
        self.users = sorted(scores)
        self.requests = []
        self.wrong = []
        self.stopping = threading.Event()
        client = Client(port)
        status, _, body = client.ask(predict("nobody"))
        assert status == 200, (status, body)
        self.default_score = json.loads(body)["score"]
        client.close()
        self.threads = [threading.Thread(target=self.run, args=(index,), daemon=True)
                        for index in range(connections)]
        for thread in self.threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=2 * PATIENCE_S)

    def run(self, index):
        chance, client = random.Random(index), Client(self.port)
        while not self.stopping.is_set():
            self.ask(client, chance.choice(self.users))
            time.sleep(self.pause_s)
        client.close()

    def ask(self, client, user):
        """Asks for a user's score and remembers what came of it."""
        sent = time.monotonic()
        try:
            client.connect()
        except OSError:
            self.requests.append(Request(sent, time.monotonic(), "refused"))
            time.sleep(0.01)
            return
        try:
            status, fields, body = client.ask(predict(user))
            outcome = status if status != 200 else self.outcome(user, fields, body)
        except (OSError, ValueError, KeyError):
            client.close()
            outcome = "lost"
        self.requests.append(Request(sent, time.monotonic(), outcome))

    def outcome(self, user, fields, body):
        """What an answer of 200 is worth."""
        answer, features = json.loads(body), fields.get("x-features")
        expected = self.default_score if features == "error" else self.scores[user]
        is_right = answer["user_id"] == user and abs(answer["score"] - expected) <= TOLERANCE
        if is_right and features != "missing":
            return "defaults" if features == "error" else 200
        self.wrong.append((user, features, answer, expected))
        return "wrong"

    def since(self, start):
        """The requests that were sent since then and have ended."""
        # Lists are appended to by threads; a slice is one step.
        return [request for request in self.requests[:] if request.sent >= start]

    def shown_wrong(self):
        return self.wrong[:WRONG_SHOWN_MAX]


class Summary:
    """What came of the requests of a fault that ended at a time by the monotonic clock."""

    def __init__(self, requests, fault_ended):
        self.sent = len(requests)
        self.outcomes = Counter(request.outcome for request in requests)
        latencies = sorted(request.ended - request.sent for request in requests) or [0.0]
        self.p50_ms = 1e3 * latencies[len(latencies) // 2]
        self.p99_ms = 1e3 * latencies[len(latencies) * 99 // 100]
        self.slowest_ms = 1e3 * latencies[-1]
        # Until the last answer that the fault touched: one that was not 200, or was asked for
        # before the fault's end.
        touched = [request.ended for request in requests
                   if request.outcome != 200 or request.sent < fault_ended]
        self.recovery_ms = 1e3 * max(0.0, max(touched, default=fault_ended) - fault_ended)

    def statuses(self):
        return " ".join(f"{outcome}:{count}"
                        for outcome, count in sorted(self.outcomes.items(), key=str))
