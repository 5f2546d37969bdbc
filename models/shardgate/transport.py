"""HTTP to the gateway: kept connections, time-outs, and requests sent again where that is safe.

A request is sent again where the gateway cannot have begun it: no connection came about, a kept
connection turned out to be closed before the request had left, or the answer says to come back (429,
503 with `retry-after`). One that had left and got no answer is sent again only where it changes nothing
(GET), or carries an idempotency key.
"""

import http.client
import json
import os
import random
import select
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import GatewayUnreachable, RequestError, ShardgateError, TimedOut, refusal

PAUSE_S = 0.05
PAUSE_MAX_S = 2.0
AGAIN = (429, 503)


@dataclass(frozen=True)
class Answer:
    """An answer whose status is 2xx. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ShardgateError("the answer is not JSON: does the URL name a gateway of shardgate? "
                                 f"It begins {self.body[:60]!r}") from error


@dataclass(frozen=True)
class Address:
    """Where a gateway listens."""

    host: str
    port: int
    prefix: str
    tls: ssl.SSLContext | None

    def shown_host(self) -> str:
        """The host as a URL has it."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        if self.tls is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=self.tls)


def address_of(url: str, context: Callable[[], ssl.SSLContext]) -> Address:
    """The address of a URL; without a scheme it is plain HTTP."""
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is no URL of a gateway: expected http://HOST:PORT or https://HOST:PORT")
    if parts.username or parts.query or parts.fragment:
        raise ValueError(f"{url}: expected http://HOST:PORT; a key goes into api_key")
    is_tls = parts.scheme == "https"
    return Address(parts.hostname, port or (443 if is_tls else 80), parts.path.rstrip("/"),
                   context() if is_tls else None)


def is_stale(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has closed an idle connection: nothing else makes it readable."""
    sock: socket.socket | None = connection.sock
    if sock is None:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Transport:
    """Connections to one address, which threads share: each request has one of its own while it
    lasts. After a fork a process makes its own."""

    def __init__(self, address: Address, headers: Mapping[str, str], timeout_s: float, retries: int,
                 said_at_loss: Callable[[], str]) -> None:
        self.address = address
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._retries = retries
        self._said_at_loss = said_at_loss
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._owner = os.getpid()

    def close(self) -> None:
        """Closes the connections that no request uses. A later request opens another."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def ask(self, method: str, path: str, body: bytes | None = None,
            headers: Mapping[str, str] | None = None, timeout_s: float | None = None,
            is_repeatable: bool = False) -> Answer:
        """The answer to a request, or the error that says why there is none."""
        until = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        attempt = 0
        while True:
            try:
                return self._once(method, path, body, headers or {}, until)
            except GatewayUnreachable as error:
                if attempt >= self._retries or (error.was_sent and not is_repeatable):
                    raise
                pause = paused(attempt, None)
            except RequestError as error:
                is_told = error.status in AGAIN and error.retry_after_s is not None
                if attempt >= self._retries or not is_told:
                    raise
                pause = paused(attempt, error.retry_after_s)
                if time.monotonic() + pause >= until:
                    raise
            if time.monotonic() + pause >= until:
                raise TimedOut(f"{self._name()} could not be reached in time")
            time.sleep(pause)
            attempt += 1

    def _name(self) -> str:
        return f"the gateway at {self.address.host}:{self.address.port}"

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str],
              until: float) -> Answer:
        connection = self._connection(until)
        is_kept = False
        try:
            sent = {**self._headers, **headers, "x-deadline-ms": str(milliseconds_to(until))}
            self._send(connection, method, self.address.prefix + path, body, sent)
            answer, is_kept = self._receive(connection, until)
        finally:
            if is_kept:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()
        if 200 <= answer.status < 300:
            return answer
        raise refusal(answer.status, reason_of(answer), retry_after_of(answer))

    def _connection(self, until: float) -> http.client.HTTPConnection:
        """A kept connection that is still open, or a new one."""
        with self._lock:
            if self._owner != os.getpid():
                # The parent's connections carry the parent's requests.
                self._idle, self._owner = [], os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if not is_stale(connection):
                    return connection
                connection.close()
        connection = self.address.connection(max(until - time.monotonic(), 0.001))
        try:
            connection.connect()
        except TimeoutError as error:
            raise TimedOut(f"{self._name()} did not take a connection in time") from error
        except ssl.SSLCertVerificationError as error:
            raise GatewayUnreachable(
                f"{self._name()}: its certificate is not trusted: {error.verify_message}; "
                "Client(ca_file=…) names the authority that signed it") from error
        except ssl.SSLError as error:
            raise GatewayUnreachable(f"{self._name()} does not speak TLS as this client does: "
                                     f"{error.reason}; is its port plain, http://?") from error
        except OSError as error:
            raise GatewayUnreachable(f"{self._name()} cannot be reached: {error.strerror or error}"
                                     f"{self._said_at_loss()}") from error
        return connection

    def _send(self, connection: http.client.HTTPConnection, method: str, path: str,
              body: bytes | None, headers: Mapping[str, str]) -> None:
        try:
            connection.request(method, path, body, dict(headers))
        except TimeoutError as error:
            raise TimedOut(f"{self._name()} did not take the request in time") from error
        except OSError as error:
            # Some of it is still here, so it was not answered.
            raise GatewayUnreachable(f"{self._name()} closed the connection: {error.strerror or error}"
                                     f"{self._said_at_loss()}") from error

    def _receive(self, connection: http.client.HTTPConnection, until: float) -> tuple[Answer, bool]:
        """The answer, and whether the connection stays open."""
        try:
            if connection.sock is not None:
                connection.sock.settimeout(max(until - time.monotonic(), 0.001))
            response = connection.getresponse()
            body = response.read()
        except TimeoutError as error:
            raise TimedOut(f"{self._name()} did not answer in time: Client(timeout_s=…) waits longer"
                           ) from error
        except (OSError, http.client.HTTPException) as error:
            raise GatewayUnreachable(
                f"{self._name()} ended the connection before it answered ({error}); the request may "
                f"have been answered all the same{self._said_at_loss()}", was_sent=True) from error
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body), not response.will_close


def milliseconds_to(until: float) -> int:
    """What is left of the time, as the deadline that the gateway is told."""
    return max(int((until - time.monotonic()) * 1000), 1)


def paused(attempt: int, told_s: float | None) -> float:
    """How long to wait before the next attempt: as the gateway said, else longer each time, and no two
    clients alike."""
    if told_s is not None:
        return told_s
    return min(PAUSE_S * float(2**attempt), PAUSE_MAX_S) * random.uniform(0.5, 1.0)


def reason_of(answer: Answer) -> str:
    """What a refusal says."""
    try:
        said = json.loads(answer.body)
        if isinstance(said, dict) and isinstance(said.get("error"), str):
            return str(said["error"])
    except ValueError:
        pass
    return answer.body[:200].decode("utf-8", "replace") or "no reason was given"


def retry_after_of(answer: Answer) -> float | None:
    """The seconds of `retry-after`."""
    try:
        return max(float(answer.headers["retry-after"]), 0.0)
    except (KeyError, ValueError):
        return None
