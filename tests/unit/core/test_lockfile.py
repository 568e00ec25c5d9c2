"""The lockfile of stored shapes, and every line of docs/reference/schema-changes.md."""

from __future__ import annotations

import enum
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from eventfold import Aggregate, Eventfold, Events, uuid7
from eventfold.adapters.codecs.json import JsonCodec
from eventfold.bootstrap.event_catalogue import markdown
from eventfold.domain.message import NewEvent, Stream
from eventfold.errors import InvalidInput
from eventfold.ports.event_store import Append
from eventfold.schema.changes import sample_of, shape_of
from eventfold.schema.lockfile import Lockfile, against_store, check, lock
from eventfold.schema.serializer import Serializer

TABLE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "schema-changes.md"


def of(*fields: Any, name: str = "Placed") -> type[Any]:
    return make_dataclass(name, fields, frozen=True)


def added(cls: type[Any], **more: Any) -> Events:
    events = Events()
    events.add(cls, **{"name": "placed", **more})
    return events


def serializer(events: Events) -> Serializer:
    return Serializer(events, JsonCodec(), uuid7)


def locked(events: Events) -> Lockfile:
    return Lockfile.parse(lock(events, serializer(events)).text())


class One(enum.Enum):
    A = "a"


class Two(enum.Enum):
    A = "a"
    B = "b"


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    n: int


class Tagged(msgspec.Struct, frozen=True, tag="one"):
    n: int


class TaggedOtherwise(msgspec.Struct, frozen=True, tag="two"):
    n: int


@dataclass(frozen=True)
class Inner:
    n: int


@dataclass(frozen=True)
class InnerToo:
    n: int
    m: int


N = ("n", int)
PLAIN = added(of(N))
counter = itertools.count()


def retired() -> Events:
    events = Events()
    events.retire("placed")
    return events


def broken(data: dict[str, Any]) -> dict[str, Any]:
    raise KeyError("total")


def edit(before: Any, now: Any) -> tuple[Events, Events]:
    return added(of(before)), added(of(now))


EDITS: dict[str, tuple[Events, Events]] = {
    "the class has another name, or is in another module, under the same stored name": (PLAIN, added(of(N, name="P"))),
    "fields are in another order": (added(of(N, ("m", str))), added(of(("m", str), N))),
    "a new field with a default": (PLAIN, added(of(N, ("m", int, field(default=0))))),
    "a new field without a default": (PLAIN, added(of(N, ("m", int)))),
    "a field is gone": (added(of(N, ("m", str))), PLAIN),
    "a field is gone, and unknown fields are refused": (added(of(N, ("m", str))), added(Strict)),
    "unknown fields are refused": (PLAIN, added(Strict)),
    "a field has another name": edit(("m", int), N),
    "a field has a default now": edit(N, ("n", int, field(default=1))),
    "a field has no default any more": edit(("n", int, field(default=1)), N),
    "a field has another default": edit(("n", int, field(default=1)), ("n", int, field(default=2))),
    "a field may be None too": edit(N, ("n", int | None)),
    "a field may not be None any more": edit(("n", int | None), N),
    "an int becomes a float": edit(N, ("n", float)),
    "an int becomes a text": edit(N, ("n", str)),
    "a text becomes a moment": edit(("n", str), ("n", datetime)),
    "the items of a list have another type": edit(("n", list[int]), ("n", list[str])),
    "an enum has another member": edit(("n", One), ("n", Two)),
    "an enum has lost a member": edit(("n", Two), ("n", One)),
    "a field has limits now": edit(N, ("n", Annotated[int, msgspec.Meta(ge=1)])),
    "a field of a field is new, without a default": edit(("n", Inner), ("n", InnerToo)),
    "the tag of a struct is another": (added(Tagged), added(TaggedOtherwise)),
    "another stored name, the old one in `formerly=`": (PLAIN, added(of(N), name="p2", formerly=["placed"])),
    "another stored name, and the old one forgotten": (PLAIN, added(of(N), name="p2")),
    "the event is retired": (PLAIN, retired()),
    "the event is removed": (PLAIN, Events()),
    "a higher version with its upcaster": (
        PLAIN,
        added(of(("total", int)), version=2, upcast={1: lambda data: {"total": data["n"]}}),
    ),
    "a higher version without an upcaster": (PLAIN, added(of(("total", int)), version=2)),
    "a lower version": (added(of(N), version=2), PLAIN),
    "an upcaster that raises": (PLAIN, added(of(N), version=2, upcast={1: broken})),
    "an upcaster that gives something else each time": (
        PLAIN,
        added(of(N), version=2, upcast={1: lambda data: {"n": next(counter)}}),
    ),
}


def table() -> dict[str, str]:
    rows = [line.strip("|\n ").split(" | ") for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows if row[0] not in ("edit", "---")}


def test_every_line_of_the_table_is_tried() -> None:
    assert sorted(table()) == sorted(EDITS)


WORST = ["safe", "depends on data", "needs upcaster", "breaking"]


@pytest.mark.parametrize("edit", list(EDITS))
def test_fm19_the_edit_is_what_the_table_says(edit: str) -> None:
    before, now = EDITS[edit]
    found = check(now, serializer(now), locked(before))
    worst = max((each.kind for each in found), key=WORST.index, default="safe")
    assert worst == table()[edit], found


