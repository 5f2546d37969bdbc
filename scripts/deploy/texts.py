"""What the files beside this one tell the gateway, held against the gateway itself."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Pages whose TOML is configuration; that of others is a model's.
PAGES = ("src/journal/README.md",)
FILES = ("bench/logged.toml",)
IO_URING = {"io_uring_setup", "io_uring_enter", "io_uring_register"}


def configurations():
    """Each text of a configuration file that is shipped, with where it is."""
    for manifest in sorted((HERE / "kubernetes").glob("*.yaml")):
        text = manifest.read_text()
        for name, block in re.findall(r"^ +(\S+\.toml): \|\n((?: {4,}.*\n|\n)+)", text, re.MULTILINE):
            yield f"{manifest.name}: {name}", textwrap.dedent(block)
    for page in PAGES:
        for block in re.findall(r"^```toml\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S):
            yield page, block
    for file in FILES:
        yield file, (ROOT / file).read_text()


def flags():
    """The flags and variables that are shipped, with where they are."""
    text = (HERE / "kubernetes/kserve.yaml").read_text()
    arguments = re.findall(r"^ +- (--\S+=\S+)$", text, re.MULTILINE)
    yield "kserve.yaml", [flag for flag in arguments if not flag.startswith("--models=")], {}
    for name in ("Containerfile", "shardgate.service"):
        text = "".join(line for line in (HERE / name).read_text().splitlines(keepends=True)
                       if not line.startswith("#"))
        yield name, [], dict(re.findall(r"\b(SHARDGATE_[A-Z_]+)=(\S+)", text))


def parse(binary, place, arguments, variables=None):
    """Has the gateway read what it is told, without a store: `models` serves nobody."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SHARDGATE_")}
    done = subprocess.run([binary, "models", *arguments, "--models", ROOT / "models"], cwd=ROOT,
                          env=clean | (variables or {}), text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{place}: {done.stderr.strip()}")


def check_configurations(binary, folder):
    places = []
    for place, text in configurations():
        path = folder / "shipped.toml"
        path.write_text(text)
        parse(binary, place, ["--config", path])
        places.append(place)
    for place, arguments, variables in flags():
        parse(binary, place, arguments, variables)
        places.append(place)
    if not any(place.startswith("shardgate.yaml") for place in places):
        sys.exit("no configuration was found in shardgate.yaml")
    print(f"ok configuration: the gateway reads those of {', '.join(places)}")


def check_context(folder):
    """What a container's build is sent holds all that cargo reads, and nothing that it makes."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines()
                if line and not line.startswith("#")]

    def ignored(directory, names):
        relative = Path(directory).relative_to(ROOT)
        return [name for name in names for pattern in patterns
                if fnmatch.fnmatch(str(relative / name), pattern)
                or (pattern.startswith("**/") and name == pattern.removeprefix("**/"))]

    sent = folder / "context"
    shutil.copytree(ROOT, sent, ignore=ignored, symlinks=True)
    subprocess.run(["cargo", "metadata", "--locked", "--offline", "--format-version=1",
                    "--filter-platform=x86_64-unknown-linux-gnu"], cwd=sent, check=True,
                   stdout=subprocess.DEVNULL)
    mebibytes = sum(path.lstat().st_size for path in sent.rglob("*")) / (1 << 20)
    if mebibytes > 100:
        sys.exit(f".dockerignore: a build is sent {mebibytes:.0f} MiB")
    container = (HERE / "Containerfile").read_text()
    # glommio's build script starts git, whether there is a submodule or not.
    if not re.search(r"apt-get install [^\n]*\bgit\b", container):
        sys.exit("Containerfile: no git for glommio's build script")
    print(f"ok container: cargo reads the {mebibytes:.0f} MiB that a build is sent")


def check_references():
    """What is named is there, and what cannot be a secret is not written as one."""
    profile = json.loads((HERE / "seccomp.json").read_text())
    allowed = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW"
               and not rule.get("args") for name in rule["names"]}
    if not allowed >= IO_URING:
        sys.exit(f"seccomp.json: {IO_URING - allowed} are not allowed")
    for name in ("kubernetes/shardgate.yaml", "kubernetes/kserve.yaml"):
        text = (HERE / name).read_text()
        if "localhostProfile: shardgate.json" not in text or "scripts/deploy/seccomp.json" not in text:
            sys.exit(f"{name}: the seccomp profile is not named with where it is")
    if "seccomp=scripts/deploy/seccomp.json" not in (HERE / "Containerfile").read_text():
        sys.exit("Containerfile: the seccomp profile is not named")
    kong = "".join(line for line in (HERE / "proxies/kong.yaml").read_text().splitlines(keepends=True)
                   if not line.lstrip().startswith("#"))
    if "keyauth_credentials" in kong:
        sys.exit("kong.yaml: a key that is written here is the key, vault reference or not")
    print("ok references: the seccomp profile allows io_uring and is named where it is needed")
