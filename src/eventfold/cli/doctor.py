"""`eventfold doctor`: what a store guarantees here, what is wrong with it, and the command that mends it."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from eventfold import __version__
from eventfold.cli.exits import Exit
from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, looking, open_for_reading
from eventfold.cli.printing import print_json, print_table, visible
from eventfold.cli.processors import as_row, lag_in_words, time_in_words
from eventfold.errors import UnsupportedByStore

if TYPE_CHECKING:
    from eventfold.bootstrap.standing import Standing

__all__ = ["DOCTOR_EXAMPLES", "doctor"]

DOCTOR_EXAMPLES = """Examples:
  eventfold doctor
  eventfold doctor --deep --store sqlite:///flights.db
  eventfold doctor --json"""

_LONG: Final = 60.0
"""Seconds for which events may wait before it is a finding that nobody handles them."""


async def doctor(
    *,
    deep: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> Exit:
    """
    Examine a store: guarantees, versions, file system, permissions, sizes, locks, processors.

    Each finding comes with the command that mends it or shows more. Exit code 1 when there is one.

    Args:
        deep: read every page, and hold indexes against tables.
        json: print a JSON object instead of tables.
        store: URL of the store.
    """
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.inspection import examination
    from eventfold.bootstrap.standing import standings
    from eventfold.bootstrap.urls import redacted

    with looking():
        examined = await examination(store, deep=deep)
    facts: dict[str, object] = {"eventfold": __version__, "python": platform.python_version(), **examined.facts}
    findings = [(each.what, each.command) for each in examined.findings]
    found: Sequence[Standing] = ()
    if examined.facts["schema"] == examined.facts["schema_needed"]:
        with suppress(UnsupportedByStore):  # which is among the findings
            async with open_for_reading(store) as stores:
                head = await stores.events.head()
                found = await standings(stores, clock=system_clock)
            for each in found:
                findings += _of_processor(each, head, shlex.quote(redacted(store)))
            facts["head"] = head
    if json:
        told = [{"what": what, "command": command} for what, command in findings]
        print_json({"facts": facts, "processors": [as_row(each) for each in found], "findings": told})
    else:
        _show(facts, found, findings)
    return Exit.FINDINGS if findings else Exit.OK


def _of_processor(standing: Standing, head: int, url: str) -> Iterator[tuple[str, str]]:
    record = standing.record
    name, told, at = shlex.quote(record.name), f"processor {record.name!r}", record.position
    if at > head:
        yield (
            f"{told} is at {at}, ahead of the log, which ends at {head}",
            f"eventfold processors reset {name} --store {url}",
        )
    if record.error is not None and standing.leases:
        yield f"{told} tries again at {at}, after: {record.error}", f"eventfold processors ls --store {url}"
    elif record.error is not None:
        what = f"{told} has stopped at {at}: {record.error}; mend it and start the application again"
        yield what, f"eventfold processors ls --store {url}"
    elif not record.paused and standing.unattended > _LONG:
        share = "" if not standing.leases else f"{record.partitions - len(standing.leases)} partitions of "
        what = f"nobody runs {share}{told}, which is {time_in_words(standing.unattended)} behind"
        yield f"{what}: start its application", f"eventfold processors lag {name} --store {url}"
    if record.paused:
        what = f"{told} is paused at {at}, {lag_in_words(standing)} events behind"
        yield what, f"eventfold processors resume {name} --store {url}"
    if standing.parked:
        what = f"{told} has {standing.parked:,} parked event{'' if standing.parked == 1 else 's'}"
        yield what, f"eventfold parked ls {name} --store {url}"


def _show(facts: Mapping[str, object], found: Sequence[Standing], findings: Sequence[tuple[str, str]]) -> None:
    print_table([("fact", "left"), ("", "left")], [(name.replace("_", " "), value) for name, value in facts.items()])
    if found:
        print_table(
            [("processor", "left"), ("state", "left"), ("position", "right"), ("lag", "right"), ("behind", "right")],
            [
                (
                    each.record.name,
                    each.state,
                    each.record.position,
                    lag_in_words(each),
                    time_in_words(each.lag_seconds),
                )
                for each in found
            ],
        )
    if not findings:
        print("Nothing is wrong.")
    for what, command in findings:
        print(visible(f"Finding: {what}"))
        print(visible(f"  $ {command}"))
