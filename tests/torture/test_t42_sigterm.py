"""T-42: SIGTERM to a runner and its children at random moments, while others write: FM-50, G-20."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.postgres import PostgresServer
from tests.sigterms import terminated
from tests.torture.workload import FULL, SEED, report, url_of_schema

SIGNALS = {"sqlite": 150 if FULL else 2, "postgres": 50 if FULL else 2}


@pytest.mark.slow
@pytest.mark.parametrize("store", SIGNALS)
async def test_fm50_g20_sigterm_at_any_moment(
    store: str, tmp_path: Path, planted: None, request: pytest.FixtureRequest
) -> None:
    if store == "sqlite":
        url = f"sqlite:///{tmp_path}/store.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = url_of_schema(server.url, request.getfixturevalue("postgres_schema"))
    outcome = await terminated(url, tmp_path, Random(SEED), signals=SIGNALS[store])
    report(
        "T-42",
        store=store,
        faults=outcome.signals,
        at_work=outcome.at_work,
        events=outcome.events,
        slowest=round(outcome.slowest, 2),
    )
