"""`eventfold sql`: look at events and tables in the store's own SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, open_for_reading
from eventfold.cli.printing import print_json_array, print_table

__all__ = ["SQL_EXAMPLES", "sql"]

SQL_EXAMPLES = """Examples:
  eventfold sql "select type, count(*) from events group by type"
  eventfold sql "select * from carriers order by flights desc" --store sqlite:///flights.db
  eventfold sql "select event_id, data from events limit 3" --json"""

_UUID: Final = 16  # bytes


async def sql(select: str, /, *, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Run one statement that only reads.

    The answer is held in memory as a whole: say LIMIT where it may be long.

    Args:
        select: one statement in the SQL of the store. Anything that would write is refused.
        json: print a JSON array of objects instead of a table.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        names, rows = await stores.rows.query_text(select)
    values = [[_shown(value) for value in row] for row in rows]
    if json:
        keys = _distinct(names)
        print_json_array(dict(zip(keys, row, strict=True)) for row in values)
    elif names:
        numeric = [_numeric(column) for column in zip(*values, strict=True)] or [False] * len(names)
        print_table(
            [(name, "right" if is_number else "left") for name, is_number in zip(names, numeric, strict=True)], values
        )


def _shown(value: object) -> object:
    """Bytes become text: an id in its usual form, others in hexadecimal."""
    if isinstance(value, bytes):
        return str(UUID(bytes=value)) if len(value) == _UUID else value.hex()
    return value


def _numeric(column: Sequence[object]) -> bool:
    return all(isinstance(value, int | float | None) for value in column)


def _distinct(names: Sequence[str]) -> list[str]:
    """A name that comes again gets a number, so that no value is lost."""
    keys: list[str] = []
    for name in names:
        key, again = name, 1
        while key in keys:
            again += 1
            key = f"{name}_{again}"
        keys.append(key)
    return keys
