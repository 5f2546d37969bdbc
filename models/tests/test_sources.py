"""Columns of entities and of expressions: what the export writes, and what it refuses."""

import datetime
import tomllib

import numpy as np
import pandas
import pytest
from sklearn.linear_model import LogisticRegression

import shardgate
from shardgate import Entity, ExportError
from shardgate.exporter import command, computed, gateway
from shardgate.exporter.expressions import names_of, type_of

RANDOM = np.random.default_rng(4)
FRAME = pandas.DataFrame({"amount": RANDOM.random(200) * 100, "rate": RANDOM.random(200),
                          "age": RANDOM.integers(18, 80, 200).astype(float)})
MODEL = LogisticRegression(max_iter=1000).fit(FRAME, (FRAME.rate > 0.5).astype(int))


@pytest.fixture
def unasked(monkeypatch):
    """The gateway isn't asked: what is written is looked at here."""
    monkeypatch.setattr(gateway, "ask", lambda *_: 0.0)
    monkeypatch.setattr(computed, "ensure_computed", lambda *_: [])


def written(folder, **more):
    done = shardgate.export(MODEL, "mine", rows=FRAME, output_dir=folder, **more)
    return tomllib.loads((done.path / "model.toml").read_text(encoding="utf-8"))


def where(about):
    """Where each column comes from."""
    return {column["name"]: {key: column[key] for key in ("source", "entity", "column", "expr")
                             if key in column} for column in about["columns"]}


def test_entities_are_declared_with_their_columns(tmp_path, unasked):
    about = written(tmp_path, entities={
        "user": ["age"], "merchant": ["rate"],
        "receiver": Entity({"amount": "balance"}, key=["bank", "account"], of="user")})
    assert about["entities"] == [
        {"name": "merchant", "table": "merchant", "key": "merchant_id"},
        {"name": "receiver", "of": "user", "key": ["bank", "account"]}]
    assert where(about) == {
        "amount": {"source": "store", "entity": "receiver", "column": "balance"},
        "rate": {"source": "store", "entity": "merchant"}, "age": {"source": "store"}}


def test_a_user_is_declared_where_it_is_no_usual_one(tmp_path, unasked):
    about = written(tmp_path, entities={"user": Entity(["age"], key="client", table="clients")})
    assert about["entities"] == [{"name": "user", "table": "clients", "key": "client"}]
    assert where(about)["rate"] == {"source": "request"}


def test_the_command_has_the_same(tmp_path, unasked):
    import joblib
    joblib.dump(MODEL, tmp_path / "model.pkl")
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    given = [str(tmp_path / "model.pkl"), "--name", "mine", "--output-dir", str(tmp_path), "--rows",
             str(tmp_path / "rows.csv"), "--entity", "rate,age:years=merchant", "--entity-key",
             "merchant=country,merchant", "--entity-table", "merchant=shops"]
    done = command.export(command.arguments(given))
    about = tomllib.loads((done.path / "model.toml").read_text(encoding="utf-8"))
    assert about["entities"] == [{"name": "merchant", "table": "shops", "key": ["country", "merchant"]}]
    assert where(about)["age"] == {"source": "store", "entity": "merchant", "column": "years"}
    with pytest.raises(ExportError, match="no column comes from an entity shop: --entity COLUMN=shop"):
        command.export(command.arguments([*given, "--entity-of", "shop=user"]))
    with pytest.raises(ExportError, match="'rate', expected COLUMN,…=ENTITY"):
        command.export(command.arguments([*given, "--entity", "rate"]))


@pytest.mark.parametrize("entities, says", [
    ({"merchant": ["rats"]}, r"no column rats \(did you mean rate\?\); it reads amount, rate, age"),
    ({"a": ["rate"], "b": ["rate"]}, "rate comes from the entity a and from the entity b"),
    ({"a b": ["rate"]}, "'a b' cannot be an entity's name"),
    ({"a": Entity(["rate"], key=["x", "x"])}, "Entity.key: the key of a is x, x"),
    ({"a": Entity(["rate"], table="t", of="user")}, "Entity.of: a shares the table of user"),
    ({"a": Entity(["rate"], of="nobody")}, "nobody is none with a table of its own"),
    ({"a": Entity(["rate"], of="a")}, "a is none with a table of its own"),
    ({f"e{n}": [] for n in range(16)}, "16 entities, 16 at most with the user"),
])
def test_what_the_gateway_would_refuse_is_refused(tmp_path, entities, says):
    with pytest.raises(ExportError, match=says):
        written(tmp_path, entities=entities)


def test_an_expression_names_what_it_reads(tmp_path, unasked):
    rows = FRAME.assign(income=100, country="NL", since=pandas.Timestamp("2026-01-01"))
    done = shardgate.export(
        MODEL, "mine", rows=rows, output_dir=tmp_path, entities={"merchant": ["income"]},
        expressions={"rate": "amount / income * (country == 'age or NL' ? 1.0 : 2.0)",
                     "age": "since.year()"})
    about = tomllib.loads((done.path / "model.toml").read_text(encoding="utf-8"))
    assert about["inputs"] == [
        {"name": "income", "type": "bigint", "source": "store", "entity": "merchant"},
        {"name": "country", "type": "text", "source": "request"},
        {"name": "since", "type": "timestamp", "source": "request"}]
    assert where(about)["age"] == {"expr": "since.year()"}
    assert [entity["name"] for entity in about["entities"]] == ["merchant"]


