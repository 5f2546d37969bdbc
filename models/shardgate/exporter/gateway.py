"""The gateway's own word on an exported model: whether it loads it, and scores as the library does.

ONNX Runtime runs graphs that the gateway refuses, and gets some wrong that the gateway gets right.
So the gateway is asked, by `shardgate check`.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from .. import program
from ..errors import ExportError, ProgramNotFound
from .exporting import first_line

TIMEOUT_S = 300
NONE_FOUND = (
    "there is no gateway to ask whether it scores as the library does: build it (cargo build "
    "--release), or name it by --gateway PATH or the variable SHARDGATE"
)
# The gateway's advice to give rows against which scores are explained.
BACKGROUND = re.compile(
    r"name rows (?:that stand for the average one|to take these of) with \[explain\] background = "
    r"\"background\.csv\"(?:, or write the file again with models/export\.py)?")
COMPARED = re.compile(r"against its library: (\d+) rows, largest difference ([0-9.e+-]+|inf|NaN)")


def find(chosen: Path | None) -> Path:
    """The gateway: the one that is named, by flag or variable, else the one that `program.find`
    finds."""
    try:
        return program.find(chosen)
    except ProgramNotFound as error:
        named = str(error).startswith(("program:", program.VARIABLE))
        raise ExportError(str(error).replace("program:", "--gateway:", 1) if named else NONE_FOUND
                          ) from error


def ask(gateway: Path, folder: Path, rows: int) -> float:
    """The largest difference between the gateway's scores and those of the golden file, of so many
    rows, in the one version of the model in `folder`. ExportError where the gateway refuses the model
    or its scores differ."""
    command = [gateway, "check", "--models", folder.parent, "--model", folder.name]
    with tempfile.TemporaryDirectory() as empty:
        # In an empty folder no store of somebody else's is looked at.
        try:
            ended = subprocess.run(
                command, cwd=empty, env=program.environment(), capture_output=True, text=True,
                errors="replace", timeout=TIMEOUT_S, check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(f"the gateway cannot be asked: {first_line(error)}") from error
    lines = [line.replace(f"{folder.parent}{os.sep}", "") for line in ended.stdout.splitlines()]
    refusals = [line.removeprefix("wrong").strip() for line in lines
                if line.startswith(f"wrong  model {folder.name}")]
    if refusals:
        verb = "scores otherwise" if "against its library" in refusals[0] else "refuses the model"
        raise ExportError(f"the gateway {verb}: {as_flags(refusals[0])}")
    compared = next(filter(None, map(COMPARED.search, lines)), None)
    if compared is None or int(compared[1]) != rows:
        said = (ended.stderr.strip().splitlines() or lines or [f"status {ended.returncode}"])[-1]
        raise ExportError(f"the gateway {gateway} did not compare the {rows} rows: {said}")
    return float(compared[2])


def as_flags(refusal: str) -> str:
    """What the gateway says, where it names a key of model.toml, with the flag that writes it."""
    said = BACKGROUND.sub("--background N takes N of --rows, which stand for the average one", refusal)
    return said.replace("leave [explain] out of model.toml", "leave out --explain")
