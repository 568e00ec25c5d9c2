"""`eventfold admin`: what only an administrator does to what is stored, all of it in the audit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias
from uuid import UUID

from cyclopts import App, Parameter

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import DEFAULT_STORE, AsJson, Count, Place, StoreUrl, open_for_reading
from eventfold.cli.payload import payload
from eventfold.cli.printing import json_line, print_json, print_json_array, print_table, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventfold.bootstrap.stores import Stores
    from eventfold.domain.message import StoredEvent, Stream
    from eventfold.ports.administration import Audited, Mark

__all__ = ["admin"]

_WHO: Final = "--actor ops --reason 'asked for by the customer'"
DELETE_EXAMPLES = f"""Examples:
  eventfold admin delete book-isbn-1 {_WHO}
  eventfold admin delete book-isbn-1 {_WHO} --yes --json"""
TRUNCATE_EXAMPLES = f"""Examples:
  eventfold admin truncate book-isbn-1 --before-version 100 {_WHO}"""
FIND_EXAMPLES = """Examples:
  eventfold admin find 01890a5d-ac96-774b-bcce-b302099a8057
  eventfold admin find 01890a5d-ac96-774b-bcce-b302099a8057 --json --store sqlite:///flights.db"""
REPLACE_EXAMPLES = f"""Examples:
  eventfold admin replace 01890a5d-ac96-774b-bcce-b302099a8057 --data '{{"copies": 3}}' {_WHO}
  eventfold admin replace 01890a5d-ac96-774b-bcce-b302099a8057 --file payload.json {_WHO}"""
ERASE_EXAMPLES = f"""Examples:
  eventfold admin erase 01890a5d-ac96-774b-bcce-b302099a8057 {_WHO}"""
AUDIT_EXAMPLES = """Examples:
  eventfold admin audit
  eventfold admin audit --after 12 --json --store sqlite:///flights.db"""
SWEEP_EXAMPLES = """Examples:
  eventfold admin sweep
  eventfold admin sweep --json"""

Actor: TypeAlias = Annotated[str, Parameter(help="Who does it, for the audit.")]
Reason: TypeAlias = Annotated[str, Parameter(help="Why, for the audit.")]
Yes: TypeAlias = Annotated[bool, Parameter(name="--yes", negative="", show_default=False, help="Do not ask.")]
EventId: TypeAlias = Annotated[UUID, Parameter(name="EVENT_ID")]
StreamName: TypeAlias = Annotated[str, Parameter(name="CATEGORY-ID")]

admin: App = App(
    name="admin",
    help="Delete, truncate, replace and erase what is stored. Every act names its actor and its reason.",
    help_epilogue=f"""Examples:
  eventfold admin delete book-isbn-1 {_WHO}
  eventfold admin audit""",
)


