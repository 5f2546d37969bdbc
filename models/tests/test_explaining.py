"""What the exporter writes for explanations: covers of trees, and background rows."""

import itertools
import math

import numpy as np
import pandas
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import shardgate
from shardgate.exporter import background
from shardgate.exporter.exporting import ExportError, attribute, to_onnx

NAMES = ["a", "b", "c"]


def rows_and_labels(missing=False):
    random = np.random.default_rng(1)
    rows = random.normal(size=(200, 3)).round(2)
    labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)
    if missing:
        rows[random.random(rows.shape) < 0.1] = np.nan
    return rows, labels


@pytest.mark.parametrize("model, missing", [
    (GradientBoostingClassifier(n_estimators=3), False),
    (RandomForestClassifier(n_estimators=3, random_state=1), True),
    (HistGradientBoostingRegressor(max_iter=3), True),
    (make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=2)), False),
])
def test_each_branch_has_as_many_rows_as_its_children(model, missing):
    rows, labels = rows_and_labels(missing)
    model.fit(rows, labels)
    graph = to_onnx(model, NAMES, "covered").graph
    (node,) = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    trees, ids = (attribute(node, name) for name in ("nodes_treeids", "nodes_nodeids"))
    covers = attribute(node, "nodes_hitrates")
    by_id = dict(zip(zip(trees, ids), covers, strict=True))
    assert max(covers) == 200 and len(set(covers)) > 3
    for place, mode in enumerate(attribute(node, "nodes_modes")):
        if mode != b"LEAF":
            sides = (attribute(node, name)[place] for name in ("nodes_truenodeids", "nodes_falsenodeids"))
            assert covers[place] == sum(by_id[trees[place], side] for side in sides)


def test_other_trees_leave_a_graph_as_it_was():
    from shardgate.exporter import covers

    rows, labels = rows_and_labels()
    one = GradientBoostingClassifier(n_estimators=3).fit(rows, labels)
    other = GradientBoostingClassifier(n_estimators=3).fit(rows + 1, labels)
    proto = to_onnx(one, NAMES, "one")
    before = proto.SerializeToString(deterministic=True)
    covers.fill(proto, other)
    assert proto.SerializeToString(deterministic=True) == before


def test_background_rows_are_the_same_each_time():
    given = pandas.DataFrame({"a": np.arange(50.0), "b": [None, "x"] * 25})
    one, again = (background.rows_of(10, given) for _ in range(2))
    assert one.equals(again) and len(one) == 10
    text = background.text_of(one, True)
    assert text.splitlines()[0] == "a,b" and len(text.splitlines()) == 11
    assert background.rows_of(None, given) is None
    assert background.rows_of(80, given).equals(given)
    for count, rows in ((10, None), (0, given)):
        with pytest.raises(ExportError):
            background.rows_of(count, rows)


def shapley(values, row, background):
    """Contributions of a row's columns against background rows, by all of their coalitions."""
    width = len(row)
    worth = {}
    for chosen in itertools.product([False, True], repeat=width):
        worth[chosen] = values(np.where(chosen, row, background)).mean()
    made = np.zeros(width)
    for chosen, base in worth.items():
        share = math.factorial(sum(chosen)) * math.factorial(width - sum(chosen) - 1) if not all(chosen) else 0
        for column in np.flatnonzero(~np.array(chosen)):
            more = tuple(known or place == column for place, known in enumerate(chosen))
            made[column] += share / math.factorial(width) * (worth[more] - base)
    return made, worth[(False,) * width]


@pytest.mark.parametrize("model", [GradientBoostingClassifier(n_estimators=5, random_state=0),
                                   RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0),
                                   LogisticRegression()])
@pytest.mark.parametrize("method, ensemble", [("isotonic", True), ("sigmoid", False)])
def test_a_calibrated_models_reasons_are_those_of_its_members(tmp_path, model, method, ensemble):
    """Its margin is the mean of what its members say before they are calibrated, as shap has each."""
    rows, labels = rows_and_labels()
    frame = pandas.DataFrame(rows.astype(np.float32).astype(float), columns=NAMES)
    whole = CalibratedClassifierCV(model, method=method, ensemble=ensemble, cv=3).fit(frame, labels)
    with pytest.raises(ExportError, match="explained: .*; background= takes N of rows, which stand for"):
        shardgate.export(whole, "mine", rows=frame, output_dir=tmp_path, explain=True)
    done = shardgate.export(whole, "mine", rows=frame, output_dir=tmp_path, explain=True, background=20)
    average = pandas.read_csv(done.version_path / "background.csv").to_numpy()

    def values(rows):
        named = pandas.DataFrame(rows, columns=NAMES)
        each = [member.estimator for member in whole.calibrated_classifiers_]
        return np.mean([one.decision_function(named) if hasattr(one, "decision_function")
                        else one.predict_proba(named)[:, 1] for one in each], axis=0)

    with shardgate.serve(done) as client:
        answers = client.explain(frame.head(20), reasons=3)
    for answer, row in zip(answers, frame.to_numpy()):
        expected, base = shapley(values, row, average)
        assert (answer.base, answer.margin) == pytest.approx((base, values(row[None])[0]), abs=1e-6)
        for reason in answer.reasons:
            assert reason.contribution == pytest.approx(expected[NAMES.index(reason.code)], abs=1e-6)
        assert len(answer.reasons) == (expected > 1e-9).sum()
