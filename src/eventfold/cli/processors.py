"""`eventfold processors`: how they are doing, and their pause, seen from outside of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, open_for_reading
from eventfold.cli.printing import print_json, print_json_array, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventfold.ports.processors import ProcessorRecord

__all__ = ["as_row", "processors"]

LS_EXAMPLES = """Examples:
  eventfold processors ls
  eventfold processors ls --json --store sqlite:///flights.db"""
PAUSE_EXAMPLES = """Examples:
  eventfold processors pause carriers
  eventfold processors pause carriers --json --store sqlite:///flights.db"""
RESUME_EXAMPLES = """Examples:
  eventfold processors resume carriers
  eventfold processors resume carriers --json --store sqlite:///flights.db"""
RESET_EXAMPLES = """Examples:
  eventfold processors pause carriers
  eventfold processors reset carriers
  eventfold processors resume carriers"""

processors: App = App(
    name="processors",
    help="List the processors of a store; pause, resume and reset them, wherever they run.",
    help_epilogue="""Examples:
  eventfold processors ls
  eventfold processors pause carriers
  eventfold processors resume carriers""",
)


@processors.command(help_epilogue=LS_EXAMPLES)
async def ls(*, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    List the processors that have ever started on a store.

    The lag counts positions to the end of the store, also those that do not concern the processor.

    Args:
        json: print a JSON array instead of a table.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        head = await stores.events.head()
        rows = [as_row(each, head) for each in await stores.rows.processors()]
    if json:
        print_json_array(rows)
    else:
        print_table(
            [
                ("name", "left"),
                ("kind", "left"),
                ("version", "right"),
                ("position", "right"),
                ("lag", "right"),
                ("state", "left"),
                ("updated", "left"),
                ("error", "left"),
            ],
            [
                (
                    row["name"],
                    row["kind"],
                    row["version"],
                    row["position"],
                    row["lag"],
                    "paused" if row["paused"] else "stopped" if row["error"] else "",
                    row["updated_at"],
                    row["error"],
                )
                for row in rows
            ],
        )


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
    await _tell(name, f"{name} is paused; `eventfold processors resume {name}` lets it go on.", store, json=json)


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
    await _tell(name, f"{name} may go on.", store, json=json)


@processors.command(help_epilogue=RESET_EXAMPLES)
async def reset(name: str, /, *, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Send a processor back to the beginning. At its next start its tables are emptied and filled anew.

    A paused one does so when it is resumed. One that runs is not asked: its next step is refused (Fenced), so it
    writes nothing to the old rows and stops; it starts over with its application. Pause it first.

    Args:
        name: of the processor.
        json: print it as a JSON object.
        store: URL of the store.
    """
    async with open_for_reading(store) as stores:
        await stores.rows.start_over(name)
    await _tell(name, f"{name} is at 0; its tables are filled anew at its next start.", store, json=json)


def as_row(record: ProcessorRecord, head: int) -> Mapping[str, object]:
    """The record with its lag, for programs."""
    from eventfold.cli.records import as_time

    return {
        "name": record.name,
        "kind": record.kind,
        "version": record.version,
        "position": record.position,
        "lag": max(0, head - record.position),
        "paused": record.paused,
        "error": record.error,
        "updated_at": as_time(record.updated_at),
    }


async def _tell(name: str, sentence: str, store: str, *, json: bool) -> None:
    from eventfold.cli.printing import visible

    if not json:
        print(visible(sentence))
        return
    async with open_for_reading(store) as stores:
        head = await stores.events.head()
        print_json(next(as_row(each, head) for each in await stores.rows.processors() if each.name == name))
