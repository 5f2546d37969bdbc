#!/usr/bin/env python3
"""Makes the wheel with the program that was built, installs it as a stranger would, and runs what README
shows.

Every environment is fresh and lies under .cache/wheel. Packages have the versions of
models/requirements.txt.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))
import elf  # noqa: E402

BUILT = ROOT / "target" / "release" / "shardgate"
FOLDER = ROOT / ".cache" / "wheel"
LINES_MAX = 10


def said(*command, status=0, **options):
    """What a command prints, on both of its outputs."""
    ended = subprocess.run([str(part) for part in command], text=True, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if ended.returncode != status:
        sys.exit(f"{' '.join(map(str, command))}: status {ended.returncode}, expected {status}:\n"
                 f"{ended.stdout}")
    return ended.stdout


def environment(**more):
    """Without the settings of whoever runs this: no program is named, and none is on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHARDGATE")}
    return {**kept, "PATH": "/usr/bin:/bin", **more}


def pip(python, *given, **options):
    return said(python, "-m", "pip", "--disable-pip-version-check", *given, **options)


def built_wheel(program):
    """The wheel, with the tag that its program has."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    pip(sys.executable, "wheel", "--quiet", "--no-deps", "--wheel-dir", FOLDER, ROOT / "models",
        env=environment(SHARDGATE_BINARY=str(program)))
    wheel, = FOLDER.glob("*.whl")
    assert wheel.name.endswith(f"-py3-none-{elf.needs_of(program).platform}.whl"), wheel.name
    return wheel


def fresh(name):
    """The interpreter of a new virtual environment."""
    said(sys.executable, "-m", "venv", "--clear", FOLDER / name)
    return FOLDER / name / "bin" / "python"


def readme_lines():
    """The lines of Python that README shows."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    count = sum(1 for line in lines.splitlines() if line.strip())
    assert count <= LINES_MAX, f"README has {count} lines of Python, at most {LINES_MAX}"
    return lines


def check_alone(wheel):
    """Without extras the program and the client are there, and the exporter says what it lacks."""
    python = fresh("alone")
    pip(python, "install", "--quiet", wheel)
    packages = pip(python, "list", "--format=freeze").split()
    assert {package.split("==")[0] for package in packages} <= {"pip", "setuptools", "shardgate"}, packages
    program = python.parent / "shardgate"
    assert said(program, "--version") == said(python, "-m", "shardgate", "--version")
    text = "import shardgate; print(shardgate.Client('127.0.0.1:9').ready())"
    assert said(python, "-c", text) == "False\n"
    text = "import shardgate; shardgate.export(None, 'mine')"
    assert "pip install 'shardgate[export]'" in said(python, "-c", text, status=1)
    assert "pip install 'shardgate[export]'" in said(python, "-m", "shardgate.demo", status=1)


def check_refusals():
    """Where there is neither a program nor a way to build one, pip says so."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "models"
        shutil.copytree(ROOT / "models", copy, ignore=shutil.ignore_patterns("credit-risk", "tests"))
        answer = pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, copy, status=1,
                     env=environment())
        assert "no program to put into the wheel" in answer, answer
        answer = pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, copy, status=1,
                     env=environment(SHARDGATE_BINARY="/nowhere"))
        assert "SHARDGATE_BINARY: /nowhere is no program" in answer, answer


def check_export(wheel):
    """Train, export, serve, predict: README's lines, the same by gRPC, the demonstration, and types."""
    python = fresh("export")
    pip(python, "install", "--quiet", f"{wheel}[export]", "--constraint",
        ROOT / "models" / "requirements.txt")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "ten_lines.py"
        script.write_text(readme_lines(), encoding="utf-8")
        answer = said(python, script, cwd=folder, env=environment())
        print(answer)
        assert "Name: score, Length: 1000" in answer and "duration_in_month" in answer, answer
        assert (Path(folder) / "models" / "credit" / "1" / "model.onnx").is_file()
        pip(python, "install", "--quiet", f"{wheel}[grpc]")
        script.write_text(BY_GRPC, encoding="utf-8")
        print(said(python, script, cwd=folder, env=environment()))
        demo = said(python, "-m", "shardgate.demo", cwd=folder, env=environment())
        assert demo.splitlines()[-1] == "6. stopped", demo
        print(demo)
        pip(python, "install", "--quiet", "-r", ROOT / "scripts" / "wheel" / "requirements.txt")
        # The package itself, and a program that uses it.
        said(python, "-m", "mypy", "--config-file", ROOT / "models" / "pyproject.toml",
             cwd=ROOT / "models")
        typed = Path(folder) / "typed.py"
        typed.write_text(TYPED, encoding="utf-8")
        # No configuration that lies around is the user's.
        said(python, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", folder, typed,
             cwd=folder)


# The same numbers by either way, and the same reasons.
BY_GRPC = """\
import numpy, shardgate, shardgate.demo
frame, _ = shardgate.demo.data()
with shardgate.serve("models/credit") as client:
    with shardgate.Client(client.url.replace("http://", "grpc://"), "credit") as by_grpc:
        scores = [one.predict(frame).to_numpy(numpy.float32) for one in (client, by_grpc)]
        assert (scores[0] == scores[1]).all()
        row = dict(frame.iloc[1])
        reasons = [one.explain(row, reasons=3).reasons for one in (client, by_grpc)]
        assert reasons[0] == reasons[1] and len(reasons[0]) == 3, reasons
        failed = by_grpc.predict([row, {**row, "duration_in_month": "long"}], errors="keep")[1]
        assert failed.status == 400, failed
        print("by gRPC:", by_grpc.predict(row))
"""

TYPED = """\
import shardgate
from shardgate import Entity

def written(client: shardgate.Client) -> int:
    client.push("merchant", ["DE", 4111], {"rate": 0.5}, event={"amount": 12.5})
    client.remove("merchant", ["DE", 4111])
    return client.push_rows("user", [{"user_id": 7, "age": 41}])

def exported(model: object, rows: list[dict[str, float]]) -> shardgate.Exported:
    return shardgate.export(model, "mine", rows=rows, required=True, expressions={"ratio": "a / b"},
                            entities={"merchant": ["rate"], "receiver": Entity({"b": "c"}, of="user")})

with shardgate.serve("models/credit", port=0) as client:
    one: shardgate.Prediction = client.predict({"age": 41})
    many: list[shardgate.Prediction] = client.predict([{"age": 41}])
    codes: list[str] = [reason.code for reason in client.explain({"age": 41}, reasons=2).reasons]
    score: float = one.score
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, default=BUILT, help="the program for the wheel")
    program = parser.parse_args().program.resolve()
    wheel = built_wheel(program)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    check_refusals()
    check_alone(wheel)
    check_export(wheel)
    for name in ("alone", "export"):
        shutil.rmtree(FOLDER / name)
    print("the wheel is as README says")


if __name__ == "__main__":
    main()
