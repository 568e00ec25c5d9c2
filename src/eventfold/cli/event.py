"""`eventfold event`: one event, with everything the store knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from cyclopts import Parameter

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import DEFAULT_STORE, AsJson, Count, StoreUrl, looking, open_for_reading
from eventfold.cli.printing import json_line, print_json, print_table

if TYPE_CHECKING:
    from eventfold.domain.message import StoredEvent

__all__ = ["EVENT_EXAMPLES", "event"]

EVENT_EXAMPLES = """Examples:
  eventfold event 01890a5d-ac96-774b-bcce-b302099a8057
  eventfold event --position 42
  eventfold event --position 42 --json --store sqlite:///flights.db"""


async def event(
    event_id: Annotated[UUID | None, Parameter(name="EVENT_ID")] = None,
    /,
    *,
    position: Count | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Show one event as a whole. Exit code 1 when the store has no such event.

    Args:
        event_id: its own id, a UUID.
        position: or its place in the store.
        json: print a JSON object instead of a table.
        store: URL of the store.
    """
    from eventfold.cli.records import as_record

    if (event_id is None) == (position is None):
        raise Refused("name one event: its EVENT_ID, or --position N")
    record = as_record(await _found(store, event_id, position))
    if json:
        print_json(record)
    else:
        print_table(
            [("field", "left"), ("value", "left")],
            [(name, value if isinstance(value, str | None) else json_line(value)) for name, value in record.items()],
        )


async def _found(store: str, event_id: UUID | None, position: int | None) -> StoredEvent:
    from eventfold.bootstrap.inspection import position_of
    from eventfold.domain.query import Query

    name = f"at position {position}" if event_id is None else f"with the id {event_id}"
    if event_id is not None:
        with looking():
            position = await position_of(store, event_id)
    if position is not None:
        async with open_for_reading(store) as stores:
            async for each in stores.events.read_all(Query.all(), after=position - 1, upto=position):
                return each
    raise Refused(f"there is no event {name} in this store", Exit.FINDINGS)
