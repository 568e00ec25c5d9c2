"""`eventfold parked`: look after events that a processor could not handle, wherever it runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from cyclopts import App, Parameter

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import DEFAULT_STORE, AsJson, Count, Seconds, StoreUrl, login_name, open_for_reading
from eventfold.cli.parked.entries import (
    action_row,
    behind,
    difference,
    entry_at,
    entry_row,
    event_of,
    first_of,
    firsts,
    outcome,
)
from eventfold.cli.parked.unknown import Unknown, actions_of, settle, warn_of_unknown
from eventfold.cli.parked.words import fate, show_actions, show_behind, show_entry
from eventfold.cli.payload import edited, payload
from eventfold.cli.printing import print_json, print_json_array, print_table, visible
from eventfold.errors import InvalidInput

if TYPE_CHECKING:
    from eventfold.bootstrap.standing import Standing
    from eventfold.bootstrap.stores import Stores
    from eventfold.ports.parking import Parked

__all__ = ["parked"]

_WHO: Final = "--actor ops --reason 'the number was typed twice'"
LS_EXAMPLES = """Examples:
  eventfold parked ls
  eventfold parked ls carriers --all --json"""
SHOW_EXAMPLES = """Examples:
  eventfold parked show carriers 42
  eventfold parked show carriers 42 --json --store sqlite:///flights.db"""
RETRY_EXAMPLES = """Examples:
  eventfold parked retry carriers 42 --wait 10
  eventfold parked retry carriers --all
  eventfold parked retry mails 42 --unknown repeat --reason 'it was not sent'"""
EDIT_EXAMPLES = f"""Examples:
  eventfold parked edit carriers 42 --data '{{"flights": 3}}' {_WHO}
  eventfold parked edit carriers 42 --file payload.json {_WHO}
  EDITOR=vim eventfold parked edit carriers 42 {_WHO}"""
DROP_EXAMPLES = f"""Examples:
  eventfold parked drop carriers 42 {_WHO}
  eventfold parked drop carriers 42 {_WHO} --wait 10 --json"""

Processor: TypeAlias = Annotated[str, Parameter(name="PROCESSOR")]
Position: TypeAlias = Annotated[Count, Parameter(name="POSITION")]
Actor: TypeAlias = Annotated[str, Parameter(help="Who does it, for the audit.")]
Reason: TypeAlias = Annotated[str, Parameter(help="Why, for the audit.")]
All: TypeAlias = Annotated[bool, Parameter(name="--all", negative="", show_default=False)]

parked: App = App(
    name="parked",
    help="List, show, retry, edit and drop the events that processors have parked. A processor does what it is asked "
    "for when it runs, in the order of the stream.",
    help_epilogue="""Examples:
  eventfold parked ls
  eventfold parked show carriers 42
  eventfold parked retry carriers 42 --wait 10""",
)


