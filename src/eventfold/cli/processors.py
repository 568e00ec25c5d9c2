"""`eventfold processors`: how they are doing, pause, resume and reset, all from outside of the application."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter

from eventfold.cli.exits import Exit
from eventfold.cli.options import DEFAULT_STORE, AsJson, Seconds, StoreUrl, open_for_reading
from eventfold.cli.printing import print_json, print_json_array, print_table, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventfold.bootstrap.standing import Standing
    from eventfold.bootstrap.stores import Stores

__all__ = ["as_row", "lag_in_words", "processors", "runs_in_words", "time_in_words"]

LS_EXAMPLES = """Examples:
  eventfold processors ls
  eventfold processors ls --json --store sqlite:///flights.db"""
LAG_EXAMPLES = """Examples:
  eventfold processors lag
  eventfold processors lag carriers --max-seconds 60
  eventfold processors lag carriers airports --watch --json"""
PAUSE_EXAMPLES = """Examples:
  eventfold processors pause carriers
  eventfold processors pause carriers --json --store sqlite:///flights.db"""
RESUME_EXAMPLES = """Examples:
  eventfold processors resume carriers
  eventfold processors resume carriers --json --store sqlite:///flights.db"""
RESET_EXAMPLES = """Examples:
  eventfold processors reset carriers
  eventfold processors reset mails --allow-side-effects --json"""

LOOK: Final = 1.0
"""Seconds between two looks of `lag --watch`."""

processors: App = App(
    name="processors",
    help="List the processors of a store and their lag; pause, resume and reset them, wherever they run.",
    help_epilogue="""Examples:
  eventfold processors ls
  eventfold processors lag --max-seconds 60
  eventfold processors pause carriers
  eventfold processors resume carriers""",
)


