"""One run of the demo: read, tell, wait for the tables, show them."""

import hashlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from time import perf_counter

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from eventfold import Running
from eventfold.bootstrap.urls import redacted
from eventfold.cli.demo.flights import data as table
from eventfold.cli.demo.flights.progress import ID, Import, StartImport
from eventfold.cli.demo.flights.report import show, show_json
from eventfold.cli.demo.flights.source import NotFlightData, january
from eventfold.cli.demo.flights.steps import steps
from eventfold.cli.demo.flights.telling import Watch, tell
from eventfold.cli.demo.flights.wiring import app, imports
from eventfold.cli.printing import screen, visible

__all__ = ["run"]

YEAR = 2013
PATIENCE = 600.0
"""Seconds for the tables to follow the last event; after a whole year it is a minute or two."""


async def run(*, months: int, data: Path | None, store: str, json: bool) -> None:
    """
    Import what is missing and show the tables.

    Raises:
        NotFlightData: the file is no table of flights, or lacks one of the months.
        OtherImport: the store holds another import.
        OutOfStep: another process imports into the same store.
    """
    fingerprint = _fingerprint(data)
    async with app.open(store) as running:
        orders = steps(table.flights(data, months=range(1, months + 1)))
        first = next(orders)  # a file that cannot be read starts no import
        done = (await running.execute(imports, ID, StartImport(months, fingerprint))).state
        if done.completed:
            print(f"{visible(redacted(store))} holds the complete import; here are its tables.", file=sys.stderr)
        else:
            with _progress(months, done) as watch:
                done = await tell(running, chain([first], orders), watch)
        await _tables_filled(running)
        if json:
            await show_json(running, done)
        else:
            await show(running, done, store)


def _fingerprint(data: Path | None) -> str:
    try:
        return hashlib.sha256((january() if data is None else data).read_bytes()).hexdigest()
    except OSError as error:
        raise NotFlightData(str(data), None, "a file that can be read", error.strerror or str(error)) from error


async def _tables_filled(running: Running) -> None:
    head = await running.head()
    with screen(stderr=True).status("The tables are being filled …"):
        for projector in app.processors:
            await running.wait_for(projector, head, timeout=PATIENCE)


@contextmanager
def _progress(months: int, before: Import) -> Generator[Watch, None, None]:
    """A bar that runs along the calendar, with the rate of this run, on standard error."""
    begin = datetime(YEAR - 1, 12, 31, 5, tzinfo=UTC)  # plans are published a day ahead
    end = datetime(YEAR + months // 12, months % 12 + 1, 1, 12, tzinfo=UTC)
    started = perf_counter()
    words, rates = TextColumn("{task.description}"), TextColumn("{task.fields[rate]}")
    columns = (words, BarColumn(), TaskProgressColumn(), rates, TimeRemainingColumn())
    with Progress(*columns, console=screen(stderr=True), refresh_per_second=4) as progress:
        bar = progress.add_task("flights", total=(end - begin).total_seconds(), rate="")

        def watch(reached: datetime, done: Import) -> None:
            rate = (done.events - before.events) / (perf_counter() - started)
            progress.update(
                bar,
                completed=(min(reached, end) - begin).total_seconds(),
                description=f"{reached:%Y-%m-%d}",
                rate=f"{done.events:,} events  {rate:,.0f}/s  {done.rejected:,} rejected",
            )

        yield watch
        progress.update(bar, completed=(end - begin).total_seconds())
