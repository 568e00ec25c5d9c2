"""`eventfold plan`: what a deployment would do to a store, before it does."""

from __future__ import annotations

import sys
from typing import Final

from eventfold.cli.options import AppName, AsJson, loaded
from eventfold.cli.printing import print_json_array, print_table

__all__ = ["PLAN_EXAMPLES", "plan"]

PLAN_EXAMPLES: Final = """Examples:
  eventfold plan sqlite:///shop.db --app shop:app
  eventfold plan sqlite:///shop.db --app shop:app --json"""


async def plan(url: str, /, *, app: AppName, json: AsJson = False) -> None:
    """
    Show what this code would migrate, replay and send on a store when it is deployed. Nothing is changed.

    Args:
        url: of the store.
        json: print a JSON array instead of a table.
    """
    from eventfold.bootstrap.planning import MOST
    from eventfold.bootstrap.planning import plan as planned

    found = [each async for each in planned(loaded(app), url)]
    if json:
        print_json_array(
            {"name": each.name, "will": each.will, "events": each.events, "why": each.why} for each in found
        )
        return
    if not found:
        print("Nothing to migrate, replay or send.", file=sys.stderr)
        return
    print_table(
        [("name", "left"), ("will", "left"), ("events", "right"), ("why", "left")],
        [
            (each.name or "the store", each.will, f"{each.events:,}" + ("+" if each.events == MOST else ""), each.why)
            for each in found
        ],
    )