@processors.command(help_epilogue=LS_EXAMPLES)
async def ls(*, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    List the processors that have ever started on a store: who runs them, and what they have still to do.

    The lag counts the events that a processor follows and has not finished, and the time since the oldest of them was
    recorded; "unknown" where an older release has started it last. Counting ends at 10,000.

    Running: its partitions have owners. Not running: nobody has a lease of it (an application that was opened without
    leases has none). Retrying: there is an error, and it is tried again. Stopped: there was, and nobody runs it.

    Args:
        json: print a JSON array instead of a table.
        store: URL of the store.
    """
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.standing import standings

    async with open_for_reading(store) as stores:
        found = await standings(stores, clock=system_clock)
    if json:
        print_json_array(map(as_row, found))
        return
    columns = ("name", "kind", "version", "position", "lag", "behind", "parked", "skipped")
    print_table(
        [
            *((name, "left" if name in {"name", "kind"} else "right") for name in columns),
            ("state", "left"),
            ("run by", "left"),
            ("updated", "left"),
            ("error", "left"),
        ],
        [
            (
                each.record.name,
                each.record.kind,
                each.record.version,
                each.position,
                lag_in_words(each),
                time_in_words(each.lag_seconds),
                each.parked,
                each.skipped,
                each.state,
                runs_in_words(each),
                as_row(each)["updated_at"],
                each.record.error,
            )
            for each in found
        ],
    )


@processors.command(help_epilogue=LAG_EXAMPLES)
async def lag(
    *names: Annotated[str, Parameter(name="NAME")],
    watch: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    max_seconds: Seconds | None = None,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Show how far processors are behind. Exit code 1 when one is further behind than it may be.

    Args:
        names: of the processors; all of them unless named.
        watch: look every second until interrupted, or until one is too far behind; one processor a line.
        max_seconds: since the oldest event that is left was recorded. Unknown is too long.
        json: print a JSON array instead of a table; with --watch a JSON object a line.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        while True:
            late = await _show_lag(stores, names, max_seconds, watch=watch, json=json)
            if late or not watch:
                return Exit.FINDINGS if late else Exit.OK
            await asyncio.sleep(LOOK)


async def _show_lag(
    stores: Stores, names: Sequence[str], max_seconds: float | None, *, watch: bool, json: bool
) -> bool:
    """Whether one of them is too far behind."""
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.standing import standings
    from eventfold.cli.records import as_time

    found = await standings(stores, names, clock=system_clock)
    late = [] if max_seconds is None else [each for each in found if _is_late(each, max_seconds)]
    if json:
        rows = [_lag_row(each) for each in found]
        if watch:
            for row in rows:
                print_json(row)
        else:
            print_json_array(rows)
    elif watch:
        for each in found:
            cells = (
                as_time(each.now),
                each.record.name,
                lag_in_words(each),
                time_in_words(each.lag_seconds),
                each.state,
            )
            print(visible("  ".join(cells)))
        sys.stdout.flush()
    else:
        print_table(
            [("name", "left"), ("lag", "right"), ("behind", "right"), ("state", "left")],
            [(each.record.name, lag_in_words(each), time_in_words(each.lag_seconds), each.state) for each in found],
        )
    for each in late:
        how_far = "nobody knows how far" if each.lag_seconds is None else f"{each.lag_seconds:.1f} s"
        print(visible(f"{each.record.name} is {how_far} behind, {max_seconds:g} s are allowed."), file=sys.stderr)
    return bool(late)


def _is_late(standing: Standing, max_seconds: float) -> bool:
    return standing.lag_seconds is None or standing.lag_seconds > max_seconds


@processors.command(help_epilogue=PAUSE_EXAMPLES)
async def pause(name: str, /, *, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Pause a processor in every process that runs it, and in those to come.

    It finishes its batch within the moment and keeps its place.

    Args:
        name: of the processor.
        json: print it as a JSON object.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        await stores.rows.pause(name, paused=True)
        standing = await _standing(stores, name)
    _tell(standing, f"{name} is paused; `eventfold processors resume {name}` lets it go on.", json=json)


@processors.command(help_epilogue=RESUME_EXAMPLES)
async def resume(name: str, /, *, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Let a paused processor go on from its place.

    One that has stopped with an error starts again with its application, not by this.

    Args:
        name: of the processor.
        json: print it as a JSON object.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        await stores.rows.pause(name, paused=False)
        standing = await _standing(stores, name)
    _tell(standing, f"{name} may go on.", json=json)


@processors.command(help_epilogue=RESET_EXAMPLES)
async def reset(
    name: str,
    /,
    *,
    allow_side_effects: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Send a processor back to the beginning: its tables are emptied and filled anew. What it has parked is forgotten.

    One that runs does so by itself within seconds: its next step is refused (Fenced), so it writes nothing to the old
    rows, takes its lease again and starts over. One that is paused does so when it is resumed, any other at its next
    start. Only an application that was opened without leases stops, and has to be started again.

    Args:
        name: of the processor.
        allow_side_effects: also a reactor. Its functions are called again for its events; what its ledger has as done
            is not done again, everything else is.
        json: print it as a JSON object.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        await stores.rows.start_over(name, side_effects=allow_side_effects)
        standing = await _standing(stores, name)
    match standing.state:
        case "running" | "partly running" | "retrying":
            when = "within seconds, by who runs it"
        case "paused":
            when = "when it is resumed"
        case _:
            when = "at its next start"
    what = "its tables are filled anew" if standing.record.kind == "projector" else "it handles its events again"
    _tell(standing, f"{name} is at the beginning; {what} {when}.", json=json)


# ------------------------------------------------------------------------------ parts


def as_row(standing: Standing) -> Mapping[str, object]:
    """All that is known of it, for programs."""
    import msgspec

    from eventfold.cli.records import as_time

    record = standing.record
    return {
        "name": record.name,
        "kind": record.kind,
        "version": record.version,
        "partitions": record.partitions,
        "start": record.start,
        "query": None if record.query is None else msgspec.Raw(record.query.encode()),
        "position": standing.position,
        "positions": record.positions,
        **_lag_of(standing),
        "parked": standing.parked,
        "skipped": standing.skipped,
        "state": standing.state,
        "paused": record.paused,
        "owners": [
            {"partition": each.partition, "owner": each.owner, "epoch": each.epoch, "seconds": round(each.left, 3)}
            for each in standing.leases
        ],
        "error": record.error,
        "updated_at": as_time(record.updated_at),
    }


def lag_in_words(standing: Standing) -> str:
    if standing.lag is None:
        return "unknown"
    return f"{standing.lag:,}" if standing.exact else f"{standing.lag:,}+"


def time_in_words(seconds: float | None) -> str:
    """Two figures are enough for people."""
    if seconds is None:
        return "unknown"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds else "0 s"


def runs_in_words(standing: Standing) -> str:
    """Owners, with their shares where there are several, and for how long at least they have them."""
    partitions = standing.record.partitions
    by_owner: dict[str, list[float]] = {}
    for each in standing.leases:
        by_owner.setdefault(each.owner, []).append(each.left)
    told = [
        f"{owner} ({f'{len(left)} of {partitions}, ' if partitions > 1 else ''}{min(left):.0f} s)"
        for owner, left in by_owner.items()
    ]
    return ", ".join(told)


def _lag_of(standing: Standing) -> Mapping[str, object]:
    seconds = standing.lag_seconds
    return {
        "lag": standing.lag,
        "lag_exact": standing.exact,
        "lag_seconds": None if seconds is None else round(seconds, 3),
    }


def _lag_row(standing: Standing) -> Mapping[str, object]:
    from eventfold.cli.records import as_time

    return {
        "name": standing.record.name,
        **_lag_of(standing),
        "state": standing.state,
        "at": as_time(standing.now),
    }


async def _standing(stores: Stores, name: str) -> Standing:
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.standing import standing_of

    return await standing_of(stores, name, clock=system_clock)


def _tell(standing: Standing, sentence: str, *, json: bool) -> None:
    if json:
        print_json(as_row(standing))
    else:
        print(visible(sentence))
