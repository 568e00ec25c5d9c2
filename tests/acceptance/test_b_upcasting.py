"""B6 to B11, A10, G7, FM-19 and trap 5: what older code has written is read by today's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from eventfold import (
    Act,
    Aggregate,
    Became,
    Boundary,
    Emit,
    Eventfold,
    Events,
    GenericEvent,
    KnownEvents,
    ProcessManager,
    Projector,
    Query,
    Reactor,
    Recorded,
    Schema,
    Stop,
    Upcaster,
    View,
)
from eventfold.domain.message import NewEvent, Stream
from eventfold.errors import (
    DecodeError,
    DuplicateName,
    InvalidInput,
    ProcessorStopped,
    SchemaError,
    Unencodable,
    UnknownEvent,
    UpcastFailed,
)
from eventfold.ports.event_store import Append
from eventfold.schema.upcasting import number_of, version_text


@dataclass(frozen=True)
class A:
    contents: str


@dataclass(frozen=True)
class B:
    contents: str
    count: int = 0


@dataclass(frozen=True)
class C:
    u: int


Seen = tuple[Any, ...]


def record(command: Seen, state: Seen) -> Seen:
    return command


def see(state: Seen, event: Any) -> Seen:
    return (*state, event)


STORIES: dict[tuple[type[Any], ...], Aggregate[Seen, Seen, Any]] = {}


def story(*classes: type[Any]) -> Aggregate[Seen, Seen, Any]:
    made = Aggregate("story", initial=(), decide=record, evolve=see, events=list(classes))
    return STORIES.setdefault(classes, made)


def app(*classes: type[Any], events: Events | None = None, **more: Any) -> Eventfold:
    return Eventfold(deciders=[story(*classes)], events=events, **more)


Body = tuple[str, int, bytes]
"""Stored name, version, data."""


async def old(running: Any, *bodies: Body, id: str = "1") -> None:
    """As an older release has written it, or somebody else."""
    new = [
        NewEvent(event_id=running.new_id().bytes, type=name, data=data, schema_version=version)
        for name, version, data in bodies
    ]
    await running._stores.events.append(Append(Stream("story", id), new))


async def read(events: Events, *bodies: Body, classes: Sequence[type[Any]] = (A, B, C)) -> Seen:
    """What an aggregate and a subscription make of it: the same."""
    async with app(*classes, events=events).open("memory:") as running:
        await old(running, *bodies)
        loaded = await running.load(story(*classes), "1")
        assert loaded.version == len(bodies)
        followed = [each async for each in running.read(Query.all())]
        assert tuple(each.event for each in followed) == loaded.state
        return loaded.state


# --------------------------------------------------------------------------- upcasters


class Foo(B):
    """A class with a hook of its own."""

    @classmethod
    def upcast(cls, data: dict[str, Any], version: int) -> dict[str, Any]:
        assert version == 1
        return {"contents": "none", **data}


async def test_b6_a_class_hook_fills_what_an_old_body_lacks_and_writes_are_not_changed() -> None:
    events = Events()
    events.add(Foo, upcast=Foo.upcast)
    async with app(Foo, events=events).open("memory:") as running:
        await old(running, ("Foo", 1, b'{"count":3}'))
        outcome = await running.execute(story(Foo), "1", (Foo("new", 4),))
        assert outcome.state == (Foo("none", 3), Foo("new", 4))
        assert outcome.events[0].stored.data == b'{"contents":"new","count":4}'
        assert outcome.events[0].schema_version == 1


def i_to_u(data: dict[str, Any]) -> dict[str, Any]:
    return {"u": data["i"]}


def versioned(data: dict[str, Any], version: int) -> dict[str, Any]:
    if version > 1:
        raise ValueError(f"invalid event version {version}")
    return i_to_u(data) if version == 0 else data


@pytest.mark.parametrize("upcast", [{0: i_to_u}, [Upcaster(1, i_to_u)], versioned], ids=["steps", "list", "hook"])
async def test_b7_upcasting_by_an_integer_version(upcast: Any) -> None:
    events = Events()
    events.add(C, upcast=upcast)
    assert await read(events, ("C", 0, b'{"i":10}'), ("C", 1, b'{"u":11}')) == (C(10), C(11))
    with pytest.raises(SchemaError, match="invalid event version 7"):
        await read(events, ("C", 7, b'{"u":1}'))
    async with app(C, events=events).open("memory:") as running:
        outcome = await running.execute(story(C), "1", (C(12),))
        assert outcome.events[0].schema_version == 1


def marking(mark: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda data: {**data, "contents": data["contents"] + mark}


async def test_b8_semantic_versions_go_up_in_order() -> None:
    events = Events()
    events.add(A, version="2", upcast=[Upcaster("1.1", marking("b")), Upcaster("2.0", marking("c"))])
    versions = ("1.0", "1.0.5", "1.1", "1.2.3", "2.0")
    bodies = [("A", number_of(version), b'{"contents":"a"}') for version in versions]
    assert await read(events, *bodies) == (A("abc"), A("abc"), A("ac"), A("ac"), A("a"))
    with pytest.raises(UnknownEvent, match=r"invalid event version 2\.0\.1"):
        await read(events, ("A", number_of("2.0.1"), b'{"contents":"a"}'))


def test_b8_semantic_versions_are_read_as_people_write_them() -> None:
    assert number_of("2") == number_of("2.0.0")
    assert number_of("2.3.4.5") == number_of("2.3.4")
    assert sorted(["1.10", "1.9.9", "2", "1.9"], key=number_of) == ["1.9", "1.9.9", "1.10", "2"]
    assert [version_text(number_of(each)) for each in ("2", "2.3.4.5", 3)] == ["2.0.0", "2.3.4", "3"]
    for wrong in ("2.", ".2", "", "a", "0.1", "1.1000", "3000", "1..2", "-1", "²"):
        with pytest.raises(InvalidInput):
            number_of(wrong)


# ----------------------------------------------------------------------------- schemas


@dataclass(frozen=True)
class StoredB:
    text: str
    times: int


async def test_b9_a_schema_comes_between_events_and_what_is_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'b9.db'}"
    async with app(A, B).open(url) as running:
        await running.execute(story(A, B), "1", (A("1"), B("2", 1), A("3")))
    events = Events()
    events.add(
        A,
        schema=Schema(B, lambda event: B(event.contents, 1), lambda stored: A(stored.contents)),
    )
    async with app(A, B, events=events).open(url) as running:
        await running.execute(story(A, B), "1", (A("4"), B("5", 2), A("6")))
        loaded = await running.load(story(A, B), "1")
        assert loaded.state == (A("1"), B("2", 1), A("3"), A("4"), B("5", 2), A("6"))
        assert [each.data async for each in running.source.read(Stream("story", "1"), after=3, limit=1)] == [
            b'{"contents":"4","count":1}'
        ]


async def test_b9_a_schema_that_does_not_give_back_the_event_stores_nothing() -> None:
    events = Events()
    events.add(A, schema=Schema(A, lambda event: A(event.contents[:1]), lambda stored: stored))
    async with app(A, events=events).open("memory:") as running:
        with pytest.raises(Unencodable, match="to_event of its schema does not give back"):
            await running.execute(story(A), "1", (A("long"),))
        assert await running.head() == 0


@pytest.mark.parametrize("newest", [0, 1, 2])
async def test_b10_a10_trap5_a_retired_event_is_not_seen_and_its_version_counts(newest: int) -> None:
    bodies: list[Body] = [("A", 1, b'{"contents":"x"}')] * 2
    bodies.insert(newest, ("Old", 3, b"no JSON at all"))
    events = Events()
    events.retire("Old")
    async with app(A, events=events).open("memory:") as running:
        await old(running, *bodies)
        loaded = await running.load(story(A), "1")
        assert (loaded.version, loaded.state) == (3, (A("x"), A("x")))
        outcome = await running.execute(story(A), "1", (A("y"),) * 3)
        assert (outcome.version, len(outcome.state)) == (6, 5)
        assert len([each async for each in running.read(story(A), "1")]) == 5


async def test_b10_trap5_a_stream_of_retired_events_only_exists() -> None:
    events = Events()
    events.retire("Old")
    async with app(A, events=events).open("memory:") as running:
        await old(running, ("Old", 1, b"{}"))
        assert (await running.load(story(A), "1")).version == 1
        assert (await running.execute(story(A), "1", (A("y"),))).version == 2


async def test_b11_an_old_shape_is_read_and_the_new_one_stored_under_another_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'b11.db'}"
    async with app(A).open(url) as running:
        await old(running, ("A", 1, b'{"contents":"1"}'), ("B", 1, b'{"contents":"2"}'), ("A", 1, b'{"contents":"3"}'))
    events = Events()
    events.replace("B", by=[B], upcast={1: lambda data: Became(B, {"text": data["contents"], "times": 1})})
    schema = Schema(StoredB, lambda event: StoredB(event.contents, event.count), lambda its: B(its.text, its.times))
    events.add(B, name="B2", schema=schema)
    async with app(A, B, events=events).open(url) as running:
        await running.execute(story(A, B), "1", (A("4"), B("5", 7), A("6")))
        loaded = await running.load(story(A, B), "1")
        assert loaded.state == (A("1"), B("2", 1), A("3"), A("4"), B("5", 7), A("6"))
        (stored,) = [each async for each in running.source.read(Stream("story", "1"), after=4, limit=1)]
        assert (stored.type, stored.data) == ("B2", b'{"text":"5","times":7}')


# ------------------------------------------------------------------- renames and splits


async def test_fm19_a_name_of_the_past_is_read_and_asked_for_and_not_written() -> None:
    events = Events()
    events.add(A, name="a-2", version=2, formerly=["A", "a-1"], upcast={1: marking("!")})
    bodies: list[Body] = [("A", 1, b'{"contents":"1"}'), ("a-1", 2, b'{"contents":"2"}'), ("C", 1, b'{"u":1}')]
    async with app(A, C, events=events).open("memory:") as running:
        await old(running, *bodies)
        outcome = await running.execute(story(A, C), "1", (A("3"),))
        assert (outcome.events[0].type, outcome.state) == ("a-2", (A("1!"), A("2"), C(1), A("3")))
        asked = [each.event async for each in running.read(Query.of(A))]
        assert asked == [A("1!"), A("2"), A("3")]


SPLIT: Body = ("A", 1, b'{"contents":"x","u":5}')


def split_events() -> Events:
    events = Events()
    events.add(
        A,
        version=2,
        also=[C],
        upcast={1: lambda data: [Became(A, {"contents": data["contents"]}), Became(C, {"u": data["u"]})]},
    )
    return events


async def test_fm19_an_event_is_split_and_each_part_comes_to_who_asked_for_it() -> None:
    rows = Table("rows_c", MetaData(), Column("id", String, primary_key=True), Column("u", Integer))
    projector = Projector("of-c", tables=[rows], query=Query.of(C))

    @projector.on_any()
    def seen(recorded: Recorded[Any], view: View) -> None:
        view.write(insert(rows), {"id": str(recorded.event_id), "u": recorded.event.u})

    done: list[object] = []
    reactor = Reactor("doer", start="beginning")

    @reactor.on(A, C)
    async def act_on(recorded: Recorded[A | C], act: Act) -> None:
        async def do() -> None:
            done.append(recorded.event)

        await act.once("do", do)

    taken: Boundary[Any, tuple[Any, ...], Any] = Boundary(
        "taken", initial=(), decide=lambda *_: [], evolve=see, events=[C], query=lambda _: Query.of(C)
    )
    made = Eventfold(deciders=[story(A, C), taken], processors=[projector, reactor], events=split_events())
    async with made.open("memory:") as running:
        await old(running, SPLIT, ("C", 1, b'{"u":6}'))
        loaded = await running.load(story(A, C), "1")
        assert (loaded.version, loaded.state) == (2, (A("x"), C(5), C(6)))
        both = [each async for each in running.read(Query.all())]
        assert [(each.event, each.version, each.type, each.schema_version) for each in both] == [
            (A("x"), 1, "A", 2),
            (C(5), 1, "C", 1),
            (C(6), 2, "C", 1),
        ]
        assert len({each.event_id for each in both}) == 3
        async with running.subscribe(Query.of(C)) as batches:
            assert [each.event for each in (await anext(batches)).events] == [C(5), C(6)]
        await running.settled()
        assert sorted(row[1] for row in await running.query(select(rows))) == [5, 6]
        assert done == [A("x"), C(5), C(6)]
        assert (await running.execute(taken, None)).state == (C(5), C(6))


async def test_fm19_a_name_that_nothing_is_stored_under_any_more_becomes_others() -> None:
    events = Events()
    events.replace(
        "Old",
        by=[A, C],
        upcast={
            1: lambda data: {**data, "u": 0},
            2: lambda data: [Became(A, {"contents": data["contents"]}), Became(C, {"u": data["u"]})],
        },
    )
    assert await read(events, ("Old", 1, b'{"contents":"x"}'), ("Old", 2, b'{"contents":"y","u":2}')) == (
        A("x"), C(0), A("y"), C(2),
    )  # fmt: skip


async def test_fm19_a_field_with_a_default_needs_nothing() -> None:
    assert await read(Events(), ("B", 1, b'{"contents":"x"}')) == (B("x", 0),)


async def test_fm19_a_process_manager_takes_each_part_once_and_folds_them_again() -> None:
    def react(state: Seen, seen: A | C) -> list[Emit]:
        return [Emit(B(type(seen).__name__, len(state)), ("out", "1"))]

    manager: ProcessManager[Seen, A | C] = ProcessManager(
        "watch",
        initial=lambda key: (),
        key=lambda recorded: recorded.id,
        evolve=see,
        react=react,
        inputs=[A, C],
        emits=[B],
    )
    async with app(A, C, events=split_events(), processors=[manager]).open("memory:") as running:
        await old(running, SPLIT, ("C", 1, b'{"u":6}'))
        await running.settled()
        emitted = [each.event async for each in running.read(Query.of(B))]
        assert emitted == [B("A", 1), B("C", 2), B("C", 3)]


# ------------------------------------------------------------------------- bad upcasters

CIRCLE = "its upcasters go in a circle: A 1 → C 1 → A 1"


def circle() -> Events:
    events = Events()
    events.add(A, version=2, also=[C], upcast={1: lambda data: Became(C, data, 1)})
    events.add(C, version=2, also=[A], upcast={1: lambda data: Became(A, data, 1)})
    return events


def one_step(step: Callable[[Any], object]) -> Events:
    events = Events()
    events.add(A, version=2, upcast={1: step})
    return events


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (one_step(lambda data: data["absent"]), "KeyError: 'absent'"),
        (one_step(lambda data: 1 / 0), "ZeroDivisionError"),
        (one_step(lambda data: None), "gives a NoneType; an upcaster returns a mapping, or a list of Became"),
        (one_step(lambda data: [data]), "gives a list"),
        (one_step(lambda data: {"contents": 3}), "what it gives is no A: Expected `str`, got `int`"),
        (one_step(lambda data: {}), "what it gives is no A: Object missing required field `contents`"),
        (one_step(lambda data: Became(C, {"u": 1})), "it gives a C, which the catalogue does not say of 'A'"),
        (one_step(lambda data: [Became(A, data)] * 1_001), "more than 1,000 events"),
        (one_step(lambda data: Became(A, data, 9)), "there is no upcaster from A 9"),
        (circle(), CIRCLE),
    ],
)
async def test_fm19_an_upcaster_that_fails_is_named_with_event_position_and_step(events: Events, why: str) -> None:
    async with app(A, C, events=events).open("memory:") as running:
        await old(running, ("A", 2, b'{"contents":"fine"}'))
        await old(running, ("A", 1, b'{"contents":"x"}'), id="2")
        with pytest.raises(UpcastFailed) as failed:
            await running.load(story(A, C), "2")
        error = failed.value
        assert why in error.why
        assert (error.type_name, error.stream, error.version, error.position) == ("A", Stream("story", "2"), 1, 2)
        assert error.step.startswith(("A 1", "C 1"))


async def test_fm19_damaged_bytes_and_erased_ones_are_no_fault_of_an_upcaster() -> None:
    with pytest.raises(DecodeError, match="position 1"):
        await read(one_step(lambda data: data), ("A", 1, b"{"))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"version": 3, "upcast": {1: i_to_u}}, "version 3, and there is no upcaster from 2: add it"),
        ({"version": 1, "upcast": {1: i_to_u}}, "an upcaster from 1, and the version is 1: raise it"),
        ({"version": 2, "upcast": {"1": i_to_u}}, "a version that is stored, and a function"),
        ({"version": 2, "upcast": {1: "f"}}, "a version that is stored, and a function"),
        ({"version": 2, "upcast": [i_to_u]}, "write Upcaster"),
        ({"version": "2", "upcast": [Upcaster("2", i_to_u), Upcaster("1", i_to_u)]}, "they go up"),
        ({"version": "2", "upcast": [Upcaster("2.1", i_to_u)]}, "to the version of the class at most"),
        ({"version": "2."}, "is no version"),
        ({"formerly": "A"}, "pass a list"),
        ({"formerly": [""]}, "is no name"),
    ],
)
def test_fm19_upcasters_that_lead_nowhere_are_refused_at_once(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        Events().add(A, **arguments)


def test_fm19_a_name_stands_for_one_thing_now_and_in_the_past() -> None:
    events = Events()
    events.add(A, formerly=["Old"])
    attempts: list[Callable[[], None]] = [
        lambda: events.add(B, name="Old"),
        lambda: events.add(B, formerly=["A"]),
        lambda: events.retire("Old"),
        lambda: events.retire("A"),
        lambda: events.replace("Old", by=[C], upcast={1: i_to_u}),
    ]
    for again in attempts:
        with pytest.raises(DuplicateName):
            again()
    events.retire("Gone")
    events.retire("Gone")
    with pytest.raises(DuplicateName):
        events.add(B, formerly=["Gone"])
    with pytest.raises(InvalidInput, match="retire it"):
        events.replace("Nothing", by=[], upcast={1: i_to_u})


# ---------------------------------------------------------------------- unknown events


async def test_fm19_an_unknown_event_is_an_error_unless_the_catalogue_says_otherwise() -> None:
    async with app(A).open("memory:") as running:
        await old(running, ("Later", 2, b'{"n":1}'), ("A", 1, b'{"contents":"x"}'))
        with pytest.raises(UnknownEvent, match="'Later'"):
            [each async for each in running.read(Query.all())]
        assert [each.event async for each in running.read(Query.of(KnownEvents))] == [A("x")]
    async with app(A, events=Events(unknown="generic")).open("memory:") as running:
        await old(running, ("Later", 2, b'{"n":1}'), ("A", 1, b'{"contents":"x"}'))
        seen = [each.event async for each in running.read(Query.all())]
        assert seen == [GenericEvent("Later", 2, {"n": 1}), A("x")]
        with pytest.raises(UnknownEvent):  # no state is folded over what nobody knows
            await running.load(story(A), "1")
        await old(running, ("A", 5, b"{}"))
        with pytest.raises(UnknownEvent, match="invalid event version 5"):  # nor is a known name ever generic
            [each async for each in running.read(Query.all())]
    with pytest.raises(InvalidInput):
        Events(unknown="ignore")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ replay


async def test_g7_a_replay_upcasts_and_leaves_out_what_cannot_be_decoded_where_it_is_told_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with app(A, events=one_step(marking("!"))).open("memory:") as running:
        await old(running, ("A", 1, b'{"contents":"1"}'), ("A", 2, b"{"), ("A", 2, b'{"contents":"3"}'))
        await old(running, ("A", 1, b'{"contents":"4"}'), id="2")
        with pytest.raises(DecodeError, match="position 2"):
            [each async for each in running.read(story(A))]
        everything = [each.event async for each in running.read(story(A), on_undecodable="skip")]
        assert everything == [A("1!"), A("3"), A("4!")]
        assert "position 2" in caplog.text
        failures: list[SchemaError] = []
        one = [each.event async for each in running.read(story(A), "1", on_undecodable=failures.append)]
        assert one == [A("1!"), A("3")]
        assert [type(each) for each in failures] == [DecodeError]
        with pytest.raises(InvalidInput, match="an id belongs to an aggregate"):
            running.read(Query.all(), "1")


async def test_g2_rows_are_rebuilt_through_a_schema_and_a_split(tmp_path: Path) -> None:
    rows = Table("contents", MetaData(), Column("n", Integer, primary_key=True), Column("contents", String))
    projector = Projector("contents", tables=[rows], on_error=Stop())

    @projector.on(A)
    def seen(recorded: Recorded[A], view: View) -> None:
        view.write(insert(rows), {"n": recorded.position, "contents": recorded.event.contents})

    events = split_events()
    events.retire("Old")
    events.add(C, schema=Schema(B, lambda event: B("", event.u), lambda stored: C(stored.count)))
    made = app(A, C, events=events, processors=[projector])
    async with made.open(f"sqlite:///{tmp_path / 'g2.db'}") as running:
        await old(running, ("A", 2, b'{"contents":"1"}'), ("Old", 1, b"{}"))
        await running.execute(story(A, C), "1", (A("3"), C(7)))
        await running.settled()
        before = await running.query(select(rows))
        await running.projections.rebuild(projector)
        assert await running.query(select(rows)) == before == [(1, "1"), (3, "3")]


async def test_fm19_a_processor_stops_at_an_upcaster_that_fails_and_says_which() -> None:
    projector = Projector("all")

    @projector.on(A)
    def seen(recorded: Recorded[A], view: View) -> None: ...

    async with app(A, events=one_step(lambda data: data["absent"]), processors=[projector]).open("memory:") as running:
        await old(running, ("A", 1, b"{}"))
        with pytest.raises(ProcessorStopped, match="A 1 → A 2"):
            await running.settled()


async def test_t40_fm19_damaged_old_bodies_give_declared_errors_and_nothing_else() -> None:
    random = Random(19)
    events = split_events()
    events.add(B, version=3, formerly=["b"], upcast={1: lambda data: {**data, "count": data["n"]}, 2: marking("!")})
    serializer = app(A, B, C, events=events).serializer
    bodies = [("A", 1, b'{"contents":"x","u":5}'), ("b", 1, b'{"contents":"x","n":5}'), ("B", 2, b'{"contents":"x"}')]
    read, refused = 0, 0
    for _ in range(3_000):
        name, version, body = random.choice(bodies)
        damaged = bytearray(body)
        for _ in range(random.randrange(3)):
            damaged[random.randrange(len(damaged))] = random.choice(b'\x00\xff"{}[]:,x9\\e-')
        if random.random() < 0.1:
            del damaged[random.randrange(len(damaged)) :]
        fact = (1, 1, name, random.choice((version, version, version, 0, 7)), 0, bytes(damaged))
        try:
            serializer.events(Stream("story", "1"), [fact])
            read += 1
        except SchemaError:
            refused += 1
    assert read > 500
    assert refused > 500
