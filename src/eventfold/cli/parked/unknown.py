"""Actions of a reactor of which nobody can say whether they were done: shown, and settled by who has looked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from eventfold.cli.exits import Refused
from eventfold.cli.parked.entries import first_of
from eventfold.cli.printing import visible

if TYPE_CHECKING:
    from eventfold.bootstrap.stores import Stores
    from eventfold.ports.actions import Action
    from eventfold.ports.parking import Parked

__all__ = ["Unknown", "actions_of", "settle", "warn_of_unknown"]

Unknown: TypeAlias = Literal["done", "repeat"]
"""What became of an action after all: it was done; or it was not, or does no harm when it is done once more."""


async def actions_of(stores: Stores, entry: Parked) -> Sequence[Action] | None:
    """What the ledger has of the event; None where the role of the URL may not look into it."""
    from eventfold.errors import NotPermitted

    kinds = {each.name: each.kind for each in await stores.rows.processors()}
    if kinds.get(entry.processor) != "reactor":
        return ()
    try:
        return await stores.actions.actions(entry.processor, event_id=entry.event_id)
    except NotPermitted as error:
        print(visible(f"The ledger is not shown: {error}"), file=sys.stderr)
        return None


async def settle(stores: Stores, entry: Parked, unknown: Unknown, key: str | None, result: str | None) -> None:
    """
    Enter what became of the actions of the event of which nobody could say.

    Raises:
        Refused: there are none, or the event cannot be tried again now; the ledger stays as it was.
    """
    from eventfold.cli.payload import payload
    from eventfold.ports.actions import Intent
    from eventfold.ports.parking import refuse_unless_open, stands_behind

    at = entry.position
    refuse_unless_open(entry.processor, at, entry.resolution, found=True)
    if entry.wish is not None:
        raise Refused(f"the event at {at} is asked for already, and the processor may be about it: wait for that first")
    first = await first_of(stores.parking, entry)
    if first is not None and first != at:
        raise stands_behind(entry.processor, at, first)
    found = [each for each in await _open_actions(stores, entry) if key in {None, each.key}]
    if not found:
        what = "nothing of it" if key is None else f"no {key!r}"
        raise Refused(f"{what} is unknown; `eventfold parked show {entry.processor} {at}` shows what the ledger has")
    if result is not None and (unknown == "repeat" or len(found) > 1):
        raise Refused("--result is what one action gave: say --unknown done, and with --key which of them")
    intents = [Intent(each.reactor, each.event_id, each.key, each.epoch) for each in found]
    if unknown == "repeat":
        await stores.actions.withdraw(intents)
    else:
        given = None if result is None else payload(result, None)
        await stores.actions.settle([(each, given) for each in intents])


async def _open_actions(stores: Stores, entry: Parked) -> Sequence[Action]:
    found = await stores.actions.actions(entry.processor, event_id=entry.event_id)
    return [each for each in found if each.status != "done"]


async def warn_of_unknown(stores: Stores, entry: Parked) -> None:
    """On standard error: a retry alone may come to nothing."""
    actions = await actions_of(stores, entry)
    keys = [each.key for each in actions or () if each.status != "done"]
    if keys:
        told = f"Whether {', '.join(keys)} was done is unknown. Unless the reactor checks or repeats that by itself,"
        print(visible(f"{told} it is parked again: say --unknown done, or --unknown repeat."), file=sys.stderr)