@admin.command(help_epilogue=DELETE_EXAMPLES)
async def delete(
    name: StreamName,
    /,
    *,
    actor: Actor,
    reason: Reason,
    yes: Yes = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Delete a stream: afterwards it reads as if it had never been. Exit code 1 when there is no such stream.

    A tombstone in the log tells projectors. Handlers of an application are called by its own
    `running.administration.delete(...)` alone: use that where they keep rows.

    Args:
        name: the stream; its category ends at the first hyphen.
        json: print what was done as a JSON object.
        store: URL of the store.
    """
    from eventfold.domain.message import Stream

    stream = Stream.parse(name)
    async with open_for_reading(store) as stores:
        if not yes:
            last = await _last(stores, stream)
            if last is not None:
                _confirm(f"This deletes the stream {stream}, up to version {last}, for ever.", str(stream))
        mark = await stores.administration.delete(stream, actor=actor, reason=reason)
    return _tell(mark, f"There is no stream {stream}.", json=json)


@admin.command(help_epilogue=TRUNCATE_EXAMPLES)
async def truncate(
    name: StreamName,
    /,
    *,
    before_version: Count,
    actor: Actor,
    reason: Reason,
    yes: Yes = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Remove the events of a stream below a version. Exit code 1 when there are none.

    What is left cannot be folded from its beginning any more: loading the aggregate fails.

    Args:
        name: the stream; its category ends at the first hyphen.
        before_version: the first version that stays.
        json: print what was done as a JSON object.
        store: URL of the store.
    """
    from eventfold.domain.message import Stream

    stream = Stream.parse(name)
    async with open_for_reading(store) as stores:
        if not yes:
            _confirm(f"This removes the events of {stream} below version {before_version}, for ever.", str(stream))
        act = stores.administration.truncate(stream, before_version=before_version, actor=actor, reason=reason)
        mark = await act
    return _tell(mark, f"The stream {stream} has no events below version {before_version}.", json=json)


@admin.command(help_epilogue=FIND_EXAMPLES)
async def find(event_id: EventId, /, *, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Find an event by its id. Exit code 1 when the store has no such event.

    Args:
        event_id: a UUID.
        json: print a JSON object instead of a table.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        event = await stores.administration.find(event_id.bytes)
    if event is None:
        raise Refused(f"there is no event with the id {event_id} in this store", Exit.FINDINGS)
    _show(event, json=json)


@admin.command(help_epilogue=REPLACE_EXAMPLES)
async def replace(
    event_id: EventId,
    /,
    *,
    actor: Actor,
    reason: Reason,
    data: str | None = None,
    file: Path | None = None,
    yes: Yes = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Put another payload in the place of an event's; all else of it stays.

    Processes that have the aggregate in memory, and rows, do not see it until they are made anew.

    Args:
        event_id: a UUID.
        data: the payload, in JSON.
        file: or a file with it.
        json: print the event as a JSON object.
        store: URL of the store.
    """
    given = payload(data, file)
    async with open_for_reading(store) as stores:
        if not yes:
            _confirm(f"This replaces the payload of the event {event_id}, for ever.", str(event_id))
        event = await stores.administration.replace(event_id.bytes, given, actor=actor, reason=reason)
    _show(event, json=json)


@admin.command(help_epilogue=ERASE_EXAMPLES)
async def erase(
    event_id: EventId,
    /,
    *,
    actor: Actor,
    reason: Reason,
    yes: Yes = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Remove payload, metadata and tags of an event; its place stays.

    Whoever has to decode it from now on fails: an aggregate that holds it cannot be loaded.

    Args:
        event_id: a UUID.
        json: print the event as a JSON object.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        if not yes:
            _confirm(f"This erases what the event {event_id} says, for ever.", str(event_id))
        event = await stores.administration.erase(event_id.bytes, actor=actor, reason=reason)
    _show(event, json=json)


@admin.command(help_epilogue=AUDIT_EXAMPLES)
async def audit(*, after: Place = 0, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    List what administrators have done, oldest first.

    Args:
        after: only entries with a number above this.
        json: print a JSON array instead of a table.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        rows = [_entry(each) async for each in stores.administration.audit(after=after)]
    if json:
        print_json_array(rows)
    elif not rows:
        print("Nothing has been done to this store.", file=sys.stderr)
    else:
        columns = ("number", "at", "action", "stream", "version", "event_id", "actor", "reason")
        print_table([(name, "left") for name in columns], [[row[name] for name in columns] for row in rows])


@admin.command(help_epilogue=SWEEP_EXAMPLES)
async def sweep(*, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> Exit:
    """
    Remove what a deletion had to leave in the log for a while. Exit code 1 when some of it still has to stay.

    That is so after a crash, or while a transaction is open that has appended.

    Args:
        json: print the streams that are left as a JSON array.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        left = await stores.administration.sweep()
    if json:
        print_json_array(map(_mark, left))
    for mark in () if json else left:
        print(visible(f"Events of {mark.stream} are in the log still: `eventfold doctor` says who keeps them there."))
    if not left and not json:
        print("Nothing is left to remove.")
    return Exit.FINDINGS if left else Exit.OK


# ------------------------------------------------------------------------------ parts


async def _last(stores: Stores, stream: Stream) -> int | None:
    async for event in stores.events.read(stream, limit=1, backwards=True):
        return event.version
    return None


def _confirm(sentence: str, name: str) -> None:
    """The name, typed once more. Raises Refused for anything else, and where nobody can be asked."""
    if not sys.stdin.isatty():
        raise Refused(f"{sentence} Nobody is here to confirm it: say --yes")
    print(visible(sentence), file=sys.stderr)
    print(visible(f"Type {name} to go on: "), end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise Refused("nothing was done")


def _tell(mark: Mark | None, nothing: str, *, json: bool) -> Exit:
    if mark is None:
        raise Refused(nothing, Exit.FINDINGS)
    if json:
        print_json(_mark(mark))
        return Exit.OK
    what = "deleted" if mark.state == "deleted" else f"truncated: its first version is {mark.before_version}"
    print(visible(f"{mark.stream} is {what}."))
    if mark.pending:
        print("Its events stay in the log until a transaction ends that has appended; `eventfold admin sweep` then.")
    return Exit.OK


def _show(event: StoredEvent, *, json: bool) -> None:
    from eventfold.cli.records import as_record

    record = as_record(event)
    if json:
        print_json(record)
        return
    cells = [(name, value if isinstance(value, str | None) else json_line(value)) for name, value in record.items()]
    print_table([("field", "left"), ("value", "left")], cells)


def _mark(mark: Mark) -> Mapping[str, object]:
    from eventfold.cli.records import as_time

    return {
        "stream": str(mark.stream),
        "state": mark.state,
        "before_version": mark.before_version,
        "position": mark.position,
        "pending": mark.pending,
        "actor": mark.actor,
        "reason": mark.reason,
        "at": as_time(mark.at),
    }


def _entry(entry: Audited) -> Mapping[str, object]:
    from eventfold.cli.records import as_time

    return {
        "number": entry.number,
        "at": as_time(entry.at),
        "action": entry.action,
        "stream": f"{entry.category}-{entry.id}",
        "version": entry.version,
        "event_id": None if entry.event_id is None else str(UUID(bytes=entry.event_id)),
        "actor": entry.actor,
        "reason": entry.reason,
    }
