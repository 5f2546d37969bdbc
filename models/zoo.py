"""Makes the zoo: one small graph for each kind of model, with the library's own scores.

    python models/zoo.py [--output DIR] [--only LIBRARY]
    python models/zoo.py --bench DIR

The first writes NAME/model.onnx and NAME/golden.csv for each model and zoo.toml, their index. A
library that isn't installed (requirements-zoo.txt) leaves its models as they are. The second makes
large models to measure speed on (bench_models.py).
"""

import argparse
import importlib.metadata
import shutil
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

import bench_models
import zoo_entries
import zoo_handmade
import zoo_table
import zoo_torch
from shardgate.exporter.artefacts import toml_table, write_scored_rows
from shardgate.exporter.exporting import (
    DIFFERENCE_MAX, ExportError, attribute, compare, library_scores, onnx_scores, score_output, to_onnx,
)
from shardgate.exporter.sampling import neighbours, thresholds
from zoo_entries import WIDTH, Entry, made_up

FOLDER = Path(__file__).parents[1] / "shards" / "tests" / "zoo"
COLUMNS = [f"f{index}" for index in range(WIDTH)]
ROWS = 48
MODEL_BYTES_MAX = 60_000
ZOO_BYTES_MAX = 3_000_000
PACKAGES = {"torch": "PyTorch", "catboost": "CatBoost", "xgboost": "XGBoost",
            "lightgbm": "LightGBM"}
KINDS = {True: "probability", False: "decision"}


@dataclass
class Made:
    """A model of the zoo, before its files are written."""

    name: str
    task: str
    estimator: str
    proto: onnx.ModelProto
    scores: Callable[[np.ndarray], np.ndarray]
    double: bool = False
    missing: bool = False
    probability: bool = True
    runtime_differs: bool = False
    categories: str = ""
    output: str = ""
    refused: str = ""


def described(model) -> str:
    """The estimator's class, or those of a pipeline's steps, each with what it is made of."""
    steps = getattr(model, "steps", None)
    if steps:
        return " + ".join(described(step) for _, step in steps)
    # That of a forest is a tree, whatever the forest.
    inner = None if hasattr(model, "estimator_params") and hasattr(model, "max_leaf_nodes") \
        else getattr(model, "estimator", None)
    parts = [] if inner is None else [inner]
    parts += [part for _, part, *_ in getattr(model, "transformers", [])]
    parts += [part for _, part in getattr(model, "estimators", []) or []
              if hasattr(part, "get_params")]
    names = dict.fromkeys(described(part) for part in parts if not isinstance(part, str))
    return type(model).__name__ + (f"({', '.join(names)})" if names else "")


def made(entry: Entry) -> Made:
    """Fits and exports one estimator."""
    data = made_up(entry.missing, entry.rows)
    rows = data.rows.astype(np.float64)
    model = entry.make().fit(rows, data.target(entry.task, entry.strings))
    return Made(
        entry.name, entry.task, described(model),
        to_onnx(model, COLUMNS, entry.name, entry.double, entry.zipmap, options=entry.options),
        lambda rows: scored(model, entry.method, rows),
        entry.double, entry.missing or entry.asked_missing,
        not entry.method and hasattr(model, "predict_proba"),
        entry.runtime_differs, entry.categories, entry.output, entry.refused,
    )


def scored(model, method: str, rows: np.ndarray) -> np.ndarray:
    """What the library says, by the method that is named."""
    if not method:
        return library_scores(model, rows)
    scores = getattr(model, method)(rows.astype(np.float64))
    return np.asarray(scores, dtype=np.float64).reshape(len(rows), -1)


def models_of(library: str) -> Iterator[Made]:
    """All models of one library."""
    if library == "torch":
        for name, task, proto, scores in zoo_torch.models():
            yield Made(name, task, "Sequential", proto, scores)
        return
    for entry in zoo_entries.LIBRARIES[library]():
        yield made(entry)
    if library == "scikit-learn":
        for name, task, model, proto, double, scores in zoo_handmade.models():
            estimator = f"{described(model)}, graph made by hand"
            yield Made(name, task, estimator, proto, scores, double, missing=True)


def binarizer_edges(proto: onnx.ModelProto, dtype: type) -> list[tuple[int, np.floating]]:
    """The thresholds of binarizers that read the input directly."""
    nodes = [node for node in proto.graph.node if node.input[0] == proto.graph.input[0].name]
    found = [attribute(node, "threshold") for node in nodes if node.op_type == "Binarizer"]
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor)
                 for tensor in proto.graph.initializer}
    found += [constants[node.input[1]] for node in nodes if node.op_type == "Less"]
    return [(column, dtype(value)) for value in found for column in range(WIDTH)]


def golden_rows(model: Made) -> np.ndarray:
    """Rows the model wasn't trained on, far ones, and ones at its trees' thresholds."""
    random = np.random.default_rng(zoo_entries.SEED)
    dtype = np.float64 if model.double else np.float32
    rows = made_up(False, ROWS, seed=zoo_entries.SEED + 1).rows.astype(dtype)
    if model.double:
        rows += random.normal(0, 1e-9, rows.shape)
    known = rows[:, 4].round()
    rows[0] = 0
    rows[1:5] *= 3
    if model.categories:
        rows[:, 4] = known
    if model.categories == "strange":
        rows[::4, 4] = np.resize([2.5, -1, np.nan, 9, 1e9, 0.75], len(rows[::4]))
    edges = thresholds(model.proto) or binarizer_edges(model.proto, dtype)
    for row in rows[-ROWS // 2 :] if edges else []:
        column, value = edges[random.integers(len(edges))]
        row[column] = neighbours(value)[random.integers(3)]
    if model.categories == "known":
        rows[:, 4] = rows[:, 4].round()
    if model.missing:
        rows[random.random(rows.shape) < 0.15] = np.nan
    return rows


def without_paths(proto: onnx.ModelProto) -> None:
    """Drops what exporters note about the machine: source lines, stack traces, dates."""
    for part in [proto, proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.output,
                 *proto.graph.value_info, *proto.graph.initializer]:
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]


