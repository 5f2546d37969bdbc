"""Entries that compare rows with those of the training: neighbours, kernels."""

from collections.abc import Iterator

from zoo_data import Entry


def entries() -> Iterator[Entry]:
    yield from ()
