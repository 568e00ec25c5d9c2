"""`eventfold doctor`: what a store guarantees here, what is wrong with it, and the command that mends it."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from eventfold import __version__
from eventfold.cli.exits import Exit
from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, looking, open_for_reading
from eventfold.cli.printing import print_json, print_table, visible
from eventfold.cli.processors import as_row
from eventfold.errors import UnsupportedByStore

if TYPE_CHECKING:
    from eventfold.ports.processors import ProcessorRecord

__all__ = ["DOCTOR_EXAMPLES", "doctor"]

DOCTOR_EXAMPLES = """Examples:
  eventfold doctor
  eventfold doctor --deep --store sqlite:///flights.db
  eventfold doctor --json"""


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
    from eventfold.bootstrap.inspection import examination
    from eventfold.bootstrap.urls import redacted

    with looking():
        examined = await examination(store, deep=deep)
    facts: dict[str, object] = {"eventfold": __version__, "python": platform.python_version(), **examined.facts}
    findings = [(each.what, each.command) for each in examined.findings]
    rows: list[Mapping[str, object]] = []
    if examined.facts["schema"] == examined.facts["schema_needed"]:
        with suppress(UnsupportedByStore):  # which is among the findings
            async with open_for_reading(store) as stores:
                head = await stores.events.head()
                records = await stores.rows.processors()
            rows = [as_row(each, head) for each in records]
            findings += _of_processors(records, head, shlex.quote(redacted(store)))
            facts["head"] = head
    if json:
        told = [{"what": what, "command": command} for what, command in findings]
        print_json({"facts": facts, "processors": rows, "findings": told})
    else:
        _show(facts, rows, findings)
    return Exit.FINDINGS if findings else Exit.OK


def _of_processors(records: Sequence[ProcessorRecord], head: int, url: str) -> Iterator[tuple[str, str]]:
    for each in records:
        name = shlex.quote(each.name)
        if each.position > head:
            what = f"processor {each.name!r} is at {each.position}, ahead of the log, which ends at {head}"
            yield what, f"eventfold processors reset {name} --store {url}"
        if each.error is not None:
            what = f"processor {each.name!r} has stopped at {each.position}: {each.error}"
            yield f"{what}; mend it and start the application again", f"eventfold processors ls --store {url}"
        if each.paused:
            what = f"processor {each.name!r} is paused at {each.position}, {max(0, head - each.position)} behind"
            yield what, f"eventfold processors resume {name} --store {url}"


def _show(
    facts: Mapping[str, object], rows: Sequence[Mapping[str, object]], findings: Sequence[tuple[str, str]]
) -> None:
    print_table([("fact", "left"), ("", "left")], [(name.replace("_", " "), value) for name, value in facts.items()])
    if rows:
        print_table(
            [("processor", "left"), ("position", "right"), ("lag", "right"), ("updated", "left")],
            [(row["name"], row["position"], row["lag"], row["updated_at"]) for row in rows],
        )
    if not findings:
        print("Nothing is wrong.")
    for what, command in findings:
        print(visible(f"Finding: {what}"))
        print(visible(f"  $ {command}"))
