"""The proxies of this folder: how each is started on ports of its own, from the file as it is shipped."""

import contextlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from support import running  # noqa: E402

# The ports in the files: of the proxy, for HTTP/2 alone, of the gateways, of their admin ports.
PROXY, HTTP2, GATEWAYS, ADMINS = 8080, 8443, (8888, 8889), (9888, 9889)
# Where `scripts/test` puts the proxies that come from PyPI.
PACKAGED = ROOT / ".cache/venv-proxies/bin"


@dataclass(frozen=True)
class Front:
    """A proxy: its files, its command, and in what it differs from the others."""

    name: str
    files: tuple[str, ...]
    command: tuple[str, ...]
    # Lines that are comments as shipped, and are tried, too: HTTP/2 with TLS.
    encrypted: bool = False
    # How its idle time is written, to be made short.
    idle: tuple[str, str] = ("60s", "{}ms")
    # Whether it gives each request an id.
    gives_ids: bool = True
    # Whether it asks again what was sent on a connection that the gateway then ended.
    asks_again: bool = True
    # What the gateways behind it should have otherwise than they have it, of `[http]`.
    gateway: dict[str, int] = field(default_factory=dict)

    def program(self):
        return shutil.which(self.command[0]) or shutil.which(self.command[0], path=PACKAGED)

    def configured(self, folder, ports, idle_ms=None):
        """Writes its files into `folder` with other ports, by those in the files."""
        for name in self.files:
            text = (HERE / name).read_text()
            for old, new in ports.items():
                text = re.sub(rf"\b{old}\b", str(new), text)
            if self.encrypted:
                text = re.sub(r"^( +)#(bind|listen|ssl_\w+) ", r"\1\2 ", text, flags=re.MULTILINE)
            if idle_ms is not None:
                old, new = self.idle
                found = text.count(old)
                if found == 0 and name == self.files[-1]:
                    sys.exit(f"{name}: no idle time `{old}`")
                text = text.replace(old, new.format(idle_ms))
            (folder / name).write_text(text)

    @contextlib.contextmanager
    def started(self, folder, ports, idle_ms=None):
        self.configured(folder, ports, idle_ms)
        command = [self.program(), *self.command[1:]]
        with (folder / f"{self.name}.log").open("w") as log, \
                running(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT) as process:
            yield process


FRONTS = (
    Front("nginx", ("nginx.conf",), ("nginx", "-p", ".", "-c", "nginx.conf", "-g", "daemon off;"),
          encrypted=True),
    # It has no idle time for one connection: it ends half of them each purge.
    Front("haproxy", ("haproxy.cfg",), ("haproxy", "-f", "haproxy.cfg"), encrypted=True,
          idle=("pool-max-conn 256", "pool-max-conn 256 pool-purge-delay {}ms")),
    Front("envoy", ("envoy.yaml",), ("envoy", "-c", "envoy.yaml", "--concurrency", "2",
                                     "--use-dynamic-base-id", "--log-level", "warning"),
          idle=("idle_timeout: 60s", "idle_timeout: 0.{}s")),
    Front("traefik", ("traefik.yaml", "traefik-routes.yaml"), ("traefik", "--configFile=traefik.yaml"),
          gives_ids=False, asks_again=False, gateway={"drain_idle_timeout_ms": 3000}),
    Front("caddy", ("Caddyfile",), ("caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"),
          gives_ids=False),
)
