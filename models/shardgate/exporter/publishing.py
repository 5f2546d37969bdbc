"""Puts an exported model into a repository: a new version each time, and never over what somebody
wrote by hand."""

import hashlib
import os
import re
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .artefacts import Column, Description, model_toml
from ..errors import ExportError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# The gateway's versions are numbers of 64 bits; TOML, which may name them, has one bit less.
VERSION_MAX = 2**63 - 1
SIGNED = re.compile(r"\n# export\.py wrote what is above \(sha256 ([0-9a-f]{16})\)[^\n]*\n\Z")
SIGNATURE = (
    "\n# export.py wrote what is above (sha256 {}). Change anything, and it leaves this file to you.\n"
)


@dataclass
class Place:
    """Where a model goes."""

    folder: Path
    version: int

    @property
    def version_folder(self) -> Path:
        return self.folder / str(self.version)


def place_for(repository: Path, name: str, wanted: int | None) -> Place:
    """The version to write: the one that is wanted, if it isn't there, else the next."""
    if not NAME.fullmatch(name):
        raise ExportError(f"--name: {name!r} cannot be a model's name: expected 1 to 128 of "
                          "A-Z a-z 0-9 . _ -, and a letter or digit first")
    folder = repository / name
    there = versions(folder)
    following = max(there, default=0) + 1
    if wanted is None:
        wanted = following
    elif wanted in there:
        raise ExportError(f"--version: {folder} has version {wanted}, and a version is never changed: "
                          f"without --version it is the next, {following}")
    if not 1 <= wanted <= VERSION_MAX:
        raise ExportError(f"--version: {wanted} isn't from 1 to {VERSION_MAX}")
    return Place(folder, wanted)


def versions(folder: Path) -> set[int]:
    """The versions of a model, whether their folders hold one or not."""
    if not folder.is_dir():
        return set()
    return {int(path.name) for path in folder.iterdir()
            if path.is_dir() and re.fullmatch("[0-9]+", path.name)}


def signed(text: str) -> str:
    """The text with a last line by which an edit is recognised."""
    return text + SIGNATURE.format(digest(text))


def is_ours(text: str) -> bool:
    """Whether a model.toml is as export.py wrote it."""
    found = SIGNED.search(text)
    return found is not None and digest(text[: found.start()]) == found[1]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write(folder: Path, version: int, files: dict[str, bytes | str], manifest: str,
          write_golden) -> None:
    """A model of one version: its manifest, its files, and its golden file by `write_golden`."""
    (folder / str(version)).mkdir(parents=True)
    for name, data in files.items():
        data = data.encode() if isinstance(data, str) else data
        (folder / str(version) / name).write_bytes(data)
    write_golden(folder / str(version) / "golden.csv")
    (folder / "model.toml").write_text(manifest, encoding="utf-8")


def manifest_for(place: Place, about: Description, columns: list[Column]) -> tuple[str, bool]:
    """The text of model.toml, and whether it is the one that is there and was edited by hand.

    One that doesn't fit the new version is neither overwritten nor left: ExportError says how the two
    differ.
    """
    path = place.folder / "model.toml"
    made = signed(model_toml(about, columns))
    if not path.exists():
        return made, False
    text = path.read_text(encoding="utf-8")
    try:
        ensure_fits(tomllib.loads(text), about, columns)
    except tomllib.TOMLDecodeError as error:
        raise ExportError(f"{path}: {error}: mend it first, it is kept") from error
    except ExportError as error:
        raise ExportError(
            f"{path} doesn't fit this export and describes all versions: {error}; export under "
            "another --name, or change model.toml first, if no other version is needed any more"
        ) from error
    return (made, False) if is_ours(text) else (text, True)


def ensure_fits(manifest: dict, about: Description, columns: list[Column]) -> None:
    """Refuses a manifest by which the new version would be read wrongly."""
    if manifest.get("backend", "onnx") != "onnx":
        raise ExportError(f"backend is {manifest['backend']}")
    there = [column.get("name") for column in manifest.get("columns", [])]
    ours = [column.name for column in columns]
    if there and there != ours:
        raise ExportError(f"its columns are {','.join(map(str, there))}, those of the export "
                          f"{','.join(ours)}")
    output = manifest.get("output", {})
    if output.get("tensor", about.tensor) != about.tensor:
        raise ExportError(f"its [output] tensor is {output['tensor']}, that of the export "
                          f"{about.tensor}")
    for key in ("calibration", "members"):
        if output.get(key) != about.output.get(key):
            raise ExportError(f"its [output] {key} is {output.get(key, 'not there')}, that of the "
                              f"export {about.output.get(key, 'not there')}")
    score_class = output.get("class", about.score_class)
    # A label may be the same class by its name.
    if not isinstance(score_class, str) and score_class != about.score_class:
        raise ExportError(f"its [output] class is {score_class}, that of the export "
                          f"{about.score_class}")


def publish(place: Place, tried: Path, manifest: str | None) -> None:
    """Moves the version that was tried in the model folder `tried` to its place, whole, and writes
    the manifest where one is given."""
    place.folder.mkdir(parents=True, exist_ok=True)
    # On the same file system: what a gateway sees is a whole version, or none.
    with tempfile.TemporaryDirectory(prefix=".export-", dir=place.folder) as beside:
        copy = Path(beside) / str(place.version)
        shutil.copytree(tried / str(place.version), copy)
        if place.version_folder.exists():
            raise ExportError(f"{place.version_folder} is there meanwhile: run it again")
        os.rename(copy, place.version_folder)
        if manifest is not None:
            copy = Path(beside) / "model.toml"
            copy.write_text(manifest, encoding="utf-8")
            os.replace(copy, place.folder / "model.toml")
