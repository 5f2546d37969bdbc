#!/usr/bin/env python3
"""Makes day.csv: a day of card transactions with a fixed seed, and what DuckDB counts for each.

    python -m venv venv && venv/bin/pip install duckdb && venv/bin/python shards/tests/velocity/make.py

Each row is a transaction in the order of time. Its other columns are what is known of the card just before
it: by tiles, as the store keeps them (window and the part of a tile before it), and by exact windows.
"""

import pathlib
import random

import duckdb

SEED, CARDS, ROWS, DAY_S = 25, 60, 4_000, 86_400
START_US = 1_780_000_000_000_000
FOLDER = pathlib.Path(__file__).parent


def transactions():
    dice = random.Random(SEED)
    # Cards differ much in how often they pay; some pay in bursts.
    weights = [1 / (rank + 1) for rank in range(CARDS)]
    times = set()
    while len(times) < ROWS:
        moment = dice.randrange(DAY_S * 1_000_000)
        times.add(moment)
        if dice.random() < 0.1:
            times.add(moment + dice.randrange(1, 60_000_000))
    for number, moment in enumerate(sorted(times)[:ROWS]):
        card = dice.choices(range(CARDS), weights)[0]
        cents = int(dice.lognormvariate(8, 1.2)) + 1
        yield number, START_US + moment, f"card-{card:02}", cents, f"m{dice.randrange(80)}"


def tiles(function, argument, window, tile):
    """What stands in the tiles of a window, and in the part of one before it."""
    return (
        f"(SELECT {function}({argument}) FROM tx e WHERE e.card = tx.card AND e.number < tx.number "
        f"AND e.at_us // {tile}_000_000 >= tx.at_us // {tile}_000_000 - {window // tile})"
    )


def exact(window):
    """How many there were within a window before, by a window query."""
    return (
        "(count(*) OVER (PARTITION BY card ORDER BY at_us "
        f"RANGE BETWEEN {window}_000_000 PRECEDING AND CURRENT ROW) - 1)"
    )


def main():
    database = duckdb.connect()
    database.execute(
        "CREATE TABLE tx (number INTEGER, at_us BIGINT, card TEXT, cents BIGINT, merchant TEXT)"
    )
    database.executemany("INSERT INTO tx VALUES (?, ?, ?, ?, ?)", list(transactions()))
    hour, day = (3_600, 300), (86_400, 3_600)
    columns = {
        "count_1h": tiles("count", "*", *hour),
        "sum_1h": f"coalesce({tiles('sum', 'e.cents', *hour)}, 0)",
        "max_24h": tiles("max", "e.cents", *day),
        "distinct_24h": tiles("count", "DISTINCT e.merchant", *day),
        "exact_1h": exact(3_600),
        "exact_1h_and_tile": exact(3_600 + 300),
    }
    shown = ", ".join(f"{query} AS {name}" for name, query in columns.items())
    target = FOLDER / "day.csv"
    database.execute(
        f"COPY (SELECT at_us, card, cents, merchant, {shown} FROM tx ORDER BY number) "
        f"TO '{target}' (HEADER)"
    )
    print(duckdb.__version__, target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
