"""The events of an application for people: names, versions, fields, who records and who handles them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from eventfold.bootstrap.application import Eventfold
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.processing.process_manager import ProcessManager
from eventfold.processing.projector import Projector
from eventfold.processing.reactor import Reactor
from eventfold.schema.changes import fields_of, shape_of
from eventfold.schema.registry import EventType
from eventfold.schema.upcasting import Origin, version_text

__all__ = ["markdown"]


def markdown(app: Eventfold) -> str:
    """Sorted by stored name, so that it can be kept in git."""
    lines = ["# Events", ""]
    origins = app.catalogue.origins
    kinds = {each.name: each for each in app.catalogue if each.name != STREAM_DELETED}
    for name in sorted({*origins, *kinds} - {STREAM_DELETED}):
        if name in kinds:
            lines += _of_today(app, kinds[name], origins[name])
        else:
            lines += _of_the_past(app, origins[name])
    return "\n".join(lines).rstrip("\n") + "\n"


def _of_today(app: Eventfold, kind: EventType[Any], origin: Origin) -> Iterator[str]:
    older = [version_text(each) for each in origin.versions if each < kind.version]
    yield from (f"## {kind.name}", "")
    yield f"Version {version_text(kind.version)}" + (f"; older ones are read: {', '.join(older)}" if older else "")
    if kind.formerly:
        yield f"Formerly {', '.join(f'`{each}`' for each in kind.formerly)}"
    yield from ("", "| field | type | |", "| --- | --- | --- |")
    for name, field in fields_of(shape_of(kind.stored)).items():
        told = field["type"] if isinstance(field["type"], str) else f"`{msgspec.json.encode(field['type']).decode()}`"
        yield f"| {name} | {told} | {'' if field.get('required') else 'has a default'} |"
    yield ""
    yield f"Recorded by: {', '.join(sorted(_producers(app, kind.cls))) or 'nobody'}"
    yield f"Handled by: {', '.join(sorted(_consumers(app, kind.cls))) or 'nobody'}"
    yield ""


def _of_the_past(app: Eventfold, origin: Origin) -> Iterator[str]:
    if origin.own is not None:
        now = f"now `{app.catalogue.name_of(origin.own)}`"
    elif origin.others:
        now = f"read as {', '.join(f'`{app.catalogue.name_of(each)}`' for each in origin.others)}"
    else:
        now = "retired: read as nothing"
    yield from (f"## {origin.name}", "", f"Not recorded any more; {now}", "")


def _producers(app: Eventfold, cls: type[Any]) -> Iterator[str]:
    yield from (each.name for each in app.deciders if cls in each.events)
    for each in app.processors:
        emitted = each.emits if isinstance(each, Reactor) else ()
        if isinstance(each, ProcessManager):
            emitted = each.everything_emitted
        if cls in emitted:
            yield each.name


def _consumers(app: Eventfold, cls: type[Any]) -> Iterator[str]:
    for each in app.processors:
        if isinstance(each, Projector | Reactor):
            handles = cls in each.handlers.classes or each.handlers.catch_all is not None
        else:
            handles = cls in each.every_input
        if handles:
            yield each.name
