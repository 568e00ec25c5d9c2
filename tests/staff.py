"""
An application for the runner's tests: its children import it by name. What its handlers do, the events say.

RUNNER_LOG names a file in which hooks and handlers leave a line each, with their process; AFTER_END and AFTER_START say
what those hooks do.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, bindparam, insert

from eventfold import Aggregate, Eventfold, Projector, Recorded, View
from eventfold.bootstrap.hooks import After, Ended, RunnerHooks


@dataclass(frozen=True)
class Told:
    """`who`: a processor, or "all". `what`: write (a row, nothing else), fail, sleep or block, for `seconds`."""

    who: str
    what: str = "write"
    seconds: float = 0.0


def decide(command: list[Told], count: int) -> list[Told]:
    return command


def evolve(count: int, event: Told) -> int:
    return count + 1


desks = Aggregate("desk", initial=0, decide=decide, evolve=evolve)


def note(*words: object) -> None:
    with Path(os.environ["RUNNER_LOG"]).open("a", encoding="utf-8") as log:
        log.write(" ".join(map(str, (*words, os.getpid()))) + "\n")


def stand_still(seconds: float) -> None:
    """The whole loop."""
    time.sleep(seconds)


def clerk(name: str, **options: Any) -> tuple[Projector, Table]:
    """A projector that writes each event down in a table without a key, so that a second time would be seen."""
    table = Table(f"{name}_seen", MetaData(), Column("position", Integer), Column("process", Integer))
    write = insert(table).values(position=bindparam("p"), process=bindparam("by"))
    projector = Projector(name, tables=[table], **options)

    @projector.on(Told)
    async def told(recorded: Recorded[Told], view: View) -> None:
        event = recorded.event
        if event.who in {name, "all"}:
            match event.what:
                case "fail":
                    raise ValueError(f"{name} cannot handle this")
                case "sleep":
                    note("sleeps", name)
                    await asyncio.sleep(event.seconds)
                case "block":
                    note("blocks", name)
                    stand_still(event.seconds)
                case _:
                    pass
        view.write(write, {"p": recorded.position, "by": os.getpid()})

    return projector, table


def after_start(processor: str) -> None:
    note("after_start", processor)
    if os.environ.get("AFTER_START") == "fail":
        raise ValueError("after_start cannot")


async def after_end(ended: Ended) -> After | None:
    note("after_end", ended.processor, ended.exit_status, ended.signal, ended.restarts, ended.asked)
    match os.environ.get("AFTER_END"):
        case "restart" | "leave" | "shutdown" as after:
            return after
        case "fail":
            raise ValueError("after_end cannot")
        case "nonsense":
            return "nonsense"  # type: ignore[return-value] # an error is planted
        case _:
            return None


def on_critical(processor: str, error: BaseException) -> None:
    note("on_critical", processor, type(error).__name__)


if mutant := os.environ.get("EVENTFOLD_MUTANT"):
    from tests.torture import mutants  # in the runner and in its children

    mutants.plant(mutant)

stock, stock_t = clerk("stock")
mails, mails_t = clerk("mails")
shares, shares_t = clerk("shares", partitions=4)
hooks = RunnerHooks(after_start=after_start, after_end=after_end, on_critical=on_critical)
app = Eventfold(deciders=[desks], processors=[stock, mails], hooks=hooks)
shared = Eventfold(deciders=[desks], processors=[shares])


def make() -> Eventfold:
    return Eventfold(deciders=[desks], processors=[stock])
