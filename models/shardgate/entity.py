"""What rows are looked up by in a feature store, beside the user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Entity:
    """Something that has features in a table of the store: a merchant, a device, the receiver of a
    payment.

    `columns` are the model's columns that come from its table; a mapping has, for each, the name that
    the table has for it. `key` is the request's field that names one, or several fields where the
    table's key has several columns: `NAME_id` unless said. `table` is the table, called like the entity
    unless said. `of` names another entity whose table it shares, in another role: the receiver is a
    user, too.
    """

    columns: Sequence[str] | Mapping[str, str]
    key: str | Sequence[str] | None = None
    table: str | None = None
    of: str | None = None

    def stored(self) -> dict[str, str]:
        """The columns, each with the name that the table has for it."""
        if isinstance(self.columns, Mapping):
            return dict(self.columns)
        named = [self.columns] if isinstance(self.columns, str) else self.columns
        return {name: name for name in named}

    def keys(self, name: str) -> list[str]:
        """The fields of a request that are its key, where the entity is called `name`."""
        if self.key is None:
            return [f"{name}_id"]
        return [self.key] if isinstance(self.key, str) else list(self.key)
