"""Reading flights: the shipped month, every wrapping of the file, and what is said about a bad one."""

import csv
import gzip
import io
import tarfile
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from eventfold.cli.demo.flights.data import COLUMNS, Flight, count, flights
from eventfold.cli.demo.flights.source import NotFlightData, january

ROW = {
    "year": "2013", "month": "1", "day": "1", "dep_time": "517", "sched_dep_time": "515", "dep_delay": "2",
    "arr_time": "830", "sched_arr_time": "819", "arr_delay": "11", "carrier": "UA", "flight": "1545",
    "tailnum": "N14228", "origin": "EWR", "dest": "IAH", "air_time": "227", "time_hour": "2013-01-01T10:00:00Z",
}  # fmt: skip
FLIGHT = Flight(
    date(2013, 1, 1), datetime(2013, 1, 1, 5, tzinfo=UTC), "UA", 1545, "N14228", "EWR", "IAH",
    scheduled=315, departed=317, departure_delay=2, due=499, arrived=510, arrival_delay=11, air_time=227,
)  # fmt: skip


def table(*rows: dict[str, str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list[str](COLUMNS))
    writer.writeheader()
    writer.writerows(ROW | row for row in rows)
    return text.getvalue().encode()


def zipped(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package/airports.csv", "faa\n")
        archive.writestr(name, content)
    return target.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def test_the_shipped_january_is_whole_and_small() -> None:
    found = list(flights())
    assert len(found) == count() == 27_004
    assert {(flight.day.year, flight.day.month) for flight in found} == {(2013, 1)}
    assert [flight.day for flight in found] == sorted(flight.day for flight in found)
    assert sum(flight.departure_delay is None for flight in found) == 521
    assert sum(flight.arrival_delay is None for flight in found) == 606
    assert len(january().read_bytes()) < 500_000


TEXT = table({})


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        b"\xef\xbb\xbf" + TEXT,
        gzip.compress(TEXT),
        zipped("flights.csv", TEXT),
        zipped("package/data/flights.csv.zip", zipped("flights.csv", TEXT)),
        tarred("sdist/data/flights.csv.zip", zipped("flights.csv", TEXT)),
    ],
    ids=["csv", "csv with byte order mark", "csv.gz", "csv.zip", "wheel", "sdist"],
)
def test_the_table_is_found_however_it_is_wrapped(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)
    assert list(flights(path)) == [FLIGHT]


def test_what_the_data_does_not_know_is_none(tmp_path: Path) -> None:
    path = tmp_path / "flights.csv"
    unknown = ("sched_dep_time", "dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time", "time_hour")
    path.write_bytes(table(dict.fromkeys(unknown, "NA")))
    (found,) = flights(path)
    assert found == FLIGHT._replace(
        scheduled=None, departed=None, departure_delay=None, arrived=None, arrival_delay=None, tailnum=None,
        air_time=None,
    )  # fmt: skip


def test_months_come_in_the_order_of_the_calendar_and_days_in_theirs(tmp_path: Path) -> None:
    path = tmp_path / "flights.csv"
    dates = [("1", "2", "01-02"), ("10", "1", "10-01"), ("2", "3", "02-03"), ("1", "1", "01-01")]
    path.write_bytes(table(*({"month": m, "day": d, "time_hour": f"2013-{t}T10:00:00Z"} for m, d, t in dates)))
    found = [flight.day for flight in flights(path, months=range(1, 3))]
    assert found == [date(2013, 1, 1), date(2013, 1, 2), date(2013, 2, 3)]
    assert count(path, months=range(1, 3)) == 3


@pytest.mark.parametrize(
    ("wrong", "expected", "found"),
    [
        ({"month": "13"}, "1 to 12 in 'month'", "'13'"),
        ({"day": "32"}, "a date in 'day'", "'2013-01-32'"),
        ({"dep_time": "560"}, "a time like 517, or NA in 'dep_time'", "'560'"),
        ({"sched_arr_time": "NA"}, "a time like 517 in 'sched_arr_time'", "'NA'"),
        ({"arr_delay": "11.0"}, "whole minutes, or NA in 'arr_delay'", "'11.0'"),
        ({"dep_delay": "NA"}, "dep_time and dep_delay both, or neither, in 'dep_delay'", "'517,NA'"),
        ({"carrier": "United"}, "a code like UA in 'carrier'", "'United'"),
        ({"flight": "0"}, "a flight number in 'flight'", "'0'"),
        ({"tailnum": "?"}, "a tail number like N14228, or NA in 'tailnum'", "'?'"),
        ({"origin": ""}, "an airport like JFK in 'origin'", "''"),
        ({"dest": "I,AH"}, "an airport like JFK in 'dest'", "'I,AH'"),
        ({"air_time": "-1"}, "whole minutes, or NA in 'air_time'", "'-1'"),
        ({"time_hour": "10"}, "an hour like 2013-01-01T10:00:00Z in 'time_hour'", "'10'"),
        (
            {"time_hour": "2013-01-02T10:00:00Z"},
            "the scheduled hour of 2013-01-01 in UTC in 'time_hour'",
            "'2013-01-02T10:00:00Z'",
        ),
    ],
)
def test_a_bad_field_is_named_with_its_line(tmp_path: Path, wrong: dict[str, str], expected: str, found: str) -> None:
    path = tmp_path / "flights.csv"
    path.write_bytes(table({}, wrong, {}))
    with pytest.raises(NotFlightData) as error:
        list(flights(path))
    assert (error.value.file, error.value.line) == (str(path), 3)
    assert (error.value.expected, error.value.found) == (expected, found)
    assert str(error.value) == f"{path}, line 3: expected {expected}, found {found}"


def test_a_row_of_the_wrong_length_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "flights.csv"
    path.write_bytes(table({}) + b"2013,1,1\n")
    with pytest.raises(NotFlightData, match=r"line 3: expected 16 fields, found 3$"):
        list(flights(path))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "flights.csv"
    path.write_bytes(b"year,month\n2013,1\n")
    with pytest.raises(NotFlightData, match=r"line 1: expected a column 'day', found 'year,month'$"):
        list(flights(path))


def test_a_month_without_flights_is_an_error_not_an_empty_table() -> None:
    with pytest.raises(NotFlightData, match=r"january\.csv\.gz: expected flights of month 2, found none$"):
        list(flights(months=[1, 2]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 no zip",
        b"\x1f\x8b no gzip",
        b"\xff\xfe\x00",
        b"a,b\x00c\n",
        gzip.compress(table(*[ROW] * 1000))[:200],
        zipped("flights.txt", b""),
        zipped("flights.csv", table({})).replace(b"PK\x01\x02", b"PK\x01\x03"),
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"")))),
    ],
    ids=["empty", "zip", "gzip", "UTF-16", "NUL", "cut off", "no table in it", "damaged", "nested"],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "flights.csv.zip"
    path.write_bytes(content)
    with pytest.raises(NotFlightData) as error:
        list(flights(path))
    assert error.value.file == str(path)


def test_a_file_that_is_not_there_stays_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(flights(tmp_path / "flights.csv"))
