"""Small PyTorch networks of the zoo, through both of PyTorch's exporters."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx

from zoo_entries import SEED, WIDTH, made_up

LAYERS = 8


def network(classes: int):
    """Normalised inputs, two hidden layers, and a probability for each class (or for one)."""
    from torch import nn

    last = nn.Sigmoid() if classes == 1 else nn.Softmax(dim=1)
    return nn.Sequential(
        nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, LAYERS), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(LAYERS, LAYERS), nn.Tanh(), nn.Linear(LAYERS, classes), last,
    )


def trained(classes: int, target: np.ndarray, rows: np.ndarray):
    """The network after a few steps, ready to score."""
    import torch
    from torch import nn

    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    model = network(classes)
    inputs = torch.tensor(rows)
    if classes == 1:
        wanted, loss = torch.tensor(target, dtype=torch.float32).unsqueeze(1), nn.BCELoss()
    else:
        wanted, loss = torch.tensor(target), lambda p, y: nn.functional.nll_loss(p.log(), y)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        loss(model(inputs), wanted).backward()
        optimizer.step()
    return model.eval()


def exported(model, dynamo: bool) -> onnx.ModelProto:
    """The network's graph, with a free number of rows."""
    import torch

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        shapes = (
            {"dynamic_shapes": ({0: torch.export.Dim("rows")},)} if dynamo
            else {"dynamic_axes": {"input": {0: "rows"}, "probability": {0: "rows"}}}
        )
        torch.onnx.export(
            model, (torch.zeros(2, WIDTH),), str(path), dynamo=dynamo, input_names=["input"],
            output_names=["probability"], verbose=False, **shapes,
        )
        return onnx.load(path)


def models() -> Iterator[tuple[str, str, onnx.ModelProto, Callable]]:
    """(name, task, graph, how PyTorch scores rows)."""
    import torch

    data = made_up(False, 500)
    for name, task, classes, dynamo in (
        ("torch-mlp-binary", "binary", 1, True),
        ("torch-mlp-multi", "multi", 3, True),
        ("torch-mlp-binary-torchscript", "binary", 1, False),
    ):
        model = trained(classes, data.targets[task], data.rows)

        def scores(rows, model=model):
            with torch.no_grad():
                return model(torch.tensor(rows)).numpy().astype(np.float64)

        yield name, task, exported(model, dynamo), scores
