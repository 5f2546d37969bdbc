"""The manual's table of models that are served, and of those that are refused, from the zoo's index."""

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).parents[1] / "src" / "manual" / "models.md"
START = "<!-- models/zoo.py writes what follows -->\n"
END = "<!-- to here -->\n"
NAME = re.compile(r"\w+")


def steps(entry: dict) -> list[str]:
    """A pipeline's steps, each with what it is made of: `OneVsRestClassifier(LogisticRegression)`."""
    found, depth = [""], 0
    for letter in entry["estimator"].removesuffix(", graph made by hand"):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "+" and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [step.strip() for step in found]


def served(entries: list[dict]) -> list[str]:
    """Rows of the table of what is served, one for each estimator of each library."""
    rows: dict[tuple[str, str], dict[str, set]] = {}
    for entry in entries:
        library = entry["library"].rpartition(" ")[0]
        if "graph made by hand" in entry["estimator"]:
            library = "by hand"
        row = rows.setdefault((library, steps(entry)[-1]), {"score": set(), "input": set()})
        row["score"].add(entry["kind"] + (" of several" if entry["scores"] > 1 else ""))
        row["input"].add("64 bits" if entry["precision"] == "double" else "32 bits")
        if entry["missing"]:
            row["input"].add("missing values")
    return [f"| {library} | {name} | {', '.join(sorted(row['score']))} "
            f"| {', '.join(sorted(row['input']))} |"
            for (library, name), row in sorted(rows.items(), key=lambda row: str(row[0]).lower())]


def table(entries: list[dict]) -> str:
    """The text between the page's two marks."""
    refused = [entry for entry in entries if "refused" in entry]
    entries = [entry for entry in entries if "refused" not in entry]
    before = sorted({name for entry in entries for step in steps(entry)[:-1]
                     for name in NAME.findall(step)} - {"ColumnTransformer"})
    lines = [f"{len(entries)} models, each held to its library's own numbers:", "",
             "| library | estimator | score | numbers |", "|---|---|---|---|", *served(entries), "",
             *textwrap.wrap("Before them: " + ", ".join(before) + ".", 110), "",
             "Refused when they are loaded, with what to do:", "",
             "| estimator | what is said |", "|---|---|"]
    lines += sorted(f"| {steps(entry)[-1]} | {entry['refused']} |" for entry in refused)
    return "\n".join(lines) + "\n"


def with_table(page: str, entries: list[dict]) -> str:
    """The page with the table of these entries."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return before + START + "\n" + table(entries) + "\n" + END + after


def write(entries: list[dict]) -> None:
    """Writes the table into the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(page, entries), encoding="utf-8")
