"""A file for git that holds every stored shape there ever was, so that no edit can lose what old events say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import Stream
from eventfold.errors import InvalidInput, SchemaError
from eventfold.ports.event_store import Fact
from eventfold.schema.changes import Kind, Shape, edits, sample_of, shape_of
from eventfold.schema.registry import Events
from eventfold.schema.serializer import Serializer
from eventfold.schema.upcasting import number_of, version_text

__all__ = ["Complaint", "Locked", "Lockfile", "against_store", "check", "lock"]

FORMAT: Final = 1
_NOWHERE: Final = Stream("lockfile", "sample")


class Locked(msgspec.Struct, frozen=True):
    """A stored shape. `hash` is that of the shape, `samples` are bodies that must be readable for ever."""

    hash: str
    shape: Shape
    samples: tuple[Any, ...] = ()


class Complaint(msgspec.Struct, frozen=True):
    """What is wrong, how bad it is, and what to do."""

    kind: Kind
    name: str
    version: int
    what: str


class Lockfile(msgspec.Struct, frozen=True):
    """Every stored shape by name and version."""

    shapes: Mapping[tuple[str, int], Locked]

    def text(self) -> str:
        """Sorted, a line for each fact, so that git can merge it."""
        events: dict[str, dict[str, object]] = {}
        for (name, version), locked in sorted(self.shapes.items()):
            events.setdefault(name, {})[str(version)] = msgspec.to_builtins(locked)
        return json.dumps({"eventfold": FORMAT, "events": events}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, text: str) -> Lockfile:
        """
        Raises:
            InvalidInput: it is no lockfile: a merge has left marks or a shape twice, or somebody has edited a shape.
        """
        if any(line.startswith(("<<<<<<<", ">>>>>>>", "=======")) for line in text.splitlines()):
            raise InvalidInput("the lockfile has marks of a merge in it; take both sides' shapes, and remove the marks")
        try:
            told = json.loads(text, object_pairs_hook=_each_once)
            if not isinstance(told, dict) or cast("dict[str, Any]", told).get("eventfold") != FORMAT:
                raise InvalidInput(f"this is no lockfile of format {FORMAT}; make one with `eventfold schema lock`")
            events = msgspec.convert(told["events"], dict[str, dict[str, Locked]])
            shapes = {(name, int(at)): each for name, shapes in events.items() for at, each in shapes.items()}
        except (ValueError, KeyError, RecursionError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(f"the lockfile cannot be read: {error}") from error
        for (name, version), locked in shapes.items():
            if locked.hash != _hash(locked.shape):
                raise InvalidInput(
                    f"the lockfile's shape of {name} {version_text(version)} is not the one that was locked: "
                    "take it from git as it was"
                )
        return cls(shapes)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(each for each in names if names.count(each) > 1)
        raise InvalidInput(f"the lockfile has {twice!r} twice in one place: a merge went wrong; keep the one in git")
    return found


def _hash(shape: Shape) -> str:
    return hashlib.sha256(json.dumps(shape, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def _of_today(catalogue: Events) -> Iterator[tuple[str, int, Shape]]:
    for kind in catalogue:
        if kind.name != STREAM_DELETED:
            yield kind.name, kind.version, shape_of(kind.stored)


def lock(catalogue: Events, serializer: Serializer, before: Lockfile | None = None) -> Lockfile:
    """
    What was locked before, and today's shapes.

    Raises:
        InvalidInput: a version that is locked has another shape today, and old events could not be read: see `check`.
    """
    shapes = {} if before is None else dict(before.shapes)
    if before is not None:
        found = check(catalogue, serializer, before)
        serious = [each for each in found if each.kind not in ("safe", "depends on data")]
        if serious:
            raise InvalidInput(f"{serious[0].name} {version_text(serious[0].version)}: {serious[0].what}")
    for name, version, shape in _of_today(catalogue):
        samples: list[Any] = [] if (name, version) not in shapes else list(shapes[name, version].samples)
        for sample in (sample_of(shape), sample_of(shape, least=True)):
            if sample not in samples and _failure(serializer, name, version, sample) is None:
                samples.append(sample)
        shapes[name, version] = Locked(_hash(shape), shape, tuple(samples))
    return Lockfile(shapes)


def check(catalogue: Events, serializer: Serializer, locked: Lockfile) -> Sequence[Complaint]:
    """What of the locked shapes today's code cannot read, reads otherwise, or has not locked."""
    found: list[Complaint] = []
    today = {(name, version): shape for name, version, shape in _of_today(catalogue)}
    for (name, version), each in sorted(locked.shapes.items()):
        unread = _unread(catalogue, name, version)
        if unread is not None:
            found.append(Complaint(*unread))
            continue
        shape = today.get((name, version))
        changes = [] if shape is None else list(edits(each.shape, shape))
        found += [
            Complaint(edit.kind, name, version, edit.what + _remedy(edit.kind, name, version)) for edit in changes
        ]
        if any(edit.kind != "safe" for edit in changes):
            continue  # that is why, if the samples cannot be read
        for sample in each.samples:
            failure = _failure(serializer, name, version, sample)
            if failure is not None:
                found.append(Complaint("breaking", name, version, f"a sample cannot be read any more: {failure}"))
    for name, version in sorted(today.keys() - locked.shapes.keys()):
        found.append(Complaint("safe", name, version, "it is not locked yet; run `eventfold schema lock`"))
    return found


