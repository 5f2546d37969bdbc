"""What the exporter writes for explanations: covers of trees, and background rows."""

import numpy as np
import pandas
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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
