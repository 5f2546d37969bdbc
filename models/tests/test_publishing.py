"""An export adds a version, and leaves alone what is there and what somebody wrote by hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from shardgate.exporter import command
from shardgate.exporter.exporting import ExportError
from shardgate.exporter.publishing import is_ours, signed

from tools import LABELS, ROWS, export_model

FIRST = LogisticRegression().fit(ROWS, LABELS)
SECOND = GradientBoostingClassifier(n_estimators=3).fit(ROWS, LABELS)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


def test_each_export_is_the_next_version(tmp_path):
    folder = tmp_path / "mine"
    export_model(tmp_path, FIRST)
    first = contents(folder / "1")
    export_model(tmp_path, SECOND)
    (folder / "007").mkdir()
    export_model(tmp_path, FIRST)
    assert contents(folder / "1") == first
    assert sorted(path.name for path in folder.iterdir()) == ["007", "1", "2", "8", "model.toml"]
    assert contents(folder / "8") == first


def test_a_version_may_be_chosen_and_is_never_overwritten(tmp_path):
    export_model(tmp_path, FIRST, "--version", "20260131120000")
    before = contents(tmp_path / "mine")
    with pytest.raises(ExportError, match="has version 20260131120000, .* the next, 20260131120001"):
        export_model(tmp_path, SECOND, "--version", "20260131120000")
    with pytest.raises(ExportError, match="--version: 0 isn't from 1"):
        export_model(tmp_path, SECOND, "--version", "0")
    assert contents(tmp_path / "mine") == before
    export_model(tmp_path, SECOND, "--version", "3")


def test_a_manifest_that_was_edited_is_kept_where_it_fits(tmp_path, capsys):
    path = tmp_path / "mine" / "model.toml"
    export_model(tmp_path, FIRST)
    edited = path.read_text().replace('nan = "reject"', 'nan = "default"\ndefault = 5.0', 1)
    path.write_text(edited)
    given = [str(tmp_path / "model.pkl"), "--columns", "a,b,c", "--name", "mine",
             "--output-dir", str(tmp_path)]
    assert command.main(given) == 0
    assert path.read_text() == edited
    assert (tmp_path / "mine" / "2" / "model.onnx").is_file()
    assert "was edited by hand, fits, and was left as it is" in capsys.readouterr().out


def test_a_manifest_that_names_versions_that_are_tried_out_is_kept(tmp_path):
    path = tmp_path / "mine" / "model.toml"
    export_model(tmp_path, FIRST)
    export_model(tmp_path, FIRST)
    text = "version = 1\n" + path.read_text() + "\n[canary]\nversion = 2\npercent = 5.0\n"
    path.write_text(text)
    export_model(tmp_path, SECOND)
    assert path.read_text() == text


def test_a_manifest_of_ours_is_renewed(tmp_path):
    path = tmp_path / "mine" / "model.toml"
    about, _ = export_model(tmp_path, FIRST)
    assert about["policies"]["on_missing"] == "reject"
    rows = tmp_path / "rows.csv"
    np.savetxt(rows, ROWS, delimiter=",", header="a,b,c", comments="")
    about, _ = export_model(tmp_path, FIRST, "--rows", str(rows))
    assert "policies" not in about and about["columns"][0]["default"] > 0
    assert is_ours(path.read_text())


@pytest.mark.parametrize("edit", ["", "# mine\n"])
def test_what_does_not_fit_the_other_versions_is_refused(tmp_path, edit):
    path = tmp_path / "mine" / "model.toml"
    export_model(tmp_path, FIRST)
    path.write_text(path.read_text() + edit)
    before = contents(tmp_path / "mine")
    named = LogisticRegression().fit(ROWS, LABELS)
    with pytest.raises(ExportError, match="its columns are a,b,c, those of the export a,b,d"):
        export_model(tmp_path, named, columns="a,b,d")
    with pytest.raises(ExportError, match=r"its \[output\] class is 1, that of the export 0"):
        export_model(tmp_path, FIRST, "--class", "0")
    with pytest.raises(ExportError, match=r"its \[output\] tensor is probabilities"):
        export_model(tmp_path, LinearRegression().fit(ROWS, ROWS[:, 0]))
    path.write_text("not TOML")
    with pytest.raises(ExportError, match="mend it first"):
        export_model(tmp_path, FIRST)
    path.write_bytes(before.pop(path.relative_to(tmp_path / "mine")))
    after = contents(tmp_path / "mine")
    assert before.items() <= after.items() and len(after) == len(before) + 1


@pytest.mark.parametrize("name", ["../mine", "a b", "", "-a", ".a", "x" * 129])
def test_a_name_that_no_model_can_have_is_refused(tmp_path, name):
    given = ["model.pkl", "--columns", "a", f"--name={name}", "--output-dir", str(tmp_path / "m")]
    with pytest.raises(ExportError, match="cannot be a model's name"):
        command.export(command.arguments(given))


def test_an_edit_is_recognised():
    text = signed('description = "x"\n')
    assert is_ours(text)
    for edited in (text.replace("x", "y"), text + "\n", "\n" + text, 'description = "x"\n', "",
                   text.replace("\n", "\r\n")):
        assert not is_ours(edited)


def test_by_default_it_goes_into_the_repository_beside_the_script(tmp_path, monkeypatch):
    """Of the package's command it is the folder `models` of where one is."""
    given = ["model.pkl", "--columns", "a", "--name", "mine"]
    assert command.arguments(given).output_dir == Path("models")
    script = Path(__file__).parents[1] / "export.py"
    ended = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True,
                           text=True, check=True)
    assert str(script.parent) in "".join(ended.stdout.split())
