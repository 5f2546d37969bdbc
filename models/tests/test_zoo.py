"""The committed zoo is complete and small, and scores in ONNX Runtime as its libraries do, but for
those whose entry says that it does not."""

import csv
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest

import zoo_table
from shardgate.exporter.exporting import DIFFERENCE_MAX, ExportError, onnx_scores
from zoo import FOLDER, MODEL_BYTES_MAX, ZOO_BYTES_MAX

ENTRIES = tomllib.loads((FOLDER / "zoo.toml").read_text(encoding="utf-8"))["models"]
MODELS = [entry for entry in ENTRIES if "refused" not in entry]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_the_graph_gives_the_librarys_scores(model):
    folder = FOLDER / model["name"]
    with (folder / "golden.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    values = np.array(lines, dtype=np.float64)
    rows, expected = values[:, : len(model["columns"])], values[:, len(model["columns"]) :]
    assert header[: len(model["columns"])] == model["columns"]
    assert expected.shape[1] == model["scores"]
    assert np.isnan(rows).any() == model["missing"]
    proto = onnx.load(folder / "model.onnx")
    assert proto.ByteSize() <= MODEL_BYTES_MAX
    if np.isinf(model["onnxruntime_difference"]):
        with pytest.raises(ExportError):
            onnx_scores(proto, rows, model["tensor"])
        return
    found = onnx_scores(proto, rows, model["tensor"])
    if "class" in model:
        found = found[:, [model["class"]]]
    difference = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    # What ONNX Runtime computes otherwise than the library is in the index.
    agrees = model["onnxruntime_difference"] <= DIFFERENCE_MAX
    assert (difference.max() <= DIFFERENCE_MAX) == agrees


def test_the_index_names_what_is_there():
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert folders == {model["name"] for model in ENTRIES}
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    assert size <= ZOO_BYTES_MAX


def test_no_file_tells_where_it_was_made():
    machine = [str(Path(__file__).parents[2]).encode(), str(Path.home()).encode(),
               sys.prefix.encode()]
    for path in FOLDER.rglob("*.onnx"):
        data = path.read_bytes()
        assert not any(text in data for text in machine if len(text) > 2), path


def test_the_manual_says_what_is_in_the_zoo():
    page = zoo_table.PAGE.read_text(encoding="utf-8")
    assert page == zoo_table.with_table(page, ENTRIES), "run models/zoo.py, which writes the table"
    readme = (FOLDER.parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"[{len(MODELS)} tested models](src/manual/models.md" in readme
