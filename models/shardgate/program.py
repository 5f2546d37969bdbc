"""Where the program `shardgate` is."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from .errors import ProgramNotFound

NAME = "shardgate"
VARIABLE = "SHARDGATE"
# Of a clone, where this file is used from one.
BUILT = Path(__file__).resolve().parents[2] / "target" / "release" / NAME
NONE_FOUND = (
    f"there is no program {NAME}: install the wheel (pip install ./models in a clone, which carries "
    f"it), build it (cargo build --release), or name it by the variable {VARIABLE}"
)


def is_program(path: str | Path) -> bool:
    """Whether a path names a file that can be run."""
    return Path(path).is_file() and os.access(path, os.X_OK)


def installed() -> list[Path]:
    """Where a wheel puts it: into the folder of commands, of this environment or of this user."""
    folders = [sysconfig.get_path("scripts"),
               sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))]
    return [Path(folder) / NAME for folder in folders if folder]


def find(chosen: str | Path | None = None) -> Path:
    """The program: `chosen`, else the one that the variable SHARDGATE names, the one that was built in
    this clone, the one that was installed with this package, or the one on the PATH.

    ProgramNotFound says what is missing.
    """
    for named, by in [(chosen, "program"), (os.environ.get(VARIABLE), VARIABLE)]:
        if named:
            if is_program(named):
                return Path(named).resolve()
            raise ProgramNotFound(f"{by}: {named} is no program that can be run here")
    for path in [BUILT, *installed()]:
        if is_program(path):
            return path
    on_path = shutil.which(NAME)
    if on_path is None:
        raise ProgramNotFound(NONE_FOUND)
    return Path(on_path).resolve()


def environment() -> dict[str, str]:
    """The environment without the settings of a gateway that serves."""
    return {name: value for name, value in os.environ.items() if not name.startswith(VARIABLE)}


def main() -> int:
    """Becomes the program, with the arguments of this process."""
    try:
        path = find()
    except ProgramNotFound as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 1
    os.execv(path, [NAME, *sys.argv[1:]])
