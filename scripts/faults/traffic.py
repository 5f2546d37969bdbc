"""Clients that are not as a server would like them: each function is one visit of one of them."""

import json

from load import Client, predict

PIPELINED = 32
USER = b'{"user_id": "applicant-0001"}'

# What is sent, and what it is answered with.
BAD = [
    (b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n{{{", 400),
    (b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}", 400),
    (b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", 400),
    (b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n"
     b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /predict HTTP/1.1\nhost: a\n\n", 400),
    (b"POST /predict HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    (b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n", 413),
    (b"POST /predict HTTP/1.1\r\nhost: a\r\nx-deadline-ms: 0\r\ncontent-length: "
     + str(len(USER)).encode() + b"\r\n\r\n" + USER, 504),
    (b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n", 404),
    (b"BREW /predict HTTP/1.1\r\nhost: a\r\n\r\n", 501),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
]


def bad(port, chance):
    """Sends something wrong; it is told so by a status."""
    request, expected = chance.choice(BAD)
    client = Client(port)
    status, _, _ = client.ask(request)
    client.close()
    assert status == expected, (status, expected, request[:80])


def pipelined(port, chance):
    """Sends many requests at once and takes the answers in order."""
    users = [f"applicant-{chance.randrange(1, 1001):04}" for _ in range(PIPELINED)]
    client = Client(port)
    client.connect()
    client.socket.sendall(b"".join(map(predict, users)))
    for user in users:
        status, _, body = client.receive()
        assert status == 200 and json.loads(body)["user_id"] == user, (status, body)
    client.close()


def departing(port, chance):
    """Goes away with its answers unread, or in the middle of a request."""
    client = Client(port)
    client.connect()
    requests = predict("applicant-0001") * chance.randrange(1, PIPELINED)
    client.socket.sendall(requests[:chance.randrange(1, len(requests))])
    client.close()


def large(port, chance):
    """Sends an array of many users, in pieces."""
    members = [{"user_id": f"applicant-{chance.randrange(1, 1001):04}"} for _ in range(500)]
    body = json.dumps(members).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    client = Client(port)
    client.connect()
    for at in range(0, len(body), 4_096):
        client.socket.sendall(head * (at == 0) + body[at:at + 4_096])
    status, _, answer = client.receive()
    assert status == 200 and len(json.loads(answer)) == len(members), status
    client.close()


VISITORS = [bad, pipelined, departing, large]