def complete_outputs(proto: onnx.ModelProto) -> None:
    """skl2onnx leaves the shape of some outputs out, without which onnx's checker takes no file."""
    for output in proto.graph.output:
        if output.type.HasField("tensor_type") and not output.type.tensor_type.HasField("shape"):
            output.type.tensor_type.shape.dim.add()
            output.type.tensor_type.shape.dim.add()


def write(folder: Path, library: str, model: Made) -> dict:
    """A model's two files; returns its entry in the index."""
    without_paths(model.proto)
    complete_outputs(model.proto)
    onnx.checker.check_model(model.proto)
    if model.refused:
        return write_refused(folder, library, model)
    rows = golden_rows(model)
    expected = model.scores(rows)
    try:
        found = onnx_scores(model.proto, rows, model.output)
        difference = compare(expected, found)
    except ExportError:
        if not model.runtime_differs:
            raise
        # It cannot compute it at all.
        found, difference = expected, float("inf")
    if not np.isfinite(expected).all():
        raise ExportError(f"{model.name}: the library has no score for a row")
    size = model.proto.ByteSize()
    if (difference > DIFFERENCE_MAX) != model.runtime_differs or size > MODEL_BYTES_MAX:
        raise ExportError(f"{model.name}: scores differ by {difference:.1e}, {size} bytes")
    one_of_two = model.task == "binary" and found.shape[1] == 2
    if one_of_two:
        expected = expected[:, -1:]
    target = folder / model.name
    target.mkdir(parents=True, exist_ok=True)
    (target / "model.onnx").write_bytes(model.proto.SerializeToString(deterministic=True))
    write_scored_rows(target / "golden.csv", COLUMNS, rows, expected)
    zipmap = any(node.op_type == "ZipMap" for node in model.proto.graph.node)
    return {
        "name": model.name,
        "library": f"{PACKAGES.get(library, library)} {importlib.metadata.version(library)}",
        "estimator": model.estimator,
        "precision": "double" if model.double else "float",
        "columns": COLUMNS,
        "tensor": model.output or score_output(model.proto),
        **({"named": True} if model.output else {}),
        "kind": ("regression" if model.task in ("regression", "targets")
                 else KINDS[model.probability]),
        **({"class": 1} if one_of_two else {}),
        "scores": expected.shape[1],
        "zipmap": zipmap,
        "missing": model.missing or model.categories == "strange",
        "operators": sorted({node.op_type for node in model.proto.graph.node}),
        "onnxruntime_difference": difference,
    }


def write_refused(folder: Path, library: str, model: Made) -> dict:
    """The file of a model that is refused, and its entry in the index."""
    target = folder / model.name
    target.mkdir(parents=True, exist_ok=True)
    (target / "model.onnx").write_bytes(model.proto.SerializeToString(deterministic=True))
    return {
        "name": model.name,
        "library": f"{PACKAGES.get(library, library)} {importlib.metadata.version(library)}",
        "estimator": model.estimator,
        "refused": model.refused,
        "operators": sorted({node.op_type for node in model.proto.graph.node}),
    }


def installed(library: str) -> bool:
    """Whether a library is here to make its models with."""
    try:
        importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def kept(index: Path, library: str) -> list[dict]:
    """A library's entries in the index as it is."""
    if not index.exists():
        return []
    entries = tomllib.loads(index.read_text(encoding="utf-8"))["models"]
    return [entry for entry in entries
            if entry["library"].startswith(PACKAGES.get(library, library) + " ")]


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the zoo of models for the tests.")
    parser.add_argument("--output", type=Path, default=FOLDER, metavar="DIR")
    parser.add_argument("--only", choices=[*zoo_entries.LIBRARIES, "torch"], metavar="LIBRARY")
    parser.add_argument("--bench", type=Path, metavar="DIR",
                        help="make large models to measure speed on in DIR, and no zoo")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.bench:
        bench_models.write(options.bench)
        return 0
    index = options.output / "zoo.toml"
    entries = []
    for library in [*zoo_entries.LIBRARIES, "torch"]:
        before = kept(index, library)
        if not installed(library) or options.only not in (None, library):
            print(f"{library}: {len(before)} models left as they are")
            entries += before
            continue
        now = [write(options.output, library, model) for model in models_of(library)]
        for gone in {entry["name"] for entry in before} - {entry["name"] for entry in now}:
            shutil.rmtree(options.output / gone, ignore_errors=True)
        worst = max(entry["onnxruntime_difference"] for entry in now
                    if entry.get("onnxruntime_difference", 1) <= DIFFERENCE_MAX)
        print(f"{library}: {len(now)} models, largest difference {worst:.1e}")
        entries += now
    tables = [toml_table("[[models]]", entry) for entry in entries]
    index.write_text("# Made by models/zoo.py.\n\n" + "\n".join(tables), encoding="utf-8")
    if options.output == FOLDER:
        zoo_table.write(entries)
    size = sum(path.stat().st_size for path in options.output.rglob("*") if path.is_file())
    print(f"{len(entries)} models, {size // 1000} kB")
    return 0 if size <= ZOO_BYTES_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
