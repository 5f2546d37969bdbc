#!/usr/bin/env python3
"""Times exact contributions beside `shap` and the libraries' own, in turns, on one core.

    .cache/venv-trees/bin/pip install shap==0.51.0
    .cache/venv-trees/bin/python models/zoo.py --bench .cache/bench-models
    taskset -c 1 .cache/venv-trees/bin/python bench/trees/explain.py [--rounds N] [--models DIR]

Each round times, on the same rows: the library's own contributions (`pred_contrib` of LightGBM,
`pred_contribs` of XGBoost), `shap.TreeExplainer`, each with one thread and 64 rows, and `bench
models --explain` with each kernel and batches of 1 and 64. Printed are the medians of the rounds in
microseconds a row, and how many times as fast the gateway is with 64.
"""

import argparse
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
import shap

ROOT = Path(__file__).resolve().parents[2]
BENCH = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/bench"
NAMES = ("gbdt-100x3", "gbdt-100x6", "lightgbm-500x31", "xgboost-500x6")
KERNELS = ("avx512", "avx2", "portable")
ROWS = 64
CALLS = 3


def peers(model):
    """What contributions are also made by: a call of some rows each."""
    explainer = shap.TreeExplainer(model)
    made = {}
    if not hasattr(model, "booster_") and not hasattr(model, "get_booster"):
        # shap asks LightGBM and XGBoost for theirs.
        made["shap"] = lambda rows: explainer.shap_values(rows, check_additivity=False)
    if hasattr(model, "booster_"):
        made["pred_contrib"] = lambda rows: model.booster_.predict(
            rows, pred_contrib=True, num_threads=1)
    if hasattr(model, "get_booster"):
        import xgboost

        booster = model.get_booster()
        booster.set_param({"nthread": 1})
        made["pred_contribs"] = lambda rows: booster.predict(
            xgboost.DMatrix(rows, nthread=1), pred_contribs=True)
    return made


def time_us(call, rows):
    """Median microseconds a row of `call`."""
    call(rows[:ROWS])
    times = []
    for number in range(CALLS):
        batch = rows[number * ROWS:(number + 1) * ROWS]
        began = time.perf_counter()
        call(batch)
        times.append((time.perf_counter() - began) * 1e6 / ROWS)
    return statistics.median(times)


def bench_us(models, name, kernel):
    """Microseconds a row with batches of 1 and of 64."""
    command = [BENCH, "models", "--models", models, "--name", name, "--kernel", kernel, "--explain",
               "--batches", f"1,{ROWS}", "--milliseconds", "200"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.splitlines()[0]}")
    one, many = (float(word) for word in done.stdout.split())
    return one, many / ROWS


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=ROOT / ".cache/bench-models")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = np.load(options.models / "rows.npy")
    print(f"{'microseconds a row':24} {'one row':>10} {'64 rows':>10} {'times as fast':>14}")
    for name in NAMES:
        if not (options.models / name).exists():
            continue
        others, times = peers(joblib.load(options.models / name / "model.pkl")), {}
        for _ in range(options.rounds):
            for who, call in others.items():
                times.setdefault(who, []).append((time_us(call, rows),) * 2)
            for kernel in KERNELS:
                times.setdefault(kernel, []).append(bench_us(options.models, name, kernel))
        medians = {who: [statistics.median(column) for column in zip(*found)]
                   for who, found in times.items()}
        for who, (one, many) in medians.items():
            ours = medians[KERNELS[0]][1]
            alone = f"{one:10.2f}" if who in KERNELS else f"{'':10}"
            print(f"{name + ', ' + who:24} {alone} {many:10.2f} {many / ours:14.1f}")


if __name__ == "__main__":
    main()
