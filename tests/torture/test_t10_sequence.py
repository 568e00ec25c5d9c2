"""
Reading the sequence while others draw from it. `pg_sequence_last_value` never goes back, which the epoch stands on; a
plain SELECT does, because it may see the value that is being logged, up to 32 ahead.
"""

from __future__ import annotations

import asyncio
from importlib import resources

import pytest

from tests.postgres import ExistingServer, PostgresServer
from tests.protocol.live import Connection, connected, prepared_schema
from tests.torture.workload import FULL, report

DRAWS = 20_000_000 if FULL else 500_000
READS = 20_000
"""At a time, within the server."""
PROBE = """
CREATE FUNCTION {schema}.probe(reads int, OUT back bigint, OUT furthest bigint) LANGUAGE plpgsql AS $$
DECLARE
    value   bigint;
    highest bigint := 0;
BEGIN
    back := 0;
    furthest := 0;
    FOR i IN 1..reads LOOP
        READING;
        IF value < highest THEN
            back := back + 1;
            furthest := greatest(furthest, highest - value);
        END IF;
        highest := greatest(highest, value);
    END LOOP;
END $$
"""
LOCKED = "value := coalesce(pg_sequence_last_value('{events_position_seq}'), 0)"
PLAIN = "SELECT last_value INTO value FROM {events_position_seq}"
DRAW = "SELECT max(nextval('{events_position_seq}')) FROM generate_series(1, $1)"


async def went_back(reader: Connection, drawing: Connection, draw: str, probe: str) -> tuple[int, int, int]:
    """Reads, how many of them were lower than an earlier one, and by how much at most."""
    busy = asyncio.create_task(drawing.fetchval(draw, DRAWS))
    reads = back = furthest = 0
    while not busy.done():
        row = await reader.fetchrow(probe, READS)
        reads, back, furthest = reads + READS, back + row["back"], max(furthest, row["furthest"])
    await busy
    return reads, back, furthest


@pytest.mark.parametrize(("name", "reading"), [("pg_sequence_last_value", LOCKED), ("SELECT last_value", PLAIN)])
async def test_fm01_the_sequence_as_the_epoch_reads_it_never_goes_back(
    postgres: PostgresServer | ExistingServer, postgres_schema: str, name: str, reading: str
) -> None:
    async with connected(postgres.url, 2) as (reader, drawing):
        names = await prepared_schema(reader, postgres_schema)
        await reader.execute(names.fill(PROBE.replace("READING", reading)))
        probe = names.fill("SELECT * FROM {schema}.probe($1)")
        reads, back, furthest = await went_back(reader, drawing, names.fill(DRAW), probe)
    assert reads > 0
    report("T-10", store="postgres", probe=name, reads=reads, back=back, furthest=furthest)
    if reading is LOCKED:  # a plain SELECT goes back by luck, so it is shown and not asserted
        assert back == 0, f"{back} of {reads} reads went back, by up to {furthest}"


def test_fm01_the_functions_of_the_store_read_it_so() -> None:
    folder = resources.files("eventfold.adapters.postgres") / "migrations"
    scripts = [file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")]
    code = "\n".join(line.partition("--")[0] for script in scripts for line in script.splitlines())
    assert "pg_sequence_last_value" in code
    assert "last_value" not in code.replace("pg_sequence_last_value", "")
