"""What people read about parked events: what becomes of a wish, and one event with all that is known of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from eventfold.cli.parked.entries import action_row, difference, entry_row
from eventfold.cli.printing import json_line, print_table, visible

if TYPE_CHECKING:
    from eventfold.bootstrap.standing import Standing
    from eventfold.domain.message import StoredEvent
    from eventfold.ports.actions import Action
    from eventfold.ports.parking import Parked

__all__ = ["fate", "show_actions", "show_behind", "show_entry"]

_SHOWN: Final = 20
"""Events behind a parked one that people are shown."""


def fate(before: Parked, after: Parked | None, standing: Standing, wait: float | None) -> str:
    """What has become of a wish, or when the processor comes to it; `wait` is how long that was waited for."""
    what = f"The event at {before.position}"
    if after is None:
        return f"{what} is parked no more: {before.processor} was sent back to the beginning."
    if after.resolution is not None:
        return f"{what} is {after.resolution}."
    if after.wish is None:
        return f"{what} has failed again (attempt {after.attempts}): {after.error}"
    when = _when(after, standing)
    if wait is not None:
        return f"{what} is not resolved within {wait:g} s: {when}."
    return f"{what} is asked for: {when}. `eventfold parked show {after.processor} {after.position}` tells more."


def _when(entry: Parked, standing: Standing) -> str:
    name = standing.record.name
    it_is = "it is dropped" if entry.wish == "drop" else "it is handled"
    match standing.state:
        case "paused":
            return f"{it_is} when {name} is resumed"
        case "stopped":
            return f"{it_is} when {name} is started again, which has stopped with an error"
        case _ if any(each.partition == entry.partition for each in standing.leases):
            return f"{it_is} when {name} comes to it, within the moment"
        case _:
            return f"{it_is} when somebody runs {name}; nobody does now"


def show_entry(entry: Parked, event: StoredEvent | None, first: int | None) -> None:
    from eventfold.cli.records import as_record

    hidden = {"behind", "wish", "edited"}
    if event is not None:
        hidden |= {"position", "stream", "event_id", "type"}
    told = {name.replace("_", " "): value for name, value in entry_row(entry).items() if name not in hidden}
    print_table(
        [("parked", "left"), ("", "left")], [(name, value) for name, value in told.items() if value is not None]
    )
    if first not in {None, entry.position}:
        print(f"It stands behind the event at {first}: retry or drop that one, and it follows.\n")
    if event is None:
        print("The event is gone: an administrator has removed it.\n")
        return
    record = as_record(event)
    print_table(
        [("event", "left"), ("", "left")],
        [(name, value if isinstance(value, str | None) else json_line(value)) for name, value in record.items()],
    )
    if entry.edited is not None:
        print("Edited:")
        for line in difference(event.data or b"null", entry.edited):
            print(visible(line))
        print()


def show_behind(later: Sequence[Parked]) -> None:
    if not later:
        return
    print_table(
        [("position", "right"), ("type", "left"), ("parked at", "left")],
        [(row["position"], row["type"], row["parked_at"]) for row in map(entry_row, later[:_SHOWN])],
        title=f"Behind it in its stream: {len(later):,}",
    )
    if len(later) > _SHOWN:
        print(f"These are the first {_SHOWN}; --json shows all of them.", file=sys.stderr)


def show_actions(entry: Parked, actions: Sequence[Action] | None) -> None:
    if not actions:
        return
    rows = [action_row(each) for each in actions]
    print_table(
        [("key", "left"), ("status", "left"), ("at", "left"), ("result", "left")],
        [(row["key"], row["status"], row["at"], json_line(row["result"])) for row in rows],
        title="Ledger",
    )
    if entry.resolution is None and any(each.status != "done" for each in actions):
        again = f"eventfold parked retry {entry.processor} {entry.position} --unknown"
        print(visible(f"If what is unknown was done: `{again} done`. If it was not: `{again} repeat`."))
