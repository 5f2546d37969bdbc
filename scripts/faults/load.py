"""A constant load that looks at every answer: its status, and its score to the last digit that counts.

Some connections are kept and ask for one user after another; others are made for each request. What
becomes of a request is an HTTP status, or `defaults` (200, and the answer says that the features did
not come), `wrong` (a score that is not the user's, or no answer at all by its form), `lost` (it was
sent, and no whole answer came), `refused` (no connection could be made) or, as long as nothing has come
of it, `under way`.
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
    """When a request was sent and answered, by the monotonic clock, and what came of it.

    It is there from when it is sent: whoever looked only at those that have ended would not see one
    that hangs.
    """

    __slots__ = ("sent", "ended", "outcome")

    def __init__(self):
        self.sent, self.ended, self.outcome = time.monotonic(), None, "under way"

    def end(self, outcome):
        self.outcome = outcome
        # Last: whoever reads this reads an outcome too.
        self.ended = time.monotonic()

    def taken(self, now):
        """How long it took; so far, where it is under way."""
        return (self.ended or now) - self.sent


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
        fields = {name.lower(): value for name, value in
                  (line.split(": ", 1) for line in lines[1:])}
        length = int(fields["content-length"])
        while len(self.input) < length:
            self.read()
        body, self.input = self.input[:length], self.input[length:]
        if fields.get("connection", "").lower() == "close":
            self.close()
        return int(lines[0].split(" ")[1]), fields, body

    def read(self):
        received = self.socket.recv(65_536)
        if not received:
            raise ConnectionResetError("the connection ended before the answer did")
        self.input += received


class Load:
    """Clients that ask for users' scores until they are told to stop.

    Each of `connections` is kept, and each of `newcomers` makes one for each request: what goes
    wrong between a handshake and the first answer is seen by those alone.
    """

    def __init__(self, port, scores, connections=16, newcomers=0, pause_s=0.002):
        self.port, self.scores, self.pause_s = port, scores, pause_s
        self.users = sorted(scores)
        self.requests = []
        # The threads that ask share the list with the one that looks at what came of it.
        self.lock = threading.Lock()
        self.wrong = []
        self.stopping = threading.Event()
        client = Client(port)
        status, _, body = client.ask(predict("nobody"))
        assert status == 200, (status, body)
        self.default_score = json.loads(body)["score"]
        client.close()
        self.threads = [threading.Thread(target=self.run, args=(index, index < connections), daemon=True)
                        for index in range(connections + newcomers)]
        for thread in self.threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Sends nothing more, and waits for what was sent."""
        self.stopping.set()
        give_up = time.monotonic() + 2 * PATIENCE_S
        for thread in self.threads:
            thread.join(timeout=max(0.0, give_up - time.monotonic()))

    def run(self, index, is_kept):
        chance, client = random.Random(index), Client(self.port)
        while not self.stopping.is_set():
            self.ask(client, chance.choice(self.users))
            if not is_kept:
                client.close()
            time.sleep(self.pause_s)
        client.close()

    def ask(self, client, user):
        """Asks for a user's score and remembers what came of it."""
        request = Request()
        with self.lock:
            self.requests.append(request)
        try:
            client.connect()
        except OSError:
            request.end("refused")
            time.sleep(0.01)
            return
        try:
            status, fields, body = client.ask(predict(user))
            outcome = status if status != 200 else self.outcome(user, fields, body)
        except OSError:
            client.close()
            outcome = "lost"
        except Exception as error:  # noqa: BLE001
            # Whatever a malformed answer leads to: a thread that it ended would ask nothing more.
            client.close()
            self.wrong.append((user, repr(error)))
            outcome = "wrong"
        # One that trickles in makes no receive time out.
        request.end(outcome if request.taken(time.monotonic()) < PATIENCE_S else "lost")

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
        """The requests that were sent since then, with those that are under way."""
        with self.lock:
            return [request for request in self.requests if request.sent >= start]

    def between(self, start, end):
        """The requests that were sent or under way from one time to another."""
        with self.lock:
            return [request for request in self.requests if request.sent < end
                    and (request.ended is None or request.ended >= start)]

    def take_ended(self):
        """The requests that have ended, which are forgotten with that."""
        with self.lock:
            ended = [request for request in self.requests if request.ended is not None]
            self.requests = [request for request in self.requests if request.ended is None]
        return ended

    def shown_wrong(self):
        return self.wrong[:WRONG_SHOWN_MAX]


class Summary:
    """What came of the requests of a fault that ended at a time by the monotonic clock."""

    def __init__(self, requests, fault_ended):
        self.sent, now = len(requests), time.monotonic()
        self.outcomes = Counter(request.outcome for request in requests)
        latencies = sorted(request.taken(now) for request in requests) or [0.0]
        self.p50_ms = 1e3 * latencies[len(latencies) // 2]
        self.p99_ms = 1e3 * latencies[len(latencies) * 99 // 100]
        self.slowest_ms = 1e3 * latencies[-1]
        # Until the last answer that the fault touched: one that was not 200, or was asked for
        # before the fault's end.
        touched = [request.ended or now for request in requests
                   if request.outcome != 200 or request.sent < fault_ended]
        self.recovery_ms = 1e3 * max(0.0, max(touched, default=fault_ended) - fault_ended)

    def statuses(self):
        return " ".join(f"{outcome}:{count}"
                        for outcome, count in sorted(self.outcomes.items(), key=str))
