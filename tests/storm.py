"""
An application for the storm: two projectors, one of them in four partitions, and a reactor that leaves a line in a file
for each letter. The runner's children import it by name; STORM_LETTERS names the file.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from eventfold import Act, Aggregate, Eventfold, Park, Projector, Reactor, Recorded, Retry
from tests.acceptance.world import Added, added, seeing, sums_t, tapes


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
