"""
T-04: kill -9 in the middle of deletions, at each of their failpoints and at random moments, while others append and
delete. Opened again, a sweep completes what was begun, no story is told in half, and no version is given twice.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from eventfold import Running
from eventfold.domain.deletion import STREAM_DELETED
from eventfold.domain.message import Stream
from eventfold.testing.journal import Acknowledged, Asked, Line
from tests.acceptance.world import Added, Tape, record, stored, tapes
from tests.postgres import ExistingServer, PostgresServer
from tests.torture.workload import DOOMED, FULL, KILLED, SEED, Child, app, project, report, url, url_of_schema

MUTANT = os.environ.get("EVENTFOLD_MUTANT", "")
PASSINGS = (1, 2, 3)
CYCLES = 40 if FULL else 4
PATIENCE = 30.0
FAILPOINTS = {
    "sqlite": ("administration.before_commit", "administration.removed"),
    "postgres": ("administration.marked", "administration.before_removal", "administration.removed"),
}
PLACES = [(store, name, k) for store, names in FAILPOINTS.items() for name in names for k in PASSINGS]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.node.callspec.params["store"] == "sqlite":
        return tmp_path / "store.db"
    server: PostgresServer | ExistingServer = request.getfixturevalue("postgres")
    schema: str = request.getfixturevalue("postgres_schema")
    return url_of_schema(server.url, schema)


class Given:
    """Every version that a stream has been said to have, and by whom."""

    def __init__(self) -> None:
        self.versions: Counter[tuple[Stream, int]] = Counter()
        self.ids: dict[tuple[Stream, int], bytes] = {}

    def by(self, journal: Sequence[Line]) -> None:
        asked = {line.op: line for line in journal if isinstance(line, Asked)}
        for line in journal:
            if isinstance(line, Acknowledged):
                (place,) = line.places
                ids = asked[line.op].ids
                for version, id in enumerate(ids, place.version - len(ids) + 1):
                    self.versions[place.stream, version] += 1
                    self.ids[place.stream, version] = id

    async def by_command(self, running: Running) -> None:
        for stream in DOOMED:
            outcome = await running.execute(tapes, stream.id, record(Added(1)))
            self.versions[stream, outcome.version] += 1
            self.ids[stream, outcome.version] = outcome.events[0].event_id.bytes

    @property
    def twice(self) -> list[tuple[Stream, int]]:
        return [each for each, times in self.versions.items() if times > 1]

    def of(self, stream: Stream, first: int) -> Iterator[tuple[int, bytes]]:
        return ((version, id) for (each, version), id in self.ids.items() if each == stream and version >= first)


async def as_promised(place: Path | str, given: Given) -> int:
    """How many deletions there were."""
    async with app.open(url(place), run=False) as running:
        assert list(await running.administration.sweep()) == []
        assert not await project(running)
        await given.by_command(running)
        assert given.twice == []
        log = await stored(running)
        acts = [entry async for entry in running.administration.audit()]
        deletions = Counter(Stream(entry.category, entry.id) for entry in acts)
        for stream in DOOMED:
            mark = await running.administration.mark(tapes, stream.id)
            assert (mark is not None) == (deletions[stream] > 0), "an act is in the audit when it is done"
            assert mark is None or not mark.pending
            first = 1 if mark is None else mark.before_version
            tombstone = [] if mark is None else [(first - 1, STREAM_DELETED)]
            told = [event for event in log if event.stream == stream]
            last = told[-1].version
            assert [(event.version, event.type) for event in told] == [
                *tombstone,
                *((version, "Added") for version in range(first, last + 1)),
            ], "what is deleted is gone, but for the tombstone, and what came later is there"
            there = {event.version: event.event_id for event in told}
            assert all(there[version] == id for version, id in given.of(stream, first))
            loaded = await running.load(tapes, stream.id)
            assert (loaded.version, loaded.state) == (last, Tape(last + 1 - first))
        return sum(deletions.values())


@pytest.mark.parametrize(("store", "name", "k"), PLACES)
async def test_t04_c11_a_process_killed_within_a_deletion_leaves_it_done_or_to_be_swept(
    store: str, name: str, k: int, place: Path | str, planted: None
) -> None:
    given = Given()
    async with app.open(url(place), run=False) as watching:  # and it keeps in mind what it has seen
        await given.by_command(watching)
        child = Child("deleting", place, seed=SEED, fault=f"{name}=kill:{k}", mutant=MUTANT)
        assert await asyncio.to_thread(child.ended) == KILLED, "it never came by"
        given.by(child.journal)
        await given.by_command(watching)
        assert given.twice == []
    done = await as_promised(place, given)
    assert done == (k if name != "administration.before_commit" else k - 1)
    report("T-04", store=store, fault=f"{name}=kill:{k}", faults=1, violations=0)


@pytest.mark.parametrize("store", FAILPOINTS)
async def test_t04_c11_deletions_killed_at_any_moment_give_no_version_twice(
    store: str, place: Path | str, planted: None
) -> None:
    print(f"EVENTFOLD_SEED={SEED}")
    chance = Random(SEED)
    given = Given()
    deletions = 0
    async with app.open(url(place), run=False) as watching:
        await given.by_command(watching)
        for _ in range(CYCLES):
            children = [Child("deleting", place, seed=chance.randrange(2**48), mutant=MUTANT) for _ in range(2)]
            async with asyncio.timeout(PATIENCE):
                while not all(child.acknowledged for child in children):  # noqa: ASYNC110 - it tells a pipe, on a thread
                    await asyncio.sleep(0.005)
            await asyncio.sleep(chance.uniform(0.05, 0.3))  # the fault, not the oracle
            early = [child.process.exitcode for child in children if child.process.exitcode is not None]
            for child in children:
                child.process.kill()
            for child in children:
                await asyncio.to_thread(child.ended)
                given.by(child.journal)
            assert not early, f"a child ended by itself: {early}; EVENTFOLD_SEED={SEED}"
            await given.by_command(watching)
            deletions = await as_promised(place, given)
    assert deletions > 0
    report("T-04", store=store, fault="kill -9 in deletions", faults=2 * CYCLES, violations=0)
