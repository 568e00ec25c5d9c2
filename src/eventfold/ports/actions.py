"""The ledger of effects: what a reactor is about to do outside of the store, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from eventfold.errors import InvalidInput

__all__ = ["Action", "Actions", "Intent", "Status", "checked_intents"]

_LONGEST_KEY: Final = 255

Status: TypeAlias = Literal["intended", "done", "unknown"]


class Intent(msgspec.Struct, frozen=True):
    """
    Something to be done once for an event.

    Args:
        key: tells it from the other things the reactor does for the event.
        epoch: of the copy of the reactor that is about to do it.
    """

    reactor: str
    event_id: bytes
    key: str
    epoch: int = 0


class Action(msgspec.Struct, frozen=True):
    """
    An entry of the ledger.

    Args:
        status: "intended" before it is done; "done"; "unknown" once somebody has found that nobody can say.
        result: what it gave, as JSON.
        at: microseconds since 1970.
    """

    reactor: str
    event_id: bytes
    key: str
    status: Status
    result: bytes | None
    epoch: int
    at: int


class Actions(Protocol):
    """
    Written before an action and after it, each call one transaction, however many entries it brings.

    An entry that is still "intended" after a crash says truthfully that nobody knows whether it was done.
    """

    async def intend(self, intents: Sequence[Intent]) -> Sequence[Action | None]:
        """
        Enter them. For each, in order: None, and it is entered; or what the ledger has already, which stays.

        Raises:
            InvalidInput: one of them is named twice, or a key that is none (1 to 255 characters without NUL).
        """
        ...

    async def settle(self, outcomes: Sequence[tuple[Intent, bytes | None]]) -> None:
        """They are done, with these results. One that is done already stays as it is."""
        ...

    async def withdraw(self, intents: Sequence[Intent]) -> None:
        """
        They have certainly not been done: strike them out. What is done stays, and what a copy with a higher epoch has
        taken up.
        """
        ...

    async def doubt(self, intents: Sequence[Intent]) -> None:
        """Nobody can say whether they were done. What is done stays."""
        ...

    async def actions(
        self, reactor: str, *, event_id: bytes | None = None, status: Status | None = None, limit: int = 1_000
    ) -> Sequence[Action]:
        """Entries, the latest first; of one event, or of one status."""
        ...


def checked_intents(intents: Sequence[Intent]) -> None:
    """Raises InvalidInput for a key that is none, and for an action that is named twice."""
    named: set[tuple[str, bytes, str]] = set()
    for each in intents:
        if fault := _fault(each.key):
            raise InvalidInput(f"key={each.key!r} of reactor {each.reactor!r}: {fault}")
        if (action := (each.reactor, each.event_id, each.key)) in named:
            raise InvalidInput(
                f"key={each.key!r} is named twice for event {UUID(bytes=each.event_id)} by reactor {each.reactor!r}; "
                "each thing that is done for an event needs a key of its own"
            )
        named.add(action)


def _fault(key: object) -> str | None:
    if not isinstance(key, str):
        return f"a key is text, not {type(key).__name__}"
    if not 1 <= len(key) <= _LONGEST_KEY or "\0" in key:
        return f"a key has 1 to {_LONGEST_KEY} characters, none of them NUL"
    if key != key.encode(errors="replace").decode():
        return "a key is valid Unicode, this one holds a lone surrogate"
    return None
