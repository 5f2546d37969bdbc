"""From a notebook: export, serve, ask, stop; and what is said where it doesn't work."""

import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pandas
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.compose import make_column_transformer

import shardgate
import shardgate.demo
from shardgate import program
from shardgate.exports import as_keywords

from tools import COLUMNS, FRAME, IGNORING, LABELS, ROWS, TARGET, TEXTS

PIPELINE = make_pipeline(
    make_column_transformer((IGNORING, TEXTS), remainder="passthrough"),
    GradientBoostingClassifier(n_estimators=5, random_state=0)).fit(FRAME, TARGET)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return shardgate.export(PIPELINE, "mine", rows=FRAME, explain=True, probabilities=True,
                            bands="approve<0.5,decline", output_dir=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def client(exported):
    with shardgate.serve(exported) as made:
        yield made


def test_a_frame_with_texts_is_scored_as_the_library_does(client, exported):
    assert exported.rows == len(FRAME) and exported.difference_gateway < 1e-5
    scores = client.predict(FRAME)
    assert np.abs(scores - PIPELINE.predict_proba(FRAME)[:, 1]).max() < 1e-6
    assert list(scores.index) == list(FRAME.index)
    assert client.predict([dict(row) for _, row in FRAME.head(3).iterrows()])[2].score == scores[2]
    assert client.predict(FRAME.to_numpy())[:3].tolist() == scores[:3].tolist()


def test_an_answer_has_its_decision_and_reasons(client):
    answer = client.explain(dict(FRAME.iloc[0]), reasons=2)
    assert answer.decision == ("approve" if answer.score < 0.5 else "decline")
    assert set(answer.probabilities) == {"0", "1"} and len(answer.reasons) <= 2
    assert {reason.column for one in client.explain(FRAME.head(20)) for reason in one.reasons} <= set(FRAME)
    table = client.table(FRAME.head(4), explain=True)
    assert {"score", "decision", "margin", "reasons", "probability_1"} <= set(table)


def test_missing_and_unknown_cells_go_through(client):
    row = dict(FRAME.iloc[0])
    assert client.predict({**row, "age": float("nan"), "purpose": None}).score >= 0
    assert client.predict({**row, "country": "nowhere"}).score >= 0


def test_what_is_served_is_told(client):
    assert client.ready() and client.ready("mine") and not client.ready("other")
    assert client.describe().columns == ("age", "purpose", "country", "amount")
    assert [(one.name, one.version, one.state) for one in client.models()] == [("mine", "1", "READY")]


def test_a_wrong_column_name_is_an_error_that_names_both(client):
    with pytest.raises(shardgate.ColumnsError, match=r"purpos \(did you mean purpose\?\)"):
        client.predict(FRAME.rename(columns={"purpose": "purpos"}))
    with pytest.raises(shardgate.NotFound, match="nothing"):
        client.predict(FRAME, model="nothing")
    with pytest.raises(shardgate.RowsFailed, match="`age` is of type float and must be a number"):
        client.predict(FRAME.assign(age="old"))


def test_a_model_from_a_plain_array_takes_the_names_that_are_given(tmp_path):
    model = LogisticRegression().fit(ROWS, LABELS)
    with pytest.raises(shardgate.ExportError, match=r'^columns: .* as columns=\["a", "b", "c"\]'):
        shardgate.export(model, "mine", output_dir=tmp_path)
    done = shardgate.export(model, "mine", rows=ROWS, columns=COLUMNS, output_dir=tmp_path)
    with shardgate.serve(tmp_path, log="warn") as client:
        assert np.abs(client.predict(ROWS) - model.predict_proba(ROWS)[:, 1]).max() < 1e-6
    assert "score_class= chooses another" in str(done)


def test_a_booster_and_its_file_are_served(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    frame = FRAME.astype({name: "category" for name in TEXTS})
    data = lightgbm.Dataset(frame, TARGET)
    booster = lightgbm.train({"objective": "binary", "verbose": -1}, data, 5)
    expected = booster.predict(frame)
    done = shardgate.export(booster, "boosted", rows=frame, output_dir=tmp_path, explain=True)
    with shardgate.serve(done.version_path) as client:
        assert np.abs(client.predict(frame) - expected).max() < 1e-6
        assert client.explain(dict(FRAME.iloc[0])).reasons
    booster.save_model(tmp_path / "model.txt")
    with shardgate.serve(tmp_path / "model.txt", model="alone") as client:
        assert client.model == "alone" and np.abs(client.predict(FRAME) - expected).max() < 1e-6


@pytest.mark.parametrize("broken, says", [
    (LogisticRegression(), "a LogisticRegression that isn't fitted"),
    (LogisticRegression, "LogisticRegression, which scores nothing"),
    ({"model": 1}, "holds a dict"),
    (KNeighborsRegressor(weights=lambda d: 1 / (1 + d)).fit(ROWS, LABELS), "."),
])
def test_a_model_that_cannot_be_exported_is_told(tmp_path, broken, says):
    with pytest.raises(shardgate.ExportError, match=says):
        shardgate.export(broken, "mine", columns=COLUMNS, output_dir=tmp_path)
    assert not (tmp_path / "mine").exists()


def test_rows_without_a_column_are_told(tmp_path):
    with pytest.raises(shardgate.ExportError, match="^rows: no column purpose; there is: age"):
        shardgate.export(PIPELINE, "mine", rows=FRAME.drop(columns="purpose"), output_dir=tmp_path)
    with pytest.raises(shardgate.ExportError, match="^score_class: x isn't one of 0, 1"):
        shardgate.export(PIPELINE, "mine", rows=FRAME, score_class="x", output_dir=tmp_path)


def test_a_port_that_is_taken_is_told(exported):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(shardgate.ServeError, match=f"{port}.* in use.* give another port"):
            shardgate.serve(exported, port=port)


def test_a_gateway_that_was_killed_is_told(exported):
    gateway = shardgate.serve(exported)
    assert gateway.client.predict(dict(FRAME.iloc[0])).score >= 0
    os.kill(gateway.pid, signal.SIGKILL)
    with pytest.raises(shardgate.GatewayUnreachable, match="was killed by signal 9: shardgate.serve"):
        gateway.client.predict(dict(FRAME.iloc[0]))
    gateway.stop()
    assert "stopped" in repr(gateway)


def test_a_client_whose_gateway_was_stopped_says_so(exported):
    with shardgate.serve(exported) as client:
        client.ready()
    with pytest.raises(shardgate.GatewayUnreachable, match="was stopped"):
        client.predict(dict(FRAME.iloc[0]))


def test_no_program_is_told(exported, tmp_path, monkeypatch):
    monkeypatch.delenv("SHARDGATE", raising=False)
    monkeypatch.setattr(program, "BUILT", tmp_path / "none")
    monkeypatch.setattr(program, "installed", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(shardgate.ProgramNotFound, match="pip install ./models .*cargo build"):
        shardgate.serve(exported)
    with pytest.raises(shardgate.ExportError, match="there is no gateway to ask"):
        shardgate.export(PIPELINE, "mine", rows=FRAME, output_dir=tmp_path)
    odd = tmp_path / "odd"
    odd.write_text("no program")
    odd.chmod(0o755)
    with pytest.raises(shardgate.ProgramNotFound, match="cannot be run here"):
        shardgate.serve(exported, program=odd)


@pytest.mark.parametrize("name, says", [
    ("nothing", "is not there"), ("empty", "has no model in it"), ("model.pkl", "is no model's file"),
])
def test_a_path_that_is_no_model_is_told(tmp_path, name, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.pkl").write_bytes(b"x")
    with pytest.raises(shardgate.ServeError, match=says):
        shardgate.serve(tmp_path / name)


def test_a_model_whose_features_are_stored_says_what_it_needs(tmp_path):
    stored = shardgate.export(PIPELINE, "stored", rows=FRAME, source="store", output_dir=tmp_path)
    with pytest.raises(shardgate.ServeError, match=r"no feature store here.*export\(…, source=\"request"):
        shardgate.serve(stored, store=f"embedded:{tmp_path / 'none'}")
    users = FRAME.assign(user_id=[f"u{place}" for place in range(len(FRAME))])
    users.to_csv(tmp_path / "users.csv", index=False)
    store = f"embedded:{tmp_path / 'features'}"
    subprocess.run([program.find(), "import", tmp_path / "users.csv", "--store", store], check=True,
                   capture_output=True)
    with shardgate.serve(stored, store=store) as client:
        scores = client.predict(users[["user_id"]])
        assert np.abs(scores - PIPELINE.predict_proba(FRAME)[:, 1]).max() < 1e-6
        assert client.predict({"user_id": "u7"}).features == "stored"


def test_it_stops_with_its_process(exported, tmp_path):
    """A notebook that is closed leaves no gateway behind."""
    text = (f"import sys; sys.path[:0] = {sys.path!r}; import shardgate; "
            f"print(shardgate.serve({str(exported.path)!r}).pid)")
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(ended.stdout), 0)


def test_the_demonstration_ends_clean(capsys):
    assert shardgate.demo.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("1. trained") and said[-1] == "6. stopped" and "duration_in_month" in str(said)


def test_pandas_types_go_through(client):
    frame = FRAME.astype({"purpose": "category", "age": "Int64", "country": "string"})
    assert client.predict(frame).equals(client.predict(FRAME))
    frame.loc[0, "age"] = pandas.NA
    assert np.isfinite(client.predict(frame)).all()


@pytest.mark.parametrize("said, meant", [
    ("--class: choose the score's class, one of a, b", "score_class: choose the score's class, one of a, b"),
    ("give real ones by --rows FILE.csv", "give real ones by rows="),
    ("with --double they agree", "with double=True they agree"),
    ("name it by --gateway PATH or the variable", "name it by program= or the variable"),
    ("--probabilities, --label: the model", "probabilities, label: the model"),
])
def test_flags_are_keywords_here(said, meant):
    assert as_keywords(said) == meant


def test_columns_of_entities_come_from_their_tables(tmp_path):
    """Of a model that was exported with entities: by HTTP, one row and several, and with one that is not
    known."""
    random = np.random.default_rng(7)
    frame = pandas.DataFrame({"amount": random.random(200), "rate": random.random(200),
                              "balance": random.random(200)})
    labels = (frame.rate + frame.balance > 1).astype(int)
    model = LogisticRegression().fit(frame, labels)
    done = shardgate.export(model, "payments", rows=frame, output_dir=tmp_path, entities={
        "merchant": shardgate.Entity(["rate"], key=["country", "shop"]),
        "receiver": shardgate.Entity({"balance": "amount_held"}, key="iban")})
    store = f"embedded:{tmp_path / 'store'}"
    tables = {
        "merchant": (["country", "shop"], frame[["rate"]].assign(country="DE", shop=range(200))),
        "receiver": (["iban"], frame[["balance"]].set_axis(["amount_held"], axis=1)
                     .assign(iban=[f"NL{n}" for n in range(200)]))}
    import_ = [program.find(), "import"]
    for name, (key, rows) in tables.items():
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
        subprocess.run([*import_, tmp_path / f"{name}.csv", "--store", store, "--table", name,
                        "--key", ",".join(key)], check=True)
    expected = model.predict_proba(frame)[:, 1]
    asked = frame[["amount"]].assign(country="DE", shop=range(200), iban=[f"NL{n}" for n in range(200)])
    with shardgate.serve(done, store=store) as client:
        assert client.describe("payments").keys >= {"country", "shop", "iban"}
        assert abs(client.predict(asked) - expected).max() < 1e-6
        row = asked.iloc[3].to_dict()
        answer = client.predict(row)
        assert answer.score == pytest.approx(expected[3], abs=1e-6)
        assert answer.entities == {"merchant": "stored", "receiver": "stored"}, answer
        known, unknown = client.predict([row, {**row, "shop": 7000}])
        assert known.entities["merchant"] == "stored" and unknown.entities["merchant"] == "missing"
        assert unknown.features == "merchant=missing, receiver=stored"
        with pytest.raises(shardgate.ColumnsError, match=r"no column ibn \(did you mean iban\?\)"):
            client.predict({"amount": 1, "country": "DE", "shop": 7, "ibn": "NL7"})


def store_of(folder, header, *lines):
    """A store with users."""
    (folder / "users.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    store = f"embedded:{folder / 'store'}"
    subprocess.run([program.find(), "import", folder / "users.csv", "--store", store], check=True,
                   capture_output=True)
    return store


def test_what_is_pushed_is_scored(tmp_path):
    """By one key, by a data frame, and removed: the next prediction sees it."""
    model = LogisticRegression().fit(ROWS, LABELS)
    done = shardgate.export(model, "mine", rows=pandas.DataFrame(ROWS, columns=COLUMNS), columns=COLUMNS,
                            output_dir=tmp_path, source="store")
    store = store_of(tmp_path, "user_id,a:float,b:float,c:float", "u-1,1,2,3")

    def expected(*row):
        return pytest.approx(model.predict_proba([row])[0, 1], abs=1e-6)

    with shardgate.serve(done, store=store) as client:
        assert client.predict({"user_id": "u-1"}).score == expected(1, 2, 3)
        assert client.push("user", "u-1", {"a": 7.5, "b": np.float32(1)})["written"] == 1
        assert client.predict({"user_id": "u-1"}).score == expected(7.5, 1, 3)
        frame = pandas.DataFrame({"user_id": ["u/2", "u-3"], "a": [4.0, 5.0], "b": [6.0, 1.0], "c": [1.0, 2.0]})
        assert client.push_rows("user", frame) == 2
        found = client.predict(frame[["user_id"]])
        assert found.tolist() == [expected(4, 6, 1), expected(5, 1, 2)]
        assert client.remove("user", "u/2")["removed"] == 1
        assert client.predict({"user_id": "u/2"}).features == "missing"
        with pytest.raises(shardgate.RequestError, match="no column `d`"):
            client.push("user", "u-1", {"d": 1})
        with pytest.raises(shardgate.NotFound):
            client.push("nothing", "u-1", {"d": 1})


def test_expressions_are_computed_as_they_were_trained(tmp_path):
    """Of an export that was compared with the rows: requests bring what expressions read."""
    random = np.random.default_rng(3)
    raw = pandas.DataFrame({"amount": random.random(200) * 100, "income": random.random(200) * 1000 + 1,
                            "country": random.choice(["NL", "DE"], 200)})
    frame = pandas.DataFrame({"amount": raw.amount, "ratio": raw.amount / raw.income,
                              "abroad": (raw.country != "NL").astype(float)})
    model = GradientBoostingClassifier(n_estimators=5).fit(frame, frame.ratio > 0.1)
    given = raw.assign(ratio=frame.ratio, abroad=frame.abroad)
    expressions = {"ratio": "amount / income", "abroad": "country != 'NL' ? 1.0 : 0.0"}
    done = shardgate.export(model, "mine", rows=given, output_dir=tmp_path, expressions=expressions)
    assert any("computes ratio, abroad of the rows" in note for note in done.notes)
    with pytest.raises(shardgate.ExportError, match="row 1 of rows= has ratio = .* and `income / amount` gives"):
        shardgate.export(model, "mine", rows=given, output_dir=tmp_path,
                         expressions={**expressions, "ratio": "income / amount"})
    with shardgate.serve(done) as client:
        scores = client.predict(raw)
        assert abs(scores - model.predict_proba(frame)[:, 1]).max() < 1e-6
        with pytest.raises(shardgate.ColumnsError, match=r"incom \(did you mean income\?\)"):
            client.predict({"amount": 5.0, "incom": 100.0, "country": "NL"})
