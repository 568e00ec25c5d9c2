"""`eventfold store`: back it up, bring its tables up to date."""

from __future__ import annotations

from cyclopts import App

from eventfold.cli.exits import Exit
from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, looking
from eventfold.cli.printing import print_json, visible

__all__ = ["store"]

BACKUP_EXAMPLES = """Examples:
  eventfold store backup backup.db
  eventfold store backup /backups/monday.db --store sqlite:///flights.db --json"""
STATUS_EXAMPLES = """Examples:
  eventfold store status
  eventfold store status --store sqlite:///flights.db --json"""
MIGRATE_EXAMPLES = """Examples:
  eventfold store migrate
  eventfold store migrate --store sqlite:///flights.db --json"""

store: App = App(
    name="store",
    help="Back a store up, and bring its tables up to date.",
    help_epilogue="""Examples:
  eventfold store status
  eventfold store backup backup.db""",
)


@store.command(help_epilogue=BACKUP_EXAMPLES)
async def backup(to: str, /, *, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Copy a store into a new file while it is in use.

    The copy is the store of one moment, checked, and a store itself. A file that is there is never replaced.

    Args:
        to: path of the copy, in a folder that is there.
        json: print a JSON object.
        store: URL of the store.
    """
    from eventfold.bootstrap.stores import backup as copy

    with looking():
        made = await copy(store, to)
    if json:
        print_json({"path": made.path, "events": made.events, "head": made.head, "size": made.size})
    else:
        print(visible(f"{made.path}: {made.events} events up to position {made.head}, {made.size} bytes."))


@store.command(help_epilogue=STATUS_EXAMPLES)
async def status(*, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> Exit:
    """
    Show the version of a store's tables and the one this release needs. Exit code 1 when they differ.

    Args:
        json: print a JSON object.
        store: URL of the store.
    """
    from eventfold.bootstrap.inspection import schema_version

    with looking():
        found, needed = await schema_version(store)
    if json:
        print_json({"found": found, "needed": needed})
    elif found == needed:
        print(f"The tables are at schema version {found}, as needed.")
    else:
        print(f"The tables are at schema version {found}, {needed} is needed: run `eventfold store migrate`.")
    return Exit.OK if found == needed else Exit.FINDINGS


@store.command(help_epilogue=MIGRATE_EXAMPLES)
async def migrate(*, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Make a store's tables, or bring them up to date; several processes may do so at once.

    Args:
        json: print a JSON object.
        store: URL of the store; a file that is missing is made.
    """
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.inspection import migrate as bring_up_to_date

    before, after = await bring_up_to_date(store, clock=system_clock)
    if json:
        print_json({"before": before, "after": after})
    elif before == after:
        print(f"The tables are at schema version {after} already.")
    else:
        print(f"The tables were at schema version {before}, and are at {after} now.")
