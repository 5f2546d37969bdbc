"""Where the values of columns come from: a request, a table of the store, an expression.

`[[entities]]`, `[[inputs]]`, and the keys of `[[columns]]` that say it.
"""

import argparse
import difflib
import re
from dataclasses import dataclass, field

from ..entity import Entity
from ..errors import ExportError

USER = "user"
USER_KEY = ["user_id"]
NAME = re.compile(r"[A-Za-z0-9_.-]+")
ENTITIES_MAX = 16


@dataclass
class Sources:
    """Where columns come from that are neither of the store's own table nor of the request."""

    entities: dict[str, Entity] = field(default_factory=dict)
    expressions: dict[str, str] = field(default_factory=dict)
    # What expressions read and the model does not, with its type.
    inputs: dict[str, str] = field(default_factory=dict)
    # Where other columns come from.
    default: str = "store"

    def of(self, column: str) -> dict[str, object]:
        """The keys of a column that say where it comes from."""
        if column in self.expressions:
            return {"expr": self.expressions[column]}
        for name, entity in self.entities.items():
            stored = entity.stored().get(column)
            if stored is None:
                continue
            about: dict[str, object] = {"source": "store"}
            if name != USER:
                about["entity"] = name
            if stored != column:
                about["column"] = stored
            return about
        return {"source": self.default}

    def declared(self) -> list[dict[str, object]]:
        """The tables of `[[entities]]`."""
        made = []
        for name, entity in self.entities.items():
            keys = USER_KEY if name == USER and entity.key is None else entity.keys(name)
            if name == USER and keys == USER_KEY and entity.table is None:
                continue
            about: dict[str, object] = {"name": name}
            if entity.of is not None:
                about["of"] = entity.of
            elif entity.table is not None or name != USER:
                about["table"] = entity.table or name
            about["key"] = keys[0] if len(keys) == 1 else keys
            made.append(about)
        return made

    def needs_store(self, columns: list[str]) -> bool:
        """Whether a store has to have one of them."""
        return any(self.of(column).get("source") == "store" for column in [*columns, *self.inputs])


def sources_of(entities: dict[str, Entity], expressions: dict[str, str], default: str,
               columns: list[str]) -> Sources:
    """What was asked for, of a model that reads `columns`. `inputs` is left empty."""
    for name in expressions:
        if name not in columns:
            raise ExportError(f"--expr: {unknown(name, columns)}")
        if not expressions[name].strip():
            raise ExportError(f"--expr: {name} has no expression")
    seen = dict.fromkeys(expressions, "an expression")
    for name, entity in entities.items():
        check(name, entity, entities)
        for column in entity.stored():
            if column in seen:
                raise ExportError(f"--entity: {column} comes from {seen[column]} and from the entity "
                                  f"{name}: it can have but one")
            seen[column] = f"the entity {name}"
            if column not in columns and not expressions:
                raise ExportError(f"--entity: {unknown(column, columns)}")
    if len(entities) >= ENTITIES_MAX and USER not in entities or len(entities) > ENTITIES_MAX:
        raise ExportError(f"--entity: {len(entities)} entities, {ENTITIES_MAX} at most with the user")
    return Sources(dict(entities), dict(expressions), default=default)


def unknown(name: str, columns: list[str]) -> str:
    """What to say of a column that the model does not read."""
    close = difflib.get_close_matches(name, columns, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"the model reads no column {name}{hint}; it reads {', '.join(columns)}"


def check(name: str, entity: Entity, entities: dict[str, Entity]) -> None:
    """Refuses an entity that the gateway would refuse, by what to write instead."""
    if not NAME.fullmatch(name) or name == "defaulted":
        raise ExportError(f"--entity: {name!r} cannot be an entity's name: expected A-Z a-z 0-9 _ - ., "
                          "and not \"defaulted\"")
    keys = entity.keys(name)
    if not keys or len(set(keys)) != len(keys) or not all(keys):
        raise ExportError(f"--entity-key: the key of {name} is {', '.join(keys) or 'empty'}: expected a "
                          "field of the request, or several that differ")
    if entity.of is None:
        return
    if entity.table is not None:
        raise ExportError(f"--entity-of: {name} shares the table of {entity.of}, and has --entity-table "
                          "too: leave out one")
    shared = entities.get(entity.of)
    if entity.of == name or (shared is None and entity.of != USER) or (shared and shared.of):
        raise ExportError(f"--entity-of: {entity.of} is none with a table of its own: expected \"user\" "
                          "or an entity that --entity names")


def add_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sources", "where columns come from, beside --source")
    group.add_argument("--entity", action="append", metavar="COLUMN,…=ENTITY", default=[],
                       help="these columns come from the table of an entity: a merchant, a device. "
                            "COLUMN:STORED where the table has another name for it")
    group.add_argument("--entity-key", action="append", metavar="ENTITY=FIELD,…", default=[],
                       help="the request's field, or fields, that name one; ENTITY_id by default")
    group.add_argument("--entity-table", action="append", metavar="ENTITY=TABLE", default=[],
                       help="its table in the store; called like the entity by default")
    group.add_argument("--entity-of", action="append", metavar="ENTITY=OTHER", default=[],
                       help="the entity whose table it shares in another role: receiver=user")
    group.add_argument("--expr", action="append", metavar="COLUMN=EXPRESSION", default=[],
                       help="the gateway computes the column: ratio=amount/income. Of --rows it is "
                            "tried whether that gives what the model was trained on")


def entities_of(options: argparse.Namespace) -> dict[str, Entity]:
    """The entities that the flags name."""
    columns: dict[str, dict[str, str]] = {}
    for text in options.entity:
        named, name = pair(text, "--entity", "COLUMN,…=ENTITY", is_last=True)
        for column in named.split(","):
            column, _, stored = column.strip().partition(":")
            columns.setdefault(name, {})[column] = stored or column
    keys = of_entities(options.entity_key, "--entity-key", "ENTITY=FIELD,…", columns)
    tables = of_entities(options.entity_table, "--entity-table", "ENTITY=TABLE", columns)
    shared = of_entities(options.entity_of, "--entity-of", "ENTITY=OTHER", columns)
    return {
        name: Entity(stored, [key.strip() for key in keys[name].split(",")] if name in keys else None,
                     tables.get(name), shared.get(name))
        for name, stored in columns.items()
    }


def of_entities(texts: list[str], flag: str, form: str, columns: dict) -> dict[str, str]:
    """What a flag says of entities that have columns."""
    made = dict(pair(text, flag, form) for text in texts)
    for name in made:
        if name not in columns:
            raise ExportError(f"{flag}: no column comes from an entity {name}: --entity COLUMN={name} "
                              "says which do")
    return made


def expressions_of(options: argparse.Namespace) -> dict[str, str]:
    """The expressions that the flags have."""
    return dict(pair(text, "--expr", "COLUMN=EXPRESSION") for text in options.expr)


def pair(text: str, flag: str, form: str, is_last: bool = False) -> tuple[str, str]:
    """Both sides of a flag's `=`, its first or its last."""
    left, sign, right = text.rpartition("=") if is_last else text.partition("=")
    if not sign or not left.strip() or not right.strip():
        raise ExportError(f"{flag}: {text!r}, expected {form}")
    return left.strip(), right.strip()