@pytest.mark.parametrize("more, says", [
    ({"expressions": {"rates": "1.0"}}, r"expressions: the model reads no column rates \(did you mean"),
    ({"expressions": {"rate": " "}}, "rate has no expression"),
    ({"expressions": {"rate": "amount / income"}}, "rows: no column income, which an expression reads"),
    ({"expressions": {"rate": "amount / 2.0"}, "entities": {"a": ["rate"]}}, "rate comes from an expr"),
    ({"expressions": {"rate": "amount / 2.0"}, "entities": {"a": ["other"]}},
     "neither the model nor an expression reads a column other"),
])
def test_an_expression_that_has_no_place_is_refused(tmp_path, more, says):
    with pytest.raises(ExportError, match=says):
        written(tmp_path, **more)


def test_without_rows_no_type_is_known(tmp_path):
    with pytest.raises(ExportError, match="it reads income, and nothing says of which types: rows="):
        shardgate.export(MODEL, "mine", output_dir=tmp_path, expressions={"rate": "amount / income"})


def test_names_are_told_from_texts_functions_and_members():
    text = """max(a, 1e5) + b.size() // no c
        + `d e` - r"f\\" + 'g\\'h' + (i in ["j"] ? null : true) + _k1"""
    assert names_of(text) == ["a", "b", "d e", "i", "_k1"]


def test_types_are_those_of_the_values():
    kinds = {
        "boolean": [True, None], "bigint": [1, None], "text": ["a", None],
        "date": [datetime.date(2026, 1, 1), None], "double": [1.5, 2],
    }
    for kind, cells in kinds.items():
        held = cells if kind == "double" else pandas.Series(cells, dtype=object)
        assert type_of("x", pandas.Series(held)) == kind
    with pytest.raises(ExportError, match="column x has values of several types"):
        type_of("x", pandas.Series([1, "a"], dtype=object))


def test_requests_bring_what_no_row_lacks(tmp_path, unasked):
    from sklearn.ensemble import HistGradientBoostingClassifier
    rows = FRAME.assign(amount=FRAME.amount.where(FRAME.amount > 10))
    model = HistGradientBoostingClassifier(max_iter=3).fit(rows, FRAME.rate > 0.5)
    done = shardgate.export(model, "mine", rows=rows, output_dir=tmp_path, required=True,
                            entities={"merchant": ["rate"]})
    about = tomllib.loads((done.path / "model.toml").read_text(encoding="utf-8"))
    assert [column.get("required", False) for column in about["columns"]] == [False, False, True]
    with pytest.raises(ExportError, match="required: no column comes from requests"):
        written(tmp_path, required=True, source="store")


@pytest.fixture
def transforms(tmp_path, monkeypatch):
    """A gateway that writes what `computed.csv` has, or fails with what `failed` has."""
    script = tmp_path / "gateway"
    script.write_text(f"""#!/bin/sh
cp "$2" {tmp_path}/asked.csv
[ -e {tmp_path}/failed ] && cat {tmp_path}/failed >&2 && exit 1
cat {tmp_path}/computed.csv
""")
    script.chmod(0o755)
    monkeypatch.setattr(gateway, "ask", lambda *_: 0.0)
    return script


def test_an_expression_is_compared_with_the_rows(tmp_path, transforms):
    def tried(values, **more):
        pandas.DataFrame({"rate": values}).to_csv(tmp_path / "computed.csv", index=False)
        rows = FRAME.assign(income=100.0)
        return shardgate.export(MODEL, "mine", rows=rows, output_dir=tmp_path, program=transforms,
                                expressions={"rate": "amount / income"}, **more)

    done = tried(FRAME.rate)
    assert any("computes rate of the rows as the model was trained on" in note for note in done.notes)
    asked = pandas.read_csv(tmp_path / "asked.csv")
    assert list(asked) == ["amount", "income"] and len(asked) == len(FRAME)
    values = FRAME.rate.copy()
    values[7] += 0.01
    with pytest.raises(ExportError, match=r"expressions: row 8 of rows= has rate = 0\.\d+, and `amount / "
                                          r"income` gives 0\.\d+: mend the expression, or train on what"):
        tried(values)
    values[7] = np.nan
    with pytest.raises(ExportError, match="row 8 of rows= has rate = 0.* gives no value"):
        tried(values)
    with pytest.raises(ExportError, match="the gateway computed 199 rows of 200"):
        tried(FRAME.rate[:199])
    for said, says in [("error: unrecognized subcommand 'transform'", "older than this package"),
                       (f"shardgate: {tmp_path}/x: what is wrong", "expressions: the gateway does not compute")]:
        (tmp_path / "failed").write_text(said)
        with pytest.raises(ExportError, match=says):
            tried(FRAME.rate)
    (tmp_path / "failed").write_text("shardgate: the expressions read the time of the request: say it by")
    assert any("were not tried on the rows" in note for note in tried(FRAME.rate).notes)


def test_what_was_missing_may_be_the_default():
    from shardgate.exporter.artefacts import Column
    from shardgate.exporter.computed import is_same
    number, text = Column("x", default=0.1), Column("x", default="none", type="text")
    for known, cell, same in [(None, "", True), (np.nan, "0.1", True), (np.nan, "0.2", False),
                              (1.0, "true", True), (0.0, "", False), (1e9, "1000000001", True)]:
        assert is_same(known, cell, number) is same, (known, cell)
    for known, cell, same in [(None, "", True), (None, "none", True), ("a", "a", True), ("a", "", False)]:
        assert is_same(known, cell, text) is same, (known, cell)
