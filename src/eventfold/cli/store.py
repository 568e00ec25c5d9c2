"""`eventfold store`: back it up, bring its tables up to date, give SQL a view of each category, roles their rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from eventfold.cli.exits import Exit
from eventfold.cli.options import DEFAULT_STORE, AsJson, StoreUrl, looking
from eventfold.cli.printing import print_json, print_json_array, visible

if TYPE_CHECKING:
    from eventfold.ports.inspection import SchemaVersion

__all__ = ["store"]

BACKUP_EXAMPLES = """Examples:
  eventfold store backup backup.db
  eventfold store backup /backups/monday.db --store sqlite:///flights.db --json"""
STATUS_EXAMPLES = """Examples:
  eventfold store status
  eventfold store status --store sqlite:///flights.db --json"""
MIGRATE_EXAMPLES = """Examples:
  eventfold store migrate
  eventfold store migrate --finish
  eventfold store migrate --store sqlite:///flights.db --json"""
ROLES_EXAMPLES = """Examples:
  eventfold store roles --store postgresql://localhost/shop > roles.sql
  eventfold store roles --apply --store postgresql://localhost/shop
  eventfold store roles --writer shop_app --tables shop_views --store postgresql://localhost/shop"""
VIEWS_EXAMPLES = """Examples:
  eventfold store views
  eventfold store views flight carrier --store sqlite:///flights.db --json"""

store: App = App(
    name="store",
    help="Back a store up, bring its tables up to date, give SQL views of it, and roles their rights.",
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
        version = await schema_version(store)
    if json:
        print_json({"found": version.found, "needed": version.needed, "oldest": version.oldest})
    elif version.found < version.needed:
        print(
            f"The tables are at schema version {version.found}, {version.needed} is needed: "
            "run `eventfold store migrate`."
        )
    else:
        print(f"The tables are at schema version {version.found}, as needed.")
        _tell_who_may(version)
    return Exit.OK if version.found == version.needed else Exit.FINDINGS


@store.command(help_epilogue=MIGRATE_EXAMPLES)
async def migrate(
    *,
    finish: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Make a store's tables, or bring them up to date; several processes may do so at once.

    The release before this one goes on working on the store until you say --finish.

    Args:
        finish: no older release is running any more: apply what had to wait for that, and refuse them from now on.
        json: print a JSON object.
        store: URL of the store; a file that is missing is made.
    """
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.inspection import migrate as bring_up_to_date

    before, now = await bring_up_to_date(store, clock=system_clock, finish=finish)
    if json:
        print_json({"before": before, "after": now.found, "oldest": now.oldest})
        return
    if before == now.found:
        print(f"The tables are at schema version {now.found} already.")
    else:
        print(f"The tables were at schema version {before}, and are at {now.found} now.")
    _tell_who_may(now)


def _tell_who_may(version: SchemaVersion) -> None:
    if version.oldest < version.needed:
        print(
            f"Code of schema version {version.oldest} may still use them: when no older release is left, run "
            "`eventfold store migrate --finish`."
        )


@store.command(help_epilogue=ROLES_EXAMPLES)
async def roles(
    *,
    owner: str | None = None,
    writer: str | None = None,
    reader: str | None = None,
    projector: str | None = None,
    tables: str = "public",
    apply: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: AsJson = False,
    store: StoreUrl = DEFAULT_STORE,
) -> None:
    """
    Print the SQL that gives four roles on a server their rights on the store, and takes what they have beyond.

    The roles have no login: grant them to those that have one. A second time changes nothing.

    Args:
        owner: role that owns the tables and functions; SCHEMA_owner, where SCHEMA is the store's.
        writer: role that reads, and appends through functions alone; SCHEMA_writer.
        reader: role that reads; SCHEMA_reader.
        projector: role that reads, and keeps checkpoints; SCHEMA_projector.
        tables: schema of the projectors' tables.
        apply: execute it, in one transaction.
        json: print a JSON array of the statements.
        store: URL of the store.
    """
    from eventfold.bootstrap.inspection import roles as of_store

    with looking():
        statements = await of_store(
            store, owner=owner, writer=writer, reader=reader, projector=projector, tables=tables, apply=apply
        )
    if json:
        print_json_array(statements)
    elif apply:
        print("The roles have their rights.")
    for each in () if json or apply else statements:
        print(visible(f"{each};"))


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
