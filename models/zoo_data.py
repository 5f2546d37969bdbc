"""What the zoo's models learn, and what an entry of the zoo says."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

WIDTH = 6
SEED = 5
LABELS = {"binary": ["bad", "good"], "multi": ["high", "low", "middle"]}


@dataclass
class Data:
    """Training rows on different scales, with a target of each kind."""

    rows: np.ndarray
    targets: dict[str, np.ndarray]

    def target(self, task: str, strings: bool) -> np.ndarray:
        """The target of a task, its classes as text where asked."""
        values = self.targets[task]
        return np.array(LABELS[task])[values] if strings else values


def made_up(missing: bool, count: int, seed: int = SEED) -> Data:
    """The same rows every time, a tenth of their values missing where asked."""
    random = np.random.default_rng(seed)
    rows = random.normal(0, 1, (count, WIDTH)) * [1, 10, 0.1, 3, 1, 2] + [0, 50, 0, -2, 0, 1]
    rows[:, 4] = random.integers(0, 5, count)
    rows = rows.astype(np.float32)
    signal = (
        rows[:, 0] + (rows[:, 1] - 50) / 10 * np.sign(rows[:, 3] + 2)
        + rows[:, 4] / 2 - 1 + random.normal(0, 0.5, count)
    )
    targets = {
        "binary": (signal > 0).astype(np.int64),
        "multi": np.digitize(signal, [-0.7, 0.7]).astype(np.int64),
        "regression": signal / 4,
        "outliers": None,
        "labels": np.stack([signal > 0, rows[:, 4] > 2, rows[:, 0] > 0.3], 1).astype(np.int64),
        "two labels": np.stack([signal > 0, rows[:, 4] > 2], 1).astype(np.int64),
        "targets": np.stack([signal / 4, rows[:, 0] - signal], 1),
    }
    if missing:
        rows[random.random(rows.shape) < 0.1] = np.nan
    return Data(rows, targets)


@dataclass
class Entry:
    """One model of the zoo: an estimator, what it learns, and how it is exported.

    `missing`: it learns from and is asked about rows with missing values. `asked_missing`: only
    asked about. `runtime_differs`: ONNX Runtime doesn't score the export as the library does.
    `categories`: what column 4 holds when it is asked about: any number, `known` categories alone,
    or `strange` ones among them: unknown, missing and with a fraction. `options`: the converter's,
    by the class that they are of. `method`: which of the library's scores it is, where that is not
    the usual one. `output`: the tensor that `[output] tensor` has to name.
    `refused`: what the gateway says, where it does not serve the model.
    """

    name: str
    task: str
    make: Callable[[], object]
    double: bool = False
    zipmap: bool = False
    strings: bool = False
    missing: bool = False
    asked_missing: bool = False
    rows: int = 500
    runtime_differs: bool = False
    categories: str = ""
    options: dict = field(default_factory=dict)
    method: str = ""
    output: str = ""
    refused: str = ""
