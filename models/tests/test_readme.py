"""README's own recipe works, command by command, for a user with a pickle and a CSV."""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas
import pytest
from sklearn.linear_model import LogisticRegression

from shardgate.exporter import gateway

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What git keeps and people read.
PAGES = sorted(path for pattern in ("*.md", "[b-z]*/**/*.md", ".github/*.md")
               for path in ROOT.glob(pattern) if "target" not in path.parts)


def recipe():
    """The commands of the section on one's own model, in order."""
    section = README.split("## How do I serve my model?", 1)[1]
    return [shlex.split(line, comments=True)
            for line in re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1].splitlines()]


@pytest.fixture
def clone(tmp_path):
    """A folder as a clone is, with what the user brings; target is the one that was built."""
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "models" / "export.py", tmp_path / "models")
    shutil.copytree(ROOT / "models" / "shardgate", tmp_path / "models" / "shardgate")
    built = tmp_path / "target" / "release"
    built.mkdir(parents=True)
    (built / "shardgate").symlink_to(gateway.find(None))
    columns = ["age", "income", "amount"]
    rows = np.random.default_rng(3).normal(50, 9, (60, len(columns)))
    frame = pandas.DataFrame(rows, columns=columns)
    model = LogisticRegression().fit(frame, rows[:, 0] > rows[:, 1])
    joblib.dump(model, tmp_path / "model.pkl")
    with (tmp_path / "users.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", *columns])
        writer.writerows([f"u{index}", *row] for index, row in enumerate(rows))
    return tmp_path


def test_the_recipe_is_right(clone):
    ran = []
    for command in recipe():
        if command[:3] == ["cargo", "run", "--release"]:
            command = ["target/release/shardgate", *command[4:]]
        elif command[0] == ".cache/venv/bin/python":
            command = [sys.executable, *command[1:]]
        elif command[:2] == ["cargo", "build"] or command[0] == "python3":
            continue
        if command[1] == "serve":
            # Its options are those that were checked just before.
            assert command[2:] == ran[-1][2:]
            continue
        ended = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (command, ended)
        ran.append(command)
    assert [command[1] for command in ran] == ["models/export.py", "import", "check"]
    assert (clone / "models" / "my-model" / "1" / "model.onnx").is_file()
    assert "60 rows, largest difference" in ended.stdout


def test_the_ten_lines_are_right(tmp_path):
    """As scripts/wheel/check.py runs them with the wheel."""
    lines = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len(lines.splitlines()) <= 10
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "models"), "SHARDGATE": str(gateway.find(None))}
    ended = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, env=environment,
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Name: score, Length: 1000" in ended.stdout and "duration_in_month" in ended.stdout


def test_from_pandas_to_a_score(clone):
    """The worked example of models/README.md, up to the server."""
    page = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
    section = page.split("## From pandas to a score", 1)[1]
    program, commands = re.findall(r"```(?:python|sh)\n(.*?)```", section, re.DOTALL)[:2]
    shutil.copytree(ROOT / "models" / "data", clone / "models" / "data")
    ran = [[sys.executable, "-c", program]]
    for line in commands.splitlines():
        first, *rest = shlex.split(line)
        if first == "curl" or rest[0] == "serve":
            continue
        ran.append([sys.executable if first == "python" else "target/release/shardgate", *rest])
    for command in ran:
        ended = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (command, ended)
    assert [command[1] for command in ran[1:]] == ["models/export.py", "import", "check"]
    assert "1000 rows, largest difference" in ended.stdout and 'P(class "bad")' in ended.stdout


def test_load_is_put_on_users_that_the_first_run_has():
    page = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    count, form = re.search(r"random_users\.lua \S+ -- (\d+) (\S+)", page).groups()
    with (ROOT / "models" / "credit-risk" / "features.csv").open(newline="") as file:
        users = {row["user_id"] for row in csv.DictReader(file)}
    assert {form % number for number in range(1, int(count) + 1)} <= users


def test_what_operators_are_told_of_exists():
    version = re.search(r"Linux (\d+\.\d+) or newer", README)[1]
    source = (ROOT / "src" / "serve" / "io_uring.rs").read_text(encoding="utf-8")
    assert f"KERNEL_MIN: (u32, u32) = ({version.replace('.', ', ')});" in source
    operation = (ROOT / "src" / "manual" / "operation.md").read_text(encoding="utf-8")
    assert "| `/config` |" in operation


def anchors(page):
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_first_page_is_short():
    assert README.count("\n") < 150
