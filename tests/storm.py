"""
An application for the storm: two projectors, one of them in four partitions, and a reactor that leaves a line in a file
for each letter. The runner's children import it by name; STORM_LETTERS names the file. And what must be so in the end.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from eventfold import Act, Aggregate, Eventfold, Park, Projector, Query, Reactor, Recorded, Retry, Running
from tests.acceptance.world import Added, added, positions, seeing, sums, sums_t, tapes
from tests.torture import mutants


@dataclass(frozen=True)
class Written:
    """A letter: each in a stream of its own."""

    to: str


@dataclass(frozen=True)
class Sent:
    """Emitted by the reactor once the letter is in the file."""

    to: str


def decide(command: Written, sent: bool) -> list[Written | Sent]:
    return [] if sent else [command]


def evolve(sent: bool, event: Written | Sent) -> bool:
    return True


letters = Aggregate("letter", initial=False, decide=decide, evolve=evolve)
summing = Projector("sums", tables=[sums_t], partitions=4)
summing.on(Added)(added)
post = Reactor(
    "post", start="beginning", emits=[Sent], concurrency=8, on_error=Retry.constant(0.1, attempts=20, then=Park())
)


def put_into(box: Path, to: str) -> None:
    """One write of a line to a file that is open for appending: whole, or not at all."""
    opened = os.open(box, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(opened, f"{to}\n".encode())
    finally:
        os.close(opened)


async def put_into_the_box(to: str) -> None:
    put_into(Path(os.environ["STORM_LETTERS"]), to)
    await asyncio.sleep(0.01)  # in which it may be killed, and nobody knows


@post.on(Written)
async def send(recorded: Recorded[Written], act: Act) -> None:
    await act.once("letter", put_into_the_box, recorded.event.to)
    await act.emit(Sent(recorded.event.to), stream=("sent", recorded.event.to))


app = Eventfold(deciders=[tapes, letters], processors=[summing, seeing(), post])


def planted() -> Eventfold:
    """For the runner's children: the application, with the bug that EVENTFOLD_MUTANT names planted."""
    mutants.plant(os.environ.get("EVENTFOLD_MUTANT", ""))
    return app


@dataclass(frozen=True)
class Left:
    events: int
    letters: int
    unknown: int


async def held(running: Running, box: Path, acknowledged: Collection[str]) -> Left:
    """
    Hold rows, box and ledger against the log, when everything has come to its end.

    Raises AssertionError: a projection is not the fold of the log, or an action was not done once, and that is not
    visible.
    """
    log = [event async for event in running.source.read_all(Query.all())]
    expected: Counter[str] = Counter()
    for event in log:
        if event.type == "Added":
            expected[event.id] += int((event.data or b"").removeprefix(b'{"n":').removesuffix(b"}"))
    assert [tuple(row) for row in await running.query(sums)] == sorted(expected.items()), "sums are not the fold"
    assert [row[0] for row in await running.query(positions)] == [event.position for event in log]
    written = {event.id for event in log if event.type == "Written"}
    assert set(acknowledged) <= written, "an acknowledged letter is not in the log"
    sent = Counter(box.read_text(encoding="utf-8").split())
    assert not [to for to, times in sent.items() if times > 1], "a letter was sent twice"
    assert set(sent) <= written
    emitted = Counter(event.id for event in log if event.type == "Sent")
    assert not [to for to, times in emitted.items() if times > 1], "an event was emitted twice"
    parked = {each.stream.id for each in await running._stores.parking.parked("post", limit=1_000_000)}
    assert written - set(emitted) == parked, "what was not done once must be visibly unknown"
    entries = await running._stores.actions.actions("post", limit=10_000_000)
    status = {each.event_id: each.status for each in entries}
    visible = ("unknown", "done")  # one that stood still in the midst of it may have entered later that it is done
    hidden = [e for e in log if e.type == "Written" and e.id in parked and status.get(e.event_id) not in visible]
    assert not hidden, f"parked, and the ledger does not say why: {hidden[:3]}"
    return Left(len(log), len(sent), len(parked))
