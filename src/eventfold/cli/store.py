"""`eventfold store`: back it up, bring its tables up to date, give SQL a view of each category."""

from __future__ import annotations

from cyclopts import App

from eventfold.cli.exits import Exit
from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, looking
from eventfold.cli.printing import print_json, print_json_array, visible

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
VIEWS_EXAMPLES = """Examples:
  eventfold store views
  eventfold store views flight carrier --store sqlite:///flights.db --json"""

store: App = App(
    name="store",
    help="Back a store up, bring its tables up to date, give SQL views of it.",
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


@store.command(help_epilogue=VIEWS_EXAMPLES)
async def views(*categories: str, json: AsJson = False, store: StoreUrl = DEFAULT_STORE) -> None:
    """
    Make SQL views of the log: book_events for the category book. All that are asked for, or none.

    Each shows what the log holds at the time of asking. A view that is there stays.

    Args:
        categories: those of the store if none is named.
        json: print a JSON array.
        store: URL of the store.
    """
    from eventfold.bootstrap.inspection import category_views

    with looking():
        made = await category_views(store, categories)
    if json:
        print_json_array({"category": each.category, "view": each.name, "made": each.made} for each in made)
    elif not made:
        print("The store has no events yet: name the categories you want views of.")
    for each in () if json else made:
        print(visible(f"{each.name}: {'made' if each.made else 'there already'}."))
