"""
`eventsourcing` from PyPI, used as its own documentation does. Runs in an environment of its own.

On SQLite it runs on the standard library's, another one than ours, with the same settings: WAL and synchronous FULL.
On Postgres it has two recorders: the usual one, which locks its table until the commit, and a function in the database
(`POSTGRES_ENABLE_DB_FUNCTIONS`) that does not, so that its subscribers may miss what commits late.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit
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


def open_app(place: str, **settings: str) -> Application[UUID]:
    if place.startswith("postgresql:"):
        return Application(env={"PERSISTENCE_MODULE": "eventsourcing.postgres", **server(place), **settings})
    app: Application[UUID] = Application(
        env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": place, **settings}
    )
    with app.recorder.datastore.transaction(commit=False) as cursor:  # type: ignore[attr-defined] # the SQLite recorder
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone()[0] == 2, "the peer must sync as we do"
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone()[0] == "wal"
    return app


FUNCTION = {"POSTGRES_ENABLE_DB_FUNCTIONS": "y"}


def server(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "POSTGRES_HOST": parts.hostname or "127.0.0.1",
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": unquote(parts.username or "postgres"),
        "POSTGRES_PASSWORD": unquote(parts.password or "-"),  # it insists on one
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_POOL_SIZE": "16",  # as many as the raw driver has
        "POSTGRES_MAX_OVERFLOW": "64",
    }


def connection(url: str) -> Any:
    import psycopg

    return psycopg.connect(url, autocommit=True)


# ------------------------------------------------------------------------------- boundaries


def open_boundaries(url: str) -> tuple[Any, Callable[[], None]]:
    """Its recorder for dynamic consistency boundaries, and what closes it."""
    from eventsourcing.dcb.postgres_tt import PostgresTTDCBFactory
    from eventsourcing.utils import Environment

    factory = PostgresTTDCBFactory(Environment("bench", server(url)))
    return factory.dcb_recorder(), factory.close


def tagged_event(number: int, tag: str) -> Any:
    from eventsourcing.dcb.api import DCBEvent

    order, sku, quantity, price, placed_at, note = fields(number)
    written = {
        "order": str(order),
        "sku": sku,
        "quantity": quantity,
        "price": str(price),
        "placed_at": placed_at.isoformat(),
        "note": note,
    }
    return DCBEvent(type="LinePlaced", data=json.dumps(written).encode(), tags=[tag])


def stored_pair(app: Application[UUID]) -> tuple[StoredEvent, StoredEvent]:
    """A first and a later event of an order, as it stores them."""
    order = Order()
    order.place(*fields(1))
    first, later = (app.mapper.to_stored_event(each) for each in order.collect_events())
    return first, later


def copied(stored: StoredEvent, id: UUID, version: int) -> StoredEvent:
    return StoredEvent(originator_id=id, originator_version=version, topic=stored.topic, state=stored.state)