@pytest.mark.parametrize("edit", [each for each, kind in table().items() if kind == "safe"])
def test_fm19_what_is_safe_can_be_locked_and_then_there_is_nothing_to_say(edit: str) -> None:
    before, now = EDITS[edit]
    file = lock(now, serializer(now), locked(before))
    assert check(now, serializer(now), file) == []
    assert Lockfile.parse(file.text()) == file


def test_fm19_the_upcaster_that_is_missing_is_named() -> None:
    before, now = EDITS["a higher version without an upcaster"]
    (found, *_) = check(now, serializer(now), locked(before))
    assert found.what == "the upcaster placed 1 → placed 2 is missing: add upcast={1: step}"
    with pytest.raises(InvalidInput, match="placed 1: the upcaster placed 1 → placed 2 is missing"):
        lock(now, serializer(now), locked(before))


def test_fm19_the_store_is_asked_what_it_really_holds() -> None:
    now = added(of(N), name="other")
    found = against_store(now, {("placed", 1): 84_112, ("other", 1): 5, ("other", 3): 1})
    assert [each.name for each in found] == ["other", "placed"]
    assert found[1].what.startswith("you removed placed 1; 84,112 exist")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: "<<<<<<< HEAD\n" + text, "marks of a merge"),
        (lambda text: text[:-9], "cannot be read"),
        (lambda text: "", "cannot be read"),
        (lambda text: "[]", "no lockfile of format 1"),
        (lambda text: text.replace('"eventfold": 1', '"eventfold": 2'), "no lockfile of format 1"),
        (lambda text: text.replace('"int"', '"str"'), "is not the one that was locked"),
        (lambda text: '{"eventfold": 1, "events": {"a": {}, "a": {}}}', "'a' twice"),
        (lambda text: '{"eventfold": 1, "events": {"a": {"x": {}}}}', "cannot be read"),
        (lambda text: '{"eventfold": 1}', "cannot be read"),
    ],
)
def test_fm19_a_lockfile_that_was_merged_by_hand_is_refused(damage: Callable[[str], str], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        Lockfile.parse(damage(locked(PLAIN).text()))


@dataclass(frozen=True)
class Everything:
    a: int
    b: list[Inner]
    c: dict[str, Decimal]
    d: datetime
    e: tuple[int, str]
    f: UUID
    g: One
    h: bytes
    i: Any = None
    j: int | str | None = None
    k: float = 1.5


def test_fm19_samples_of_every_type_can_be_read_and_locking_twice_is_as_once() -> None:
    events = added(Everything)
    file = locked(events)
    assert len(file.shapes["placed", 1].samples) == 2
    assert lock(events, serializer(events), file).text() == file.text()
    shape = shape_of(Everything)
    assert json.dumps(sample_of(shape)) == json.dumps(sample_of(json.loads(json.dumps(shape))))


def evolve(state: int, event: Inner) -> int:
    return state


inners: Aggregate[Any, int, Inner] = Aggregate("inner", initial=0, decide=lambda *_: [], evolve=evolve)
catalogue = Events()
catalogue.add(Inner, name="inner", version=2, formerly=["old"], upcast={1: lambda data: data})
catalogue.retire("gone")
app = Eventfold(deciders=[inners], events=catalogue)
forgetful = Eventfold(deciders=[inners])


def test_fm19_the_catalogue_of_events_is_written_for_people() -> None:
    text = markdown(app)
    assert "## inner\n\nVersion 2; older ones are read: 1\nFormerly `old`\n" in text
    assert "| n | int |  |" in text
    assert "Recorded by: inner" in text
    assert "## old\n\nNot recorded any more; now `inner`\n" in text
    assert "## gone\n\nNot recorded any more; retired: read as nothing\n" in text


def test_fm19_the_commands_lock_check_and_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import asyncio

    from eventfold.cli.exits import Exit
    from eventfold.cli.program import run

    file, url = tmp_path / "events.lock", f"sqlite:///{tmp_path / 'a.db'}"
    here = f"{__name__}:app"
    assert run(["schema", "check", "--app", here, "--file", str(file)]) == Exit.USAGE
    assert run(["schema", "lock", "--app", here, "--file", str(file)]) == Exit.OK
    assert run(["schema", "check", "--app", here, "--file", str(file)]) == Exit.OK

    async def write() -> None:
        async with app.open(url) as running:
            new = NewEvent(event_id=bytes(16), type="old", data=b'{"n":1}')
            await running._stores.events.append(Append(Stream("inner", "1"), [new]))

    asyncio.run(write())
    capsys.readouterr()
    assert run(["schema", "check", "--app", here, "--file", str(file), "--store", url]) == Exit.OK
    other = f"{__name__}:forgetful"
    assert run(["schema", "check", "--app", other, "--file", str(file), "--store", url]) == Exit.FINDINGS
    out = capsys.readouterr().out
    assert "breaking: old 1: you removed old 1; 1 exist" in out
    assert run(["schema", "check", "--app", other, "--file", str(file), "--json"]) == Exit.FINDINGS
    assert {each["event"] for each in json.loads(capsys.readouterr().out)} >= {"inner"}
    assert run(["schema", "docs", "--app", here]) == Exit.OK
    assert capsys.readouterr().out == markdown(app)
    file.write_text("<<<<<<< ours\n")
    assert run(["schema", "check", "--app", here, "--file", str(file)]) == Exit.USAGE
