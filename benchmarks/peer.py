"""
`eventsourcing` from PyPI on its SQLite recorder, used as its own documentation does. Runs in an environment of its own.

It runs on the standard library's SQLite, another one than ours, with the same settings: WAL and synchronous FULL.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent

_FIRST = datetime(2026, 1, 1, 8, 30, 0, 123456, tzinfo=UTC)
_NOTE = "leave it with the neighbour at number 7"


class Order(Aggregate):
    """Like the order of material.py; its first event opens it."""

    def __init__(self) -> None:
        self.total = 0

    @event("LinePlaced")
    def place(self, order: UUID, sku: str, quantity: int, price: Decimal, placed_at: datetime, note: str) -> None:
        self.total += quantity


def fields(number: int) -> tuple[UUID, str, int, Decimal, datetime, str]:
    return (
        UUID(int=0x0192_0000_0000_7000_8000_0000_0000_0000 + number),
        f"SKU-{number % 9_000 + 1_000}-BLUE",
        number % 7 + 1,
        Decimal(number % 90_000 + 1_000) / 100,
        _FIRST + timedelta(seconds=number % 86_400),
        _NOTE,
    )


def stream_id(number: int) -> UUID:
    return UUID(int=0x0192_0000_0000_7000_9000_0000_0000_0000 + number)


def open_app(path: str, **settings: str) -> Application[UUID]:
    app: Application[UUID] = Application(
        env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": path, **settings}
    )
    with app.recorder.datastore.transaction(commit=False) as cursor:  # type: ignore[attr-defined] # the SQLite recorder
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone()[0] == 2, "the peer must sync as we do"
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone()[0] == "wal"
    return app


def stored_pair(app: Application[UUID]) -> tuple[StoredEvent, StoredEvent]:
    """A first and a later event of an order, as it stores them."""
    order = Order()
    order.place(*fields(1))
    first, later = (app.mapper.to_stored_event(each) for each in order.collect_events())
    return first, later


def copied(stored: StoredEvent, id: UUID, version: int) -> StoredEvent:
    return StoredEvent(originator_id=id, originator_version=version, topic=stored.topic, state=stored.state)
