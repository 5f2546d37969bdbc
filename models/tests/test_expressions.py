"""`shardgate transform` computes what DuckDB and NumPy compute, over random expressions and rows, and
reads the syntax that Google's CEL has, by cel-python.

A random expression is made as a tree, which is written in three languages: the gateway's, SQL and
NumPy. Values agree to the last bit where the arithmetic is IEEE 754's own, and to 1e-14 where a library of
functions computes them.
"""

import csv
import datetime
import io
import math
import random
import subprocess

import celpy
import duckdb
import numpy as np
import pytest

from shardgate import program

ROWS = 200
ROUNDS = 60
EXPRESSIONS = 12
CLOCK = datetime.datetime(2026, 1, 31, 12, 30, 0, 250_000)
EPOCH = datetime.datetime(1970, 1, 1)

COLUMNS = {
    "d": "double", "e": "double", "i": "bigint", "j": "bigint", "t": "text", "u": "text", "b": "boolean",
    "seen": "timestamp",
}
KINDS = {"double": "double", "bigint": "int", "text": "text", "boolean": "bool", "timestamp": "time"}
SQL_TYPES = {"double": "DOUBLE", "bigint": "BIGINT", "text": "VARCHAR", "boolean": "BOOLEAN", "timestamp": "TIMESTAMP"}
WORDS = ["", "a", "b,c", "Straße", "ABC", "x,y,,z", "7", "Ünder,Über"]