@parked.command(help_epilogue=LS_EXAMPLES)
async def ls(
    processor: Annotated[str | None, Parameter(name="PROCESSOR")] = None,
    /,
    *,
    every: All = False,
    limit: Count = 1_000,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    List the events that are parked, by processor and position.

    One that is "behind" is well, but an earlier event of its stream is parked, and order is kept.

    Args:
        processor: only what this one has parked.
        every: also what is resolved, and what was skipped.
        limit: at most so many.
        json: print a JSON array instead of a table.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        if processor is not None:
            await _standing(stores, processor)
        found = await stores.parking.parked(processor, resolved=every, limit=limit + 1)
    shown = found[:limit]
    if json:
        print_json_array(map(entry_row, shown))
    elif not shown:
        print("Nothing is parked." if not every else "Nothing was ever parked or skipped.", file=sys.stderr)
    else:
        columns = ["processor", "position", "state", "type", "stream", "attempts", "parked_at", "error", "edited"]
        columns += ["actor", "reason"] if every else []
        rows = [{**entry_row(each), "edited": "" if each.edited is None else "yes"} for each in shown]
        right = {"position", "attempts"}
        print_table(
            [(name.replace("_", " "), "right" if name in right else "left") for name in columns],
            [[row[name] for name in columns] for row in rows],
        )
    if len(found) > limit:
        print(f"These are the first {limit}; --limit shows more.", file=sys.stderr)


@parked.command(help_epilogue=SHOW_EXAMPLES)
async def show(
    processor: Processor, position: Position, /, *, json: AsJson = False, store: StoreUrl = DEFAULT_STORE
) -> None:
    """
    Show a parked event: what went wrong, the event, what stands behind it, what was edited. Exit code 1: there is none.

    For a reactor also what its ledger has of the event: what is done, and of what nobody can say whether it is done.

    Args:
        processor: that has parked it.
        position: of the event in the store.
        json: print a JSON object instead of tables.
        store: URL of the store.
    """
    from eventfold.cli.records import as_record

    async with open_for_reading(store) as stores:
        entry = await _known(stores, processor, position, Exit.FINDINGS)
        event = await event_of(stores.events, entry)
        first = await first_of(stores.parking, entry)
        later = await behind(stores.parking, entry)
        actions = await actions_of(stores, entry)
    if json:
        print_json(
            {
                "parked": entry_row(entry),
                "event": None if event is None else as_record(event),
                "first": first,
                "behind": [entry_row(each) for each in later],
                "actions": None if actions is None else [action_row(each) for each in actions],
            }
        )
        return
    show_entry(entry, event, first)
    show_behind(later)
    show_actions(entry, actions)


@parked.command(help_epilogue=RETRY_EXAMPLES)
async def retry(
    processor: Processor,
    position: Position | None = None,
    /,
    *,
    every: All = False,
    unknown: Unknown | None = None,
    key: str | None = None,
    result: str | None = None,
    wait: Seconds | None = None,
    actor: str | None = None,
    reason: str | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Have a parked event handled once more; when it is done, those behind it follow in order.

    Args:
        processor: that has parked it.
        position: of the event in the store.
        every: or all it has parked, except what is to be dropped.
        unknown: of what nobody can say whether it was done for the event: done, and it is not done again; or repeat it.
        key: of what --unknown is about, where it is not everything that is unknown.
        result: with --unknown done: what it gave, in JSON, if the reactor wants to know.
        wait: seconds to wait until it is resolved. Exit code 1 when it has failed again, or is not yet resolved.
        actor: who asks for it; your login name unless given.
        reason: why.
        json: print what is asked for, or what came of it, as a JSON object; with --all as an array.
        store: URL of the store.
    """
    if (position is not None) == every:
        raise Refused("name one event: its POSITION; or --all")
    if every and unknown is not None:
        raise Refused("what is unknown is looked at and settled one by one: give a POSITION with --unknown")
    if unknown is None and not (key is None and result is None):
        raise Refused("--key and --result say more about --unknown done, or repeat")
    who = login_name() if actor is None else actor
    async with open_for_reading(store) as stores:
        standing = await _standing(stores, processor)
        if position is None:
            asked = [each for each in await firsts(stores.parking, processor) if each.wish != "drop"]
        else:
            asked = [await _known(stores, processor, position, Exit.USAGE)]
            if unknown is not None:
                await settle(stores, asked[0], unknown, key, result)
            else:
                await warn_of_unknown(stores, asked[0])
        for each in asked:
            await _ask_again(stores, each, who, reason, alone=not every)
        if not asked and not json:
            print(visible(f"{processor} has parked nothing that could be tried again."))
        return await _tell(stores, standing, asked, wait, json=json, many=every)


@parked.command(help_epilogue=EDIT_EXAMPLES)
async def edit(
    processor: Processor,
    position: Position,
    /,
    *,
    actor: Actor,
    reason: Reason,
    data: str | None = None,
    file: Path | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Give the processor other data for a parked event. The log stays as it is, and other processors see nothing of it.

    Then retry it. Started over, the processor gets what the log has.

    Args:
        processor: that has parked it.
        position: of the event in the store.
        data: the data, in JSON.
        file: or a file with it; without either, EDITOR is opened.
        json: print the entry as a JSON object.
        store: URL of the store.
    """
    given = None if data is None and file is None else payload(data, file)
    async with open_for_reading(store) as stores:
        stored, before = await _to_edit(stores, processor, position)
    if given is None:  # the store is not kept open for as long as that takes
        given = await edited(before)
    async with open_for_reading(store) as stores:
        await stores.parking.edit(processor, position, given, actor=actor, reason=reason)
        entry = await entry_at(stores.parking, processor, position)
    if json:
        print_json(None if entry is None else entry_row(entry))
        return
    for line in difference(stored, given):
        print(visible(line))
    print(visible(f"`eventfold parked retry {processor} {position}` has {processor} handle it."))


@parked.command(help_epilogue=DROP_EXAMPLES)
async def drop(
    processor: Processor,
    position: Position,
    /,
    *,
    actor: Actor,
    reason: Reason,
    wait: Seconds | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Leave a parked event for good: the processor never handles it. When it was the first of its stream, the next follow.

    Args:
        processor: that has parked it.
        position: of the event in the store.
        wait: seconds to wait until it is dropped. Exit code 1 when it is not.
        json: print the entry as a JSON object.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        standing = await _standing(stores, processor)
        await stores.parking.ask(processor, position, "drop", actor=actor, reason=reason)
        entry = await _known(stores, processor, position, Exit.USAGE)
        return await _tell(stores, standing, [entry], wait, json=json, many=False)


# -------------------------------------------------------------------------- looked up


async def _standing(stores: Stores, processor: str) -> Standing:
    """Raises InvalidInput where there is no such processor."""
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.standing import standing_of

    return await standing_of(stores, processor, clock=system_clock)


async def _known(stores: Stores, processor: str, position: int, code: Exit) -> Parked:
    """Raises Refused where there never was one."""
    entry = await entry_at(stores.parking, processor, position)
    if entry is None:
        what = f"processor {processor!r} has parked nothing at position {position}"
        raise Refused(f"{what}; `eventfold parked ls` lists what is parked", code)
    return entry


async def _ask_again(stores: Stores, entry: Parked, actor: str, reason: str | None, *, alone: bool) -> None:
    """Raises InvalidInput as `ask` does; one of many may have been resolved meanwhile, which is what is wanted."""
    try:
        await stores.parking.ask(entry.processor, entry.position, "retry", actor=actor, reason=reason)
    except InvalidInput:
        now = await entry_at(stores.parking, entry.processor, entry.position)
        if alone or (now is not None and now.resolution is None):
            raise


async def _to_edit(stores: Stores, processor: str, position: int) -> tuple[bytes, bytes]:
    """
    The data that the log has, and what the processor would get now.

    Raises:
        Refused: nothing is parked there, its event is gone, erased, or no JSON.
    """
    from eventfold.cli.records import JSON
    from eventfold.ports.parking import refuse_unless_open

    entry = await _known(stores, processor, position, Exit.USAGE)
    refuse_unless_open(processor, position, entry.resolution, found=True)
    event = await event_of(stores.events, entry)
    if event is None:
        raise Refused(f"an administrator has removed the event at {position}; `eventfold parked drop` is what is left")
    if event.format != JSON:
        raise Refused(
            f"the data of the event at {position} has format {event.format}, not JSON: it cannot be edited here"
        )
    return event.data or b"null", entry.edited or event.data or b"null"


async def _tell(
    stores: Stores, standing: Standing, asked: Sequence[Parked], wait: float | None, *, json: bool, many: bool
) -> Exit:
    """What becomes of those that were asked for, now or after a while."""
    until = asyncio.get_running_loop().time() + (wait or 0.0)
    found = [(each, await outcome(stores.parking, each, until=until)) for each in asked]
    if json:
        rows = [entry_row(each) for _, each in found if each is not None]
        if many:
            print_json_array(rows)
        else:
            print_json(rows[0] if rows else None)
    else:
        if wait is not None:
            standing = await _standing(stores, standing.record.name)
        for before, after in found:
            print(visible(fate(before, after, standing, wait)))
    resolved = all(after is not None and after.resolution is not None for _, after in found)
    return Exit.OK if wait is None or resolved else Exit.FINDINGS
