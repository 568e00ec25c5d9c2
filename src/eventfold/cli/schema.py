"""`eventfold schema`: every stored shape in a file for git, and whether today's code still reads them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cyclopts import App

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import AppName, AsJson, loaded, open_for_reading
from eventfold.cli.printing import print_json_array, visible
from eventfold.errors import InvalidInput

if TYPE_CHECKING:
    from eventfold.schema.lockfile import Lockfile

__all__ = ["schema"]

FILE: Final = Path("eventfold.lock")
LOCK_EXAMPLES = """Examples:
  eventfold schema lock --app shop:app"""
CHECK_EXAMPLES = """Examples:
  eventfold schema check --app shop:app
  eventfold schema check --app shop:app --store sqlite:///shop.db --json"""
DOCS_EXAMPLES = """Examples:
  eventfold schema docs --app shop:app > EVENTS.md"""

schema: App = App(
    name="schema",
    help="Lock the shapes of stored events, check that they can be read for ever, write their catalogue.",
    help_epilogue="""Examples:
  eventfold schema lock --app shop:app
  eventfold schema check --app shop:app""",
)


@schema.command(help_epilogue=LOCK_EXAMPLES)
def lock(*, app: AppName, file: Path = FILE) -> None:
    """
    Write down every stored shape, with samples, in a file that belongs into git. What was in it stays.

    Args:
        file: the lockfile.
    """
    from eventfold.schema.lockfile import lock as locked

    of = loaded(app)
    before = _read(file) if file.exists() else None
    now = locked(of.catalogue, of.serializer, before)
    file.write_text(now.text(), encoding="utf-8")
    new = len(now.shapes) - (0 if before is None else len(before.shapes))
    print(visible(f"{file}: {len(now.shapes)} shape(s), {new} of them new."))


@schema.command(help_epilogue=CHECK_EXAMPLES)
async def check(*, app: AppName, file: Path = FILE, store: str | None = None, json: AsJson = False) -> Exit:
    """
    Say what of the locked shapes this code cannot read, and what to do about it. Exit code 1 when there is something.

    Args:
        file: the lockfile.
        store: also look at every event of this store.
        json: print a JSON array.
    """
    from eventfold.domain.query import Query
    from eventfold.domain.story import STORIES
    from eventfold.schema.lockfile import against_store
    from eventfold.schema.lockfile import check as checked
    from eventfold.schema.upcasting import version_text

    of = loaded(app)
    found = list(checked(of.catalogue, of.serializer, _read(file)))
    if store is not None:
        counted: Counter[tuple[str, int]] = Counter()
        async with open_for_reading(store) as stores:
            async for event in stores.events.read_all(Query.all()):
                if event.type not in STORIES:
                    counted[event.type, event.schema_version] += 1
        found += against_store(of.catalogue, counted)
    if json:
        print_json_array(
            {"kind": each.kind, "event": each.name, "version": each.version, "what": each.what} for each in found
        )
    else:
        for each in found:
            print(visible(f"{each.kind}: {each.name} {version_text(each.version)}: {each.what}"))
        if not found:
            print("Every shape that was ever stored can be read.")
    return Exit.FINDINGS if found else Exit.OK


@schema.command(help_epilogue=DOCS_EXAMPLES)
def docs(*, app: AppName) -> None:
    """Print a catalogue of the events in Markdown: names, versions, fields, who records and who handles them."""
    from eventfold.bootstrap.event_catalogue import markdown

    print(markdown(loaded(app)), end="")


def _read(file: Path) -> Lockfile:
    from eventfold.schema.lockfile import Lockfile

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file} cannot be read: {error}; `eventfold schema lock` makes one") from error
    try:
        return Lockfile.parse(text)
    except InvalidInput as error:
        raise Refused(f"{file}: {error}") from error
