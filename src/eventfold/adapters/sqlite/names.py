"""The names of our tables, every one with the prefix of the store: the only text that is ever put into SQL."""

from __future__ import annotations

import re
from typing import Final

from eventfold.domain.message import Stream
from eventfold.errors import InvalidInput

__all__ = ["Names"]

_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]{0,31}|")

_SQLITES_OWN: Final = "sqlite_"
_OURS: Final = (
    "events",
    "events_category",
    "events_json",
    "events_type",
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
    "parked_open",
    "parked_ends",
    "parked_wished",
    "timers",
    "timers_due",
    "store_audit",
    "removed_events",
    "store_acting",
    "events_no_update",
    "events_no_delete",
    "events_no_return",
    "event_tags_no_update",
    "event_tags_no_delete",
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

    def view_of(self, category: str) -> tuple[str, str]:
        """
        The name of the view of one category's events, `book_events` of `book`, and the statement that makes it.

        Raises:
            InvalidStreamName: no stream may have such a category, whatever a file says.
            InvalidInput: SQLite keeps the name for itself.
        """
        category, _ = Stream.of(category, "any")  # no quotation mark of either kind gets past this
        name = f"{self.prefix}{category}_events"
        if name.lower().startswith(_SQLITES_OWN):
            raise InvalidInput(
                f"category {category!r}: SQLite keeps {_SQLITES_OWN} for itself; give the store a ?prefix="
            )
        view = f"CREATE VIEW \"{name}\" AS SELECT * FROM {{events_json}} WHERE category = '{category}'"  # noqa: S608 - as said
        return name, self.fill(view)

    def is_ours(self, table: str) -> bool:
        """Or SQLite's; it does not tell upper from lower case in names."""
        return table.lower() in self._ours or table.lower().startswith(_SQLITES_OWN)
