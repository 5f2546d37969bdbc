"""The gateway's own word on an exported model: whether it loads it, and scores as the library does.

ONNX Runtime runs graphs that the gateway refuses, and gets some wrong that the gateway gets right.
So the gateway is asked, by `shardgate check`.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from exporting import ExportError, first_line

BUILT = Path(__file__).resolve().parents[1] / "target" / "release" / "shardgate"
TIMEOUT_S = 300
NONE_FOUND = (
    "there is no gateway to ask whether it scores as the library does: build it (cargo build "
    "--release), or name it by --gateway PATH or the variable SHARDGATE"
)
COMPARED = re.compile(r"against its library: (\d+) rows, largest difference ([0-9.e+-]+|inf|NaN)")


def find(chosen: Path | None) -> Path:
    """The gateway: the one that is named, by flag or variable, else the one that was built here, else
    the one on the PATH."""
    for named, by in [(chosen, "--gateway"), (os.environ.get("SHARDGATE"), "SHARDGATE")]:
        if named:
            if os.access(named, os.X_OK) and Path(named).is_file():
                return Path(named).resolve()
            raise ExportError(f"{by}: {named} is no program that can be run here")
    if os.access(BUILT, os.X_OK):
        return BUILT
    on_path = shutil.which("shardgate")
    if on_path is None:
        raise ExportError(NONE_FOUND)
    return Path(on_path).resolve()


def ask(gateway: Path, folder: Path, rows: int) -> float:
    """The largest difference between the gateway's scores and those of the golden file, of so many
    rows, in the one version of the model in `folder`. ExportError where the gateway refuses the model
    or its scores differ."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("SHARDGATE")}
    command = [gateway, "check", "--models", folder.parent, "--model", folder.name]
    with tempfile.TemporaryDirectory() as empty:
        # In an empty folder no store of somebody else's is looked at.
        try:
            ended = subprocess.run(
                command, cwd=empty, env=environment, capture_output=True, text=True,
                errors="replace", timeout=TIMEOUT_S, check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(f"the gateway cannot be asked: {first_line(error)}") from error
    lines = [line.replace(f"{folder.parent}{os.sep}", "") for line in ended.stdout.splitlines()]
    refusals = [line.removeprefix("wrong").strip() for line in lines
                if line.startswith(f"wrong  model {folder.name}")]
    if refusals:
        verb = "scores otherwise" if "against its library" in refusals[0] else "refuses the model"
        raise ExportError(f"the gateway {verb}: {refusals[0]}")
    compared = next(filter(None, map(COMPARED.search, lines)), None)
    if compared is None or int(compared[1]) != rows:
        said = (ended.stderr.strip().splitlines() or lines or [f"status {ended.returncode}"])[-1]
        raise ExportError(f"the gateway {gateway} did not compare the {rows} rows: {said}")
    return float(compared[2])
