"""The names of our tables and functions, all in one schema: the only text that is ever put into SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from eventfold.errors import InvalidInput

__all__ = ["Names"]

_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_THE_SERVERS_OWN: Final = ("pg_", "information_schema")
_TABLES: Final = (
    "events",
    "events_json",
    "event_tags",
    "stream_marks",
    "store",
    "store_migrations",
    "incarnations",
    "processors",
    "leases",
    "lease_members",
    "checkpoints",
    "snapshots",
    "commands",
    "actions",
    "parked",
    "timers",
    "store_audit",
    "removed_events",
)
_FUNCTIONS: Final = (
    "enter",
    "bound",
    "horizon",
    "lock_tags",
    "append_1",
    "append_n",
    "append_r",
    "append_all",
    "bury",
    "refuse_change",
    "recognise",
)
_SEQUENCE: Final = "events_position_seq"
_REMOVALS: Final = "removals"


class Names:
    """
    Puts the store's names into a statement: `{events}` becomes `"shop"."events"` in the schema `shop`.

    `{schema}` is the schema itself, `{entered}` and `{administrator}` are settings of a transaction. They may stand
    within a text too:
    `'{events}'::regclass`.

    Raises:
        InvalidInput: the schema is more than lower-case letters, digits and `_`, longer than 32 characters, or the
            server's own.
    """

    def __init__(self, schema: str = "eventfold") -> None:
        if not _IDENTIFIER.fullmatch(schema):
            raise InvalidInput(f"schema {schema!r}: lower-case letters, digits, '_', no digit first, 1 to 32")
        if schema.startswith(_THE_SERVERS_OWN):
            raise InvalidInput(f"schema {schema!r}: Postgres keeps {' and '.join(_THE_SERVERS_OWN)} for itself")
        self.schema = schema
        self._ours = frozenset((*_TABLES, _SEQUENCE, _REMOVALS))
        self._quoted = {name: f'"{schema}"."{name}"' for name in (*_TABLES, *_FUNCTIONS, _SEQUENCE, _REMOVALS)}
        self._quoted["schema"] = f'"{schema}"'
        self._quoted["entered"] = f"{schema}.entered"
        self._quoted["administrator"] = f"{schema}.administrator"

    @property
    def tables(self) -> Sequence[str]:
        """All of ours, and our view of them."""
        return _TABLES

    @property
    def functions(self) -> Sequence[str]:
        return _FUNCTIONS

    def plain(self, name: str) -> str:
        """The name with its schema, as people write it."""
        return f"{self.schema}.{name}"

    def fill(self, statement: str) -> str:
        return statement.format_map(self._quoted)

    def is_ours(self, table: str) -> bool:
        """Whether a table of this schema has this name, given without its schema."""
        return table in self._ours
