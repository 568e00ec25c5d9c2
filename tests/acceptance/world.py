"""A domain that records what it is told, a projector that writes down what it sees, and places for both to run in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeAlias

import apsw
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select

from eventfold import Aggregate, Eventfold, Events, Projector, Query, Recorded, Running, View, upsert
from eventfold.bootstrap.application import LEASE
from eventfold.bootstrap.stores import Stores
from eventfold.domain.message import NewEvent, StoredEvent, Stream
from eventfold.ports.event_store import Append, Appended, Condition, EventStore, SourceOnly

# ------------------------------------------------------------------------- a domain


@dataclass(frozen=True)
class Added:
    n: int


@dataclass(frozen=True)
class Noted:
    text: str


@dataclass(frozen=True)
class Measured:
    value: float


Event: TypeAlias = Added | Noted | Measured


@dataclass(frozen=True)
class Record:
    """Record these events, none perhaps."""

    events: tuple[Event, ...]


@dataclass(frozen=True)
class AddUnless:
    """Add, unless the sum has come to `limit`: then the tape is full, or there is nothing to do."""

    n: int
    limit: int
    quietly: bool = False


class TapeFull(Exception):
    """A rejection of the domain."""


@dataclass(frozen=True)
class Tape:
    sum: int = 0
    notes: tuple[str, ...] = ()


def decide(command: Record | AddUnless, tape: Tape) -> Sequence[Event]:
    match command:
        case Record(events):
            return events
        case AddUnless(n, limit, quietly) if tape.sum + n > limit:
            if quietly:
                return []
            raise TapeFull(f"{tape.sum} of {limit}")
        case AddUnless(n):
            return [Added(n)]


def evolve(tape: Tape, event: Added | Noted | Measured) -> Tape:
    match event:
        case Added(n):
            return Tape(tape.sum + n, tape.notes)
        case Noted(text):
            return Tape(tape.sum, (*tape.notes, text))
        case Measured():
            return tape


tapes = Aggregate("tape", initial=Tape(), decide=decide, evolve=evolve)


def record(*events: Event) -> Record:
    return Record(events)


# --------------------------------------------------------------------- a read model


metadata = MetaData()
seen_t = Table(
    "seen",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("type", String, nullable=False),
    Column("tape", String, nullable=False),
)
sums_t = Table("sums", metadata, Column("tape", String, primary_key=True), Column("sum", Integer, nullable=False))
see = insert(seen_t)
add = upsert(
    sums_t,
    key=["tape"],
    insert={"tape": bindparam("tape_"), "sum": bindparam("n")},
    set={"sum": sums_t.c.sum + bindparam("n")},
)
positions = select(seen_t.c.position).order_by(seen_t.c.position)
sums = select(sums_t.c.tape, sums_t.c.sum).order_by(sums_t.c.tape)


def saw(recorded: Recorded[Any], view: View) -> None:
    """Fails on its own when it sees an event twice: the position is a key."""
    view.write(see, {"position": recorded.position, "type": recorded.type, "tape": recorded.id})


def added(recorded: Recorded[Added], view: View) -> None:
    """Seeing an event twice makes the sum wrong."""
    view.write(add, {"tape_": recorded.id, "n": recorded.event.n})


def summing(name: str = "sums", *, version: int = 1) -> Projector:
    """The sums of all tapes."""
    projector = Projector(name, tables=[sums_t], version=version)
    projector.on(Added)(added)
    return projector


def shared(partitions: int = 4, **options: Any) -> Projector:
    """The sums, by copies that share out the partitions."""
    projector = Projector("sums", tables=[sums_t], partitions=partitions, **options)
    projector.on(Added)(added)
    return projector


def seeing(name: str = "seen", *, version: int = 1, query: Query | None = None) -> Projector:
    """Every event of the query, once."""
    projector = Projector(name, tables=[seen_t], version=version, query=query)
    projector.on_any()(saw)
    return projector


def application(*processors: Projector, events: Events | None = None, **more: Any) -> Eventfold:
    return Eventfold(deciders=[tapes], processors=processors, events=events, **more)


# --------------------------------------------------------------------------- places


class Place(Protocol):
    """One store for several applications, at once or one after the other."""

    clocked: bool
    """Whether it tells the time by the clock of the application that is open."""

    def open(
        self,
        app: Eventfold,
        *,
        run: bool | Collection[str] = True,
        lease: timedelta | None = LEASE,
        standby: bool = True,
    ) -> AbstractAsyncContextManager[Running]: ...


class Memory:
    """Stays as it is when an application ends, as a file does."""

    clocked = False

    def __init__(self, stores: Stores) -> None:
        self.stores = stores

    @asynccontextmanager
    async def open(
        self,
        app: Eventfold,
        *,
        run: bool | Collection[str] = True,
        lease: timedelta | None = LEASE,
        standby: bool = True,
    ) -> AsyncIterator[Running]:
        names = app._names_to_run(run)
        async with app._started(Running, self.stores, names, app._clock, lease, standby=standby) as running:
            yield running


class Server:
    """A schema of its own on a server of Postgres, which tells the time itself."""

    clocked = False

    def __init__(self, url: str) -> None:
        self.url = url

    @asynccontextmanager
    async def open(
        self,
        app: Eventfold,
        *,
        run: bool | Collection[str] = True,
        lease: timedelta | None = LEASE,
        standby: bool = True,
    ) -> AsyncIterator[Running]:
        async with app.open(self.url, run=run, lease=lease, standby=standby) as running:
            yield running


class File(Server):
    clocked = True

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.path = url.removeprefix("sqlite:///")

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """As somebody else would, with the same library."""
        connection = apsw.Connection(self.path)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()


async def stored(running: Running, query: Query | None = None) -> list[StoredEvent]:
    return [event async for event in running.source.read_all(query or Query.all())]


async def stream(running: Running, id: str) -> list[StoredEvent]:
    return [event async for event in running.source.read(Stream("tape", id))]


# ------------------------------------------------------------ a store with a way in


class Interposed(SourceOnly):
    """A store that does something of the test's before or after each append. Everything else is the store's own."""

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        self._sink = store
        self.before: Callable[[], Any] | None = None
        self.after: Callable[[Appended], Any] | None = None
        self.appends = 0

    async def append(self, *appends: Append, condition: Condition | None = None) -> Appended:
        self.appends += 1
        if self.before is not None and (pending := self.before()) is not None:
            await pending
        appended = await self._sink.append(*appends, condition=condition)
        if self.after is not None and (pending := self.after(appended)) is not None:
            await pending
        return appended

    async def close(self) -> None:
        await self._sink.close()


def interposed(running: Running) -> Interposed:
    """Such a store, put beneath the commands of a running application."""
    store = Interposed(running._stores.events)
    running._recorder._store = running._commands._source = running._boundaries._source = store
    return store


def new_event(event_id: bytes, n: int = 1) -> NewEvent:
    return NewEvent(event_id=event_id, type="Added", data=f'{{"n":{n}}}'.encode())
