"""
SEC-09: no log for machines, no span, no metric, no `repr` and nothing the command line prints gives away a secret.

Payloads and metadata are marked, and so is the password in the URL; then everything fails that can be made to.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert

from eventfold import (
    Act,
    Aggregate,
    Boundary,
    Eventfold,
    EventHandler,
    Park,
    Projector,
    Query,
    Reactor,
    Recorded,
    Retry,
    Skip,
    Stream,
    View,
)
from eventfold.adapters.json_lines import JsonLines
from eventfold.adapters.system import uuid7
from eventfold.bootstrap.urls import postgres_address
from eventfold.cli.program import run
from eventfold.domain.message import NewEvent
from eventfold.errors import EventfoldError, ProcessorStopped
from eventfold.ports.event_store import ANY, Append
from tests.acceptance.test_telemetry import Watched
from tests.postgres import PostgresServer

PAYLOAD = "canary-payload-5f3a"
METADATA = "canary-metadata-77b1"
PASSWORD = "canary-password-9c2e"
CANARIES = (PAYLOAD, METADATA, PASSWORD)


@dataclass(frozen=True)
class Said:
    text: str
    number: Decimal = Decimal(0)


@dataclass(frozen=True)
class Say:
    text: str
    times: int = 1


class NotThat(Exception):
    """A rejection, which quotes what it was asked."""


def decide(command: Say, said: str) -> list[Said]:
    if command.times == 0:
        raise NotThat(command.text)
    return [Said(command.text)] * command.times


def evolve(said: str, event: Said) -> str:
    return event.text


talks = Aggregate("talk", initial="", decide=decide, evolve=evolve)
all_talks = Boundary("all_talks", initial="", decide=decide, evolve=evolve, query=lambda command: Query.of(Said))
texts = Table("texts", MetaData(), Column("text", String, primary_key=True))
others = Table("other_texts", MetaData(), Column("text", String, primary_key=True))


def fail(recorded: Recorded[Any], *_: object) -> None:
    raise KeyError(f"{recorded.event} {dict(recorded.metadata)}")


def repeat(recorded: Recorded[Said], view: View) -> None:
    """A row that is there already: the database quotes it."""
    view.write(insert(others).values(text=recorded.event.text))


class FailingBus:
    async def publish(self, recorded: Recorded[Any]) -> None:
        raise ValueError(repr(recorded.event))


def failing(what: object) -> None:
    raise RuntimeError(f"{what!r} {vars(what) if hasattr(what, '__dict__') else ''} {PAYLOAD}")


def everything_fails(watched: Watched) -> Eventfold:
    after, parks, skips = EventHandler("after"), Projector("parks", tables=[texts]), Projector("skips", tables=[others])
    parks = Projector("parks", tables=[texts], on_error=Retry.constant(0.01, attempts=2, then=Park()))
    skips = Projector("skips", tables=[others], on_error=Skip())
    stops, acts = Reactor("stops", start="beginning"), Reactor("acts", start="beginning", emits=[Said])
    after.on(Said)(fail)
    parks.on(Said)(fail)
    skips.on(Said)(repeat)

    @stops.on(Said)
    async def stop(recorded: Recorded[Said], act: Act) -> None:
        fail(recorded)

    @acts.on(Said)
    async def act_in_vain(recorded: Recorded[Said], act: Act) -> None:
        async def call(text: str) -> None:
            raise TimeoutError(text)

        await act.once("call", call, recorded.event.text)

    return Eventfold(
        deciders=[talks, all_talks],
        processors=[parks, skips, stops, acts],
        handlers=[after],
        buses=[FailingBus()],
        on_recorded=failing,
        on_handler_error=failing,
        on_processor_error=failing,
        telemetry=watched.telemetry,
    )


async def refused(*calls: Any) -> list[BaseException]:
    """What each raises; it must raise something."""
    errors: list[BaseException] = []
    for call in calls:
        with pytest.raises(Exception) as caught:
            await call
        errors.append(caught.value)
    return errors


async def make_trouble(url: str, watched: Watched) -> tuple[list[BaseException], list[object]]:
    """All of it; the errors that are Eventfold's own, and what can be printed."""
    meta = {"customer": METADATA}
    app = everything_fails(watched)
    async with app.open(url) as running:
        await running.execute(talks, "t", Say(PAYLOAD, 2), metadata=meta)
        await running.execute(all_talks, Say(PAYLOAD), metadata=meta)
        undecodable = NewEvent(event_id=uuid7().bytes, type="Said", data=json.dumps({"text": [PAYLOAD]}).encode())
        unknown = NewEvent(event_id=uuid7().bytes, type="Unheard", data=json.dumps({"text": PAYLOAD}).encode())
        for number, event in enumerate((undecodable, unknown)):
            await running.sink.append(Append(Stream("talk", f"odd{number}"), [event], ANY))
        head = await running.source.head()
        for name in ("parks", "skips"):
            await running.wait_for(name, head)
        command_id = uuid4()
        await running.execute(talks, "i", Say(PAYLOAD), command_id=command_id)
        errors = await refused(
            running.wait_for("stops", head),
            running.execute(talks, "i", Say(PAYLOAD, 2), command_id=command_id),
            running.execute(talks, "t", Say(PAYLOAD), metadata={"a": f"{METADATA}\0"}),
            running.execute(talks, "t", Say(PAYLOAD), metadata={"a": (METADATA,)}),
            running.execute(talks, "t", Say(PAYLOAD), metadata={"a": object}),
            running.execute(talks, "t", Say(f"{PAYLOAD}\0" * 9)),
            running.execute(talks, "t", Say(PAYLOAD, 20_000)),
            running.load(talks, "odd0"),
            running.load(talks, "odd1"),
            running.load(talks, "t", version=99),
        )
        errors += await refused(running.execute(all_talks, Say(PAYLOAD)))  # which meets what cannot be decoded
        (rejection,) = await refused(running.execute(talks, "t", Say(PAYLOAD, 0)))
        assert type(rejection) is NotThat  # the domain's own, and nobody else's business
        printable: list[object] = [app, running, running.status(), running._stores, *app.processors, watched.telemetry]
        printable += [*vars(running).values(), *vars(running._stores.events).values()]
    errors += await refused(running.execute(talks, "t", Say(PAYLOAD)))
    return [each for each in errors if isinstance(each, EventfoldError)], printable


