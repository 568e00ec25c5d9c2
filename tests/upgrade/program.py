"""
One application, run by this release or, in a child process, by an earlier one: `PYTHONPATH=its.whl program.py URL`.

It reads a command from each line of its input, does it, and answers in a line: a value, or the error's class and text.
What it imports is there in every release since 0.1.0, and it is for that alone that it is written twice nowhere.
"""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, select

import eventfold
from eventfold import Aggregate, Eventfold, Projector, Query, Recorded, Running, View, upsert
from eventfold.domain.message import NewEvent, StoredEvent, Stream
from eventfold.errors import EventfoldError
from eventfold.ports.event_store import EXISTS, NEW, Append


@dataclass(frozen=True)
class Added:
    n: int


@dataclass(frozen=True)
class Tape:
    sum: int = 0


def decide(command: tuple[int, ...], tape: Tape) -> list[Added]:
    return [Added(n) for n in command]


def evolve(tape: Tape, event: Added) -> Tape:
    return Tape(tape.sum + event.n)


tapes = Aggregate("tape", initial=Tape(), decide=decide, evolve=evolve)
sums_t = Table("sums", MetaData(), Column("tape", String, primary_key=True), Column("sum", Integer, nullable=False))
add = upsert(
    sums_t,
    key=["tape"],
    insert={"tape": bindparam("tape_"), "sum": bindparam("n")},
    set={"sum": sums_t.c.sum + bindparam("n")},
)
sums = Projector("sums", tables=[sums_t])


@sums.on(Added)
def added(recorded: Recorded[Added], view: View) -> None:
    view.write(add, {"tape_": recorded.id, "n": recorded.event.n})


def application(new_id: Callable[[], UUID] = uuid4) -> Eventfold:
    return Eventfold(deciders=[tapes], processors=[sums], new_id=new_id)


# -------------------------------------------------------------------------------------------------- a varied store


def strange() -> list[Append]:
    """What an append may say, to streams of one category that no aggregate of the application reads."""

    def event(number: int, **more: Any) -> NewEvent:
        given: dict[str, Any] = {"type": "Strange", "data": b'{"n":1}'} | more
        return NewEvent(event_id=UUID(int=(1 << 100) + number).bytes, **given)

    plain = [Append(Stream("odd", f"plain-{n}"), [event(n)], NEW) for n in range(90)]
    several = [
        Append(Stream("odd", f"several-{n}"), [event(100 + 10 * n + k, tags=(f"n:{n}", f"k:{k}")) for k in range(5)])
        for n in range(20)
    ]
    special = [
        event(1000, type="Ünïcödé", data='{"text":"日本語 \\u0000 😀"}'.encode()),
        event(1001, data=b'{"at":"' + b"x" * 20_000 + b'"}'),
        event(1002, schema_version=0),
        event(1003, schema_version=7, format=1, data=bytes(range(256))),
        event(1004, occurred_at=-62_135_596_800_000_000, correlation_id="c" * 255, causation_id="because"),
        event(1005, occurred_at=253_402_300_799_999_999, metadata='{"user":"Ann 😀"}'.encode()),
        event(1006, tags=tuple(f"tag:{n}" for n in range(60))),
        event(1007, data=b"null"),
    ]
    named = [
        Append(Stream("odd", name), [event(2000 + number)])
        for number, name in enumerate(["a-b-c", "Ünï", "日本", "x" * 255, "'; DROP TABLE events; --", '"%_\\'])
    ]
    again = [Append(Stream("odd", f"plain-{n}"), [event(3000 + n)], 1 if n % 2 else EXISTS) for n in range(20)]
    return [*plain, *several, Append(Stream("odd", "special"), special), *named, *again]


async def fill(url: str) -> None:
    """
    Print what is in a fresh store then, a line for each event. Nothing is left to chance but when it was recorded.

    The projector has not seen the last events. Streams of one append come sorted, as servers take them.
    """
    ids = iter(range(1, 1 << 20))
    app = application(lambda: UUID(int=(1 << 90) + next(ids)))
    odd = strange()
    async with app.open(url) as running:
        await record(running, odd[:-12])
        await running.settled(timeout=60.0)
    async with app.open(url, run=False) as running:
        await record(running, odd[-12:])
        for event in await read(running):
            print(json.dumps(event))


async def record(running: Running, odd: list[Append]) -> None:
    for number in range(0, len(odd), 3):
        if number % 2:
            await running.sink.append(*sorted(odd[number : number + 3], key=lambda each: each.stream))
        else:
            for each in odd[number : number + 3]:
                await running.sink.append(each)
        async with running.context(correlation_id=f"c{number}", metadata={"number": number}):
            await running.execute(tapes, f"t{number % 7}", tuple(range(number % 4 + 1)))


# ------------------------------------------------------------------------------------------------------- commands


async def version(running: Running) -> Any:
    return {"version": eventfold.__version__, "file": str(eventfold.__file__)}


async def read(running: Running) -> Any:
    return [shown(event) async for event in running.source.read_all(Query.all())]


async def execute(running: Running, tape: str, *numbers: int) -> Any:
    outcome = await running.execute(tapes, tape, numbers)
    return outcome.state.sum


async def append(running: Running, tape: str, expect: int) -> Any:
    """To a stream of the aggregate, behind its back, if it is at this version."""
    event = NewEvent(event_id=uuid4().bytes, type="Added", data=b'{"n":1}', tags=("by:hand",))
    appended = await running.sink.append(Append(Stream("tape", tape), [event], expect))
    return appended.position


async def rows(running: Running) -> Any:
    """The sums, once the projector has come to the end."""
    await running.wait_for("sums", await running.head(), timeout=30.0)
    return dict(await running.query(select(sums_t.c.tape, sums_t.c.sum)))


async def folded(running: Running, *ids: str) -> Any:
    return {id: (await running.load(tapes, id)).state.sum for id in ids}


def shown(event: StoredEvent) -> dict[str, Any]:
    """Everything but when it was recorded."""
    return {
        "position": event.position,
        "stream": [event.category, event.id],
        "version": event.version,
        "event_id": event.event_id.hex(),
        "type": event.type,
        "schema_version": event.schema_version,
        "format": event.format,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "tags": list(event.tags or ()),
        "occurred_at": event.occurred_at,
        "metadata": None if event.metadata is None else b64encode(event.metadata).decode(),
        "data": None if event.data is None else b64encode(event.data).decode(),
    }


COMMANDS: dict[str, Callable[..., Awaitable[Any]]] = {
    each.__name__: each for each in (version, read, execute, append, rows, folded)
}


async def serve(url: str) -> None:
    try:
        async with application().open(url) as running:
            answer({"value": "open"})
            while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
                name, *arguments = json.loads(line)
                try:
                    answer({"value": await COMMANDS[name](running, *arguments)})
                except EventfoldError as error:
                    answer({"error": type(error).__name__, "text": str(error)})
    except EventfoldError as error:
        answer({"error": type(error).__name__, "text": str(error)})


def answer(value: Any) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    asyncio.run((fill if sys.argv[2:] == ["fill"] else serve)(sys.argv[1]))
