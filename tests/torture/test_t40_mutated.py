"""
T-40: stored bytes that were damaged or forged, through the codec and through every way of reading, on memory and on
SQLite: only declared errors come out, nothing is imported, and what is not damaged can still be read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import apsw
import msgspec
import pytest

from eventfold import Aggregate, Eventfold, Projector, Running
from eventfold.adapters.codecs.json import JsonCodec
from eventfold.domain.message import Recorded, StoredEvent, Stream
from eventfold.domain.query import Query
from eventfold.errors import EventfoldError
from eventfold.ports.codec import Undecodable
from eventfold.processing.view import View
from tests.torture.workload import FULL, SEED, in_memory, report, url

PAYLOADS = 1_000_000 if FULL else 100_000
READS = 100_000 if FULL else 1_200


@dataclass(frozen=True)
class Line:
    sku: str
    price: Decimal
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ordered:
    order: UUID
    at: datetime
    on: date
    every: timedelta
    clock: time
    lines: tuple[Line, ...]
    notes: dict[str, int]
    anything: Any
    ratio: float = 0.5
    data: bytes = b"\x00\xff"
    maybe: int | None = None


class Paid(msgspec.Struct, frozen=True, tag=True):
    cents: int
    by: str


ORDERED = Ordered(
    UUID(int=7),
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    date(2026, 1, 2),
    timedelta(days=1, microseconds=5),
    time(1, 2, 3, tzinfo=UTC),
    (Line("é-1", Decimal("1.50"), ("a", "b")), Line("x", Decimal(2))),
    {"one": 1, "two": 2},
    {"deep": [1, [2.5, None, {"k": "v"}]]},
)
VALUES: tuple[Any, ...] = (ORDERED, Paid(5, "ann"), Line("y", Decimal(3)))
FORGED = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"__class__":"os.system"}',
    b"[" * 100_000,
    b'{"a":' * 5_000,
    b"1e999",
    b"9" * 5_000,
    b'{"cents":1e400,"by":"x","type":"Paid"}',
    b'"\\ud800"',
    b"\xff\xfe",
    b"cos\nsystem\n(S'id'\ntR.",
    b"!!python/object/apply:os.system ['id']",
    b"NaN",
)
PIECES = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\ud800",
    b"\x00",
    b"\xff",
    b"\xc3",
    b"null",
    b"1e999",
    b"-",
)

_imported: list[str] = []
_armed = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _armed and event in {"import", "exec", "os.system", "subprocess.Popen"}:  # import_module shows as exec alone
        _imported.append(f"{event} {arguments[0]}")


sys.addaudithook(_hook)


@contextmanager
def nothing_imported() -> Iterator[None]:
    global _armed  # noqa: PLW0603 - an audit hook cannot be removed
    _imported.clear()
    _armed = True
    try:
        yield
    finally:
        _armed = False
    assert _imported == []


def mutated(data: bytes, chance: Random) -> bytes:
    """A few flips, cuts, insertions and doublings; now and then something forged."""
    if chance.random() < 0.05:
        return chance.choice(FORGED)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if data:
                at = min(at, len(data) - 1)
                data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
            case 1:
                data = data[:at] + chance.choice(PIECES) + data[at:]
            case 2:
                data = data[:at]
            case 3:
                data = data[:at] + data[at + chance.randint(1, 9) :]
            case _:
                data += data[at:]
    return data


def test_g21_sec08_the_codec_answers_damaged_bytes_with_one_error(planted: None) -> None:
    chance, codec = Random(SEED), JsonCodec()
    pairs = [(codec.encoder(type(value))(value), codec.decoder(type(value))) for value in VALUES]
    refused = 0
    with nothing_imported():
        for number in range(PAYLOADS):
            data, decode = pairs[number % len(pairs)]
            try:
                decode(mutated(data, chance))
            except Undecodable:
                refused += 1
        for forged in FORGED:
            for _, decode in pairs:
                with pytest.raises(Undecodable):
                    decode(forged)
    assert refused > PAYLOADS / 4, "most of it is damage"
    report("T-40", store="codec", faults=PAYLOADS, refused=refused)


# ------------------------------------------------------------------- all ways of reading


def evolve(state: int, event: Ordered | Paid | Line) -> int:
    return state + 1


orders: Aggregate[Any, int, Any] = Aggregate("order", initial=0, decide=lambda command, state: command, evolve=evolve)
watching = Projector("watching")


@watching.on_any()
def saw(recorded: Recorded[Any], view: View) -> None:
    _looked_at(recorded)


def _looked_at(recorded: Recorded[Any]) -> None:
    """Everything that a handler may ask."""
    _ = (recorded.metadata, recorded.tags, recorded.occurred_at, recorded.recorded_at, recorded.event_id)
    _ = (repr(recorded), recorded.stream, recorded.correlation_id, recorded.causation_id)


app = Eventfold(deciders=[orders], processors=[watching])


async def read_everything(running: Running) -> list[BaseException]:
    """Every way, each to its end or its error."""
    errors: list[BaseException] = []

    async def stream() -> None:
        async for event in running.source.read(STREAM):
            _looked_at(running._serializer.decode(event))

    async def log() -> None:
        async for event in running.source.read_all(Query.all()):
            _looked_at(running._serializer.decode(event))

    async def subscription() -> None:
        async with running.subscribe(after=0) as batches:
            async for batch in batches:
                for each in batch.events:
                    _looked_at(each)
                return

    async def folded() -> None:
        running._commands._warm.clear()
        await running.load(orders, "1")

    async def projected() -> None:
        await running._stores.rows.reset("watching")
        projection = running._workers["watching"]
        await projection.begin()
        await projection.catch_up()

    for way in (stream, log, folded, projected, subscription):
        try:
            await way()
        except Exception as error:
            errors.append(error)
    return errors


STREAM = Stream("order", "1")


async def told(running: Running) -> None:
    await running.execute(orders, "1", list(VALUES), metadata={"who": "ann", "n": [1, 2]})


COLUMNS = ("data", "data", "data", "metadata", "tags", "type", "correlation_id", "causation_id")


async def test_g21_sec07_damaged_rows_of_sqlite_give_declared_errors_on_every_way(
    tmp_path: Path, planted: None
) -> None:
    chance = Random(SEED)
    path = tmp_path / "store.db"
    seen: set[str] = set()
    async with app.open(url(path), run=False) as running:
        await told(running)
        forger = apsw.Connection(str(path))
        originals: dict[tuple[str, int], bytes] = {}
        forger.execute("DROP TRIGGER events_no_update")
        for column in set(COLUMNS):
            rows: Any = forger.execute(f"SELECT position, CAST({column} AS BLOB) FROM events").fetchall()
            originals |= {(column, position): value or b'["a"]' for position, value in rows}
        assert await read_everything(running) == []
        for number in range(READS):
            column, position = chance.choice(COLUMNS), chance.randint(1, len(VALUES))
            old = forger.execute(f"SELECT {column} FROM events WHERE position = ?", (position,)).get
            damaged = mutated(originals[column, position], chance)
            how = chance.choice(("CAST(? AS TEXT)", "CAST(? AS TEXT)", "?"))
            if column in {"type", "correlation_id", "causation_id"}:
                how = "CAST(? AS TEXT)"
            try:
                forger.execute(f"UPDATE events SET {column} = {how} WHERE position = ?", (damaged, position))
            except apsw.ConstraintError:
                continue  # the table itself has refused it
            with nothing_imported() if number > 50 else _whatever():
                errors = await read_everything(running)
            undeclared = [error for error in errors if not isinstance(error, EventfoldError)]
            assert not undeclared, f"{column} = {damaged[:80]!r}: {undeclared[:1]}; EVENTFOLD_SEED={SEED}"
            seen |= {type(error).__name__ for error in errors}
            forger.execute(f"UPDATE events SET {column} = ? WHERE position = ?", (old, position))
        forger.close()
        assert await read_everything(running) == [], "what is repaired can be read"
    assert "DecodeError" in seen
    assert "HandlerFailed" in seen
    report("T-40", store="sqlite", faults=READS, errors=sorted(seen))


@contextmanager
def _whatever() -> Iterator[None]:
    """The first readings may still import what is loaded on demand."""
    yield


async def test_g21_sec07_damaged_events_in_memory_give_declared_errors_on_every_way(planted: None) -> None:
    chance = Random(SEED)
    async with in_memory() as place, place.open(app, run=False) as running:
        await told(running)
        assert await read_everything(running) == []
        store: Any = running._stores.events
        for number in range(READS):
            index = chance.randrange(len(VALUES))
            old: StoredEvent = store._log[index]
            field = chance.choice(("data", "data", "metadata"))
            new = msgspec.structs.replace(old, **{field: mutated(getattr(old, field) or b"{}", chance)})
            store._log[index] = store._streams[old.stream][index] = new
            with nothing_imported() if number > 50 else _whatever():
                errors = await read_everything(running)
            assert [error for error in errors if not isinstance(error, EventfoldError)] == [], new
            store._log[index] = store._streams[old.stream][index] = old
        assert await read_everything(running) == []
    report("T-40", store="memory", faults=READS)


@pytest.mark.parametrize(
    "name", ["os:system", "wave:open", "builtins.eval", "tests.torture.workload:live", "../x", "__main__"]
)
async def test_g21_sec07_a_type_that_looks_like_code_is_an_unknown_event(
    name: str, tmp_path: Path, planted: None
) -> None:
    async with app.open(url(tmp_path / "store.db"), run=False) as running:
        await told(running)
        forger = apsw.Connection(str(tmp_path / "store.db"))
        forger.execute("DROP TRIGGER events_no_update")
        forge = "UPDATE events SET type = ? WHERE position = 1"
        forger.execute(forge, ("NobodyKnows",))
        await read_everything(running)  # may import what is loaded on demand
        forger.execute(forge, (name,))
        forger.close()
        with nothing_imported():
            errors = await read_everything(running)
    assert {type(error).__name__ for error in errors} <= {"UnknownEvent", "HandlerFailed", "ProcessorStopped"}
    assert len(errors) >= 4
