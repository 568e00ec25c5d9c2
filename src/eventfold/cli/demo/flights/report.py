"""The tables at the end: read from the read model, shown to people or as JSON."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict
from urllib.parse import unquote

from sqlalchemy import Table, select

from eventfold import Running
from eventfold.bootstrap.urls import redacted
from eventfold.cli.demo.flights.mean import mean
from eventfold.cli.demo.flights.progress import Import
from eventfold.cli.demo.flights.truth import CarrierRow
from eventfold.cli.demo.flights.wiring import aircraft_t, carriers_t, days_t, routes_t
from eventfold.cli.printing import Column, print_json, print_table, this_program, visible

__all__ = ["Figures", "figures_of", "show", "show_json"]

NUMBERS: tuple[Column, ...] = (
    ("flights", "right"),
    ("cancelled", "right"),
    ("diverted", "right"),
    ("mean departure delay", "right"),
    ("mean arrival delay", "right"),
)
ENOUGH = 20
"""Flights of an aircraft from which on its mean says something."""


class Figures(TypedDict):
    flights: int
    cancelled: int
    diverted: int
    departure_delay_mean: float | None
    arrival_delay_mean: float | None


async def figures_of(running: Running, table: Table) -> dict[tuple[object, ...], Figures]:
    """Each row of the table with means in place of sums, by its key, in the order of the keys."""
    keys = list(table.primary_key.columns)
    rows = await running.query(select(table).order_by(*keys))
    return {row[: len(keys)]: _figures(dict(zip(table.columns.keys(), row, strict=True))) for row in rows}


def _figures(row: Mapping[str, int]) -> Figures:
    return {
        "flights": row["flights"],
        "cancelled": row["cancelled"],
        "diverted": row["diverted"],
        "departure_delay_mean": mean(row["departure_delay"], row["departures"]),
        "arrival_delay_mean": mean(row["arrival_delay"], row["arrivals"]),
    }


async def show_json(running: Running, done: Import) -> None:
    """Nothing else goes to standard output."""
    found = await figures_of(running, carriers_t)
    carriers: list[CarrierRow] = [{"carrier": str(carrier), **figures} for (carrier,), figures in found.items()]
    print_json({"carriers": carriers, "events": done.events, "rejected": done.rejected})


async def show(running: Running, done: Import, store: str) -> None:
    """All carriers; of the other tables what stands out."""
    carriers = await figures_of(running, carriers_t)
    routes = await figures_of(running, routes_t)
    days = await figures_of(running, days_t)
    aircraft = await figures_of(running, aircraft_t)
    seen_often = {key: row for key, row in aircraft.items() if row["flights"] >= ENOUGH}
    _table("Carriers", ["carrier"], carriers)
    _table("Routes flown most", ["origin", "dest"], _first(5, routes, lambda row: row["flights"]))
    _table("Busiest days", ["day"], _first(5, days, lambda row: row["flights"]))
    title = f"Aircraft that arrive latest, of those with {ENOUGH} flights or more"
    _table(title, ["tailnum"], _first(5, seen_often, lambda row: row["arrival_delay_mean"] or 0))
    print(f"{done.events:,} events, {done.rejected:,} orders rejected by the domain.")
    _next_steps(store)


def _first(
    count: int, found: Mapping[tuple[object, ...], Figures], by: Callable[[Figures], float]
) -> dict[tuple[object, ...], Figures]:
    ordered = sorted(found.items(), key=lambda item: by(item[1]), reverse=True)
    return dict(ordered[:count])


def _table(title: str, keys: Sequence[str], found: Mapping[tuple[object, ...], Figures]) -> None:
    columns: list[Column] = [(key, "left") for key in keys]
    columns += NUMBERS
    rows = [
        (
            *key,
            f"{row['flights']:,}",
            row["cancelled"],
            row["diverted"],
            _minutes(row["departure_delay_mean"]),
            _minutes(row["arrival_delay_mean"]),
        )
        for key, row in found.items()
    ]
    print_table(columns, rows, title=title)


def _minutes(mean: float | None) -> str | None:
    return None if mean is None else f"{mean:.2f} min"


def _next_steps(store: str) -> None:
    """Three commands that work as they stand, but for a password; a store in memory is gone by then."""
    kind, _, place = redacted(store).partition("?")[0].partition(":")
    if kind == "memory":
        print("The store was in memory, so it is gone now; leave out --store to keep a file.")
        return
    option = f"--store {shlex.quote(redacted(store))}"
    print(f"Database: {visible(unquote(place.removeprefix('///') if kind == 'sqlite' else place.removeprefix('//')))}")
    again = this_program()
    print("Try next:")
    print(f"  {again} stream flight-2013-01-01-UA-1545-EWR {option}")
    query = "select origin, dest, flights, cancelled from routes order by flights desc limit 5"
    print(f'  {again} sql "{query}" {option}')
    print(f"  {again} tail --after 0 --tag aircraft:N14228 --limit 10 {option}")