class Maker:
    """Makes expressions: (text of the gateway, SQL, a function of NumPy, whether bits are exact)."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.exact = True

    def number(self):
        return self.random.choice([0.5, -2.0, 3.25, 100.0, 0.1, -7.75])

    def make(self, kind, depth):
        pick = self.random.random()
        if depth == 0 or pick < 0.2:
            return self.leaf(kind)
        if pick < 0.3:
            condition, one, other = self.make("bool", depth - 1), self.make(kind, depth - 1), self.make(kind, depth - 1)
            # A condition that is null gives null, in SQL too, if it is said.
            return (f"({condition[0]} ? {one[0]} : {other[0]})",
                    f"(CASE WHEN {condition[1]} THEN {one[1]} WHEN NOT {condition[1]} THEN {other[1]} END)")
        if pick < 0.4:
            one, other = self.make(kind, depth - 1), self.make(kind, depth - 1)
            return f"coalesce({one[0]}, {other[0]})", f"coalesce({one[1]}, {other[1]})"
        return getattr(self, f"make_{kind}")(depth - 1)

    def leaf(self, kind):
        names = [name for name, column_type in COLUMNS.items() if KINDS[column_type] == kind]
        if kind == "double" and self.random.random() < 0.3:
            value = self.number()
            return f"({value})", f"({value}::DOUBLE)"
        if kind == "int" and self.random.random() < 0.3:
            value = self.random.choice([0, 1, -1, 3, 24, -1000])
            return f"({value})", f"({value}::BIGINT)"
        if kind == "text" and self.random.random() < 0.3:
            value = self.random.choice(WORDS)
            return f"'{value}'", f"'{value}'"
        if kind == "time" and self.random.random() < 0.2:
            return "now()", f"TIMESTAMP '{CLOCK}'"
        name = self.random.choice(names)
        return name, name

    def make_double(self, depth):
        one, other = self.make("double", depth), self.make("double", depth)
        match self.random.randrange(9):
            case 0 | 1 | 2:
                sign = self.random.choice("+-*")
                return f"({one[0]} {sign} {other[0]})", f"finite({one[1]} {sign} {other[1]})"
            case 3:
                return f"({one[0]} / {other[0]})", f"finite({one[1]} / nullif({other[1]}, 0))"
            case 4:
                name = self.random.choice(["min", "max"])
                sql = {"min": "<", "max": ">"}[name]
                return (f"{name}({one[0]}, {other[0]})",
                        f"(CASE WHEN {other[1]} {sql} {one[1]} THEN {other[1]} WHEN NOT ({other[1]} {sql} {one[1]}) THEN {one[1]} END)")
            case 5:
                name = self.random.choice(["abs", "floor", "ceil", "sqrt"])
                argument = f"(CASE WHEN {one[1]} >= 0 THEN {one[1]} END)" if name == "sqrt" else one[1]
                return f"{name}({one[0]})", f"{name}({argument})"
            case 6:
                self.exact = False
                name, sql = self.random.choice([
                    ("log", "finite(ln(CASE WHEN {0} > 0 THEN {0} END))"),
                    ("log1p", "finite(ln(1 + (CASE WHEN {0} > -1 THEN {0} END)))"),
                    ("exp", "finite(safe_exp({0}))"),
                ])
                return f"{name}({one[0]})", sql.format(one[1])
            case 7:
                time = self.make("time", depth)
                name, unit = self.random.choice([("hours_since", 3_600_000_000), ("days_since", 86_400_000_000)])
                micros = f"(epoch_us(TIMESTAMP '{CLOCK}') - epoch_us({time[1]}))"
                return f"{name}({time[0]})", f"({micros}::DOUBLE / {unit}::DOUBLE)"
            case _:
                number = self.make("int", depth)
                return f"({one[0]} + double({number[0]}))", f"finite({one[1]} + {number[1]}::DOUBLE)"

    def make_int(self, depth):
        one, other = self.make("int", depth), self.make("int", depth)
        match self.random.randrange(6):
            case 0 | 1:
                sign = self.random.choice("+-*")
                wide = f"({one[1]}::HUGEINT {sign} {other[1]}::HUGEINT)"
                return f"({one[0]} {sign} {other[0]})", f"TRY_CAST({wide} AS BIGINT)"
            case 2:
                sign, sql = self.random.choice([("/", "//"), ("%", "%")])
                wide = f"({one[1]}::HUGEINT {sql} nullif({other[1]}, 0)::HUGEINT)"
                return f"({one[0]} {sign} {other[0]})", f"TRY_CAST({wide} AS BIGINT)"
            case 3:
                text = self.make("text", depth)
                return f"size({text[0]})", f"length({text[1]})"
            case 4:
                time = self.make("time", depth)
                name, part = self.random.choice([("hour_of_day", "hour"), ("day_of_week", "dayofweek")])
                return f"{name}({time[0]})", f"{part}({time[1]})"
            case _:
                return f"abs({one[0]})", f"TRY_CAST(abs({one[1]}::HUGEINT) AS BIGINT)"

    def make_text(self, depth):
        one, other = self.make("text", depth), self.make("text", depth)
        match self.random.randrange(4):
            case 0:
                return f"({one[0]} + {other[0]})", f"({one[1]} || {other[1]})"
            case 1:
                place = self.random.randrange(1, 4)
                parts = f"string_split({one[1]}, ',')"
                return f"split_part({one[0]}, ',', {place})", f"{parts}[{place}]"
            case 2:
                return f"lower({one[0]})", f"lower({one[1]})"
            case _:
                number = self.make("int", depth)
                return f"concat({one[0]}, ':', string({number[0]}))", f"({one[1]} || ':' || {number[1]}::VARCHAR)"

    def make_bool(self, depth):
        match self.random.randrange(6):
            case 0:
                one, other = self.make("bool", depth), self.make("bool", depth)
                sign, sql = self.random.choice([("&&", "AND"), ("||", "OR")])
                return f"({one[0]} {sign} {other[0]})", f"({one[1]} {sql} {other[1]})"
            case 1:
                one = self.make("bool", depth)
                return f"!{one[0]}", f"(NOT {one[1]})"
            case 2:
                one, other = self.make("text", depth), self.make("text", depth)
                name, sql = self.random.choice([("contains", "contains"), ("starts_with", "starts_with")])
                return f"{name}({one[0]}, {other[0]})", f"{sql}({one[1]}, {other[1]})"
            case 3:
                one = self.make(self.random.choice(["double", "text", "time"]), depth)
                return f"is_null({one[0]})", f"({one[1]} IS NULL)"
            case 4:
                one, other = self.make("int", depth), self.make("int", depth)
                return f"({one[0]} in [1, {other[0]}])", f"({one[1]} = 1 OR {one[1]} = {other[1]})"
            case _:
                kind = self.random.choice(["double", "int", "time", "text"])
                one, other = self.make(kind, depth), self.make(kind, depth)
                sign, sql = self.random.choice(
                    [("<", "<"), ("<=", "<="), (">", ">"), (">=", ">="), ("==", "="), ("!=", "<>")])
                return f"({one[0]} {sign} {other[0]})", f"({one[1]} {sql} {other[1]})"

    def make_time(self, depth):
        return self.leaf("time")


def rows(seed):
    """Rows of cells as Python has them; None is null."""
    chance = random.Random(seed)

    def cell(column_type):
        if chance.random() < 0.15:
            return None
        match column_type:
            case "double":
                return chance.choice([0.0, 1.0, -1.5, 1e-3, 12345.678, chance.uniform(-100, 100), chance.gauss(0, 1) * 1e6])
            case "bigint":
                return chance.choice([0, 1, -1, 7, 2**53 + 1, -2**62, chance.randrange(-1000, 1000)])
            case "text":
                return chance.choice([word for word in WORDS if word])
            case "boolean":
                return chance.random() < 0.5
            case _:
                return EPOCH + datetime.timedelta(microseconds=chance.randrange(0, 2_000_000_000_000_000))

    return [{name: cell(column_type) for name, column_type in COLUMNS.items()} for _ in range(ROWS)]


def written(value):
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case datetime.datetime():
            return value.isoformat() + "Z"
        case _:
            return str(value)


def manifest(folder, expressions):
    """A model.toml whose computed columns are these (text, kind)."""
    lines = []
    for at, (text, kind) in enumerate(expressions):
        literal = "'''" + text + "'''"
        lines += ["[[columns]]", f'name = "x{at}"', f"expr = {literal}", 'nan = "missing"']
        if kind == "text":
            lines.append('type = "text"')
    for name, column_type in COLUMNS.items():
        lines += ["[[inputs]]", f'name = "{name}"', f'type = "{column_type}"']
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "mine" / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def transform(folder, data):
    """What the gateway computes of the rows: a list of rows of texts."""
    path = folder / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([written(row[name]) for name in COLUMNS] for row in data)
    command = [str(program.find(None)), "transform", str(path), "--model", "mine", "--models", str(folder),
               "--only", "--at", CLOCK.isoformat() + "Z"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return list(csv.reader(io.StringIO(done.stdout)))[1:]


def database(data):
    base = duckdb.connect()
    base.execute("SET TimeZone = 'UTC'")
    base.execute("CREATE MACRO finite(x) AS CASE WHEN isfinite(x) THEN x END")
    base.execute("CREATE MACRO safe_exp(x) AS CASE WHEN x < 709.7 THEN exp(x) END")
    columns = ", ".join(f'"{name}" {SQL_TYPES[column_type]}' for name, column_type in COLUMNS.items())
    base.execute(f"CREATE TABLE rows (place INTEGER, {columns})")
    marks = ", ".join("?" for _ in range(len(COLUMNS) + 1))
    base.executemany(f"INSERT INTO rows VALUES ({marks})",
                     [[place, *(row[name] for name in COLUMNS)] for place, row in enumerate(data)])
    return base


def differs(found, expected, kind, exact):
    """Whether a cell of the output is another value than SQL's."""
    if kind == "text":
        # The output writes null as nothing.
        return found != (expected or "")
    if found == "" or expected is None:
        return (found == "") != (expected is None)
    if kind == "bool":
        return float(found) != float(expected)
    if kind == "int":
        # The model reads a double.
        return float(found) != float(expected)
    one, other = float(found), float(expected)
    if exact:
        return np.float64(one).tobytes() != np.float64(other).tobytes() and not one == other == 0.0
    return not math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_random_expression_is_what_duckdb_computes(tmp_path, seed):
    data = rows(seed)
    base = database(data)
    made = []
    for at in range(EXPRESSIONS):
        maker = Maker(seed * 1000 + at)
        kind = maker.random.choice(["double", "double", "int", "text", "bool"])
        text, sql = maker.make(kind, 1 + at % 4)
        made.append((text, sql, kind, maker.exact))
    manifest(tmp_path, [(text, kind) for text, _, kind, _ in made])
    found = transform(tmp_path, data)
    for at, (text, sql, kind, exact) in enumerate(made):
        expected = base.execute(f"SELECT {sql} FROM rows ORDER BY place").fetchall()
        for place, (cell,) in enumerate(expected):
            wrong = differs(found[place][at], cell, kind, exact)
            assert not wrong, f"{text}\n{sql}\n{data[place]}\n{found[place][at]!r} {cell!r}"


