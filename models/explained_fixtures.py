"""Makes shards/tests/explained: models and what each column contributes to their margins.

    python models/explained_fixtures.py [--output DIR]

Each folder has a model, `rows.csv` (the cells of each row), `contributions.csv` and
`interventional.csv` (of output `K` a number a column, `K:NAME`, and the mean margin, `K:`): the
first by `shap.TreeExplainer` with the trees' own covers, the second against `background.csv`, by the
definition, of pipelines by `shap.TreeExplainer`, and of linear models in closed form. Of a pipeline the contributions of the
columns that its last step reads are added up by the column that they come from.

Needs shap 0.51 beside requirements-boosters.txt.
"""

import argparse
import math
import warnings
from pathlib import Path

import lightgbm
import numpy as np
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier, GradientBoostingClassifier, GradientBoostingRegressor,
    HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from shardgate.exporter.exporting import to_onnx

FOLDER = Path(__file__).parents[1] / "shards" / "tests" / "explained"
NAMES = ["x0", "x1", "x2", "x3", "x4", "x5"]
TRAINED, ASKED, BACKGROUND = 400, 24, 30


def made_up(seed: int, count: int, missing: bool = False, codes: bool = False) -> np.ndarray:
    """Rows of float32 numbers with ties; the last two columns are whole numbers."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, len(NAMES))).round(2)
    rows[:, 4] = random.integers(0, 3, count)
    rows[:, 5] = random.integers(0, 5, count)
    if missing:
        holes = random.random(rows.shape) < 0.1
        holes[:, 4:] &= not codes
        rows[holes] = np.nan
    return rows.astype(np.float32).astype(np.float64)


def target(rows: np.ndarray, kind: str) -> np.ndarray:
    cells = np.nan_to_num(rows)
    value = cells[:, 0] + np.abs(cells[:, 1]) * cells[:, 2] + (cells[:, 4] == 1) + cells[:, 5] / 4
    value += np.random.default_rng(9).normal(scale=0.3, size=len(rows))
    if kind == "binary":
        return (value > 0.8).astype(int)
    return np.digitize(value, [0.2, 1.4]) if kind == "multi" else value


def by_output(found, rows: int) -> np.ndarray:
    """rows × outputs × columns, from either form in which shap returns them."""
    found = np.asarray(found)
    return found[:, None, :] if found.ndim == 2 else np.moveaxis(found, 2, 1).reshape(
        rows, found.shape[2], found.shape[1])


def explained(model, rows: np.ndarray, background=None) -> np.ndarray:
    """rows × outputs × (columns + 1), the mean last, by shap."""
    if background is None and getattr(model, "categorical_feature", None):
        # shap reads no categories; LightGBM has the same numbers.
        found = np.asarray(model.predict(rows, pred_contrib=True))
        return found.reshape(len(rows), -1, rows.shape[1] + 1)
    import shap

    how = "tree_path_dependent" if background is None else "interventional"
    explainer = shap.TreeExplainer(model, data=background, feature_perturbation=how)
    found = by_output(explainer.shap_values(rows, check_additivity=False), len(rows))
    means = np.ravel(explainer.expected_value)
    means = np.broadcast_to(means[None, : found.shape[1], None], (len(rows), found.shape[1], 1))
    return np.concatenate([found, means], axis=2)


def margins(model, rows: np.ndarray) -> np.ndarray:
    """rows × outputs: what contributions are of."""
    if isinstance(model, lightgbm.LGBMModel):
        found = model.predict(rows, raw_score=True)
    elif isinstance(model, xgboost.XGBModel):
        found = model.predict(rows, output_margin=True)
    elif hasattr(model, "decision_function"):
        found = model.decision_function(rows)
    else:
        found = model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)
    return np.asarray(found, dtype=np.float64).reshape(len(rows), -1)


def by_definition(model, rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The same against background rows, by every subset of the columns. `shap.TreeExplainer` gives
    other values of some rows (shap 0.51): here the definition is right."""
    width = rows.shape[1]
    values = []
    for known in range(1 << width):
        kept = np.array([known >> column & 1 for column in range(width)], dtype=bool)
        mixed = np.where(kept, rows[:, None, :], background[None])
        found = margins(model, mixed.reshape(-1, width))
        values.append(found.reshape(len(rows), len(background), -1).mean(axis=1))
    result = np.zeros((len(rows), values[0].shape[1], width + 1))
    result[:, :, width] = values[0]
    for column in range(width):
        for known in range(1 << width):
            if not known >> column & 1:
                size = known.bit_count()
                weight = 1 / (width * math.comb(width - 1, size))
                result[:, :, column] += weight * (values[known | 1 << column] - values[known])
    return result


