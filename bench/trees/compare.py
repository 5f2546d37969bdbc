#!/usr/bin/env python3
"""Times tree models beside the libraries that they come from, in turns, on one core.

    python3 -m venv .cache/venv-trees
    .cache/venv-trees/bin/pip install -r bench/trees/requirements.txt
    .cache/venv-trees/bin/python models/zoo.py --bench .cache/bench-models
    taskset -c 1 .cache/venv-trees/bin/python bench/trees/compare.py [--rounds N] [--output FILE.csv]

Each round times, on the same rows and in batches of 1, 8, 64 and 256: ONNX Runtime with one thread, the
library's own predict with one thread, lleaves or treelite's compiled C where they take the model, and
`bench models` with each kernel. The medians of the rounds are printed as a table of microseconds a batch
and of how many times faster the gateway's own choice of kernel is. Calls from Python include what Python
needs for a call: some 10 us of ONNX Runtime's, which is why small batches say less of it.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Before anything that starts threads is imported.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import joblib
import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/bench"
BATCHES = (1, 8, 64, 256)
KERNELS = ("auto", "avx2", "portable")
SECONDS = 0.05


def time_us(call, rows):
    """Median microseconds of `call(batch)` for each batch size."""
    medians = []
    for size in BATCHES:
        batches = [rows[at:at + size] for at in range(0, len(rows) - size + 1, size)]
        times, at, began = [], 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS or len(times) < 6:
            batch = batches[at % len(batches)]
            before = time.perf_counter()
            call(batch)
            times.append((time.perf_counter() - before) * 1e6)
            at += 1
        medians.append(statistics.median(times[len(times) // 5:]))
    return medians


def onnx_runtime(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "1/model.onnx", options)
    name, score = session.get_inputs()[0].name, session.get_outputs()[-1].name
    return lambda batch: session.run([score], {name: batch})


def library(folder):
    model = joblib.load(folder / "model.pkl")
    if "n_jobs" in model.get_params():
        model.set_params(n_jobs=1)
    return model.predict_proba


def lleaves(folder):
    import lleaves as compiler

    model = compiler.Model(model_file=str(folder / "model.txt"))
    model.compile(cache=str(folder / "lleaves.bin"))
    return lambda batch: model.predict(batch, n_jobs=1)


def treelite(folder):
    """C made by tl2cgen from the model as treelite reads it."""
    import tl2cgen
    import treelite as trees

    if folder.name.startswith("random-forest"):
        raise ValueError("gcc needs more than ten minutes for its C")
    if (folder / "model.txt").exists():
        model = trees.frontend.load_lightgbm_model(folder / "model.txt")
    elif (folder / "model.ubj").exists():
        model = trees.frontend.load_xgboost_model(folder / "model.ubj")
    else:
        model = trees.sklearn.import_model(joblib.load(folder / "model.pkl"))
    compiled = folder / "treelite.so"
    if not compiled.exists():
        tl2cgen.export_lib(model, toolchain="gcc", libpath=str(compiled),
                           params={"parallel_comp": 8})
    predictor = tl2cgen.Predictor(str(compiled), nthread=1)
    return lambda batch: predictor.predict(tl2cgen.DMatrix(batch))


def peers(folder):
    """What takes the model, by name; what doesn't is said once."""
    makers = {"ONNX Runtime": onnx_runtime, "its library": library, "treelite": treelite}
    if (folder / "model.txt").exists():
        makers["lleaves"] = lleaves
    made = {}
    for name, make in makers.items():
        try:
            made[name] = make(folder)
        except Exception as error:  # Each compiler fails in its own way.
            print(f"{folder.name}: {name} is left out: {error}", file=sys.stderr)
    return made


def bench_us(models, name, *arguments):
    command = [BENCH, "models", "--models", models, "--name", name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.splitlines()[0]}")
    return [float(word) for word in done.stdout.split()]


def measure(models, name, rows, rounds, write):
    """The rounds of one model: times by who and batch size."""
    called, times = peers(models / name), {}
    for number in range(rounds):
        for who, call in called.items():
            times.setdefault(who, []).append(time_us(call, rows))
        for kernel in KERNELS:
            found = bench_us(models, name, "--kernel", kernel)
            times.setdefault(f"shardgate, {kernel}", []).append(found)
        for who, found in times.items():
            write(name, number, who, found[-1])
    return {who: [statistics.median(column) for column in zip(*found)]
            for who, found in times.items()}


def show(name, times, tract):
    ours = times["shardgate, auto"]
    if tract:
        times["tract alone"] = tract
    for who, medians in times.items():
        cells = " | ".join(f"{median:,.1f} ({median / own:.1f}×)"
                           for median, own in zip(medians, ours))
        print(f"| {name} | {who} | {cells} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=ROOT / ".cache/bench-models")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="models whose names contain this")
    parser.add_argument("--tract", action="store_true", help="tract alone too, once: it is slow")
    parser.add_argument("--output", type=Path, help="every round, as CSV")
    args = parser.parse_args()
    rows = np.load(args.models / "rows.npy")
    lines = [("model", "round", "who", *(f"us_{size}" for size in BATCHES))]

    def write(name, number, who, found):
        lines.append((name, number, who, *(f"{value:.2f}" for value in found)))

    print("| model | who | " + " | ".join(f"{size} rows, µs" for size in BATCHES) + " |")
    print("|---" * (2 + len(BATCHES)) + "|")
    for folder in sorted(path.parent for path in args.models.glob("*/model.toml")):
        if args.only in folder.name:
            tract = args.tract and bench_us(args.models, folder.name, "--tract",
                                            "--milliseconds", "1")
            show(folder.name, measure(args.models, folder.name, rows, args.rounds, write), tract)
    if args.output:
        with args.output.open("w", newline="") as file:
            csv.writer(file).writerows(lines)


if __name__ == "__main__":
    main()
