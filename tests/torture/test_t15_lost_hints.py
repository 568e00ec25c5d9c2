"""
T-15, for SQLite: all hints of other processes are lost, and every event arrives all the same: polling alone is correct.
"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest

from eventfold.adapters.sqlite.wakeup import WakeUp
from eventfold.domain.message import Stream
from eventfold.ports.event_store import Append
from tests.acceptance.world import new_event
from tests.torture.workload import app, audit, report, url

ROUNDS = 20
PATIENCE = 3.0 if os.environ.get("EVENTFOLD_MUTANT") else 30.0


async def test_g08_without_any_hint_a_projector_of_another_process_gets_every_event(
    tmp_path: Path, planted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WakeUp, "tell", lambda wake_up: None)
    path = tmp_path / "store.db"
    async with app.open(url(path)) as follows, app.open(url(path), run=False) as writes:
        for _ in range(ROUNDS):
            appended = await writes.sink.append(Append(Stream("tape", "a"), [new_event(uuid4().bytes)]))
            for name in ("sums", "seen"):
                await follows.wait_for(name, appended.position, timeout=PATIENCE)
    left = await audit(path, [], quiet=True)
    assert {each.letter for each in left.violations} <= {"A6"}, "nobody kept a journal"
    report("T-15", store="sqlite", faults=ROUNDS, skipped=0)
