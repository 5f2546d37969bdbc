"""Gateways to be treated badly: on a store of their own, on a model's server, on a cluster."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from support import BINARY, ROOT, free_port, get, wait_for  # noqa: E402

MODEL = "bench-credit-numeric"
CASSANDRA = "127.0.0.1:19342"
# Some users' features are kept when the store is gone, and others' are not. A node on the cores of
# the gateway and of the load is slow at times: only one that is harmed is to be too slow.
CASSANDRA_CONFIG = """[features.scylla]
fetch_deadline_ms = 250
[features.scylla.cache]
max_bytes = 65536
ttl_ms = 100
"""


def usual_cores():
    """Two of those that there are."""
    return ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))


class Gateway:
    """A process that serves MODEL, and how to start another in its place."""

    def __init__(self, folder, store, models=ROOT / "models", cores=None, arguments=()):
        self.folder, self.store, self.models, self.arguments = folder, store, models, arguments
        self.port, self.admin = free_port(), free_port()
        self.cores = cores or usual_cores()
        self.log = (folder / f"log-{self.port}").open("a")
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        code = self.stop()
        self.log.close()
        if code != 0:
            sys.exit(f"the gateway ended with {code}:\n{Path(self.log.name).read_text()[-3000:]}")

    def start(self):
        self.process = self.launch()
        self.wait_until_ready()

    def launch(self):
        return subprocess.Popen(
            [BINARY, "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}",
             "--cores", self.cores, "--models", self.models, "--model", MODEL,
             "--store", self.store, "--takeover", self.folder / f"takeover-{self.port}",
             *self.arguments],
            cwd=ROOT, stdout=self.log, stderr=self.log)

    def wait_until_ready(self):
        wait_for(f"http://127.0.0.1:{self.admin}/readyz", "the gateway")

    def stop(self, with_signal=signal.SIGTERM):
        """Ends the process; gives its exit status."""
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=30)

    def metric(self, name):
        """The sum of a metric over its labels."""
        text = get(f"http://127.0.0.1:{self.admin}/metrics")
        return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*?\}})? (\S+)", text, re.M))

    def shard_threads(self):
        """The ids of the threads of its shards, by the name that each gives itself."""
        return sorted(self.shard_names())

    def shard_count(self):
        """How many shards it has; what a shard's executor starts is named as the shard is."""
        return len(set(self.shard_names().values()))

    def shard_names(self):
        names = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            # A thread may end while they are looked at.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                names[int(task.name)] = (task / "comm").read_text().strip()
        return {thread: name for thread, name in names.items() if name.startswith("shard-")}


def import_users(store, *arguments):
    subprocess.run([BINARY, "import", ROOT / "models" / MODEL / "features.csv", "--store", store,
                    *arguments], check=True, stdout=subprocess.DEVNULL)


def embedded(folder):
    """A gateway on a store in a file."""
    store = f"embedded:{folder / 'features'}"
    import_users(store)
    return Gateway(folder, store)


@contextlib.contextmanager
def remote(folder):
    """A gateway whose model another gateway computes; gives both."""
    store = f"embedded:{folder / 'features-remote'}"
    import_users(store)
    cores = sorted(os.sched_getaffinity(0))
    # Kill and revive it as one likes: nothing is taken over from one that was killed.
    back = Gateway(folder, store, cores=str(cores[-1]))
    url = f"http://127.0.0.1:{back.port}/v2/models/{MODEL}"
    table = '[remote]\ninput = "input"\ntimeout_ms = 500\n'
    text = (ROOT / "models" / MODEL / "model.toml").read_text()
    text = re.sub(r"\[output\]\n(.+\n)*", table, text)
    model = folder / "models" / MODEL
    model.mkdir(parents=True)
    (model / "model.toml").write_text(f'backend = "remote"\nurl = "{url}"\n{text}')
    front = Gateway(folder, store, models=folder / "models", cores=str(cores[0]))
    with back, front:
        yield front, back


def cassandra(command):
    """What `scripts/cassandra` does with the cluster of one node."""
    script = ROOT / "scripts/cassandra"
    subprocess.run([script, *command.split()], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def on_cassandra(folder):
    """A gateway on a Cassandra node that is there to be killed."""
    cassandra("start lone")
    try:
        store = f"scylla://{CASSANDRA}/chaos_{int(time.time())}"
        import_users(store, "--create", "--dev")
        (folder / "gateway.toml").write_text(CASSANDRA_CONFIG)
        arguments = ["--config", folder / "gateway.toml"]
        with Gateway(folder, store, arguments=arguments) as gateway:
            yield gateway
    finally:
        cassandra("stop lone")


def cassandra_pid():
    return int((ROOT / ".cache/cassandra/lone/1/pid").read_text())
