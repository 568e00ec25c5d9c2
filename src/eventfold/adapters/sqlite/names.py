"""The names of our tables, every one with the prefix of the store: the only text that is ever put into SQL."""

from __future__ import annotations

import re
from typing import Final

from eventfold.errors import InvalidInput

__all__ = ["Names"]

_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]{0,31}|")

_SQLITES_OWN: Final = "sqlite_"
_OURS: Final = (
    "events",
    "events_category",
    "events_json",
    "event_tags",
    "stream_marks",
    "store",
    "incarnations",
    "processors",
    "leases",
    "checkpoints",
    "snapshots",
    "commands",
    "actions",
    "parked",
    "parked_open",
    "timers",
    "timers_due",
)


class Names:
    """
    Puts the store's table names into a statement: `{events}` becomes `"shop_events"` under the prefix `shop_`.

    Raises:
        InvalidInput: the prefix is more than lower-case letters, digits and `_`, or longer than 32 characters.
    """

    def __init__(self, prefix: str = "") -> None:
        if not _IDENTIFIER.fullmatch(prefix):
            raise InvalidInput(f"prefix {prefix!r}: lower-case letters, digits, '_', no digit first, at most 32")
        if prefix.startswith(_SQLITES_OWN):
            raise InvalidInput(f"prefix {prefix!r}: SQLite keeps {_SQLITES_OWN} for itself")
        self.prefix = prefix
        self._ours = {prefix + name for name in _OURS}
        self._quoted = {name: f'"{prefix}{name}"' for name in _OURS}

    def plain(self, name: str) -> str:
        return self.prefix + name

    def fill(self, statement: str) -> str:
        return statement.format_map(self._quoted)

    def is_ours(self, table: str) -> bool:
        """Or SQLite's; it does not tell upper from lower case in names."""
        return table.lower() in self._ours or table.lower().startswith(_SQLITES_OWN)
