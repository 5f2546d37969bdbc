"""Adds contributions.csv to fixtures: what each column contributes to each row's margins.

    python models/contribution_fixtures.py [--native DIR] [--only PREFIX]

For each model of shards/tests/native that this environment's LightGBM, XGBoost or CatBoost reads:
their `pred_contrib`, `pred_contribs` and `ShapValues` of the first rows of golden.csv. Of each
output `K` that is a number a column (`K:NAME`) and the mean margin (`K:`).

Made by LightGBM 4.6.0, XGBoost 3.1.3 and CatBoost 1.2.10, whichever version wrote the model. Models
that XGBoost 3.1.3 takes for others than 3.4.1 or 1.0.2 meant are left out, and those whose leaves
are vectors, which it doesn't explain.
"""

import argparse
import csv
import tempfile
import warnings
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "shards" / "tests" / "native"
ROWS_MAX = 64
LEFT_OUT = ("xgboost-1.0.2-binary-logitraw", "xgboost-1.0.2-linear-binary",
            "xgboost-3.4.1-dart", "multi-output-tree")


def golden_rows(folder):
    """The names and cells of the first golden rows."""
    with open(folder / "golden.csv", newline="") as file:
        header, *lines = csv.reader(file)
    width = sum(not name.startswith(("margin_", "score_")) for name in header)
    cells = [[float(cell) if cell else np.nan for cell in line[:width]] for line in lines]
    return header[:width], np.array(cells[:ROWS_MAX])


def write(folder, names, contributions):
    """Writes rows × outputs × (columns + 1) contributions, the mean last."""
    contributions = np.asarray(contributions, dtype=np.float64)
    if contributions.ndim == 2:
        contributions = contributions[:, None, :]
    header = [f"{k}:{name}" for k in range(contributions.shape[1]) for name in [*names, ""]]
    lines = [",".join(header)]
    lines += [",".join(f"{value:.10g}" for value in row)
              for row in contributions.reshape(len(contributions), -1)]
    (folder / "contributions.csv").write_text("\n".join(lines) + "\n")


def lightgbm(path, rows):
    """LightGBM's own contributions."""
    import lightgbm
    booster = lightgbm.Booster(model_file=str(path))
    found = booster.predict(rows, pred_contrib=True, num_threads=1)
    return found.reshape(len(rows), -1, rows.shape[1] + 1)


def xgboost(path, rows):
    """XGBoost's own contributions, in 32 bits."""
    import xgboost
    booster = xgboost.Booster(model_file=str(path))
    types = booster.feature_types
    data = xgboost.DMatrix(rows, feature_names=booster.feature_names, feature_types=types,
                           enable_categorical=bool(types) and "c" in types)
    rounds = booster.attr("best_iteration")
    chosen = {} if rounds is None else {"iteration_range": (0, int(rounds) + 1)}
    return booster.predict(data, pred_contribs=True, strict_shape=True, **chosen)


def catboost(path, rows):
    """CatBoost's own contributions."""
    import catboost as library
    form = "json" if path.name.endswith(".json") else "cbm"
    model = library.CatBoost().load_model(str(path), format=form)
    categorical = model.get_cat_feature_indices()
    if not categorical:
        # Of trees that aren't symmetric, `.cbm` gives other contributions than the same model in
        # JSON: there a node that is half a leaf is taken for a whole one.
        with tempfile.TemporaryDirectory() as folder:
            again = str(Path(folder) / "model.json")
            model.save_model(again, format="json")
            model = library.CatBoost().load_model(again, format="json")
    cells = rows
    if categorical:
        cells = [[(int(cell) if np.isfinite(cell) and cell == int(cell) else "never seen")
                  if column in categorical else cell for column, cell in enumerate(row)]
                 for row in rows]
    data = library.Pool(cells, cat_features=categorical, feature_names=model.feature_names_)
    return model.get_feature_importance(data, type="ShapValues", thread_count=1)


LIBRARIES = {"model.txt": lightgbm, "model.json": xgboost, "model.ubj": xgboost,
             "model.cbm": catboost, "model.cbm.json": catboost}


def main():
    """Makes those that can be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--native", type=Path, default=FOLDER)
    parser.add_argument("--only", default="", help="fixtures whose name begins so")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = [path for path in arguments.native.iterdir() if path.name.startswith(arguments.only)]
    for case in sorted(cases):
        path = next(case / name for name in LIBRARIES if (case / name).is_file())
        if any(name in case.name for name in LEFT_OUT):
            continue
        names, rows = golden_rows(case)
        try:
            contributions = LIBRARIES[path.name](path, rows)
        except Exception as error:  # Each library has its own kinds.
            print(f"left out {case.name}: {str(error).strip().splitlines()[0][:100]}")
            continue
        write(case, names, contributions)


if __name__ == "__main__":
    main()