@pytest.fixture
def logs(watched: Watched) -> Iterator[io.StringIO]:
    """Everybody's, in the form for machines, down to DEBUG."""
    lines, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(lines), root.level
    handler.setFormatter(JsonLines(watched.telemetry))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def watched() -> Iterator[Watched]:
    one = Watched(most_traces=None)
    yield one
    one.provider.shutdown()
    one.meters.shutdown()


@pytest.fixture
def secret_url(url: str) -> str:
    """The server of the tests asks nobody for a password, and takes any."""
    if not url.startswith("postgres"):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username}:{PASSWORD}@{host}").geturl()


def clean(what: str, text: str, canaries: tuple[str, ...] = CANARIES) -> None:
    for canary in canaries:
        at = text.find(canary)
        assert at < 0, f"{what} holds {canary}: …{text[max(0, at - 300) : at + 60]}…"


async def test_sec09_nothing_is_given_away(secret_url: str, watched: Watched, logs: io.StringIO) -> None:
    errors, printable = await make_trouble(secret_url, watched)

    said = logs.getvalue()
    clean("a log", said)
    lines = [json.loads(line) for line in said.splitlines()]
    loggers = {line["logger"] for line in lines}
    assert {"eventfold.processing", "eventfold.commands"} <= loggers
    verdicts = {line.get("verdict") for line in lines}
    assert {"tries again", "parked", "skipped", "stopped"} <= verdicts
    types = json.dumps(lines)
    for kind in ("KeyError", "DecodeError", "TimeoutError", "RuntimeError", "ValueError"):
        assert kind in types, f"no log tells of a {kind}"
    told = next(line for line in lines if line.get("handler") == "after")
    assert told["stream"] == "talk-t"
    assert len(told["event_id"]) == 36
    assert {"trace_id", "span_id"} <= told.keys()

    exported = "\n".join(span.to_json() for span in watched.spans)
    clean("a span", exported)
    for name in ("handler after", "publish FailingBus", "reaction stops", "batch parks", "append talk"):
        assert watched.named(name), f"no span {name!r}"
    data = watched.reader.get_metrics_data()
    clean("a metric", "" if data is None else data.to_json())

    for thing in printable:
        clean(f"repr of a {type(thing).__name__}", repr(thing), (PASSWORD,))
    assert len(errors) >= 8
    for error in errors:
        quotes_users = isinstance(error, ProcessorStopped)  # and what that raised
        told = "".join(traceback.format_exception(error)) if not quotes_users else repr(error)
        clean(f"a {type(error).__name__}", told, (PASSWORD,) if quotes_users else CANARIES)


@pytest.mark.parametrize(
    "arguments",
    [
        ["stats"],
        ["doctor"],
        ["doctor", "--json"],
        ["processors", "ls"],
        ["processors", "lag"],
        ["parked", "ls"],
        ["store", "migrate"],
        ["store", "backup", "to.db"],
        ["processors", "pause", "nobody"],
        ["streams", "show", "talk-t", "--no-such-option"],
        ["run", "--app", "no.such:app"],
    ],
    ids=" ".join,
)
async def test_sec09_the_command_line_shows_no_password(
    arguments: list[str], postgres: PostgresServer, postgres_schema: str, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = urlsplit(postgres.url)
    good = parts._replace(netloc=f"{parts.username}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}").geturl()
    for url in (
        f"{good}?schema={postgres_schema}",
        f"{good}?schema={postgres_schema}&no_such=option",
        f"{good}?schema={postgres_schema}&lanes=0",
        f"postgresql://user:{PASSWORD}@127.0.0.1:1/db?schema={postgres_schema}",
        f"postgresql://user:{PASSWORD}",
        f"postgresql://user:a/{PASSWORD}@host/db",
        f"postgresql://host/db?password={PASSWORD}&pool=0",
    ):
        await asyncio.to_thread(run, [*arguments, "--store", url])
        out, err = capfd.readouterr()
        clean(f"{' '.join(arguments)} on {url}", out + err)


def test_sec09_an_address_shows_no_password() -> None:
    address = postgres_address(f"postgresql://user:{PASSWORD}@host/db?sslpassword={PASSWORD}")
    clean("an address", f"{address} {address!r} {[address]}")
    assert PASSWORD in address.dsn  # for the driver
