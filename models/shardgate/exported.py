"""What came of an export."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Exported:
    """A version of a model that was written.

    `path` is the model's folder, `version_path` that of the version. `rows` were compared: the largest
    differences to the library's own scores are those of the gateway and, where it was asked, of ONNX
    Runtime. `notes` say what the score is, and which rows were left out.
    """

    path: Path
    version: int
    rows: int
    difference_onnx_runtime: float | None
    difference_gateway: float
    keeps_manifest: bool
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.path.name

    @property
    def version_path(self) -> Path:
        """The folder of the version."""
        return self.path / str(self.version)

    def said(self) -> Iterator[str]:
        """What there is to say of it, line by line."""
        second = ("" if self.difference_onnx_runtime is None
                  else f" and {self.difference_onnx_runtime:.1e} by ONNX Runtime")
        yield (f"{self.version_path}: {self.rows} rows agree; the largest difference is "
               f"{self.difference_gateway:.1e} by the gateway{second}")
        yield from self.notes
        if self.keeps_manifest:
            yield f"{self.path / 'model.toml'} was edited by hand, fits, and was left as it is."

    def __str__(self) -> str:
        return "\n".join(self.said())
