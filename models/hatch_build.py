"""Puts the program `shardgate` into the wheel, and says on which systems it runs.

The program is the one that SHARDGATE_BINARY names, else the one that was built in this clone, else it is
built now. Its debugging symbols are left out where `strip` is at hand.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "SHARDGATE_BINARY"
HERE = Path(__file__).resolve().parent
CLONE = HERE.parent
BUILT = CLONE / "target" / "release" / "shardgate"
BUILD = ["cargo", "build", "--release", "--locked", "--workspace"]

# The hook runs where its own folder is no part of the path.
sys.path.insert(0, str(HERE))
from elf import NoProgram, needs_of  # noqa: E402


class Hook(BuildHookInterface[Any]):
    """Makes the wheel one of a platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before files are taken."""
        program = found()
        try:
            needs = needs_of(program)
        except NoProgram as error:
            raise SystemExit(f"shardgate: {error}: the wheel is of a program for Linux") from error
        self.folder = tempfile.TemporaryDirectory(prefix="shardgate-wheel-")
        stripped = Path(self.folder.name) / "shardgate"
        strip(program, stripped)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{needs.platform}"
        build_data["shared_scripts"] = {str(stripped): "shardgate"}
        if (CLONE / "LICENSE").is_file():
            build_data["force_include"][str(CLONE / "LICENSE")] = "shardgate/LICENSE"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """After the wheel was written."""
        self.folder.cleanup()


def found() -> Path:
    """The program; SystemExit says what is missing."""
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named).resolve()
        if not path.is_file() or not os.access(path, os.X_OK):
            raise SystemExit(f"shardgate: {VARIABLE}: {named} is no program that can be run here")
        return path
    if BUILT.is_file():
        return BUILT
    if not (CLONE / "Cargo.toml").is_file():
        raise SystemExit(
            "shardgate: there is no program to put into the wheel, and no source of it beside this "
            f"folder: set {VARIABLE} to a `shardgate` that was built, or install from a clone")
    if shutil.which("cargo") is None:
        raise SystemExit(
            f"shardgate: there is no program to put into the wheel: {BUILT} was not built, {VARIABLE} "
            "names none, and there is no cargo to build it with: install Rust (https://rustup.rs) and a "
            "C compiler, or set the variable")
    print(f"shardgate: {' '.join(BUILD)}: the first build takes minutes", file=sys.stderr, flush=True)
    ended = subprocess.run(BUILD, cwd=CLONE, check=False)
    if ended.returncode != 0 or not BUILT.is_file():
        raise SystemExit(f"shardgate: {' '.join(BUILD)} failed in {CLONE}: what it said is above (pip "
                         "-v shows it)")
    return BUILT


def strip(program: Path, target: Path) -> None:
    """A copy without debugging symbols."""
    command = shutil.which("strip")
    if command is None or subprocess.run([command, "-o", target, program], check=False).returncode != 0:
        print("shardgate: no strip is at hand: the wheel has the program's debugging symbols",
              file=sys.stderr)
        shutil.copy(program, target)
    target.chmod(0o755)