def _unread(catalogue: Events, name: str, version: int) -> tuple[Kind, str, int, str] | None:
    origin = catalogue.origins.get(name)
    if origin is None:
        what = f"you removed it; name its successor in formerly=[{name!r}], or say events.replace() or events.retire()"
        return "breaking", name, version, what
    if (origin.own is None and not origin.others) or origin.is_read(version):
        return None
    if origin.current is not None and origin.current < version:
        what = f"it is at {version_text(origin.current)} now; a version never goes down"
        return "breaking", name, version, what
    semantic = version >= number_of("1")
    step = "upcast=[Upcaster(…, step)]" if semantic else f"upcast={{{version}: step}}"
    current = origin.current
    target = "" if current is None else f" → {name} {version_text(current if semantic else version + 1)}"
    what = f"the upcaster {name} {version_text(version)}{target} is missing: add {step}"
    return "needs upcaster", name, version, what


def _remedy(kind: Kind, name: str, version: int) -> str:
    match kind:
        case "safe":
            return "; run `eventfold schema lock`"
        case "depends on data":
            return "; look at what is stored, then run `eventfold schema lock`, or raise the version with an upcaster"
        case _:
            return f"; raise the version of {name!r} and add upcast={{{version}: step}}"


def _failure(serializer: Serializer, name: str, version: int, sample: object) -> str | None:
    """Why the sample cannot be read, or is read in two ways; None when all is well."""
    data = msgspec.json.encode(sample)
    fact: Fact = (1, 1, name, version, 0, data)
    try:
        once, twice = (serializer.events(_NOWHERE, [fact]) for _ in range(2))
    except SchemaError as error:
        return cast("str", getattr(error, "why", str(error)))
    return None if once == twice else "its upcasters are not pure: the same body gives two different events"


def against_store(catalogue: Events, stored: Mapping[tuple[str, int], int]) -> Sequence[Complaint]:
    """What a store holds and today's code cannot read: events by name and version."""
    found: list[Complaint] = []
    for (name, version), number in sorted(stored.items()):
        unread = _unread(catalogue, name, version)
        if unread is not None:
            kind, _, _, what = unread
            removed = f"you removed {name} {version_text(version)}; " if kind == "breaking" else ""
            found.append(Complaint(kind, name, version, f"{removed}{number:,} exist: {what}"))
    return found
