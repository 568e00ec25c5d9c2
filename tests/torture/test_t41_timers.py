"""
T-41: thousands of time-outs while the process that lets them come is killed again and again, and its clock is put
forward and back. Each has its effect once, none comes early by the store's clock, none is lost. FM-18, G-18.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from eventfold import Query, Running
from tests.acceptance.world import Added, Server, record, stored, tapes
from tests.timing import jumping, jumping_application
from tests.torture.workload import FULL, SEED

ROOT = Path(__file__).resolve().parents[2]
TIMERS = 5_000 if FULL else 200
LONGEST = 30.0 if FULL else 3.0
"""Seconds after which the last of them is due."""
LIFE = 2.0 if FULL else 0.7
"""Seconds for which a process may run."""
PATIENCE = 600.0 if FULL else 90.0

RUN = """
    import asyncio, sys
    from datetime import timedelta
    from pathlib import Path
    from tests.timing import jumping_application

    async def main():
        app = jumping_application(Path(sys.argv[2]))
        async with app.open(sys.argv[1], lease=timedelta(seconds=1)):
            print("runs", flush=True)
            await asyncio.sleep(600)

    asyncio.run(main())
"""


def start(url: str, offset: Path) -> subprocess.Popen[bytes]:
    """It runs when this returns."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [sys.executable, "-c", textwrap.dedent(RUN), url, str(offset)]
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"runs\n"
    return child


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server = request.getfixturevalue("postgres")
    schema = request.getfixturevalue("postgres_schema")
    return f"{server.url}?schema={schema}&options=-csearch_path%3D{schema}"


async def rung(running: Running) -> int:
    return len(await stored(running, Query.of("Rung")))


async def test_t41_fm18_g18_each_time_out_has_its_effect_once_and_none_comes_early(
    url: str, tmp_path: Path, planted: None
) -> None:
    chance, offset = Random(SEED), tmp_path / "offset"
    offset.write_text("0")
    killed = 0
    async with Server(url).open(jumping_application(offset), run=False) as running:
        for number in range(TIMERS):
            await running.execute(tapes, f"t{number}", record(Added(chance.randrange(int(LONGEST * 1_000)))))
        child = await asyncio.to_thread(start, url, offset)
        deadline = time.monotonic() + PATIENCE
        try:
            while await rung(running) < TIMERS or killed < 2:
                assert time.monotonic() < deadline, f"{await rung(running)} of {TIMERS} have come"
                await asyncio.sleep(LIFE)  # the fault, not the oracle
                child.send_signal(signal.SIGKILL)
                await asyncio.to_thread(child.communicate)
                assert child.returncode == -signal.SIGKILL
                killed += 1
                offset.write_text(str(chance.choice([-3600.0, -1.0, 0.0, 0.5, 2.0]) if killed < 4 else 10.0))
                child = await asyncio.to_thread(start, url, offset)
            await asyncio.sleep(LIFE)
        finally:
            child.kill()
            child.communicate()
        await verify(running)
    print(f"{TIMERS} time-outs, {killed} kills")


async def verify(running: Running) -> None:
    everything = await stored(running)
    counts = Counter((each.type, each.id) for each in everything)
    ids = [f"t{number}" for number in range(TIMERS)]
    assert [id for id in ids if counts["Rung", id] != 1] == []
    assert [id for id in ids if counts["eventfold:TimedOut", id] != 1] == []
    assert [id for id in ids if counts["eventfold:Seen", id] != 2] == []
    early = [
        each
        for each in everything
        if each.type == "eventfold:TimedOut" and each.recorded_at < running._serializer.decode(each).event.due_at
    ]
    assert early == []
    executed = Counter(each.id for each in everything if each.category == "out")
    assert [id for id in ids if executed[id] != 1] == []
    assert list(await running._stores.timers.timers()) == []


def test_the_clock_of_these_tests_jumps(tmp_path: Path) -> None:
    clock = jumping(tmp_path / "offset")
    (tmp_path / "offset").write_text("0")
    before = clock.now()
    (tmp_path / "offset").write_text("3600")
    assert clock.now() - before > timedelta(minutes=59)