NUMPY = {
    "d + e * 2.0 - d / 3.0": lambda d, e: d + e * 2.0 - d / 3.0,
    "sqrt(d * d + e * e)": lambda d, e: np.sqrt(d * d + e * e),
    "floor(d / 7.0) + ceil(e)": lambda d, e: np.floor(d / 7.0) + np.ceil(e),
    "min(max(d, -1.0), e)": lambda d, e: np.minimum(np.maximum(d, -1.0), e),
    "abs(d) * 1e300 * 1e300": lambda d, e: np.abs(d) * 1e300 * 1e300,
    "log1p(abs(d))": lambda d, e: np.log1p(np.abs(d)),
    "log(d)": lambda d, e: np.log(d),
    "exp(d / 50.0)": lambda d, e: np.exp(d / 50.0),
    "pow(abs(d), 0.3)": lambda d, e: np.power(np.abs(d), 0.3),
    "haversine_km(d / 1.2, e / 1.2, 52.52, 13.405)": lambda d, e: haversine(d / 1.2, e / 1.2, 52.52, 13.405),
}


def haversine(latitude, longitude, other_latitude, other_longitude):
    places = [np.radians(value) for value in (latitude, longitude, other_latitude, other_longitude)]
    north, east = (places[2] - places[0]) / 2, (places[3] - places[1]) / 2
    square = np.sin(north) ** 2 + np.cos(places[0]) * np.cos(places[2]) * np.sin(east) ** 2
    return 2 * 6371.0088 * np.arcsin(np.sqrt(square))


