"""`eventfold import`: bring the events of another library's store into one of ours."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import App, Parameter

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import DEFAULT_STORE, AsJson
from eventfold.cli.printing import print_json, print_table, screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from eventfold.bootstrap.importing import Imported, Translate
    from eventfold.domain.message import StoredEvent

__all__ = ["importing"]

EVENTSOURCING_EXAMPLES = """Examples:
  eventfold import eventsourcing --from sqlite:///old.db --to sqlite:///new.db
  eventfold import eventsourcing --from postgresql://localhost/shop --table shop_events --to postgresql://localhost/new
  eventfold import eventsourcing --from sqlite:///old.db --to sqlite:///new.db --translate moving:translate --json"""
MESSAGE_DB_EXAMPLES = """Examples:
  eventfold import message-db --from postgresql://localhost/message_store --to postgresql://localhost/new
  eventfold import message-db --from postgresql://localhost/message_store --to sqlite:///new.db --translate moving:f"""

importing: App = App(
    name="import",
    help="Bring the events of another library's store into one of ours: ids, versions and times are kept.",
    help_epilogue="""Examples:
  eventfold import eventsourcing --from sqlite:///old.db --to sqlite:///new.db
  eventfold import message-db --from postgresql://localhost/message_store --to sqlite:///new.db""",
)

From: TypeAlias = Annotated[str, Parameter(name="--from", help="URL of the database to read.")]
To: TypeAlias = Annotated[str, Parameter(name="--to", help="URL of the store to import into; made if it is missing.")]
TranslateBy: TypeAlias = Annotated[
    str | None,
    Parameter(name="--translate", help="module:function that turns an event of the source into one of ours, or None."),
]
_ACTOR = "eventfold import"


@importing.command(help_epilogue=EVENTSOURCING_EXAMPLES)
async def eventsourcing(
    *,
    source: From,
    to: To = DEFAULT_STORE,
    table: str = "stored_events",
    translate: TranslateBy = None,
    json: AsJson = False,
) -> Exit:
    """
    Import from the Python library `eventsourcing`. Run again after an interruption, it goes on.

    Exit code 1 when the categories here are not, event by event, what was read there.

    Args:
        table: of its events; on Postgres it is the application's name in lower case and `_events`.
        json: print a JSON object.
    """
    from eventfold.bootstrap.importing import eventsourcing_events

    return await _import(eventsourcing_events(source, table=table), source, to, translate, json=json)


@importing.command(help_epilogue=MESSAGE_DB_EXAMPLES)
async def message_db(
    *, source: From, to: To = DEFAULT_STORE, translate: TranslateBy = None, json: AsJson = False
) -> Exit:
    """
    Import from a Message DB. Run again after an interruption, it goes on.

    Exit code 1 when the categories here are not, event by event, what was read there.

    Args:
        json: print a JSON object.
    """
    from eventfold.bootstrap.importing import message_db_events

    return await _import(message_db_events(source), source, to, translate, json=json)


async def _import(
    opening: AbstractAsyncContextManager[AsyncIterator[Sequence[StoredEvent]]],
    source: str,
    to: str,
    translate: str | None,
    *,
    json: bool,
) -> Exit:
    from eventfold.adapters.system import system_clock
    from eventfold.bootstrap.importing import import_events
    from eventfold.bootstrap.stores import open_stores
    from eventfold.bootstrap.urls import redacted

    function = None if translate is None else _function(translate)
    with screen(stderr=True).status("reading …") as status:
        async with opening as pieces, open_stores(to, clock=system_clock, migrate=True) as stores:
            imported = await import_events(
                pieces,
                stores.administration,
                stores.events,
                actor=_ACTOR,
                reason=f"import from {redacted(source)}"[:255],
                translate=function,
                progress=lambda done: status.update(f"{done:,} events read …"),
            )
    _print(imported, json=json)
    return Exit.OK if imported.same else Exit.FINDINGS


def _function(name: str) -> Translate:
    module, _, function = name.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise Refused(f"--translate {name}: {error}; write module:function", Exit.APP_CANNOT_LOAD) from error
    return found  # type: ignore[no-any-return] # what it gives is looked at, event by event


def _print(imported: Imported, *, json: bool) -> None:
    if json:
        print_json(
            {
                "new": imported.new,
                "left_out": imported.left_out,
                "categories": [
                    {"category": each.category, "events": each.events, "found": each.found, "same": each.same}
                    for each in imported.categories
                ],
            }
        )
        return
    print_table(
        [("category", "left"), ("events there", "right"), ("events here", "right"), ("the same", "left")],
        [(each.category, each.events, each.found, "yes" if each.same else "NO") for each in imported.categories],
        title=f"{imported.new:,} new, {imported.left_out:,} left out",
    )
