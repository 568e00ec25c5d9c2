"""A child of T-31: rebuild the rows once, and be killed where EVENTFOLD_FAILPOINTS says."""

import asyncio
import os
import sys

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, select

from eventfold import Eventfold, Projector, Recorded, View, upsert
from eventfold.errors import ProcessorTaken
from eventfold.testing.faults import arm_from_environment
from tests.acceptance.world import Added, tapes
from tests.torture import mutants

stamped_t = Table(
    "stamped",
    MetaData(),
    Column("tape", String, primary_key=True),
    Column("sum", Integer, nullable=False, index=True),
    Column("stamp", Integer, nullable=False),
)
stamp = upsert(
    stamped_t,
    key=["tape"],
    insert={"tape": bindparam("t"), "sum": bindparam("n"), "stamp": bindparam("s")},
    set={"sum": stamped_t.c.sum + bindparam("n")},
)
stamped = select(stamped_t.c.tape, stamped_t.c.sum, stamped_t.c.stamp).order_by(stamped_t.c.tape)


def stamping(number: int) -> Eventfold:
    """Each row keeps the number under which it was first written, so that a table filled by two of them shows it."""
    projector = Projector("stamped", tables=[stamped_t])

    @projector.on(Added)
    def put(recorded: Recorded[Added], view: View) -> None:
        view.write(stamp, {"t": recorded.id, "n": recorded.event.n, "s": number})

    return Eventfold(deciders=[tapes], processors=[projector])


async def rebuild(url: str, number: int) -> None:
    async with stamping(number).open(url, run=False) as running:
        while True:
            try:
                await running.projections.rebuild("stamped")
            except ProcessorTaken as taken:  # a killed one's lease runs out, unless it was on this host
                await asyncio.sleep(min(1.0, taken.left))
            else:
                return


if __name__ == "__main__":
    arm_from_environment()
    mutants.plant(os.environ.get("EVENTFOLD_MUTANT", ""))
    asyncio.run(rebuild(sys.argv[1], int(sys.argv[2])))