def test_numbers_are_what_numpy_computes(tmp_path):
    generator = np.random.default_rng(3)
    d, e = generator.uniform(-100, 100, (2, 2000))
    data = [dict.fromkeys(COLUMNS) | {"d": float(one), "e": float(other)} for one, other in zip(d, e)]
    manifest(tmp_path, [(text, "double") for text in NUMPY])
    found = transform(tmp_path, data)
    for at, (text, compute) in enumerate(NUMPY.items()):
        with np.errstate(all="ignore"):
            expected = compute(d, e)
        # What is no finite number is null, which the output leaves empty.
        cells = np.array([float(row[at]) if row[at] else np.nan for row in found])
        expected = np.where(np.isfinite(expected), expected, np.nan)
        # IEEE 754 rounds these itself; a library may be one unit off in the others.
        is_exact = not any(name in text for name in ("log", "exp", "pow", "haversine"))
        tolerance = 0 if is_exact else 1e-12
        np.testing.assert_allclose(cells, expected, rtol=tolerance, atol=0, err_msg=text)


# Expressions that CEL has too, with values that they have there.
CEL = [
    "1 + 2 * 3 - 4 / 2", "(1 + 2) * 3", "-7 / 2", "-7 % 3", "7.5 / 2.5", "1.5e3 + .5",
    "true && !false || false", "1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3 && 1 == 1 && 1 != 2",
    "true ? 1 : 2", "false ? 1 : true ? 2 : 3", "'a' + \"b\"", "'abc'.contains('b')",
    "'abc'.startsWith('ab')", "'abc'.endsWith('bc')", "size('Straße')", "'abc'.size()",
    "2 in [1, 2, 3]", "'x' in ['y']", "r'a\\b' + 'c'", "'\\u00e9\\n'", "double(3) / 2.0", "int(7.9)",
    "int('42') + 1", "string(17)", "0x1F", "1 == 1 ? 'y' : 'n'", "-(2 + 3)", "!(1 > 2)",
    "'a' < 'b'", "!!true", "- -3", "(((1)))", "1 - -1", "'it\\'s'",
]
# What neither of them reads.
NO_CEL = [
    "", "1 +", "(1", "1)", "'abc", "1 ? 2", "a b", "&& true", "[1, 2", "1 ++", "a..b", "'a\nb'",
    "1 = 1", "true & false", "a ? b : ", "'\\q'", "#",
]
# What cel-python reads: maps and lists have no place in a column, and CEL keeps `in` for itself.
ONLY_CEL = ["in [1]", "{'a': 1}", "[1, 2][0]", "has(a.b)", "[1].all(x, x > 0)", "b'abc'", "1u"]


def column_of(tmp_path, text, kind):
    manifest(tmp_path, [(text, kind)])
    return transform(tmp_path, [dict.fromkeys(COLUMNS) | {"i": 1}])[0][0]


@pytest.mark.parametrize("text", CEL)
def test_the_syntax_is_that_of_cel(tmp_path, text):
    environment = celpy.Environment()
    value = environment.program(environment.compile(text)).evaluate({})
    is_text = isinstance(value, str)
    # An expression has to read something of the row's file.
    found = column_of(tmp_path, f"is_null(i) ? null : ({text})", "text" if is_text else "double")
    if is_text:
        assert found == str(value)
    else:
        assert float(found) == float(value)


@pytest.mark.parametrize("text", NO_CEL + ONLY_CEL)
def test_what_is_no_expression_is_refused_with_its_place(tmp_path, text):
    environment = celpy.Environment()
    if text in NO_CEL and text not in ("'a\nb'", "'\\q'"):
        with pytest.raises(celpy.CELParseError):
            environment.compile(text)
    manifest(tmp_path, [(text, "double")])
    path = tmp_path / "rows.csv"
    path.write_text("i\n1\n", encoding="utf-8")
    command = [str(program.find(None)), "transform", str(path), "--model", "mine", "--models", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "model.toml: key `columns[0].expr`: expression `x0`, character " in done.stderr