def linear(model, rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The same of a linear model, in closed form."""
    weights, intercepts = np.atleast_2d(model.coef_), np.ravel(model.intercept_)
    means = background.mean(axis=0)
    found = weights[None] * (rows - means)[:, None, :]
    base = np.broadcast_to((intercepts + weights @ means)[None, :, None], (len(rows), len(weights), 1))
    return np.concatenate([found, base], axis=2)


def added_up(found: np.ndarray, origins: list[int]) -> np.ndarray:
    """By the column that each one comes from."""
    sums = np.zeros((*found.shape[:2], len(NAMES) + 1))
    for place, origin in enumerate([*origins, len(NAMES)]):
        sums[:, :, origin] += found[:, :, place]
    return sums


def write_csv(path: Path, header: list[str], rows: np.ndarray) -> None:
    lines = [",".join(header)]
    lines += [",".join("" if np.isnan(cell) else f"{cell:.12g}" for cell in row) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def write_contributions(path: Path, found: np.ndarray) -> None:
    header = [f"{k}:{name}" for k in range(found.shape[1]) for name in [*NAMES, ""]]
    write_csv(path, header, found.reshape(len(found), -1))


def write(output: Path, name: str, model, kind: str, missing=False, codes=False, double=False,
          covers=True, against=True) -> None:
    """Trains a model, writes it as a graph and says what its columns contribute."""
    trained = made_up(1, TRAINED, missing, codes)
    model.fit(trained, target(trained, kind))
    rows, background = (made_up(seed, count, missing, codes)
                        for seed, count in ((2, ASKED), (3, BACKGROUND)))
    folder = output / name
    folder.mkdir(parents=True, exist_ok=True)
    proto = to_onnx(model, NAMES, name, double)
    (folder / "model.onnx").write_bytes(proto.SerializeToString(deterministic=True))
    write_csv(folder / "rows.csv", NAMES, rows)
    last, origins, asked, average = model, list(range(len(NAMES))), rows, background
    if hasattr(model, "steps"):
        front, last = model[:-1], model[-1]
        asked, average = (np.asarray(front.transform(part), dtype=np.float32).astype(np.float64)
                          for part in (rows, background))
        origins = origins_of(front, asked.shape[1])
    is_linear = hasattr(last, "coef_")
    if covers and not is_linear:
        write_contributions(folder / "contributions.csv",
                            added_up(explained(last, asked), origins))
    if against:
        write_csv(folder / "background.csv", NAMES, background)
        if is_linear:
            found = linear(last, asked, average)
        elif last is model:
            found = by_definition(model, asked, average)
        else:
            found = explained(last, asked, average)
        write_contributions(folder / "interventional.csv", added_up(found, origins))


def origins_of(front, width: int) -> list[int]:
    """The column that each transformed one comes from, by the names that scikit-learn gives."""
    names = [str(name) for name in front.get_feature_names_out(NAMES)]
    assert len(names) == width
    return [next(place for place, known in enumerate(NAMES) if known in name) for name in names]


def trees(output: Path) -> None:
    """Ensembles alone."""
    forest = {"n_estimators": 8, "random_state": 1}
    write(output, "forest-binary", RandomForestClassifier(max_depth=5, **forest), "binary")
    write(output, "forest-multi", RandomForestClassifier(max_depth=4, **forest), "multi")
    write(output, "forest-regressor", RandomForestRegressor(max_depth=6, **forest), "value")
    write(output, "forest-missing", RandomForestClassifier(max_depth=5, **forest), "binary",
          missing=True)
    write(output, "extra-trees", ExtraTreesClassifier(max_depth=5, **forest), "binary")
    write(output, "tree", DecisionTreeClassifier(random_state=1), "multi")
    write(output, "stump", DecisionTreeClassifier(max_depth=1), "binary")
    write(output, "tree-double", DecisionTreeRegressor(max_depth=7, random_state=1), "value",
          double=True)
    boosted = {"n_estimators": 12, "random_state": 1}
    for depth in (1, 3, 6):
        write(output, f"gbdt-binary-{depth}", GradientBoostingClassifier(max_depth=depth, **boosted),
              "binary")
    write(output, "gbdt-regressor", GradientBoostingRegressor(max_depth=4, **boosted), "value")
    histogram = {"max_iter": 10, "random_state": 1, "min_samples_leaf": 5}
    write(output, "hist-binary", HistGradientBoostingClassifier(**histogram), "binary", missing=True)
    write(output, "hist-multi", HistGradientBoostingClassifier(max_depth=3, **histogram), "multi")
    write(output, "hist-regressor", HistGradientBoostingRegressor(**histogram), "value")


def deep(output: Path) -> None:
    """A chain of 40 branches, of few columns: each is tested again and again on a path."""
    chain = DecisionTreeRegressor(random_state=1, max_leaf_nodes=60, splitter="random")
    write(output, "deep", chain, "value")


def boosters(output: Path) -> None:
    """LightGBM and XGBoost, as graphs."""
    small = {"n_estimators": 8, "verbose": -1, "num_leaves": 9, "n_jobs": 1}
    write(output, "lightgbm-binary", lightgbm.LGBMClassifier(**small), "binary", missing=True)
    write(output, "lightgbm-multi", lightgbm.LGBMClassifier(**small), "multi")
    write(output, "lightgbm-regressor", lightgbm.LGBMRegressor(**small), "value")
    categorical(output)
    few = {"n_estimators": 8, "max_depth": 3, "n_jobs": 1}
    write(output, "xgboost-binary", xgboost.XGBClassifier(**few), "binary", missing=True)
    write(output, "xgboost-multi", xgboost.XGBClassifier(**few), "multi")
    write(output, "xgboost-regressor", xgboost.XGBRegressor(**few), "value")


def categorical(output: Path) -> None:
    """LightGBM's sets of categories, as chains of tests for one each."""
    sets = {"n_estimators": 8, "verbose": -1, "num_leaves": 9, "n_jobs": 1, "cat_smooth": 1.0,
            "max_cat_to_onehot": 1, "min_data_per_group": 5, "cat_l2": 0.0,
            "categorical_feature": [4, 5]}
    for name, kind, made in (("binary", "binary", lightgbm.LGBMClassifier),
                             ("multi", "multi", lightgbm.LGBMClassifier),
                             ("regressor", "value", lightgbm.LGBMRegressor)):
        write(output, f"lightgbm-categorical-{name}", made(**sets), kind, missing=True, codes=True)


def front(numbers=None):
    """Scaled numbers, and codes as one-hot columns."""
    return ColumnTransformer([("codes", OneHotEncoder(handle_unknown="ignore"), [4, 5]),
                              ("numbers", numbers or StandardScaler(), [3, 0, 1, 2])])


def pipelines(output: Path) -> None:
    """What is before the trees is mapped back."""
    few = {"n_estimators": 8, "max_depth": 3, "random_state": 1}
    write(output, "one-hot-gbdt", make_pipeline(front(), GradientBoostingClassifier(**few)), "binary")
    imputed = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    write(output, "one-hot-imputed-forest",
          make_pipeline(front(imputed), RandomForestClassifier(**few)), "multi", missing=True,
          codes=True)
    coded = ColumnTransformer([("codes", OrdinalEncoder(), [5, 4]), ("same", "passthrough", [2, 1])])
    write(output, "ordinal-regressor", make_pipeline(coded, RandomForestRegressor(**few)), "value")
    write(output, "one-hot-logistic", make_pipeline(front(), LogisticRegression()), "binary")
    write(output, "scaled-logistic-multi", make_pipeline(StandardScaler(), LogisticRegression()),
          "multi")
    write(output, "ridge", Ridge(), "value")


def main() -> None:
    """Makes them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FOLDER)
    output = parser.parse_args().output
    warnings.simplefilter("ignore")
    for make in (trees, deep, boosters, pipelines):
        make(output)


if __name__ == "__main__":
    main()
